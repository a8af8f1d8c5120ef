# SPDX-License-Identifier: Apache-2.0
"""The report of a test run must not count a failure as a success."""
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import report  # noqa: E402


def entry(stdout="", result="OK", code=0):
    return {"name": "dolium:unit / x", "stdout": stdout, "result": result, "returncode": code,
            "duration": 0.5}


class Report(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        report.STRICT = False

    def tearDown(self):
        self.directory.cleanup()

    def write(self, name, text):
        with open(os.path.join(self.directory.name, name), "w", encoding="utf-8") as file:
            file.write(text)

    def suite(self, status=0, **files):
        """(passed, failed, skipped) of a suite 's' with these result files."""
        self.write("s.status", f"{status} 3")
        for kind, text in files.items():
            self.write("s." + kind, text)
        parts, seconds = report.suite_parts(self.directory.name, "s")
        self.assertEqual(seconds, 3)
        return tuple(sum(numbers) for numbers in
                     zip(*((part.passed, len(part.failed), len(part.skipped)) for part in parts)))

    def meson(self, *entries, status=0):
        return self.suite(status, json="\n".join(json.dumps(item) for item in entries))

    def test_tap(self):
        text = "1..3\nok 1 /a\nok 2 /b # SKIP no\n# not ok\nok 3 /c\n"
        self.assertEqual(self.meson(entry(text)), (2, 0, 1))

    def test_strict(self):
        report.STRICT = True
        self.assertEqual(self.meson(entry("ok 1 /a\nok 2 /b # SKIP no\n")), (1, 1, 0))

    def test_not_ok(self):
        self.assertEqual(self.meson(entry("ok 1 /a\nnot ok 2 /b\n", "ERROR", 1), status=1), (1, 1, 0))

    def test_a_crash_after_good_results(self):
        self.assertEqual(self.meson(entry("ok 1 /a\n", "ERROR", -6), status=1), (1, 1, 0))

    def test_a_program_without_tap(self):
        self.assertEqual(self.meson(entry(), entry("text", "FAIL", 1), status=1), (1, 1, 0))
        self.assertEqual(self.meson(entry("", "TIMEOUT", -9), status=1), (0, 1, 0))

    def test_a_suite_that_did_not_run(self):
        self.assertEqual(self.suite(1), (0, 1, 0))
        self.assertEqual(self.meson(entry("ok 1 /a\n"), status=2), (1, 1, 0))

    def test_pytest(self):
        xml = ('<testsuites><testsuite><testcase classname="a" name="ok" time="1"/>'
               '<testcase classname="a" name="bad"><failure/></testcase>'
               '<testcase classname="a" name="bad"><error/></testcase>'
               '<testcase classname="a" name="skip"><skipped/></testcase></testsuite></testsuites>')
        self.assertEqual(self.suite(1, xml=xml), (1, 1, 1))

    def test_other_suites_are_not_counted(self):
        self.write("asan-s.json", json.dumps(entry("not ok 1 /a\n", "ERROR", 1)))
        self.assertEqual(self.meson(entry("ok 1 /a\n")), (1, 0, 0))


if __name__ == "__main__":
    unittest.main()

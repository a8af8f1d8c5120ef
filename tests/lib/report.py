# SPDX-License-Identifier: Apache-2.0
"""Counts the results of a test run and prints a table and the names of what failed.

Usage: report.py DIRECTORY SUITE... The directory holds, for each suite, SUITE.status (exit status
and seconds) and the results of its parts, SUITE.* or SUITE-*.*: meson's testlog.json as .json,
pytest's junit file as .xml.
"""
import glob
import json
import os
import re
import sys
import xml.etree.ElementTree as xml

STRICT = os.environ.get("DOL_TEST_STRICT") == "1"
TAP_LINE = re.compile(r"^(not )?ok\b\s*\d*\s*-?\s*([^#\n]*)(#\s*SKIP)?", re.MULTILINE | re.IGNORECASE)


class Part:
    """The results of one file."""

    def __init__(self, label):
        self.label, self.passed, self.seconds = label, 0, 0.0
        self.failed, self.skipped = [], []

    def finish(self):
        if STRICT:
            self.failed += [name + " (skipped)" for name in self.skipped]
            self.skipped = []
        return self


def meson_program(part, entry):
    """One test program of meson: a test per TAP line, or one in all."""
    name = entry["name"].split(" / ")[-1]
    bad = entry["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")
    lines = TAP_LINE.findall(entry.get("stdout") or "")
    failed = [f"{name} {title.strip()}" for negated, title, _ in lines if negated]
    part.failed += failed
    part.skipped += [f"{name} {title.strip()}" for negated, title, skip in lines
                     if skip and not negated]
    part.passed += sum(1 for negated, _, skip in lines if not negated and not skip)
    if bad and not failed:
        part.failed.append(f"{name} ({entry['result'].lower()}, status {entry.get('returncode')})")
    elif not lines and entry["result"] == "SKIP":
        part.skipped.append(name)
    elif not lines and not bad:
        part.passed += 1
    part.seconds += entry.get("duration") or 0


def meson_part(label, path):
    part = Part(label)
    with open(path, encoding="utf-8") as file:
        for line in file:
            meson_program(part, json.loads(line))
    return part.finish()


def pytest_part(label, path):
    part = Part(label)
    bad = {}
    for case in xml.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        part.seconds += float(case.get("time") or 0)
        if case.find("failure") is not None or case.find("error") is not None:
            bad[name] = True            # a test and its clean-up may fail both: one failed test
        elif case.find("skipped") is not None:
            part.skipped.append(name)
        else:
            part.passed += 1
    part.failed += list(bad)
    return part.finish()


def suite_parts(directory, suite):
    parts = []
    for path in sorted(glob.glob(f"{directory}/{suite}.*") + glob.glob(f"{directory}/{suite}-*.*")):
        label, kind = os.path.splitext(os.path.basename(path))
        if kind in (".json", ".xml"):
            parts.append((meson_part if kind == ".json" else pytest_part)(label, path))
    with open(f"{directory}/{suite}.status", encoding="ascii") as file:
        status, seconds = map(int, file.read().split())
    if status and not any(part.failed for part in parts):
        part = Part(suite)
        part.failed.append(f"{suite}: ended with status {status} without a failed test")
        parts.append(part)
    return parts, seconds


def main():
    directory, suites = sys.argv[1], sys.argv[2:]
    rows, failures, total = [], [], 0
    for suite in suites:
        parts, seconds = suite_parts(directory, suite)
        total += seconds
        for part in parts:
            rows.append((part.label, part.passed, len(part.failed), len(part.skipped),
                         f"{part.seconds:.0f} s"))
            failures += [f"{part.label}: {name}" for name in part.failed]
        rows.append((f"{suite} in all", "", "", "", f"{seconds} s"))
    print(f"\n{'suite':<18}{'passed':>8}{'failed':>8}{'skipped':>8}{'time':>9}")
    for row in rows:
        print(f"{row[0]:<18}{row[1]:>8}{row[2]:>8}{row[3]:>8}{row[4]:>9}")
    if failures:
        print("\nfailed:\n  " + "\n  ".join(failures))
    print(f"\n{total} s")
    print(f"{sum(row[1] for row in rows if row[1] != '')} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

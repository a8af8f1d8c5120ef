# SPDX-License-Identifier: Apache-2.0
"""text.sh and compilers.py must fail on what they are there to find, and only on that."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


class Tree(unittest.TestCase):
    """A small repository of its own."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = directory.name
        for name in ("src", "bench", "tests/lib", ".ci"):
            os.makedirs(os.path.join(self.root, name))
        for name in ("dev", ".ci/run", "tests/lib/sandbox.sh"):
            self.write(name, "#!/bin/bash\necho \"$1\"\n")
        shutil.copy(os.path.join(ROOT, ".clang-format"), self.root)
        subprocess.run(["git", "init", "-q", self.root], check=True)

    def write(self, name, text):
        with open(os.path.join(self.root, name), "w", encoding="utf-8") as file:
            file.write(text)

    def passes(self, check):
        subprocess.run(["git", "-C", self.root, "add", "-A"], check=True)
        done = subprocess.run([os.path.join(HERE, "text.sh"), check, self.root],
                              capture_output=True, check=False)
        return done.returncode == 0

    def test_format(self):
        self.write("src/a.c", SPDX + "int f(void)\n{\n        return 1;\n}\n")
        self.assertTrue(self.passes("format"))
        self.write("src/a.c", SPDX + "int f(void) {\n    return 1;\n}\n")
        self.assertFalse(self.passes("format"))

    def test_shell(self):
        self.assertTrue(self.passes("shell"))
        self.write("dev", "#!/bin/bash\nrm -rf $1/*\n")
        self.assertFalse(self.passes("shell"))

    def test_spelling(self):
        self.write("README.md", "What is received.\n")
        self.assertTrue(self.passes("spelling"))
        self.write("README.md", "What is rec" "ieved.\n")
        self.assertFalse(self.passes("spelling"))
        self.write("README.md", "")
        self.write("src/a.c", SPDX + "/* seper" "ate */\n")
        self.assertFalse(self.passes("spelling"))

    def compiles(self, compiler, text):
        self.write("src/a.c", SPDX + text)
        entry = {"directory": self.root, "command": "cc -std=gnu17 -O1 -c src/a.c -o a.o",
                 "file": "src/a.c"}
        self.write("compile_commands.json", json.dumps([entry]))
        done = subprocess.run([sys.executable, os.path.join(HERE, "compilers.py"), compiler,
                               self.root], capture_output=True, check=False)
        return done.returncode == 0

    def test_compilers(self):
        for compiler in ("gcc", "clang"):
            self.assertTrue(self.compiles(compiler, "int f(void);\nint f(void)\n{\nreturn 1;\n}\n"))
            for bad in ("int f(void)\n{\nreturn 1;\n}\n",                       # no prototype
                        "int f(void);\nint f(void)\n{\nint a;\nreturn a;\n}\n",  # not set
                        "static int f(void)\n{\nreturn 1;\n}\n",                 # not used
                        "int f(int a);\nint f(int a)\n{\nint b = 1;\n{ int b = a; a = b; }\n"
                        "return a + b;\n}\n",                                    # shadow
                        "int f(void)\n"):                                        # no C at all
                self.assertFalse(self.compiles(compiler, bad), f"{compiler}: {bad}")


if __name__ == "__main__":
    unittest.main()

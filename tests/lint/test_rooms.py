# SPDX-License-Identifier: Apache-2.0
"""rooms.py must see what it is there for."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rooms import complaints  # noqa: E402

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


class Rooms(unittest.TestCase):
    def found(self, text, path="src/host/x.c"):
        return " ".join(complaints(path, SPDX + text))

    def test_clean(self):
        self.assertEqual(self.found('#include "base/log.h"\n#include <sys/types.h>\n'
                                    "/* goto */ static char *a = \"goto TRUE\";\n"), "")

    def test_includes(self):
        self.assertIn("lower room", self.found('#include "engine/engine.h"\n'))
        self.assertIn("no room", self.found('#include "log.h"\n'))
        self.assertIn("no room", self.found('#include "../base/log.h"\n'))
        self.assertIn("next api", self.found('#include "api/docker/x.h"\n', "src/api/rest/y.c"))
        self.assertIn("past the engine", self.found('#include "driver/pool.h"\n', "src/api/x/y.c"))
        self.assertEqual(self.found('#include "engine/engine.h"\n', "src/api/rest/y.c"), "")
        self.assertEqual(self.found('#include "fuzz.h"\n', "tests/fuzz/y.c"), "")

    def test_comments(self):
        def found(text):
            return self.found(text, "src/host/x.h")
        self.assertIn("dol_x() has no comment", found("bool dol_x(int a);\n"))
        self.assertIn("dol_x() has no comment", found("/* Head. */\n\nbool dol_x(int a,\n  int b);\n"))
        self.assertIn("dol_y() has no comment", found("/* X. */\nbool dol_x(void);\n\nint dol_y(void);\n"))
        for text in ("/* X. */\nbool dol_x(int a);\nchar *dol_y(void);\n",
                     "bool dol_x(int a); /* NULL is fine */\n",
                     "/* Long:\n * dol_x(); */\nbool dol_x(int a,\n           int b);\n",
                     "/* S. */\ntypedef struct {\n        int a;\n} dol_s;\n\nbool dol_x(dol_s a);\n",
                     "void dol_x_free(dol_x *x);\n",
                     "static inline void dol_x(void)\n{\n}\n"):
            self.assertEqual(found(text), "", text)

    def test_sizes(self):
        body = "        x();\n"
        self.assertEqual(self.found("static void f(void)\n{\n" + body * 40 + "}\n"), "")
        self.assertIn("f() has 41", self.found("static void f(void)\n{\n" + body * 41 + "}\n"))
        self.assertIn("f() has 41", self.found("bool f(int a,\n       int b)\n{\n" + body * 41 + "}\n"))
        self.assertEqual(self.found("int main(void)\n{\n" + body * 60 + "}\n"), "")
        self.assertIn("401 lines", self.found("int a;\n" * 400))

    def test_words(self):
        for text in ("void f(void) { goto out; }\n", "gboolean a;\n", "/* TODO */\n", "\tint a;\n",
                     "int a; \n", "int b = system(\"x\");\n", "g_mutex_lock(&a);\n",
                     "int b = atoi(c);\n", "int b = strtol(c, NULL, 10);\n", "sprintf(a, b);\n",
                     "strcpy(a, b);\n", "f = popen(a, b);\n", "g_thread_new(a, b, c);\n"):
            self.assertNotEqual(self.found(text), "", text)
        self.assertEqual(self.found("int b = g_ascii_strtoll(c);\nsnprintf(a, b, c);\n"), "")
        for path in ("src/host/x.c", "tests/x.py", "dev", "src/meson.build"):
            self.assertIn("licence", " ".join(complaints(path, "int a;\n")), path)
            self.assertEqual(complaints(path, "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"
                                        if not path.endswith(".c") else SPDX), [], path)


if __name__ == "__main__":
    unittest.main()

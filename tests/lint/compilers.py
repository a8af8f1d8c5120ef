# SPDX-License-Identifier: Apache-2.0
"""Compiles every file of the build once more, without output, and with every warning an error.

Usage: compilers.py COMPILER BUILD (which has compile_commands.json)
"""
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

COMMON = ("-Wall -Wextra -Wshadow -Wundef -Wformat=2 -Wvla -Wwrite-strings -Wpointer-arith "
          "-Wmissing-prototypes -Wstrict-prototypes -Wold-style-definition -Wswitch-enum "
          "-Wredundant-decls -Wnested-externs -Wcast-align -Wimplicit-fallthrough -Wunused "
          "-Wno-unused-parameter -Wno-missing-field-initializers").split()
OWN = {"gcc": ["-Wlogical-op", "-Wduplicated-cond", "-Wduplicated-branches"],
       "clang": ["-Wconditional-uninitialized", "-Wloop-analysis", "-Wcomma",
                 "-Wno-unused-command-line-argument", "-Wno-unknown-warning-option"]}


def check(compiler, entry):
    arguments = shlex.split(entry["command"])[1:]
    kept, skip = [], False
    for argument in arguments:
        if skip or argument in ("-c", "-MD", "-MMD", "-fcf-protection", "-fstack-clash-protection"):
            skip = False
        elif argument in ("-o", "-MF", "-MQ", "-MT"):
            skip = True
        else:
            kept.append(argument)
    # gcc finds some only when it optimises, so that it really has to compile.
    mode = ["-fsyntax-only"] if compiler == "clang" else ["-c", "-o", "/dev/null"]
    done = subprocess.run([compiler, *kept, *COMMON, *OWN[compiler], "-Werror", *mode],
                          cwd=entry["directory"], capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def main():
    compiler, build = sys.argv[1:]
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [text for text in pool.map(lambda entry: check(compiler, entry), entries) if text]
    print("".join(found) or f"{len(entries)} files without a warning of {compiler}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

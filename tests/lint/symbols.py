#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when two rooms define a function of the same name: the linker would silently take one for
both. Arguments: static libraries."""
import subprocess
import sys


def defined(library):
    """{symbol: object file} of what the library offers to others."""
    out = subprocess.run(["nm", "--defined-only", "--extern-only", "-A", library], check=True,
                         capture_output=True, text=True).stdout
    found = {}
    for line in out.splitlines():
        where, symbol = line.split()[0], line.split()[-1]
        if line.split()[-2] in "TDBR":
            found[symbol] = where.rsplit(":", 1)[0]
    return found


def clashes(libraries):
    seen, found = {}, []
    for library in libraries:
        for symbol, where in defined(library).items():
            if symbol in seen and seen[symbol] != where:
                found.append(f"{symbol} is in {seen[symbol]} and in {where}")
            seen[symbol] = where
    return found


if __name__ == "__main__":
    complaints = clashes(sys.argv[1:])
    print("\n".join(complaints))
    sys.exit(1 if complaints else 0)

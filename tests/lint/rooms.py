# SPDX-License-Identifier: Apache-2.0
"""The house rules that a program can see, over all C files of src/, tests/ and bench/, and the
licence line of every other source file.

A room includes only rooms above it and itself, as "room/file.h"; a face calls the engine, not what
lies behind it. Files, functions and mains stay readable. What a header offers is explained there.
Licence lines are there. Usage: rooms.py ROOT
"""
import os
import re
import subprocess
import sys

ROOMS = "base codec model stream net store host driver policy engine reconcile api cmd".split()
BEHIND_THE_ENGINE = "store host driver policy".split()
FILE_LINES, FUNCTION_LINES, MAIN_LINES = 400, 40, 60
SELF_EXPLAINING = ("_new", "_free", "_clear", "_copy", "_ref", "_unref")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
# A definition begins in column 0 and its body is between braces in column 0 (see .clang-format).
FUNCTION = re.compile(r"^[a-z_][^\n;{}=]*?\b(\w+)\([^;{}]*?\)\s*\n\{\n(.*?)^\}",
                      re.MULTILINE | re.DOTALL)
# "bool dol_x(...);", also over several lines.
DECLARATION = re.compile(r"^(?:[a-z_][\w *]*?[ *])(dol_\w+)\(")
IN_CODE = [
    (r"\bgoto\b", "goto"),
    (r"\b(gboolean|gint|gchar|guint64|gint64|TRUE|FALSE)\b", "GLib's name for a C type"),
    (r"\bg_(mutex|rec_mutex|rw_lock|cond|thread)_\w+\s*\(", "GLib's locks or threads"),
    (r"\b(strcpy|strcat|v?sprintf|gets|strtok|alloca|mktemp|tmpnam|rand|readdir_r)\s*\(",
     "an unsafe function"),
    (r"\b(system|popen)\s*\(", "a shell"),
    (r"\b(ato(i|l|ll|f)|strto(l|ll|d|f))\s*\(", "a number read without a check"),
]
ANYWHERE = [
    (r"\b(TODO|FIXME|XXX|HACK)\b", "a mark for later"),
    (r"\t", "a tab"),
    (r"[ \t]+(?m:$)", "white space at a line's end"),
]


def code(text, keep_comments=False):
    """The text without comments and what is in strings, with its line breaks."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def without(match):
        if match.group()[0] != "/":
            return '""'
        return re.sub(r"[^\n*/]", " ", match.group()) if keep_comments else \
            "\n" * match.group().count("\n")
    return re.sub(pattern, without, text, flags=re.DOTALL)


def includes(path, text):
    place = path.split("/")             # src, room, ...
    for name in INCLUDE.findall(text):
        other = name.split("/")
        if len(other) < 2 or other[0] not in ROOMS:
            yield f'#include "{name}" names no room'
        elif ROOMS.index(other[0]) > ROOMS.index(place[1]):
            yield f'#include "{name}" looks into a lower room than {place[1]}/'
        elif place[1] == "api" and other[0] in BEHIND_THE_ENGINE:
            yield f'#include "{name}" goes past the engine'
        elif place[1] in ("api", "cmd") and other[0] == place[1] and len(place) > 3 \
                and len(other) > 2 and other[1] != place[2]:
            yield f'#include "{name}" looks into the next {place[1]}/'


def sizes(text):
    if text.count("\n") > FILE_LINES:
        yield f"{text.count(chr(10))} lines, more than {FILE_LINES}"
    for name, body in FUNCTION.findall(text):
        limit = MAIN_LINES if name == "main" else FUNCTION_LINES
        if body.count("\n") > limit:
            yield f"{name}() has {body.count(chr(10))} lines, more than {limit}"


def declarations(text):
    """Of a header: (name, whether a comment goes with it). A comment is for all declarations up to
    the next empty line, and that of a struct for what comes right after it, too."""
    explained, rest, struct_ended = False, "", False
    for line in code(text, keep_comments=True).split("\n")[1:]:    # without the licence's line
        if not line.strip():
            explained, rest = explained and struct_ended, ""
            continue
        struct_ended = line.startswith("}")
        comments = "/*" in line or "*/" in line or line.lstrip().startswith("*")
        explained = explained or comments
        if line.startswith(("#", " *", "/*", "}")):
            continue
        rest += line + " "
        if ";" in line or "{" in line:
            found = DECLARATION.match(rest)
            if found and "{" not in rest:
                yield found.group(1), explained
            rest = ""


def unexplained(path, text):
    if path.endswith(".h"):
        for name, explained in declarations(text):
            if not explained and not name.endswith(SELF_EXPLAINING):
                yield f"{name}() has no comment"


def licence(text):
    if not any("SPDX-License-Identifier: Apache-2.0" in line for line in text.split("\n")[:3]):
        yield "the licence's line is not at its beginning"


def words(path, text):
    rows_of_all = [] if path.startswith("tests/lint/") else ANYWHERE    # which name these words
    rows_of_c = IN_CODE if path.endswith((".c", ".h")) else []
    for rows, searched in ((rows_of_c, code(text)), (rows_of_all, text)):
        for pattern, what in rows:
            found = re.search(pattern, searched)
            if found:
                yield f"{what} in line {searched[:found.start()].count(chr(10)) + 1}"


def complaints(path, text):
    """Of one file; `path` is relative to the root."""
    found = [*licence(text), *words(path, text)]
    if path.endswith((".c", ".h")):
        found += [*sizes(text), *unexplained(path, text)]
    if path.startswith("src/") and path.endswith((".c", ".h")):
        found += includes(path, text)
    return [f"{path}: {complaint}" for complaint in found]


def is_source(path):
    name = os.path.basename(path)
    return (name.endswith((".c", ".h", ".py", ".sh", ".yaml", ".yml", ".service", ".socket")) or
            name in ("meson.build", "meson_options.txt", "dev") or path.startswith(".ci/"))


def source_files(root):
    """(path, text) of every source file that is or may be committed."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "-co",
                             "--exclude-standard"], capture_output=True, check=True)
    for path in sorted(filter(is_source, listed.stdout.decode().split("\0"))):
        full = os.path.join(root, path)
        if os.path.isfile(full):
            with open(full, encoding="utf-8") as file:
                yield path, file.read()


def main():
    found = [complaint for path, text in source_files(sys.argv[1])
             for complaint in complaints(path, text)]
    print("\n".join(found) or "no complaints")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

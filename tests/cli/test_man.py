# SPDX-License-Identifier: Apache-2.0
"""The manual page tells of every command and option that the program has, and of no other."""
import json
import re
import subprocess

import pytest

from lib.build import ROOT

PAGE = ROOT + "/dist/man/dolium.1"


@pytest.fixture
def table(dolium, fake):
    fake.stop()
    return json.loads(dolium("help", "-o", "json").out)


@pytest.fixture(scope="module")
def page():
    done = subprocess.run(["mandoc", "-T", "ascii", PAGE], capture_output=True, text=True, check=True)
    return re.sub(".\b", "", done.stdout)  # overstrikes


def leaves(command):
    if not command["commands"]:
        yield command
    for inner in command["commands"]:
        yield from leaves(inner)


def entries(page):
    """{path of a command: its text}"""
    found, path = {}, None
    section = page[page.index("\nCOMMANDS\n"):page.index("\nENVIRONMENT\n")]
    for line in section.splitlines():
        match = re.match(r" {5}(dolium [a-z ]*[a-z])\b", line)
        if match:
            # the words of the command: what follows in the line are its arguments
            path = match.group(1)
            found[path] = ""
        elif re.match(r" {3}[A-Z]", line):
            path = None
        if path:
            found[path] += line + "\n"
    return found


def test_commands(table, page):
    told = entries(page)
    for command in leaves(table):
        text = [text for path, text in told.items()
                if path == command["path"] or path.startswith(command["path"] + " ")]
        assert len(text) == 1, f"{command['path']}: told {len(text)} times"
        for option in command["options"]:
            assert re.search(rf"--{option['name']}\b", text[0]), (command["path"], option)
            assert "letter" not in option or f"-{option['letter']}" in text[0], option
        for argument in command["arguments"]:
            for word in argument["name"].lower().split("|"):
                assert word in text[0] or word == "shell", (command["path"], argument)


def test_nothing_is_told_that_is_not_there(table, page):
    known = {option["name"] for command in leaves(table) for option in command["options"]}
    known |= {option["name"] for option in table["global"]}
    assert set(re.findall(r"--([a-z]+(?:-[a-z]+)*)", page)) <= known
    paths = {command["path"] for command in leaves(table)}
    for path in entries(page):
        assert any(path == known or path.startswith(known + " ") for known in paths), path


def test_global_options(table, page):
    for option in table["global"]:
        assert f"--{option['name']}" in page
        assert "letter" not in option or f"-{option['letter']}," in page


def test_exit_statuses(page):
    """All of base/error.h are told."""
    with open(ROOT + "/src/base/error.h", encoding="utf-8") as file:
        rows = re.findall(r'^ +X\(\w+, +"[a-z-]+", +\d+, +\d+, +(\d+),', file.read(), re.MULTILINE)
    assert len(rows) >= 12
    for status in rows:
        assert re.search(rf"^ {{5}}{status}\b", page, re.MULTILINE), status


def test_lint():
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "style", PAGE], capture_output=True,
                          text=True, check=False)
    # whether other pages are there depends on the host
    assert [line for line in done.stdout.splitlines()
            if "referenced manual not found" not in line] == []

# SPDX-License-Identifier: Apache-2.0
"""The commands in the documentation are commands that the program takes."""
import glob
import re
import shlex

import pytest

from lib.build import ROOT

PAGES = [*glob.glob(ROOT + "/docs/*.md"), *glob.glob(ROOT + "/*.md")]


def commands(page):
    """The lines "$ dolium ..." (or "# dolium ...") of code blocks."""
    with open(page, encoding="utf-8") as file:
        for block in re.findall(r"^```[a-z]*\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL):
            yield from re.findall(r"^\s*[$#] (dolium .*)", block, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page[len(ROOT) + 1:])
def test_commands_of_the_documentation(dolium, fake, page):
    fake.stop()
    for line in commands(page):
        words = shlex.split(re.split(r" [|>#&;] ?", line)[0])
        assert dolium(*words[1:], "--help").out.startswith("Usage: dolium"), line


def test_they_are_found():
    assert len(list(commands(ROOT + "/docs/cli.md"))) > 20

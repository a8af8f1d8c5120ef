# SPDX-License-Identifier: Apache-2.0
"""The check of symbols finds a clash, and only that."""
import os
import subprocess
import tempfile

from symbols import clashes


def library(directory, name, source):
    path = f"{directory}/{name}"
    with open(path + ".c", "w", encoding="utf-8") as file:
        file.write(source)
    subprocess.run(["cc", "-c", path + ".c", "-o", path + ".o"], check=True)
    subprocess.run(["ar", "cr", path + ".a", path + ".o"], check=True)
    return path + ".a"


with tempfile.TemporaryDirectory() as directory:
    one = library(directory, "one", "int same(void){return 1;} static int own(void){return 1;}"
                                    "int uses(void){return own();}")
    two = library(directory, "two", "int same(void){return 2;} static int own(void){return 2;}"
                                    "int others(void){return own();}")
    three = library(directory, "three", "int three(void){return 3;}")
    assert len(clashes([one, two, three])) == 1 and "same" in clashes([one, two])[0]
    assert clashes([one, three]) == []
    assert os.path.exists(one)

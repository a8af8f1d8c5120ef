# SPDX-License-Identifier: Apache-2.0
"""./dev, the door: what it says, and that ./dev run leaves nothing behind."""
import os
import re
import shutil
import signal
import subprocess

import pytest

from lib import kernel
from lib.build import ROOT, Build
from lib.process import Process, environment
from lib.rest import Rest
from lib.wait import until

COMMANDS = ("up down build test run shell bench fmt lint asan tsan valgrind fuzz clean").split()


def dev(*arguments, user=None, program=ROOT + "/dev"):
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, user=user, env=environment(), timeout=120)


def test_help_names_every_command():
    done = dev("help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", done.stdout)
    assert dev().stdout == done.stdout


def test_an_unknown_command():
    done = dev("frobnicate")
    assert done.returncode == 1 and "frobnicate" in done.stderr


def test_an_unknown_suite():
    done = dev("test", "nosuch")
    assert done.returncode == 1 and "nosuch" in done.stderr and "unit" in done.stderr


@pytest.mark.parametrize("command", ["up", "down", "run", "shell"])
def test_without_root_it_says_so(base, command):
    """From a copy, because the tree may be where only root can read."""
    copy = base + "/dev-copy"
    if not os.path.exists(copy):
        os.chmod(base, 0o711)
        for name in ("dist/try.sh", "tests/run.sh", "dev"):
            os.makedirs(os.path.dirname(f"{copy}/{name}"), exist_ok=True)
            shutil.copy(f"{ROOT}/{name}", f"{copy}/{name}")
    done = dev(command, user="nobody", program=copy + "/dev")
    assert done.returncode == 1 and "root" in done.stderr


def test_down_knows_its_option():
    done = dev("down", "--prune")
    assert done.returncode == 1 and "--purge" in done.stderr


def test_run_starts_and_leaves_nothing(base):
    process = Process([ROOT + "/dev", "run"], base + "/dev-run.log",
                      env=environment(DOLIUM_BUILD=Build().dir))
    until(lambda: "export DOLIUM_HOST" in process.output(), 120, "./dev run says how to talk to it")
    directory = re.search(r"DOLIUM_HOST=unix://(\S+)/run/", process.output()).group(1)
    volume = Rest(directory + "/run/dolium.sock").create("first", "32M")
    assert volume["status"]["phase"] == "available"
    assert kernel.is_mounted(Rest(directory + "/run/dolium.sock").mount("first")
                             ["status"]["attachment"]["path"])
    os.killpg(process.pid, signal.SIGINT)
    process.wait(30)
    assert not os.path.exists(directory)
    assert not kernel.mounts(directory) and not kernel.no_loops(directory)

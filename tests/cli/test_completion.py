# SPDX-License-Identifier: Apache-2.0
"""Completion: what is offered, and the scripts in real shells."""
import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from lib.build import Build
from lib.process import environment


def shell_environment(fake, **more):
    env = environment(DOLIUM_HOST=fake.host, TERM="dumb", HOME=fake.dir, XDG_CONFIG_HOME=fake.dir,
                      XDG_DATA_HOME=fake.dir, ZDOTDIR=fake.dir, **more)
    env["PATH"] = os.path.dirname(Build().dolium) + ":" + env["PATH"]
    return env


@pytest.fixture
def offers(dolium):
    """offers("volume", "rm", "d"): what can stand in place of the last word."""
    def run(*words, shell="bash", env=None):
        return dolium("__complete", shell, *words, env=env).lines
    return run


def test_commands_and_options(offers, fake):
    fake.stop()  # none of this needs the daemon
    assert offers("vol") == ["volume"]
    assert {"create", "ls", "inspect", "rm"} <= set(offers("volume", ""))
    assert offers("volume", "ren") == ["rename"]
    assert offers("volume", "create", "--si") == ["--size"]
    assert "--output" in offers("volume", "create", "--")
    assert offers("help", "volume", "cr") == ["create"]
    assert offers("help", "tr") == ["trash"]
    assert offers("completion", "") == ["bash", "zsh", "fish"]
    assert offers("volume", "create", "--fs", "") == ["ext4", "xfs", "none"]
    assert offers("volume", "create", "--fs=x") == ["--fs=xfs"]
    assert offers("volume", "set", "db", "--protect=") == ["--protect=true", "--protect=false"]
    assert offers("-o", "y") == ["yaml"]
    assert offers("-qo", "j") == ["json"]
    assert offers("pool", "create", "p", "--path", "/s") == [":path"]
    assert offers("volume", "create", "--size", "") == []
    assert offers("nonsense", "") == []
    assert offers("__", ) == []
    assert offers("volume", "ls", shell="zsh")[0] == "ls\tList volumes"


def test_names(offers, fake):
    fake.page = 2
    fake.add_pool("fast")
    for name in ("db", "db2", "my vol", "web"):
        fake.add_volume(name)
    fake.add_trashed("gone")
    operation = fake.add_operation("create", fake.volumes[0])
    assert offers("volume", "inspect", "d") == ["db", "db2"]
    assert offers("volume", "inspect", "db", "") == ["db", "db2", "my vol", "web"]
    assert offers("volume", "rename", "db", "") == []
    assert offers("volume", "inspect", '"my') == ["my vol"]
    assert offers("volume", "inspect", "my\\ v") == ["my vol"]
    assert offers("volume", "inspect", "'my v") == ["my vol"]
    assert offers("trash", "restore", "") == ["gone"]
    assert offers("volume", "create", "x", "--pool", "f") == ["fast"]
    assert offers("volume", "create", "x", "--pool=") == ["--pool=default", "--pool=fast"]
    assert offers("operation", "wait", "") == [operation["uid"]]
    assert offers("volume", "rm", "--", "w") == ["web"]


def test_names_of_another_daemon(offers, fake):
    fake.add_volume("here")
    nowhere = {"DOLIUM_HOST": "unix:///nowhere"}
    assert offers("volume", "rm", "", env=nowhere) == []
    assert offers("--host", fake.host, "volume", "rm", "", env=nowhere) == ["here"]
    assert offers("--host=" + fake.host, "volume", "rm", "", env=nowhere) == ["here"]


def test_a_daemon_that_hangs_does_not_hang_the_shell(offers, fake):
    fake.delay = 30
    start = time.monotonic()
    assert offers("volume", "rm", "") == []
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("shell, check", [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")])
def test_scripts_parse(dolium, shell, check, tmp_path):
    script = tmp_path / "script"
    script.write_text(dolium("completion", shell).out)
    done = subprocess.run([shell, check, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class Shell:
    """An interactive shell on a terminal, to press Tab in."""

    def __init__(self, argv, env):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)

    def read_until(self, pattern, seconds=15):
        text, end = "", time.monotonic() + seconds
        while not re.search(pattern, text):
            assert time.monotonic() < end, f"{pattern!r} does not come: {text!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    text += os.read(self.master, 65536).decode("utf-8", "replace")
                except OSError:
                    raise AssertionError(f"the shell ended: {text!r}") from None
        return text

    def type(self, text):
        os.write(self.master, text.encode())

    def close(self):
        os.close(self.master)
        end = time.monotonic() + 5
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                os.kill(self.pid, 9)
            time.sleep(0.01)


@pytest.fixture
def shells(fake):
    """shells("bash"): a shell in which the completion script has been loaded."""
    made = []

    def start(name):
        argv = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"],
                "fish": ["fish", "--no-config", "-i"]}[name]
        load = {"bash": "bind 'set enable-bracketed-paste off'; source <(dolium completion bash)",
                "zsh": "unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; "
                       "source <(dolium completion zsh)",
                "fish": "dolium completion fish | source"}[name]
        shell = Shell(argv, shell_environment(fake, PS1="> "))
        made.append(shell)
        shell.type(load + "; echo lo''aded\n")
        shell.read_until("loaded")
        return shell

    yield start
    for shell in made:
        shell.close()


# Each line is typed up to "\t"; then a word is appended and the arguments that echo gets are read.
LINES = [
    ("volume ins\t", "volume inspect "),
    ("volume inspect w\t", "volume inspect web "),
    ("volume inspect sp\t", "volume inspect sp ace "),
    ("volume inspect \"sp\t", "volume inspect sp ace"),
    ("volume create x --pool=fa\t", "volume create x --pool=fast "),
    ("volume create x --pool fa\t", "volume create x --pool fast "),
    ("volume create x --si\t", "volume create x --size "),
    ("volume inspect quo\t", "volume inspect quo'te$x "),
    ("volume inspect co\t", "volume inspect co:lon "),
    ("volume inspect co:l\t", "volume inspect co:lon "),
    ("trash restore g\t", "trash restore gone "),
    ("volume inspect \u65e5\t", "volume inspect \u65e5\u672c\u8a9e "),
    ("pool create p --path /et\t", "pool create p --path /etc/"),
]


@pytest.mark.parametrize("line, expected", LINES, ids=[line.strip() for line, _ in LINES])
@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_tab(shells, fake, name, line, expected):
    fake.add_pool("fast")
    for volume in ("web", "sp ace", "quo'te$x", "co:lon", "\u65e5\u672c\u8a9e"):
        fake.add_volume(volume)
    fake.add_trashed("gone")
    shell = shells(name)
    # "dolium" is replaced after the completion by a program that tells what it was given
    os.makedirs(fake.dir + "/bin")
    told = fake.dir + "/told"
    spy = fake.dir + "/bin/spy"
    with open(spy, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{told}.new; mv {told}.new {told}\n")
    os.chmod(spy, 0o755)
    shell.type("dolium " + line)
    if '"' in line:
        time.sleep(0.7)
    shell.type("\x01" + spy + " \n")
    end = time.monotonic() + 15
    while not os.path.exists(told):
        assert time.monotonic() < end, shell.read_until("$.^", 1)
        time.sleep(0.02)
    with open(told, encoding="utf-8") as file:
        words = file.read().split("\n")[:-1]
    assert words[0] == "dolium"
    assert " ".join(words[1:]) .rstrip("/") == expected.rstrip("/ ")


def test_zsh_loads_it_from_fpath(dolium, fake):
    """As a package installs it: a file _dolium in a directory of $fpath."""
    with open(fake.dir + "/_dolium", "w", encoding="utf-8") as file:
        file.write(dolium("completion", "zsh").out)
    done = subprocess.run(
        ["zsh", "-f", "-c", f"fpath=({fake.dir} $fpath); autoload -Uz compinit; compinit -u -D; "
                            "echo $_comps[dolium]"],
        capture_output=True, text=True, check=False, env=shell_environment(fake))
    assert (done.stdout, done.stderr) == ("_dolium\n", "")


def test_shells_are_there():
    """The tests above would say so too, less clearly."""
    for name in ("bash", "zsh", "fish"):
        assert shutil.which(name), f"{name} is needed for the tests of completion"

# SPDX-License-Identifier: Apache-2.0
"""What goes wrong: exit status, message, and nothing on standard output."""
import os
import shutil
import signal
import subprocess
import time

import pytest

from cli.fake_http import STATUS
from lib.build import Build
from lib.process import environment

# kind of error: exit status, as base/error.h has it
EXIT = {"internal": 70, "invalid": 64, "not-found": 66, "exists": 73, "conflict": 65, "stale": 65,
        "unsupported": 69, "no-space": 74, "busy": 75, "unavailable": 75, "timeout": 75,
        "denied": 77}

COMMANDS = [
    ("volume", "create", "a"), ("volume", "ls"), ("volume", "inspect", "a"), ("volume", "rm", "a"),
    ("volume", "rename", "a", "b"), ("volume", "set", "a", "--protect"), ("volume", "mount", "a"),
    ("volume", "unmount", "a"), ("volume", "adopt", "u", "--pool", "default"), ("trash", "ls"),
    ("trash", "restore", "a"), ("trash", "empty", "--yes"), ("pool", "create", "p"), ("pool", "ls"),
    ("pool", "inspect", "p"), ("pool", "unknown"), ("pool", "unknown", "p"), ("operation", "ls"),
    ("operation", "wait", "u"), ("operation", "inspect", "u"), ("events",), ("events", "-f"), ("df",),
]


def test_every_kind_has_a_status():
    assert EXIT.keys() == STATUS.keys()


@pytest.mark.parametrize("kind", EXIT)
def test_exit_status_is_that_of_the_kind(dolium, fake, kind):
    fake.fail = (kind, "the disk \u201cx\u201d is on fire")
    result = dolium("volume", "inspect", "db", status=EXIT[kind])
    assert result.out == ""
    assert result.err == "dolium: the disk \u201cx\u201d is on fire\n"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_passes_errors_on(dolium, fake, command):
    fake.fail = ("denied", "not for you")
    result = dolium(*command, status=77)
    assert (result.out, result.err) == ("", "dolium: not for you\n")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_says_that_nobody_listens(dolium, fake, command):
    fake.stop()
    result = dolium(*command, status=75)
    assert result.out == "" and fake.socket in result.err


@pytest.mark.parametrize("raw", [b"", b"<html>", b"{", b"[]", b"{\"a\":1,\"a\":2}", b"\xff",
                                 b"{\"a\":\"\x00\"}", b"null"])
def test_answers_that_are_no_documents(dolium, fake, raw):
    fake.raw = raw
    result = dolium("volume", "mount", "db", status=70)
    assert result.out == "" and "doliumd" in result.err or "did not say where" in result.err


def test_error_without_a_reason(dolium, fake):
    fake.fail, fake.raw = ("not-found", "x"), b"<html>404</html>"
    assert "HTTP status 404" in dolium("volume", "inspect", "db", status=70).err


def test_kind_of_a_newer_daemon(dolium, fake):
    fake.fail = ("internal", "x")
    fake.raw = b'{"error":{"kind":"on-strike","message":"no work today"}}'
    assert dolium("volume", "ls", status=70).err == "dolium: no work today\n"


def test_list_that_does_not_end(dolium, fake):
    fake.add_volume("a")
    fake.endless = True
    assert "does not end" in dolium("volume", "ls", status=70).err


@pytest.mark.parametrize("host", ["tcp://x", "/run/dolium.sock", "unix:relative", "ftp://x"])
def test_host_of_an_unknown_form(dolium, host):
    assert host in dolium("volume", "ls", "--host", host, status=64).err


def test_timeout(dolium, fake):
    fake.delay = 30
    start = time.monotonic()
    result = dolium("volume", "ls", "--timeout", "300ms", status=75)
    assert time.monotonic() - start < 10
    assert result.out == "" and result.err


def test_usage_errors_point_to_help(dolium, fake):
    result = dolium("volume", "create", "a", "--siez", "10G", status=64)
    assert result.err == ("dolium: '--siez' is not an option of 'dolium volume create'; did you mean "
                          "'--size'?\nTry 'dolium volume create --help'.\n")
    assert not fake.requests


@pytest.mark.parametrize("arguments, part", [
    ((), "'dolium' needs a command"),
    (("volume",), "'dolium volume' needs a command"),
    (("volumes", "ls"), "did you mean 'volume'?"),
    (("volume", "ls", "extra"), "'extra'"),
    (("volume", "create", ""), None),
    (("volume", "inspect", ""), "name"),
    (("volume", "inspect", ".."), "'..'"),
    (("volume", "create", "a", "--size", "0x10"), "'--size'"),
    (("volume", "create", "a", "--size"), "needs a value"),
    (("volume", "ls", "-o", "toml"), "table, json, yaml"),
])
def test_wrong_command_lines(dolium, fake, arguments, part):
    if part is None:  # a new name is for the daemon to judge
        fake.fail = ("invalid", "name: expected a volume name, got ''")
        part = "expected a volume name"
    result = dolium(*arguments, status=64)
    assert result.out == "" and part in result.err


def test_arguments_that_are_not_utf8(fake):
    done = subprocess.run([Build().dolium, "volume", "create", b"\xff\xfe"], capture_output=True,
                          check=False, env=environment(DOLIUM_HOST=fake.host))
    assert done.returncode == 64 and b"argument 3 is not valid UTF-8" in done.stderr
    assert not fake.requests


def test_standard_output_that_is_full(dolium, fake):
    fake.add_volume("a")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([Build().dolium, "volume", "ls"], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False, env=environment(DOLIUM_HOST=fake.host))
    assert done.returncode == 74 and "No space left on device" in done.stderr


def test_reader_that_goes_away(fake):
    """`dolium events | head` ends quietly."""
    for number in range(20000):
        fake.events.append({"sequence": number + 1, "time": "2026-01-01T00:00:00Z", "reason": "X" * 50,
                            "name": "db"})
    fake.page = 10000
    done = subprocess.run(["bash", "-c", '"$0" events -q | head -1; echo "${PIPESTATUS[0]}"',
                           Build().dolium], capture_output=True, text=True, check=False,
                          env=environment(DOLIUM_HOST=fake.host))
    assert done.stdout.splitlines() == ["1", str(128 + signal.SIGPIPE)] and done.stderr == ""


def test_messages_cannot_command_a_terminal(dolium, fake):
    fake.fail = ("internal", "one\ntwo \x1b[2J\u009b31m \u202egnp.exe")
    assert dolium("volume", "ls", status=70).err == (
        "dolium: one\ntwo \\x1b[2J\\x9b31m \\u{202e}gnp.exe\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_socket_without_permission(fake):
    os.chmod(fake.dir, 0o755)
    os.chmod(fake.socket, 0o600)
    program = shutil.copy(Build().dolium, fake.dir)
    done = subprocess.run([program, "volume", "ls"], user=65534, group=65534, extra_groups=[],
                          capture_output=True, text=True, check=False, cwd="/",
                          env=environment(DOLIUM_HOST=fake.host))
    assert done.returncode == 77 and fake.socket in done.stderr

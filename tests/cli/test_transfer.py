# SPDX-License-Identifier: Apache-2.0
"""dolium volume export and import: files that appear when they are whole, pipes, terminals, exit
statuses, and what is told meanwhile."""
import os
import pty
import re
import signal
import stat
import subprocess
import time

import pytest

from lib.build import Build
from lib.process import environment
from lib.wait import until

MIB = 1 << 20


@pytest.fixture(name="cli")
def _cli(daemon, tmp_path):
    """cli("volume", ..., status=0, ...) against doliumd, in an empty directory."""
    env = environment(DOLIUM_HOST="unix://" + daemon.socket)

    def run(*arguments, status=0, **more):
        done = subprocess.run([Build().dolium, *arguments], check=False, timeout=60, env=env,
                              cwd=tmp_path, **{"capture_output": True, **more})
        assert done.returncode == status, done
        assert status == 0 or b"dolium: " in (done.stderr or b"dolium: "), done
        return done
    run.daemon, run.env, run.path = daemon, env, tmp_path
    return run


def fill(cli, name, size):
    """A block volume with so many MiB of noise."""
    cli("volume", "create", name, "--fs", "none", "--size", f"{size + 16}M")
    device = cli("volume", "mount", name).stdout.decode().strip()
    with open(device, "r+b") as file:
        for _ in range(size):
            file.write(os.urandom(MIB))
        os.fsync(file.fileno())
    cli("volume", "unmount", name)


def files(cli):
    return sorted(os.listdir(cli.path))


def test_a_file(cli):
    cli("volume", "create", "db", "--size", "64M")
    told = cli("volume", "export", "db", "db.dol")
    assert told.stdout == b"" and re.fullmatch(rb"export of 'db': \S+ in \S+ s\n", told.stderr)
    info = os.stat(cli.path / "db.dol")
    assert stat.S_IMODE(info.st_mode) == 0o600 and files(cli) == ["db.dol"]
    told = cli("volume", "import", "copy", "db.dol")
    assert told.stdout == b"copy\n" and b"import of 'copy'" in told.stderr
    (cli.path / "db.dol").write_text("old")
    quiet = cli("volume", "export", "-q", "db", "db.dol")       # replaces it
    assert quiet.stderr == quiet.stdout == b"" and os.stat(cli.path / "db.dol").st_size > 100
    assert cli("volume", "import", "-q", "third", "db.dol").stderr == b""
    assert b'"name": "fourth"' in cli("volume", "import", "fourth", "db.dol", "-o", "json").stdout
    cli("volume", "import", "fifth", "db.dol", "--pool", "nosuch", status=66)


def test_completion(cli):
    for name in ("db", "web"):
        cli("volume", "create", name, "--size", "64M")
    cli("snapshot", "create", "db@monday")
    offered = cli("__complete", "bash", "volume", "export", "").stdout.split()
    assert offered == [b"db", b"web", b"db@monday"]
    assert cli("__complete", "bash", "volume", "export", "db", "").stdout == b":path\n"
    assert cli("__complete", "bash", "volume", "export", "db", "x", "--base", "").stdout == \
        b"db@monday\n"


def test_pipes_and_increments(cli):
    fill(cli, "raw", 8)
    cli("snapshot", "create", "raw@one")
    whole = cli("volume", "export", "raw@one", "-").stdout
    assert 8 * MIB < len(whole) < 9 * MIB
    cli("volume", "import", "copy", "-", input=whole)
    device = cli("volume", "mount", "raw").stdout.decode().strip()
    with open(device, "r+b") as file:
        file.seek(4 * MIB)
        file.write(b"x" * 4096)
        os.fsync(file.fileno())
    later = cli("volume", "export", "raw", "-", "--base", "raw@one").stdout
    assert len(later) < 4096
    cli("volume", "import", "copy", "-", input=later)
    copy = cli("volume", "mount", "copy").stdout.decode().strip()
    with open(device, "rb") as one, open(copy, "rb") as other:
        assert one.read() == other.read()
    assert b"base" in cli("volume", "export", "raw", "-", "--base", "raw@two", status=66).stderr
    assert b"in use" in cli("volume", "import", "copy", "-", input=later, status=75).stderr
    for name in ("raw", "copy"):
        cli("volume", "unmount", name)


def test_what_is_refused(cli):
    cli("volume", "create", "db", "--size", "64M")
    cli("volume", "export", "db", "db.dol")
    stream = (cli.path / "db.dol").read_bytes()
    for arguments, status, word in (
            (("export", "nosuch", "x"), 66, "nosuch"), (("export", "db@nosuch", "x"), 66, "db@nosuch"),
            (("export", "db", "nosuch/x"), 66, "nosuch/x"), (("export", "db", "."), 64, "directory"),
            (("import", "x", "nosuch"), 66, "nosuch"), (("import", "x", "."), 64, "directory"),
            (("import", "db", "db.dol"), 73, "exists already"), (("import", "a/b", "db.dol"), 64, "name"),
            (("export", "db"), 64, "FILE"), (("import", "x", "/dev/null"), 64, "empty"),
            (("export", "db", "/dev/full"), 74, "/dev/full")):
        told = cli("volume", *arguments, status=status).stderr.decode()
        assert word in told, told
    damaged = bytearray(stream)
    damaged[len(stream) // 2] ^= 1
    for bad, word in ((stream[:-1], "cut off"), (bytes(damaged), "damaged"), (stream * 2, "follows"),
                      (b"#!/bin/sh\n", "cut off"), (b"#!/bin/sh\n" * 9, "not a stream")):
        told = cli("volume", "import", "x", "-", input=bad, status=64).stderr.decode()
        assert word in told and "import of 'x'" in told, told
    assert files(cli) == ["db.dol"]
    assert cli("volume", "ls", "-q").stdout == b"db\n"


def on_terminal(cli, *arguments):
    """(exit status, what came to the terminal) of a program that has one."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([Build().dolium, *arguments], stdin=theirs, stdout=theirs,
                               stderr=theirs, env=cli.env, cwd=cli.path)
    os.close(theirs)
    shown = b""
    try:
        while True:
            some = os.read(ours, 4096)
            shown += some
    except OSError:                                 # EIO: the other end is closed
        pass
    os.close(ours)
    return process.wait(), shown.decode()


def test_terminals(cli):
    """No bytes for the screen; and a bar that goes away."""
    fill(cli, "raw", 128)
    assert on_terminal(cli, "volume", "export", "raw", "-")[0] == 64
    assert "terminal" in on_terminal(cli, "volume", "import", "x", "-")[1]
    status, shown = on_terminal(cli, "volume", "export", "raw", "raw.dol")
    assert status == 0
    bars = re.findall(r"\[(#*\.*)\] (\d+)% of 128M, \S+/s(?:, \S+ left)?", shown)
    assert bars and all(len(bar) == 20 for bar, _ in bars), shown
    percents = [int(percent) for _, percent in bars]
    assert percents == sorted(percents) and percents[-1] <= 100
    assert shown.endswith(" s\r\n") and "\r\x1b[K" in shown
    status, shown = on_terminal(cli, "volume", "export", "-q", "raw", "raw.dol")
    assert (status, shown) == (0, "")


@pytest.mark.parametrize("number, status", [(signal.SIGINT, -2), (signal.SIGTERM, -15)])
def test_interrupted_exports_leave_no_file(cli, number, status):
    fill(cli, "raw", 128)
    fifo = str(cli.path / "slow")
    os.mkfifo(fifo)
    process = subprocess.Popen([Build().dolium, "volume", "export", "raw", "raw.dol"], env=cli.env,
                               cwd=cli.path, stderr=subprocess.DEVNULL)
    until(lambda: len(files(cli)) == 2 or process.poll() is not None, 10, every=0.001)
    process.send_signal(number)
    ended = process.wait(10)
    assert ended == status or files(cli) == ["raw.dol", "slow"]     # it was faster
    assert not [name for name in files(cli) if "part" in name]
    until(lambda: not cli("snapshot", "ls", "-q").stdout, 10, "the snapshot of the moment is gone")


def test_interrupted_imports_leave_no_volume(cli):
    fill(cli, "raw", 8)
    stream = cli("volume", "export", "raw", "-").stdout
    process = subprocess.Popen([Build().dolium, "volume", "import", "copy", "-"], env=cli.env,
                               stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdin.write(stream[:-100])
    process.stdin.flush()
    until(lambda: b"copy" in cli("volume", "ls", "-q").stdout, 10, "it has begun")
    process.kill()
    process.wait()
    process.stdin.close()
    until(lambda: b"copy" not in cli("volume", "ls", "-q").stdout, 10, "it is gone")


def test_the_daemon_dies(cli):
    """Half a file is no file."""
    fill(cli, "raw", 64)
    read_end, write_end = os.pipe()
    process = subprocess.Popen([Build().dolium, "volume", "export", "raw", f"/dev/fd/{write_end}"],
                               env=cli.env, pass_fds=[write_end], stderr=subprocess.PIPE)
    os.close(write_end)
    os.read(read_end, MIB)
    cli.daemon.kill()
    while os.read(read_end, MIB):
        pass
    os.close(read_end)
    told = process.stderr.read().decode()
    assert process.wait(10) == 75 and "talking to" in told, told
    process.stderr.close()
    cli.daemon.start()
    until(lambda: not cli("snapshot", "ls", "-q").stdout, 10, "the snapshot of the moment is gone")


def test_lines_where_there_is_no_terminal(cli):
    """After ten seconds, one."""
    fill(cli, "raw", 24)
    read_end, write_end = os.pipe()
    process = subprocess.Popen([Build().dolium, "volume", "export", "raw", f"/dev/fd/{write_end}"],
                               env=cli.env, pass_fds=[write_end], stderr=subprocess.PIPE)
    os.close(write_end)
    os.read(read_end, MIB)
    time.sleep(10.5)
    while os.read(read_end, MIB):
        pass
    os.close(read_end)
    told = process.stderr.read().decode().splitlines()
    process.stderr.close()
    assert process.wait(10) == 0
    assert re.fullmatch(r"export of 'raw': \d+% of 24M, \S+/s(?:, \S+ left)?", told[0]), told
    assert len(told) == 2

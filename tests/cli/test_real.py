# SPDX-License-Identifier: Apache-2.0
"""The same life of a few volumes with the daemon of straw and with doliumd: so the one cannot drift
away from the other."""
import json
import os
import subprocess

import pytest

from lib.build import Build
from lib.process import environment


@pytest.fixture(params=["fake", "doliumd"])
def either(request):
    """either("volume", "ls", status=0): runs dolium against one of the two."""
    if request.param == "fake":
        host = request.getfixturevalue("fake").host
    else:
        host = "unix://" + request.getfixturevalue("daemon").socket

    def run(*arguments, status=0):
        done = subprocess.run([Build().dolium, *arguments], capture_output=True, text=True,
                              check=False, timeout=60, env=environment(DOLIUM_HOST=host))
        assert done.returncode == status, done
        return done
    run.kind = request.param
    return run


def test_the_life_of_a_volume(either):
    create = ("volume", "create", "db", "--size", "64M", "--label", "app=pg", "--mode", "0750")
    assert either(*create).stdout == "db\n"
    assert "was there already" in either(*create).stderr
    either("volume", "create", "db", "--size", "128M", status=73)
    either("volume", "create", "\u65e5\u672c\u8a9e 1", "--size=64M", "--trash=0", "--fs=ext4")
    assert either("volume", "ls", "-q").stdout == "db\n\u65e5\u672c\u8a9e 1\n"
    assert either("volume", "ls", "-q", "-l", "app").stdout == "db\n"
    db, = json.loads(either("volume", "inspect", "db", "-o", "json").stdout)
    assert db["spec"]["size"] == 64 << 20 and db["spec"]["mode"] == "0750"
    path = either("volume", "mount", "db").stdout
    assert path == either("volume", "mount", "db", "--id", "other").stdout
    assert either.kind == "fake" or os.path.ismount(path.strip())
    either("volume", "rm", "db", status=75)
    assert "stays mounted" in either("volume", "unmount", "db").stderr
    assert either("volume", "unmount", "db", "--force").stderr == ""
    either("volume", "unmount", "db")
    assert either("volume", "rename", "db", "pg data").stdout == "pg data\n"
    either("volume", "set", "pg data", "--protect", "--label", "a=b", "--unlabel", "app")
    either("volume", "rm", "pg data", status=65)
    either("volume", "set", "pg data", "--protect=false", "--mountopts", "noatime")
    either("volume", "set", "pg data", "--mountopts", "")
    done = either("volume", "rm", "pg data", "nope", "\u65e5\u672c\u8a9e 1", status=66)
    assert done.stdout == "pg data\n\u65e5\u672c\u8a9e 1\n"
    assert either("trash", "ls", "-q").stdout == "pg data\n"
    assert either("volume", "ls", "-q", "--all").stdout == "pg data\n"
    either("trash", "restore", "nope", status=66)
    assert either("trash", "restore", db["uid"], "--name", "db2").stdout == "db2\n"
    after, = json.loads(either("volume", "inspect", "db2", "-o", "json").stdout)
    assert after["uid"] == db["uid"] and after["labels"] == {"a": "b"}
    assert "mountopts" not in after["spec"]
    either("volume", "rm", "db2")
    assert "1 volume" in either("trash", "empty", "--yes").stderr
    assert json.loads(either("volume", "ls", "-a", "-o", "json").stdout) == []


def test_what_tells(either):
    either("volume", "create", "raw", "--fs", "none", "--size", "32M")
    assert either("volume", "mount", "raw").stdout.startswith("/dev/loop")
    either("volume", "unmount", "raw")
    assert either("pool", "ls", "-q").stdout == "default\n"
    assert json.loads(either("pool", "inspect", "default", "-o", "json").stdout)[0]["name"] == "default"
    assert either("pool", "unknown", "-q").stdout == ""
    either("pool", "unknown", "nope", status=66)
    either("volume", "adopt", "no-such", "--pool", "default", status=66)
    assert len(either("df").stdout.split("\n\n")) == 2
    assert either("doctor").stdout.startswith("LEVEL")
    assert "Server:" in either("version").stdout
    either("operation", "inspect", "nope", status=66)
    either("operation", "wait", "nope", status=66)
    assert either("__complete", "bash", "volume", "rm", "").stdout == "raw\n"
    for format in ("json", "yaml"):
        for command in ("volume ls", "pool ls", "operation ls", "events", "df", "doctor", "version"):
            assert either(*command.split(), "-o", format).stdout


def test_operations_and_events(make_daemon):
    """What only the real one records by itself."""
    daemon = make_daemon()
    daemon.cli("volume", "create", "db", "--size", "64M")
    daemon.cli("volume", "create", "web", "--size", "64M")
    daemon.cli("volume", "rm", "db", "--purge")
    rows = [line.split()[1:4] for line in daemon.cli("operation", "ls").stdout.splitlines()[1:]]
    assert rows[:3] == [["delete", "db", "done"], ["create", "web", "done"], ["create", "db", "done"]]
    uid = daemon.cli("operation", "ls", "-q", "--volume", "web").stdout.strip()
    assert "done" in daemon.cli("operation", "wait", uid).stdout
    reasons = [line.split()[2] for line in daemon.cli("events").stdout.splitlines()[1:]]
    assert reasons.count("VolumeCreated") == 2
    assert all(row["name"] == "web" for row in
               json.loads(daemon.cli("events", "--volume", "web", "-o", "json").stdout))
    watcher = subprocess.Popen([Build().dolium, "events", "-f", "-q"], stdout=subprocess.PIPE,
                               text=True, env=environment(DOLIUM_HOST="unix://" + daemon.socket))
    try:
        seen = [watcher.stdout.readline() for _ in reasons]
        daemon.cli("volume", "set", "web", "--label", "a=b")
        assert int(watcher.stdout.readline()) > int(seen[-1])
    finally:
        watcher.kill()
        watcher.wait()
        watcher.stdout.close()


def test_long_changes(make_daemon):
    """A create that takes longer than the command line waits at once is followed."""
    daemon = make_daemon(fault="driver.create.before=delay:3000")
    assert daemon.cli("volume", "create", "db", "--size", "64M").stdout == "db\n"
    assert daemon.cli("volume", "ls", "-q").stdout == "db\n"

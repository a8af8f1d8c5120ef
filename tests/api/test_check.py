# SPDX-License-Identifier: Apache-2.0
"""Checking and repairing file systems of volumes."""
import os
import subprocess
import threading

import pytest

KINDS = pytest.mark.parametrize("fs, size", [("ext4", "32M"), ("xfs", "300M")])


def check(daemon, name, repair=False):
    return daemon.rest.must("POST", f"/v1/volumes/{name}/check", {"repair": repair})


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def make(daemon, fs, size):
    """A mounted volume with a file; its path."""
    daemon.rest.create("db", size, fs=fs)
    path = daemon.rest.mount("db")["status"]["attachment"]["path"]
    os.mkdir(path + "/sub")
    write(path + "/sub/lost", b"lost" * 1000)
    write(path + "/kept", b"kept" * 1000)
    return path


def damage(daemon, fs, inode):
    """Clears an inode that a directory names. Nobody has the volume."""
    image = f"{daemon.state_dir}/pools/default/volumes/{daemon.rest.volume('db')['uid']}/disk"
    if fs == "ext4":
        argv = ["debugfs", "-w", "-R", f"clri <{inode}>", image]
    else:
        argv = ["xfs_db", "-x", "-f", "-c", f"inode {inode}", "-c", "write -c core.mode 0", image]
    subprocess.run(argv, check=True, capture_output=True)


def damaged(daemon, fs, size):
    path = make(daemon, fs, size)
    inode = os.stat(path + "/sub/lost").st_ino
    daemon.rest.unmount("db")
    damage(daemon, fs, inode)


@KINDS
def test_while_it_is_in_use(daemon, fs, size):
    """What is open and deleted, half written, or in the journal only is no error."""
    path = make(daemon, fs, size)
    deleted = open(path + "/deleted", "wb")
    deleted.write(b"x" * 100000)
    deleted.flush()
    os.unlink(path + "/deleted")
    end = threading.Event()

    def writer():
        number = 0
        while not end.is_set():
            number += 1
            write(f"{path}/{number % 20}", os.urandom(5000))
            os.replace(f"{path}/{number % 20}", f"{path}/moved")
    thread = threading.Thread(target=writer)
    thread.start()
    try:
        for _ in range(4):
            found = check(daemon, "db")
            assert found["clean"] and found["fs"] == fs and found["report"], found
    finally:
        end.set()
        thread.join()
        deleted.close()
    refused = daemon.rest.post("/v1/volumes/db/check", {"repair": True})
    assert refused.status == 423 and "in use by rest test" in refused.error["message"], refused
    daemon.rest.unmount("db")
    assert check(daemon, "db")["clean"]
    uid = daemon.rest.volume("db")["uid"]
    assert os.listdir(f"{daemon.state_dir}/pools/default/volumes/{uid}") in (
        ["volume.json", "disk"], ["disk", "volume.json"])


@KINDS
def test_damage_is_found_and_repaired(daemon, fs, size):
    damaged(daemon, fs, size)
    found = check(daemon, "db")
    assert not found["clean"] and found["report"]
    told, = [event for event in daemon.rest.must("GET", "/v1/events")["items"]
             if event["reason"] == "VolumeDamaged"]
    assert "check --repair" in told["message"]
    assert not check(daemon, "db")["clean"]         # looking changes nothing
    assert check(daemon, "db", repair=True)["clean"]
    assert check(daemon, "db")["clean"]
    path = daemon.rest.mount("db")["status"]["attachment"]["path"]
    with open(path + "/kept", "rb") as file:
        assert file.read() == b"kept" * 1000
    daemon.rest.unmount("db")


def test_cli(daemon):
    damaged(daemon, "ext4", "32M")
    found = daemon.cli("volume", "check", "db", check=False)
    assert found.returncode == 1 and "db: errors" in found.stdout and "Pass 1" in found.stdout
    assert daemon.cli("volume", "check", "--repair", "db").stdout.endswith("db: repaired\n")
    assert daemon.cli("volume", "check", "-q", "db").stdout == "db: no errors\n"


def test_what_cannot_be_checked(daemon):
    daemon.rest.create("raw", "32M", fs="none")
    refused = daemon.rest.post("/v1/volumes/raw/check")
    assert refused.status == 501 and "fs=none" in refused.error["message"]
    assert daemon.rest.post("/v1/volumes/nope/check").status == 404
    wrong = daemon.rest.post("/v1/volumes/raw/check", {"fix": True})
    assert wrong.status == 400 and "fix: unknown field" in wrong.error["message"]


@pytest.mark.parametrize("point, repair", [
    ("driver.copy.before", False), ("driver.copy.after", False), ("host.check.before", False),
    ("driver.attach.after", True), ("host.check.before", True), ("driver.detach.before", True)])
def test_killed_in_the_middle(make_daemon, point, repair):
    """Nothing is left, nothing stays frozen; what is asked for again is done."""
    daemon = make_daemon(docker=False, config={"reconcile_period": "200ms"})
    damaged(daemon, "ext4", "32M")
    trigger = daemon.dir + "/trigger"
    daemon.restart(fault=f"{point}=kill,if={trigger}")
    if not repair:
        daemon.rest.mount("db")
    with open(trigger, "w", encoding="utf-8"):
        pass
    with pytest.raises(OSError):
        daemon.rest.post("/v1/volumes/db/check", {"repair": repair})
    daemon.wait_killed()
    daemon.start(fault="")
    path = daemon.rest.mount("db")["status"]["attachment"]["path"]
    write(path + "/more", b"not frozen")
    daemon.rest.unmount("db")
    assert check(daemon, "db", repair)["clean"] == repair
    uid = daemon.rest.volume("db")["uid"]
    assert sorted(os.listdir(f"{daemon.state_dir}/pools/default/volumes/{uid}")) == [
        "disk", "volume.json"]

# SPDX-License-Identifier: Apache-2.0
"""The state directory: a lost store is rebuilt, a foreign or damaged one is refused and not touched,
two daemons do not share one, and a reboot ends all attachments."""
import glob
import json
import os
import shutil
import sqlite3
import subprocess
import time

import pytest
from lib import kernel
from lib.leaks import assert_at_rest
from lib.plugin import DOCKER
from lib.wait import until

FAST = {"reconcile_period": "100ms", "survey_period": "200ms"}


def files(directory):
    """Contents of the files directly in a directory. SQLite's -shm is its scratch pad, and an empty
    -wal says nothing."""
    found = {}
    for path in glob.glob(directory + "/*"):
        if os.path.isfile(path) and not path.endswith("-shm"):
            with open(path, "rb") as file:
                found[path] = file.read()
    return {path: data for path, data in found.items() if data or not path.endswith("-wal")}


def start_refused(daemon):
    """Starts a daemon that must end at once; what it said."""
    daemon.start(wait=False)
    status = daemon.process.wait(10)
    assert status > 0, daemon.log_tail()
    return status, daemon.log_tail()


def remove_store(daemon):
    for path in glob.glob(daemon.state_dir + "/state.db*"):
        os.unlink(path)


# A lost store

def populate(daemon):
    rest = daemon.rest
    rest.create("idle", "32M", labels={"a": "b", "ü": "ö"}, trash="2h", mountopts="noatime")
    rest.create("protected", "32M", protect=True, uid=5, gid=6, mode="0770")
    rest.create("block", "32M", fs="none")
    rest.create("xfs", "300M", fs="xfs")
    rest.create("trashed", "32M", trash="3h")
    rest.create("Größe 🏺", "32M")
    rest.remove("trashed", purge=False)
    rest.create("trashed", "48M")               # the name is taken again
    rest.create("renamed", "32M")
    rest.must("PATCH", "/v1/volumes/renamed", {"name": "other", "labels": {"x": "y"}})


def picture(daemon):
    """What a rebuilt store must know of each volume."""
    volumes = daemon.rest.volumes() + daemon.rest.volumes(phase="trashed")
    keep = ("phase", "created", "trashed", "expires", "fs_uuid", "size_enforced")
    return sorted((volume["uid"], volume["name"], json.dumps(volume["labels"], sort_keys=True),
                   json.dumps(volume["spec"], sort_keys=True),
                   [volume["status"].get(key) for key in keep]) for volume in volumes)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_lost_store_is_rebuilt(make_daemon, how):
    daemon = make_daemon(config=FAST)
    populate(daemon)
    path = daemon.rest.mount("idle", "me")["status"]["attachment"]["path"]
    with open(path + "/file", "w", encoding="utf-8") as file:
        file.write("kept")
    time.sleep(0.5)                             # descriptions are written by the survey at the latest
    before = picture(daemon)
    pools = daemon.rest.must("GET", "/v1/pools")["items"]
    with open(path + "/held", "w", encoding="utf-8") as held:   # in use, so it stays mounted
        getattr(daemon, how)()
        remove_store(daemon)
        daemon.start()
        assert picture(daemon) == before
        assert kernel.is_mounted(path)
        held.write("still")
        held.flush()
        os.fsync(held.fileno())
        time.sleep(0.5)
        assert kernel.is_mounted(path)
        assert daemon.rest.mount("idle", "me")["status"]["attachment"]["path"] == path
        assert len(daemon.volume_mounts()) == 1
    now = daemon.rest.must("GET", "/v1/pools")["items"]
    assert [(pool["name"], pool["uid"], pool["spec"], pool["status"]["allocated"]) for pool in now] == [
        (pool["name"], pool["uid"], pool["spec"], pool["status"]["allocated"]) for pool in pools]
    assert "VolumeRebuilt" in [event["reason"] for event in daemon.rest.events()]
    with open(path + "/file", encoding="utf-8") as file:
        assert file.read() == "kept"
    daemon.rest.unmount("idle", "me")
    assert_at_rest(daemon)
    assert picture(daemon) == before
    daemon.rest.must("POST", "/v1/volumes/trashed/restore", {"name": "back"})


def test_a_rebuilt_store_serves_docker_at_once(make_daemon):
    """dockerd takes a wrong 'no such volume' for the truth, so there must not be one, ever."""
    daemon = make_daemon()
    for number in range(30):
        daemon.rest.create(f"v{number}", "16M")
    daemon.kill()
    remove_store(daemon)
    daemon.start(wait=False)
    until(lambda: os.path.exists(daemon.docker_socket), 10)
    plugin = daemon.plugin(DOCKER)

    def ask():
        try:
            return plugin.call("VolumeDriver.Get", {"Name": "v29"})
        except OSError:
            return None
    status, answer = until(ask, 10, "an answer")
    assert status == 200 and answer["Volume"]["Name"] == "v29", answer
    assert len(plugin.list()) == 30
    daemon.wait_ready()


def test_the_whole_state_but_the_pool_is_lost(make_daemon):
    """Only the pool's backing file is left, as after restoring a disk: its signpost is gone, too."""
    daemon = make_daemon(config=FAST)
    daemon.rest.create("v", "32M", labels={"a": "b"})
    daemon.stop()
    kernel.unmount_below(daemon.dir)
    remove_store(daemon)
    before = os.stat(daemon.state_dir + "/pools/default.img").st_ino
    os.unlink(daemon.state_dir + "/pools/default.json")
    daemon.start()
    status = daemon.rest.must("GET", "/v1/pools/default")["status"]
    assert os.stat(daemon.state_dir + "/pools/default.img").st_ino == before
    if status["phase"] == "ready":
        assert daemon.rest.volume("v")["labels"] == {"a": "b"}
    else:                                       # said, and not overwritten
        assert "default.img" in status["reason"], status


def test_a_volume_copied_by_hand_keeps_its_data(make_daemon):
    """Two descriptions of one name in a rebuilt store: both are there, under different names."""
    daemon = make_daemon(config=FAST)
    volume = daemon.rest.create("v", "32M")
    root = f"{daemon.state_dir}/pools/default/volumes/"
    other = "00000000-0000-4000-8000-000000000001"
    shutil.copytree(root + volume["uid"], root + other)
    with open(root + other + "/volume.json", encoding="utf-8") as file:
        document = json.load(file)
    document["uid"] = other
    with open(root + other + "/volume.json", "w", encoding="utf-8") as file:
        json.dump(document, file)
    daemon.stop()
    remove_store(daemon)
    daemon.start()
    assert {volume["uid"] for volume in daemon.rest.volumes()} == {volume["uid"], other}
    assert sorted(volume["name"] for volume in daemon.rest.volumes()) == ["v", "v-2"]
    for name in ("v", "v-2"):
        daemon.rest.mount(name)
        daemon.rest.unmount(name)
    assert_at_rest(daemon)


# A store that must not be touched

def sqlite(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def foreign(path):
    os.unlink(path)
    sqlite(path, "CREATE TABLE songs (title TEXT)", "INSERT INTO songs VALUES ('mine')")


def newer(path):
    (version,), = sqlite3.connect(path).execute("PRAGMA user_version").fetchall()
    sqlite(path, f"PRAGMA user_version = {version + 100}")


def text(path):
    with open(path, "w", encoding="utf-8") as file:
        file.write("not a database at all\n" * 1000)


def damaged(path):
    """The pages in the middle are gone."""
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xde\xad" * ((size - 4096) // 2))


def truncated(path):
    os.truncate(path, os.path.getsize(path) // 2 + 100)


def emptied(path):
    os.truncate(path, 0)


def directory(path):
    os.unlink(path)
    os.mkdir(path)


def changed_record(path):
    """One byte of one record, as a failing disk changes it."""
    sqlite(path, "UPDATE record SET value = replace(value, 'available', 'availablE') "
                 "WHERE key LIKE 'volumes/%'")


@pytest.mark.parametrize("spoil", [foreign, newer, text, damaged, truncated, emptied,
                                   directory, changed_record])
def test_a_store_that_cannot_be_trusted_is_refused(make_daemon, spoil):
    daemon = make_daemon()
    for number in range(40):                    # so that there are pages to damage
        daemon.rest.create(f"v{number}", "16M", labels={"k": "v" * 200})
    daemon.stop()
    path = daemon.state_dir + "/state.db"
    spoil(path)
    before = files(daemon.state_dir)
    status, said = start_refused(daemon)
    assert "state.db" in said and len(said.splitlines()[-1]) > 40, said
    assert files(daemon.state_dir) == before
    # the way out: what the pools describe
    shutil.move(path, daemon.dir + "/state.db.broken")
    for extra in glob.glob(path + "-*"):
        os.unlink(extra)
    daemon.start()
    assert len(daemon.rest.volumes()) == 40


def test_a_state_directory_that_is_a_file(make_daemon):
    daemon = make_daemon(start=False)
    with open(daemon.state_dir, "w", encoding="utf-8") as file:
        file.write("mine")
    status, said = start_refused(daemon)
    assert daemon.state_dir in said
    with open(daemon.state_dir, encoding="utf-8") as file:
        assert file.read() == "mine"


def test_a_state_directory_that_cannot_be_written(make_daemon):
    daemon = make_daemon(start=False)
    os.makedirs(daemon.state_dir)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", daemon.state_dir], check=True)
    try:
        status, said = start_refused(daemon)
        assert daemon.state_dir in said and "ead-only" in said, said
    finally:
        subprocess.run(["umount", daemon.state_dir], check=True)


# Two daemons

def test_two_daemons_on_one_state_directory(make_daemon):
    first = make_daemon()
    first.rest.create("v", "32M")
    path = first.rest.mount("v")["status"]["attachment"]["path"]
    second = make_daemon(start=False, config={"state_dir": first.state_dir})
    status, said = start_refused(second)
    assert "another doliumd" in said and first.state_dir in said
    assert not os.path.exists(second.socket)
    assert kernel.is_mounted(path) and first.rest.volume("v")["status"]["attachment"]
    first.rest.unmount("v")
    first.kill()                                # its lock goes with it
    second.start()
    assert second.rest.exists("v")
    second.stop()


def test_a_second_daemon_does_not_take_the_sockets(make_daemon):
    """Its own state directory, but the run directory of another one that lives."""
    first = make_daemon()
    second = make_daemon(start=False, config={"run_dir": first.run_dir})
    status, said = start_refused(second)
    assert first.run_dir in said
    assert first.rest.get("/healthz").status == 200
    third = make_daemon(start=False, config={"docker_socket": first.docker_socket})
    status, said = start_refused(third)
    assert first.docker_socket in said
    assert first.plugin().list() == []
    assert first.rest.get("/healthz").status == 200


def test_a_socket_left_by_a_killed_daemon_is_replaced(make_daemon):
    daemon = make_daemon()
    daemon.kill()
    assert os.path.exists(daemon.socket) and os.path.exists(daemon.docker_socket)
    daemon.start()
    assert daemon.plugin().list() == []


def test_a_file_where_the_socket_should_be(make_daemon):
    daemon = make_daemon(start=False)
    os.makedirs(daemon.run_dir)
    with open(daemon.socket, "w", encoding="utf-8") as file:
        file.write("mine")
    status, said = start_refused(daemon)
    assert daemon.socket in said
    with open(daemon.socket, encoding="utf-8") as file:
        assert file.read() == "mine"


# A reboot

BOOT_ID = "/proc/sys/kernel/random/boot_id"


@pytest.fixture(name="reboot")
def _reboot(base):
    """reboot(daemon): what a reboot leaves: no mounts, no devices, another boot id. The sandbox has
    its own mount namespace, so only this run sees it."""
    done = []

    def reboot(daemon):
        daemon.kill()
        kernel.unmount_below(daemon.state_dir + "/mnt")
        kernel.detach_loops(daemon.state_dir + "/pools/default/")       # block volumes
        kernel.unmount_below(daemon.dir)
        assert kernel.no_loops(daemon.dir) == {}
        with open(f"{base}/boot_id", "w", encoding="utf-8") as file:
            file.write(f"00000000-0000-4000-8000-{len(done) + 1:012}\n")
        if not done:
            subprocess.run(["mount", "--bind", f"{base}/boot_id", BOOT_ID], check=True)
        done.append(True)
        daemon.start()
    yield reboot
    if done:
        subprocess.run(["umount", BOOT_ID], check=True)


def test_a_reboot_ends_all_attachments(make_daemon, reboot):
    daemon = make_daemon(config=FAST)
    rest = daemon.rest
    rest.create("v", "32M", labels={"a": "b"})
    rest.create("block", "32M", fs="none")
    rest.mount("block", "me")
    with open(rest.mount("v", "me")["status"]["attachment"]["path"] + "/file", "w",
              encoding="utf-8") as file:
        file.write("kept")
        os.fsync(file.fileno())
    daemon.plugin().mount("v", "container")
    reboot(daemon)
    assert rest.must("GET", "/version")["boot_id"].startswith("00000000")
    for name in ("v", "block"):
        assert "attachment" not in rest.volume(name)["status"]
    assert daemon.volume_mounts() == []
    time.sleep(0.5)
    assert daemon.volume_mounts() == []         # nobody mounts what nobody asked for
    with open(rest.mount("v", "me")["status"]["attachment"]["path"] + "/file",
              encoding="utf-8") as file:
        assert file.read() == "kept"
    rest.unmount("v", "me")
    rest.unmount("block", "me")
    rest.remove("v")                            # no consumer of the old boot holds it
    assert_at_rest(daemon)


def test_a_reboot_in_the_middle_of_everything(make_daemon, reboot):
    """Killed within operations, and then rebooted: all are finished or undone."""
    daemon = make_daemon(config={**FAST, "reconcile_period": "1h", "survey_period": "1h"})
    trigger = daemon.dir + "/trigger"
    for number in (4, 8, 12):
        name = f"v{number}"
        daemon.rest.create(name, "32M")
        daemon.stop()
        daemon.start(fault=f"*=kill,after={number},if={trigger}")
        time.sleep(0.1)
        with open(trigger, "w", encoding="utf-8"):
            pass
        for body in ("mount", "unmount"):
            try:
                daemon.rest.post(f"/v1/volumes/{name}/{body}", {"id": "x"})
            except OSError:
                break
        os.unlink(trigger)
        daemon.kill()
        daemon.write_config({**daemon.config, **FAST})
        daemon.env.pop("DOLIUM_FAULT", None)
        reboot(daemon)
        assert_at_rest(daemon)
        assert daemon.volume_mounts() == []
        daemon.rest.mount(name)
        daemon.rest.unmount(name)
        assert_at_rest(daemon)


def test_daemons_of_other_nodes_are_not_mixed_up(make_daemon):
    """The same state under another node's name: attachments of that node are not ours."""
    daemon = make_daemon(config=FAST)
    daemon.rest.create("v", "32M")
    daemon.rest.mount("v")
    daemon.rest.unmount("v")
    daemon.stop()
    daemon.write_config({**daemon.config, "node": "renamed"})
    daemon.start()
    assert daemon.rest.must("GET", "/version")["node"] == "renamed"
    assert daemon.rest.mount("v")["status"]["attachment"]["node"] == "renamed"
    daemon.rest.unmount("v")
    assert_at_rest(daemon)


def test_only_what_is_needed_is_open_to_others(daemon):
    """State is root's; containers only need to pass through to their mounts."""
    for path, mode in ((daemon.state_dir, 0o711), (daemon.state_dir + "/state.db", 0o600),
                       (daemon.state_dir + "/pools", 0o700), (daemon.socket, 0o600),
                       (daemon.docker_socket, 0o600)):
        assert os.stat(path).st_mode & 0o777 == mode, path


@pytest.mark.parametrize("fs, size", [("ext4", "32M"), ("xfs", "300M")])
def test_what_was_mounted_is_checked_after_a_reboot(make_daemon, reboot, fs, size):
    """A file system with errors is not mounted; one without is, and is looked at once."""
    daemon = make_daemon(config=FAST)
    rest = daemon.rest
    for name in ("bad", "good", "idle"):
        rest.create(name, size, fs=fs)
    path = rest.mount("bad", "me")["status"]["attachment"]["path"]
    rest.mount("good", "me")
    with open(path + "/file", "w", encoding="utf-8") as file:
        file.write("lost")
        os.fsync(file.fileno())
    inode = os.stat(path + "/file").st_ino
    reboot(daemon)
    image = f"{daemon.state_dir}/pools/default/volumes/{rest.volume('bad')['uid']}/disk"
    if fs == "ext4":
        argv = ["debugfs", "-w", "-R", f"clri <{inode}>", image]
    else:
        argv = ["xfs_db", "-x", "-f", "-c", f"inode {inode}", "-c", "write -c core.mode 0", image]
    subprocess.run(argv, check=True, capture_output=True)
    assert [rest.volume(name)["status"].get("unclean", False) for name in ("bad", "good", "idle")] \
        == [True, True, False]
    daemon.kill()                               # it is not forgotten
    daemon.start()
    refused = rest.post("/v1/volumes/bad/mount", {"id": "me"})
    assert refused.status == 409 and "dolium volume check --repair 'bad'" in refused.error["message"]
    assert daemon.volume_mounts() == []
    told = [event["reason"] for event in rest.must("GET", "/v1/events")["items"]]
    assert "VolumeDamaged" in told
    good = rest.mount("good", "me")
    assert "unclean" not in good["status"]
    rest.unmount("good", "me")
    assert rest.must("POST", "/v1/volumes/bad/check", {"repair": True})["clean"]
    assert "unclean" not in rest.mount("bad", "me")["status"]
    rest.unmount("bad", "me")
    assert_at_rest(daemon)


def test_unclean_is_mounted_unchecked_when_told_so(make_daemon, reboot):
    daemon = make_daemon(config={**FAST, "check_unclean": False})
    daemon.rest.create("v", "32M")
    daemon.rest.mount("v", "me")
    reboot(daemon)
    assert daemon.rest.mount("v", "me")["status"]["unclean"]
    daemon.rest.unmount("v", "me")

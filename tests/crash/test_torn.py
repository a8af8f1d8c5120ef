# SPDX-License-Identifier: Apache-2.0
"""What others do under doliumd: mounts torn away, loop devices detached, files deleted, and the store
deleted while it runs."""
import os
import subprocess
import time

import pytest

from lib import kernel
from lib.leaks import assert_at_rest
from lib.wait import until

FAST = {"reconcile_period": "100ms", "survey_period": "300ms"}
SLOW = {"reconcile_period": "1h"}


def tear(path):
    subprocess.run(["umount", "-l", "--", path], check=True)


def mounted_volume(daemon, name="v", consumer="user"):
    daemon.rest.create(name, "32M")
    path = daemon.rest.mount(name, consumer)["status"]["attachment"]["path"]
    with open(path + "/file", "w", encoding="utf-8") as file:
        file.write(name)
    return path


def content(path):
    with open(path + "/file", encoding="utf-8") as file:
        return file.read()


def reasons(daemon):
    return [event["reason"] for event in daemon.rest.events()]


def test_a_torn_mount_is_made_again_by_the_reconciler(make_daemon):
    daemon = make_daemon(pool_size="512M", config=FAST)
    path = mounted_volume(daemon)
    tear(path)
    until(lambda: kernel.is_mounted(path), 10, "the mount is back")
    until(lambda: "MountRestored" in reasons(daemon), 5, "an event tells")
    assert content(path) == "v"
    daemon.rest.unmount("v", "user")
    assert_at_rest(daemon)


def test_a_torn_mount_is_made_again_by_the_next_mount(make_daemon):
    daemon = make_daemon(pool_size="512M", config=SLOW)
    path = mounted_volume(daemon)
    tear(path)
    assert daemon.rest.mount("v", "second")["status"]["attachment"]["path"] == path
    assert kernel.is_mounted(path) and content(path) == "v"
    daemon.rest.unmount("v", "user")
    assert kernel.is_mounted(path)
    daemon.rest.unmount("v", "second")
    assert_at_rest(daemon)


def test_a_torn_mount_can_be_unmounted_and_deleted(make_daemon):
    daemon = make_daemon(pool_size="512M", config=SLOW)
    path = mounted_volume(daemon)
    tear(path)
    daemon.rest.unmount("v", "user")
    daemon.rest.remove("v")
    assert_at_rest(daemon)


def test_a_mount_torn_under_a_container(make_daemon):
    """The container's own bind keeps the file system; it must never be attached twice."""
    daemon = make_daemon(pool_size="512M", config=FAST)
    path = mounted_volume(daemon)
    bind = daemon.dir + "/container"
    os.mkdir(bind)
    subprocess.run(["mount", "--bind", path, bind], check=True)
    try:
        tear(path)
        until(lambda: kernel.is_mounted(path), 10, "the mount is back")
        with open(bind + "/file", "w", encoding="utf-8") as file:
            file.write("through the bind")
        assert content(path) == "through the bind"
        disks = [disk for disk in daemon.loops().values() if disk.endswith("/disk")]
        assert len(disks) == 1
    finally:
        tear(bind)
    daemon.rest.unmount("v", "user")
    assert_at_rest(daemon)


def test_a_device_that_is_somebody_elses_by_now(make_daemon):
    """A container held the mount after its last unmount; then all of it went while doliumd was down,
    and the loop device got another file. Whoever uses that does not use the volume."""
    daemon = make_daemon(pool_size="512M", config=FAST)
    path = mounted_volume(daemon)
    daemon.plugin().mount("v", "container")
    daemon.rest.unmount("v", "user")
    device = daemon.rest.volume("v")["status"]["attachment"]["device"]
    with open(path + "/file", encoding="utf-8"):
        daemon.plugin().unmount("v", "container")
        assert daemon.rest.volume("v")["status"]["attachment"]["consumers"] == []
        daemon.kill()
    tear(path)
    until(lambda: device not in kernel.loops(), 5, "the device is free")
    other = daemon.dir + "/other"
    with open(other, "wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", other], check=True)
    os.mkdir(daemon.dir + "/elsewhere")
    subprocess.run(["losetup", device, other], check=True)
    try:
        subprocess.run(["mount", device, daemon.dir + "/elsewhere"], check=True)
        daemon.start()
        until(lambda: "attachment" not in daemon.rest.volume("v")["status"], 5, "it is given up")
        daemon.plugin().remove("v")
        assert kernel.is_mounted(daemon.dir + "/elsewhere")
    finally:
        kernel.unmount_below(daemon.dir + "/elsewhere")
        subprocess.run(["losetup", "-d", device], check=False)
    assert_at_rest(daemon)


def test_a_foreign_mount_over_the_volume(make_daemon):
    """Somebody mounts something else on top: doliumd does not hand that out as the volume."""
    daemon = make_daemon(pool_size="512M", config=SLOW)
    path = mounted_volume(daemon)
    subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)
    answer = daemon.rest.post("/v1/volumes/v/mount", {"id": "second"})
    if answer.status == 200:
        assert content(path) == "v"
    else:
        assert answer.error["message"]
        subprocess.run(["umount", path], check=True)
        assert daemon.rest.mount("v", "second")["status"]["attachment"]["path"] == path
        assert content(path) == "v"
    daemon.rest.unmount("v", force=True)
    kernel.unmount_below(path)


def test_mounts_torn_while_doliumd_is_down(make_daemon):
    daemon = make_daemon(pool_size="512M", config=FAST)
    path = mounted_volume(daemon)
    daemon.kill()
    tear(path)
    tear(f"{daemon.state_dir}/pools/default")
    assert kernel.no_loops(daemon.dir) == {}
    daemon.start()
    until(lambda: kernel.is_mounted(path), 10, "the mount is back")
    assert content(path) == "v"
    daemon.rest.unmount("v", "user")
    assert_at_rest(daemon)


def test_the_pools_mount_is_torn_away(make_daemon):
    """Nothing is written beneath, and the pool comes back by itself."""
    daemon = make_daemon(pool_size="512M", config=FAST)
    path = mounted_volume(daemon)
    daemon.rest.create("idle", "32M")
    pool = f"{daemon.state_dir}/pools/default"
    tear(pool)
    assert content(path) == "v"                     # what is mounted goes on
    answer = daemon.rest.post("/v1/volumes", {"name": "new", "spec": {"size": "32M"}})
    assert answer.status == 201 or answer.error["kind"] == "unavailable", answer
    until(lambda: kernel.is_mounted(pool), 10, "the pool is mounted again")
    assert content(path) == "v"
    assert daemon.rest.volume("idle")["status"]["phase"] == "available"
    daemon.rest.mount("idle")
    daemon.rest.unmount("idle")
    daemon.rest.unmount("v", "user")
    assert daemon.rest.volume("v")["status"]["phase"] == "available"
    assert_at_rest(daemon)


def test_the_pools_mount_is_torn_away_while_idle(make_daemon):
    """No volume is in use, so its loop device goes, too."""
    daemon = make_daemon(pool_size="512M", config=FAST)
    daemon.rest.create("idle", "32M")
    pool = f"{daemon.state_dir}/pools/default"
    tear(pool)
    until(lambda: kernel.is_mounted(pool), 10, "the pool is mounted again")
    until(lambda: {"PoolAway", "PoolReady"} <= set(reasons(daemon)), 5, "events tell")
    assert "VolumeLost" not in reasons(daemon)
    daemon.rest.mount("idle")
    daemon.rest.unmount("idle")
    assert_at_rest(daemon)


def test_a_pool_that_stays_away_is_unavailable(make_daemon):
    """Its backing file is gone, too, so it cannot be mounted again: it says so, and writes nothing
    beneath."""
    daemon = make_daemon(pool_size="512M", config=FAST)
    daemon.rest.create("idle", "32M")
    pools = f"{daemon.state_dir}/pools"
    os.rename(pools + "/default.img", daemon.dir + "/away.img")
    tear(pools + "/default")
    until(lambda: "PoolAway" in reasons(daemon), 10, "an event tells")
    status = daemon.rest.must("GET", "/v1/pools/default")["status"]
    assert status["phase"] == "unavailable" and "not mounted" in status["reason"]
    assert daemon.rest.volume("idle")["status"]["phase"] == "available"
    for answer in (daemon.rest.post("/v1/volumes", {"name": "new", "spec": {"size": "32M"}}),
                   daemon.rest.post("/v1/volumes/idle/mount", {"id": "x"}),
                   daemon.rest.delete("/v1/volumes/idle?purge=true")):
        assert answer.status == 503 and "default" in answer.error["message"], answer
    assert os.listdir(pools + "/default") == []
    os.rename(daemon.dir + "/away.img", pools + "/default.img")
    until(lambda: daemon.rest.must("GET", "/v1/pools/default")["status"]["phase"] == "ready", 10)
    assert_at_rest(daemon)
    assert daemon.rest.volumes() == [] or daemon.rest.mount("idle")


def test_an_image_deleted_by_hand_is_reported(make_daemon):
    daemon = make_daemon(pool_size="512M", config=FAST)
    volume = daemon.rest.create("v", "32M")
    place = f"{daemon.state_dir}/pools/default/volumes/{volume['uid']}"
    subprocess.run(["mv", place, daemon.state_dir + "/pools/default/../../away"], check=True)
    until(lambda: daemon.rest.volume("v")["status"]["phase"] == "lost", 10, "the volume is lost")
    assert "VolumeLost" in reasons(daemon)
    answer = daemon.rest.post("/v1/volumes/v/mount", {"id": "x"})
    assert answer.status == 503 and "lost" in answer.error["message"]
    subprocess.run(["mv", daemon.state_dir + "/away", place], check=True)
    until(lambda: daemon.rest.volume("v")["status"]["phase"] == "available", 10, "it is found")
    assert "VolumeFound" in reasons(daemon)
    daemon.rest.mount("v")
    daemon.rest.unmount("v")
    assert_at_rest(daemon)


def test_a_lost_volume_can_be_deleted(make_daemon):
    daemon = make_daemon(pool_size="512M", config=FAST)
    volume = daemon.rest.create("v", "32M")
    subprocess.run(["rm", "-r", f"{daemon.state_dir}/pools/default/volumes/{volume['uid']}"],
                   check=True)
    until(lambda: daemon.rest.volume("v")["status"]["phase"] == "lost", 10, "the volume is lost")
    daemon.rest.remove("v")
    daemon.rest.create("v", "32M")
    assert_at_rest(daemon)


@pytest.mark.parametrize("names", [("state.db",), ("state.db", "state.db-wal", "state.db-shm")])
def test_the_store_is_deleted_under_the_running_daemon(make_daemon, names):
    """Then it is killed. What the pool describes is there again, and what was mounted works."""
    daemon = make_daemon(pool_size="512M", config=FAST)
    path = mounted_volume(daemon)
    daemon.rest.create("labelled", "32M", labels={"a": "b"}, mountopts="noatime")
    for name in names:
        os.unlink(f"{daemon.state_dir}/{name}")
    status = daemon.rest.post("/v1/volumes", {"name": "late", "spec": {"size": "32M"}}).status
    time.sleep(0.3)
    daemon.kill()
    daemon.start()
    assert_at_rest(daemon)
    found = {volume["name"]: volume for volume in daemon.rest.volumes()}
    assert {"v", "labelled"} <= set(found) <= {"v", "labelled", "late"}
    assert status != 201 or "late" in found, "an acknowledged volume is gone"
    assert found["labelled"]["labels"] == {"a": "b"}
    assert found["labelled"]["spec"]["mountopts"] == "noatime"
    assert daemon.rest.mount("v", "user")["status"]["attachment"]["path"] == path
    assert content(path) == "v"
    daemon.rest.unmount("v", "user")
    assert_at_rest(daemon)

# SPDX-License-Identifier: Apache-2.0
"""The life of volumes over REST, on a real pool."""
import os
import stat
import subprocess
import threading
import time

import pytest
from lib import kernel
from lib.wait import until


def attachment(volume):
    return volume["status"]["attachment"]


def pool_path(daemon, uid):
    return f"{daemon.state_dir}/pools/default/volumes/{uid}"


def test_create_mount_write_unmount_mount(daemon):
    volume = daemon.rest.create("db", "64M", labels={"app": "shop"})
    assert volume["status"]["phase"] == "available" and volume["labels"] == {"app": "shop"}
    path = attachment(daemon.rest.mount("db"))["path"]
    assert os.listdir(path) == []                   # no lost+found: Docker fills only empty ones
    with open(path + "/f", "w", encoding="utf-8") as file:
        file.write("kept")
    daemon.rest.unmount("db")
    assert not os.path.exists(path)
    path = attachment(daemon.rest.mount("db"))["path"]
    with open(path + "/f", encoding="utf-8") as file:
        assert file.read() == "kept"
    daemon.rest.unmount("db")


def test_size_is_enforced_and_told(daemon):
    daemon.rest.create("small", "32M")
    path = attachment(daemon.rest.mount("small"))["path"]
    with pytest.raises(OSError, match="No space left"):
        with open(path + "/f", "wb") as file:
            for _ in range(64):
                file.write(b"x" * (1 << 20))
                file.flush()
                os.fsync(file.fileno())
    status = daemon.rest.volume("small")["status"]
    assert 20 << 20 < status["used"] <= 32 << 20 and status["available"] < 4 << 20
    os.remove(path + "/f")
    daemon.rest.unmount("small")


def test_create_again(daemon):
    first = daemon.rest.create("v", "64M")
    assert daemon.rest.create("v", "64M")["uid"] == first["uid"]
    answer = daemon.rest.post("/v1/volumes", {"name": "v", "spec": {"size": "128M", "fs": "xfs"}})
    assert answer.status == 409 and answer.error["kind"] == "exists"
    assert "size is 64M, not 128M" in answer.error["message"]
    assert "fs is ext4, not xfs" in answer.error["message"]


@pytest.mark.parametrize("spec, check", [
    ({"uid": 1000, "gid": 1001, "mode": "2770"},
     lambda info: (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)) == (1000, 1001, 0o2770)),
    ({"fs": "xfs", "size": "300M", "uid": 7, "mode": "1777"},
     lambda info: (info.st_uid, stat.S_IMODE(info.st_mode)) == (7, 0o1777)),
    ({"thick": True}, lambda info: True),
])
def test_settings_are_in_force(daemon, spec, check):
    made = daemon.rest.must("POST", "/v1/volumes", {"name": "v", "spec": {"size": "64M", **spec}})
    path = attachment(daemon.rest.mount("v"))["path"]
    assert check(os.stat(path))
    if spec.get("thick"):
        assert made["status"]["allocated"] >= 64 << 20
    daemon.rest.unmount("v")


def test_mount_options_are_in_force(daemon):
    daemon.rest.create("v", mountopts="noatime,nosuid")
    path = attachment(daemon.rest.mount("v"))["path"]
    options = [entry[3] for entry in kernel.mounts(path) if entry[0] == path][0].split(",")
    assert "noatime" in options and "nosuid" in options
    daemon.rest.unmount("v")


def test_block_volume(daemon):
    daemon.rest.create("raw", "64M", fs="none")
    device = attachment(daemon.rest.mount("raw"))["device"]
    with open(device, "r+b", buffering=0) as file:
        file.write(b"x" * 4096)
    assert daemon.rest.mount("raw")["status"]["attachment"]["device"] == device
    daemon.rest.unmount("raw")
    assert not daemon.loops().get(device, "").startswith(pool_path(daemon, ""))
    device = attachment(daemon.rest.mount("raw"))["device"]
    with open(device, "rb", buffering=0) as file:
        assert file.read(4096) == b"x" * 4096
    daemon.rest.unmount("raw")


def test_consumers_are_counted_by_id(daemon):
    daemon.rest.create("v")
    path = attachment(daemon.rest.mount("v", "a"))["path"]
    daemon.rest.mount("v", "a")                     # the same one again: a set
    assert len(attachment(daemon.rest.mount("v", "b"))["consumers"]) == 2
    assert len(daemon.volume_mounts()) == 1         # never stacked
    daemon.rest.unmount("v", "a")
    daemon.rest.unmount("v", "a")                   # unknown by now: nothing happens
    assert kernel.is_mounted(path)
    assert "attachment" not in daemon.rest.unmount("v", "b")["status"]
    assert not kernel.is_mounted(path)
    daemon.rest.unmount("v", "never")


def test_busy_mount_is_told_and_forced(daemon):
    daemon.rest.create("v")
    path = attachment(daemon.rest.mount("v"))["path"]
    with open(path + "/f", "w", encoding="utf-8"):
        answer = daemon.rest.post("/v1/volumes/v/unmount", {"id": "test"})
        assert answer.status == 423 and str(os.getpid()) in answer.error["message"]
        assert kernel.is_mounted(path)
        assert attachment(daemon.rest.volume("v"))["consumers"]
        daemon.rest.unmount("v", force=True)
        assert not kernel.is_mounted(path)


def test_held_by_another_namespace(daemon):
    """A container's own bind keeps the volume, and a second mount finds the same file system."""
    daemon.rest.create("v")
    path = attachment(daemon.rest.mount("v", "a"))["path"]
    os.makedirs(daemon.dir + "/c")
    holder = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c",
                               f"mount --bind {path} {daemon.dir}/c && umount {path} && "
                               "echo up && exec sleep 1000"], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "up\n"
    try:
        answer = daemon.rest.post("/v1/volumes/v/unmount", {"id": "a"})
        assert answer.status == 423 and f"pid {holder.pid}" in answer.error["message"]
        assert daemon.rest.delete("/v1/volumes/v").status == 423
        subprocess.run(["umount", path], check=True)        # somebody tears the host's mount away
        again = attachment(daemon.rest.mount("v", "b"))
        assert len([d for d, f in daemon.loops().items() if "/volumes/" in f]) == 1
        with open(again["path"] + "/f", "w", encoding="utf-8") as file:
            file.write("seen")
        seen = subprocess.run(["nsenter", "-m", "-t", str(holder.pid), "cat", daemon.dir + "/c/f"],
                              check=True, capture_output=True, text=True)
        assert seen.stdout == "seen"
    finally:
        holder.kill()
        holder.wait()
    daemon.rest.unmount("v", "a")
    daemon.rest.unmount("v", "b")


def test_delete_goes_to_the_trash_and_back(daemon):
    uid = daemon.rest.create("v")["uid"]
    gone = daemon.rest.remove("v", purge=False)
    assert gone["status"]["phase"] == "trashed" and gone["status"]["expires"]
    assert not daemon.rest.exists("v")
    other = daemon.rest.create("v")                 # its name is free at once
    assert daemon.rest.post("/v1/volumes/v/restore").status == 409
    back = daemon.rest.must("POST", "/v1/volumes/v/restore", {"name": "v-old"})
    assert back["uid"] == uid and back["status"]["phase"] == "available"
    daemon.rest.remove("v")
    assert not os.path.exists(pool_path(daemon, other["uid"]))
    assert daemon.rest.get("/v1/volumes/uid:" + other["uid"]).status == 404


def test_trash_is_emptied_in_time(daemon):
    uid = daemon.rest.create("v", trash="1s")["uid"]
    daemon.rest.remove("v", purge=False)
    assert os.path.exists(pool_path(daemon, uid))
    until(lambda: not os.path.exists(pool_path(daemon, uid)), 15, "the trash gives it up")
    until(lambda: not daemon.rest.volumes(phase="trashed"), 5)


def test_protected(daemon):
    daemon.rest.create("v", protect=True)
    answer = daemon.rest.delete("/v1/volumes/v?purge=true")
    assert answer.status == 409 and "protected" in answer.error["message"]
    daemon.rest.must("PATCH", "/v1/volumes/v", {"spec": {"protect": False}})
    daemon.rest.remove("v")


def test_in_use_is_not_deleted(daemon):
    daemon.rest.create("v")
    daemon.rest.mount("v", "me")
    answer = daemon.rest.delete("/v1/volumes/v?purge=true")
    assert answer.status == 423 and "rest me since" in answer.error["message"]
    daemon.rest.unmount("v", "me")
    daemon.rest.remove("v")


def test_change(daemon):
    made = daemon.rest.create("v", labels={"a": "1", "b": "2"})
    changed = daemon.rest.must("PATCH", "/v1/volumes/v",
                               {"labels": {"a": None, "c": "3"}, "spec": {"trash": "2h"}})
    assert changed["labels"] == {"b": "2", "c": "3"} and changed["spec"]["trash"] == "2h"
    assert changed["revision"] > made["revision"]
    stale = daemon.rest.patch("/v1/volumes/v", {"labels": {"x": "y"}},
                              headers={"If-Match": f'"{made["revision"]}"'})
    assert stale.status == 412 and stale.error["kind"] == "stale"
    good = daemon.rest.patch("/v1/volumes/v", {"name": "w"},
                             headers={"If-Match": f'"{changed["revision"]}"'})
    assert good.status == 200 and good.headers["ETag"] == f'"{good.json["revision"]}"'
    assert daemon.rest.exists("w") and not daemon.rest.exists("v")
    assert daemon.rest.delete("/v1/volumes/w", headers={"If-Match": '"1"'}).status == 412


def test_changes_at_once_are_all_made(daemon):
    daemon.rest.create("v")
    threads = [threading.Thread(target=daemon.rest.must, args=(
        "PATCH", "/v1/volumes/v", {"labels": {f"k{i}": "x"}})) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(daemon.rest.volume("v")["labels"]) == 6


def test_pages_while_volumes_come_and_go(daemon):
    names = {f"v{i:03}" for i in range(120)}
    for name in names:
        daemon.rest.create(name, "16M", labels={"odd": str(int(name[1:]) % 2)})
    seen, token = [], None
    while True:
        query = {"limit": "7", **({"continue": token} if token else {})}
        page = daemon.rest.must("GET", "/v1/volumes", query=query)
        seen += [volume["name"] for volume in page["items"]]
        daemon.rest.remove(seen[-1])                # also the one that the token names
        daemon.rest.create("zz" + seen[-1], "16M")
        token = page.get("continue")
        if not token:
            break
    assert len(seen) == len(set(seen)) and names <= set(seen) and seen == sorted(seen)
    odd = daemon.rest.volumes(label="odd=1")
    assert odd and all(volume["labels"]["odd"] == "1" for volume in odd)


def test_operations_and_events(daemon):
    uid = daemon.rest.create("v")["uid"]
    answer = daemon.rest.delete("/v1/volumes/v?purge=true&wait=0s")
    assert answer.status == 202
    location = answer.headers["Location"]
    ended = daemon.rest.must("GET", location + "?wait=10s")
    assert ended["phase"] == "done" and ended["operation"] == "delete" and ended["volume"] == uid
    kinds = [o["operation"] for o in daemon.rest.must("GET", "/v1/operations")["items"]]
    assert kinds == ["delete", "create"]            # newest first
    reasons = [event["reason"] for event in daemon.rest.events()]
    assert reasons == ["VolumeCreated", "VolumeRemoved"]
    last = daemon.rest.events()[-1]["sequence"]
    daemon.restart()
    assert [event["reason"] for event in daemon.rest.events()][:2] == reasons
    daemon.rest.create("w")
    new = daemon.rest.events(after=last)
    assert [event["reason"] for event in new] == ["VolumeCreated"]
    assert new[0]["sequence"] > last


def test_events_are_watched(daemon):
    daemon.rest.create("before")
    curl = subprocess.Popen(["curl", "-sN", "--unix-socket", daemon.socket,
                             "http://x/v1/events?watch=true"], stdout=subprocess.PIPE, text=True)
    try:
        assert '"name":"before"' in curl.stdout.readline()
        time.sleep(0.2)
        daemon.rest.create("after")
        assert '"name":"after"' in curl.stdout.readline()
        daemon.stop()                               # ends the stream, and is not held up by it
        curl.wait(10)
        assert not daemon.runs()
    finally:
        curl.kill()
        curl.wait()


def test_metrics_are_prometheus_text(daemon):
    daemon.rest.create("v")
    daemon.rest.mount("v")
    text = daemon.rest.get("/metrics").text
    daemon.rest.unmount("v")
    values = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            values[name] = float(value)
    assert values["dolium_volumes"] == 1 and values["dolium_volumes_attached"] == 1
    assert values['dolium_pool_ready{pool="default"}'] == 1
    assert values['dolium_volume_size_bytes{volume="v",pool="default"}'] == 64 << 20
    assert values['dolium_operations_total{operation="create",result="done"}'] == 1
    described = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert {name.split("{")[0] for name in values} <= described

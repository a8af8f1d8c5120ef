# SPDX-License-Identifier: Apache-2.0
"""Snapshots, clones, restore and growing over REST, on a real pool."""
import os
import subprocess
import threading
import time

import pytest
from lib import kernel
from lib.wait import until


def place(document):
    return (document.get("attachment") or document["status"]["attachment"])["path"]


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def snapshot(daemon, name, *volumes, **more):
    return daemon.rest.must("POST", "/v1/snapshots",
                            {"name": name, "volumes": list(volumes), **more})["items"]


def clone(daemon, name, source, **spec):
    return daemon.rest.must("POST", "/v1/volumes", {"name": name, "spec": {"from": source, **spec}})


def frozen(path):
    """Whether a write to the file system hangs."""
    done = subprocess.run(["timeout", "2", "touch", path + "/.probe"], check=False)
    if done.returncode == 0:
        os.remove(path + "/.probe")
    return done.returncode != 0


@pytest.mark.parametrize("fs, size", [("ext4", "64M"), ("xfs", "300M")])
@pytest.mark.parametrize("mounted", [True, False])
def test_snapshot_keeps_what_was(daemon, fs, size, mounted):
    daemon.rest.create("db", size, fs=fs)
    path = place(daemon.rest.mount("db"))
    write(path + "/f", "before")
    if not mounted:
        daemon.rest.unmount("db")
    made = snapshot(daemon, "one", "db")[0]
    assert made["reference"] == "db@one" and made["phase"] == "ready"
    assert made["consistency"] == ("file-system" if mounted else "unmounted")
    path = place(daemon.rest.mount("db"))
    assert not frozen(path)
    write(path + "/f", "after")
    past = place(daemon.rest.must("POST", "/v1/snapshots/db@one/mount", {"id": "t"}))
    assert read(past + "/f") == "before" and read(path + "/f") == "after"
    with pytest.raises(OSError, match="Read-only"):
        write(past + "/g", "x")
    busy = daemon.rest.delete("/v1/snapshots/db@one")
    assert busy.status == 423 and "rest t" in busy.error["message"]
    daemon.rest.must("POST", "/v1/snapshots/db@one/unmount", {"id": "t"})
    daemon.rest.must("DELETE", "/v1/snapshots/db@one")
    assert daemon.rest.get("/v1/snapshots/db@one").status == 404
    assert read(path + "/f") == "after"
    daemon.rest.unmount("db")


def test_names_clash_and_are_freed(daemon):
    daemon.rest.create("db")
    snapshot(daemon, "one", "db")
    again = daemon.rest.post("/v1/snapshots", {"name": "one", "volumes": ["db"]})
    assert again.status == 409 and "db@one" in again.error["message"]
    daemon.rest.must("PATCH", "/v1/snapshots/db@one", {"name": "two", "labels": {"k": "v"},
                                                       "protect": True})
    snapshot(daemon, "one", "db")
    names = [s["name"] for s in daemon.rest.must("GET", "/v1/snapshots?volume=db")["items"]]
    assert names == ["two", "one"]                  # oldest first
    assert [s["name"] for s in daemon.rest.must("GET", "/v1/snapshots?label=k=v")["items"]] == ["two"]
    refused = daemon.rest.delete("/v1/snapshots/db@two")
    assert refused.status == 409 and "protected" in refused.error["message"]
    assert daemon.rest.delete("/v1/volumes/db?purge=true").status == 409
    daemon.rest.must("PATCH", "/v1/snapshots/db@two", {"protect": False})
    daemon.rest.remove("db")
    assert daemon.rest.must("GET", "/v1/snapshots")["items"] == []


def test_space_is_told_from_extents(daemon):
    daemon.rest.create("db", "256M")
    path = place(daemon.rest.mount("db"))
    with open(path + "/f", "wb") as file:
        file.write(os.urandom(32 << 20))
        os.fsync(file.fileno())
    first = snapshot(daemon, "one", "db")[0]
    assert first["exclusive"] < 4 << 20 and first["shared"] > 32 << 20
    with open(path + "/f", "r+b") as file:
        file.write(os.urandom(32 << 20))
        os.fsync(file.fileno())
    later = daemon.rest.must("GET", "/v1/snapshots/db@one")
    assert later["exclusive"] > 30 << 20
    daemon.rest.unmount("db")


def test_group_is_taken_at_one_moment(daemon):
    """Two volumes, written in turn: the second never has a number that the first has not."""
    paths = []
    for name in ("db", "log"):
        daemon.rest.create(name, labels={"app": "pg"})
        paths.append(place(daemon.rest.mount(name)))
    end = threading.Event()

    def writer():
        number = 0
        while not end.is_set():
            number += 1
            for path in paths:
                write(path + "/n.tmp", str(number))
                os.rename(path + "/n.tmp", path + "/n")
    thread = threading.Thread(target=writer)
    thread.start()
    time.sleep(0.3)
    groups = [daemon.rest.must("POST", "/v1/snapshots", {"name": f"s{i}", "label": "app=pg"})["items"]
              for i in range(4)]
    end.set()
    thread.join()
    for i, group in enumerate(groups):
        assert len(group) == 2 and group[0]["group"] == group[1]["group"]
        numbers = []
        for name in ("db", "log"):
            past = daemon.rest.must("POST", f"/v1/snapshots/{name}@s{i}/mount", {"id": "t"})
            numbers.append(int(read(place(past) + "/n")))
            daemon.rest.must("POST", f"/v1/snapshots/{name}@s{i}/unmount", {"id": "t"})
        assert numbers[0] - 1 <= numbers[1] <= numbers[0], numbers
    for name in ("db", "log"):
        daemon.rest.unmount(name)


@pytest.mark.parametrize("fs, size, larger", [("ext4", "64M", "128M"), ("xfs", "300M", "400M"),
                                              ("none", "32M", "64M")])
def test_clones_live_on_their_own(daemon, fs, size, larger):
    origin = daemon.rest.create("db", size, fs=fs)
    if fs != "none":
        path = place(daemon.rest.mount("db"))
        write(path + "/f", "old")
        snapshot(daemon, "one", "db")
        write(path + "/f", "new")
        live = clone(daemon, "live", "db")
        assert live["status"]["fs_uuid"] != origin["status"]["fs_uuid"]
    else:
        snapshot(daemon, "one", "db")
    copy = clone(daemon, "copy", "db@one", size=larger)
    again = daemon.rest.post("/v1/volumes", {"name": "copy", "spec": {"from": "db@one"}})
    assert again.status == 200 and again.json["uid"] == copy["uid"]
    if fs == "none":
        device = daemon.rest.mount("copy")["status"]["attachment"]["device"]
        with open(device, "rb") as file:
            assert file.seek(0, 2) == 64 << 20
        daemon.rest.unmount("copy")
        return
    snapshot(daemon, "deep", "copy")
    clone(daemon, "second", "copy@deep")            # a clone of a clone
    daemon.rest.unmount("db")
    daemon.rest.remove("db")                        # its snapshots go with it; clones do not
    for name, text in (("copy", "old"), ("live", "new"), ("second", "old")):
        path = place(daemon.rest.mount(name))
        assert read(path + "/f") == text
        write(path + "/own", name)
    info = os.statvfs(place(daemon.rest.volume("copy")))
    grown = info.f_blocks * info.f_frsize
    assert grown > (90 << 20 if fs == "ext4" else 330 << 20)
    for name in ("copy", "live", "second"):
        daemon.rest.unmount(name)
        daemon.rest.remove(name)


def test_clones_are_refused(daemon):
    daemon.rest.create("db", "64M")
    snapshot(daemon, "one", "db")
    for spec, word in (({"from": "db@one", "size": "32M"}, "size"),
                       ({"from": "db@one", "fs": "xfs"}, "fs"),
                       ({"from": "db@two"}, "db@two"), ({"from": "nosuch"}, "nosuch"),
                       ({"from": "db@"}, "VOLUME@SNAPSHOT")):
        answer = daemon.rest.post("/v1/volumes", {"name": "x", "spec": spec})
        assert answer.status in (400, 404) and word in answer.error["message"], answer
    assert not daemon.rest.exists("x")


@pytest.mark.parametrize("fs, size", [("ext4", "64M"), ("xfs", "300M")])
def test_restore_and_back_again(daemon, fs, size):
    daemon.rest.create("db", size, fs=fs)
    path = place(daemon.rest.mount("db"))
    write(path + "/f", "good")
    snapshot(daemon, "good", "db")
    write(path + "/f", "bad")
    busy = daemon.rest.post("/v1/snapshots/db@good/restore")
    assert busy.status == 423 and "rest test" in busy.error["message"]
    daemon.rest.must("POST", "/v1/snapshots/db@good/restore", {"force": True})
    path = place(daemon.rest.mount("db"))
    assert read(path + "/f") == "good"
    daemon.rest.unmount("db")
    kept = [s["name"] for s in daemon.rest.must("GET", "/v1/snapshots?volume=db")["items"]
            if s["name"].startswith("before-restore-")]
    assert len(kept) == 1
    daemon.rest.must("POST", f"/v1/snapshots/db@{kept[0]}/restore")
    path = place(daemon.rest.mount("db"))
    assert read(path + "/f") == "bad"
    daemon.rest.unmount("db")


def test_an_interrupted_restore_loses_nothing_written_since(make_daemon):
    """The image is back already, but not the record of it; then somebody uses the volume."""
    daemon = make_daemon(fault="driver.revert.after=error:internal",
                         config={"reconcile_period": "1h"})
    rest = daemon.rest
    rest.create("db", "64M")
    write(place(rest.mount("db")) + "/f", "old")
    rest.unmount("db")
    snapshot(daemon, "one", "db")
    assert rest.post("/v1/snapshots/db@one/restore").status == 500
    write(place(rest.mount("db")) + "/f", "written since")
    rest.unmount("db")
    daemon.stop()
    daemon.start(fault="")
    rest = daemon.rest
    until(lambda: not rest.must("GET", "/v1/operations", query={"phase": "running"})["items"], 20)
    names = [s["name"] for s in rest.must("GET", "/v1/snapshots?volume=db")["items"]]
    found = {read(place(rest.mount("db")) + "/f")}
    rest.unmount("db")
    for name in names:
        mounted = rest.must("POST", f"/v1/snapshots/db@{name}/mount", {"id": "x"})
        found.add(read(mounted["attachment"]["path"] + "/f"))
        rest.must("POST", f"/v1/snapshots/db@{name}/unmount", {"id": "x"})
    assert found >= {"old", "written since"}, (names, found)


def test_grow_unmounted_ext4(daemon):
    daemon.rest.create("db", "64M")
    path = place(daemon.rest.mount("db"))
    write(path + "/f", "kept")
    daemon.rest.unmount("db")
    grown = daemon.rest.must("POST", "/v1/volumes/db/resize", {"size": "256M"})
    assert grown["spec"]["size"] == grown["status"]["size"] == 256 << 20
    path = place(daemon.rest.mount("db"))
    info = os.statvfs(path)
    assert info.f_blocks * info.f_frsize > 200 << 20 and read(path + "/f") == "kept"
    daemon.rest.unmount("db")
    smaller = daemon.rest.post("/v1/volumes/db/resize", {"size": "128M"})
    assert smaller.status == 400 and "never shrinks" in smaller.error["message"]
    pool = daemon.rest.must("GET", "/v1/pools/default")
    assert pool["status"]["allocated"] == 256 << 20


def test_grow_mounted_xfs(daemon):
    daemon.rest.create("db", "300M", fs="xfs")
    path = place(daemon.rest.mount("db"))
    with open(path + "/f", "w", encoding="utf-8") as open_all_the_time:
        daemon.rest.must("POST", "/v1/volumes/db/resize", {"size": "500M"})
        open_all_the_time.write("x")
    info = os.statvfs(path)
    assert info.f_blocks * info.f_frsize > 400 << 20
    daemon.rest.unmount("db")


def test_grow_mounted_ext4(daemon):
    """The kernel wants a capability for it that not every host gives: then nothing is begun."""
    daemon.rest.create("db", "64M")
    daemon.rest.mount("db")
    answer = daemon.rest.post("/v1/volumes/db/resize", {"size": "128M"})
    volume = daemon.rest.volume("db")
    if answer.status == 200:
        assert volume["status"]["size"] == volume["spec"]["size"] == 128 << 20
    else:
        assert answer.status == 403 and "CAP_SYS_RESOURCE" in answer.error["message"]
        assert "unmount" in answer.error["message"]
        assert volume["status"]["size"] == volume["spec"]["size"] == 64 << 20
        assert os.stat(image_of(daemon, volume)).st_size == 64 << 20
    daemon.rest.unmount("db")


def image_of(daemon, volume):
    return f"{daemon.state_dir}/pools/default/volumes/{volume['uid']}/disk"


def test_a_failed_grow_is_given_up(make_daemon):
    daemon = make_daemon(fault="host.grow.fs.before=error:internal")
    rest = daemon.rest
    rest.create("db", "300M", fs="xfs")
    write(place(rest.mount("db")) + "/f", "kept")
    assert rest.post("/v1/volumes/db/resize", {"size": "500M"}).status == 500
    volume = rest.volume("db")
    assert (volume["spec"]["size"], volume["status"]["size"]) == (500 << 20, 300 << 20)
    assert os.stat(image_of(daemon, volume)).st_size == 500 << 20
    held = rest.post("/v1/volumes/db/resize", {"size": "300M"})
    assert held.status == 423 and "in use by rest" in held.error["message"]
    rest.unmount("db")
    volume = rest.must("POST", "/v1/volumes/db/resize", {"size": "300M"})
    assert volume["spec"]["size"] == volume["status"]["size"] == 300 << 20
    assert os.stat(image_of(daemon, volume)).st_size == 300 << 20
    assert rest.must("GET", "/v1/pools/default")["status"]["allocated"] == 300 << 20
    assert read(place(rest.mount("db")) + "/f") == "kept"
    rest.unmount("db")
    rest.create("copy", "300M", **{"from": "db"})


def test_diff_finds_what_changed(daemon):
    daemon.rest.create("db", "64M", fs="none")
    device = daemon.rest.mount("db")["status"]["attachment"]["device"]
    fd = os.open(device, os.O_RDWR | os.O_SYNC)
    os.pwrite(fd, b"a" * (1 << 20), 0)
    snapshot(daemon, "one", "db")
    os.pwrite(fd, b"b" * 65536, 32 << 20)
    os.pwrite(fd, b"c" * 4096, 4096)
    snapshot(daemon, "two", "db")
    os.pwrite(fd, b"d" * 4096, 0)
    os.close(fd)
    daemon.rest.unmount("db")
    now = daemon.rest.must("GET", "/v1/volumes/db/diff?base=db@two")["items"]
    assert now == [{"offset": 0, "length": 4096, "data": True}]
    daemon.rest.create("other", "64M", fs="none")
    foreign = daemon.rest.get("/v1/volumes/other/diff?base=db@two")
    assert foreign.status == 400 and "no snapshot of volume 'other'" in foreign.error["message"]
    changed = set()
    for item in daemon.rest.must("GET", "/v1/snapshots/db@two/diff?base=db@one")["items"]:
        changed |= set(range(item["offset"] // 4096, (item["offset"] + item["length"]) // 4096))
    assert {1, *range(8192, 8192 + 16)} <= changed and len(changed) < 100
    pages, after = [], "0"
    while after is not None:
        page = daemon.rest.must("GET", f"/v1/snapshots/db@two/diff?limit=1&after={after}")
        pages += page["items"]
        after = page.get("continue")
    whole = daemon.rest.must("GET", "/v1/snapshots/db@two/diff")["items"]
    assert pages == whole


def test_rebuilt_from_the_pool(daemon):
    daemon.rest.create("db")
    path = place(daemon.rest.mount("db"))
    write(path + "/f", "before")
    uid = snapshot(daemon, "one", "db", labels={"why": "test"}, protect=True)[0]["uid"]
    daemon.rest.unmount("db")
    daemon.stop()
    for name in os.listdir(daemon.state_dir):
        if name.startswith("state.db"):
            os.remove(f"{daemon.state_dir}/{name}")
    daemon.start()
    found = daemon.rest.must("GET", "/v1/snapshots/db@one")
    assert found["uid"] == uid and found["labels"] == {"why": "test"} and found["protect"]


POINTS = ["store.commit.before", "store.commit.after", "driver.snapshot-create.before",
          "image.snapshot.made", "driver.snapshot-create.after", "host.freeze.after"]


@pytest.mark.parametrize("point", POINTS)
def test_killed_while_taking(make_daemon, point):
    """Nothing stays frozen, nothing is left, and the same request succeeds."""
    daemon = make_daemon()
    daemon.rest.create("db")
    path = place(daemon.rest.mount("db"))
    write(path + "/f", "x")
    daemon.stop()
    daemon.start(fault=f"{point}=kill")
    try:
        daemon.rest.post("/v1/snapshots", {"name": "one", "volumes": ["db"]})
    except OSError:
        pass
    daemon.wait_killed()
    daemon.start(fault="")
    deadline = time.monotonic() + 10
    while daemon.rest.must("GET", "/v1/operations?phase=running")["items"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not frozen(path)
    left = daemon.rest.must("GET", "/v1/snapshots")["items"]
    assert all(s["phase"] == "ready" for s in left)
    if not left:
        snapshot(daemon, "one", "db")
    uid = daemon.rest.volume("db")["uid"]
    directory = f"{daemon.state_dir}/pools/default/volumes/{uid}/snapshots"
    assert len(os.listdir(directory)) == 1
    daemon.rest.unmount("db")
    assert not kernel.is_mounted(path)

# SPDX-License-Identifier: Apache-2.0
"""Pools over REST: making them, choosing among them, plain directories, unknown volumes."""
import json
import os
import shutil
import subprocess
import threading
import uuid

import pytest
from lib import kernel
from lib.leaks import assert_at_rest
from lib.wait import until

FAST = {"reconcile_period": "100ms", "survey_period": "200ms"}


def make_pool(daemon, name, **spec):
    return daemon.rest.must("POST", "/v1/pools", {"name": name, "spec": spec})


def pool(daemon, name="default"):
    return daemon.rest.must("GET", "/v1/pools/" + name)


def place(daemon, name="places/p"):
    path = f"{daemon.dir}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def tree(path):
    """Everything below a path, with contents: to show that nothing was touched."""
    found = {}
    for directory, names, files in os.walk(path):
        for name in names + files:
            full = os.path.join(directory, name)
            status = os.lstat(full)
            found[full] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino)
            if name in files and not os.path.islink(full):
                with open(full, "rb") as file:
                    found[full] += (file.read(),)
    return found


def test_figures_follow_what_happens(daemon):
    before = pool(daemon)["status"]
    assert before["phase"] == "ready" and before["kind"] == "xfs in a backing file"
    assert 0 < before["used"] < before["available"] < before["capacity"] < 2 << 30
    assert before["allocated"] == before["volumes"] == before["trash"] == 0
    daemon.rest.create("v", "64M")
    daemon.rest.create("t", "64M", thick=True)
    now = pool(daemon)["status"]
    assert now["allocated"] == 128 << 20 and now["volumes"] == 2
    assert now["used"] - before["used"] >= 64 << 20
    assert before["allocatable"] - now["allocatable"] == 128 << 20
    daemon.rest.remove("t", purge=False)
    trashed = pool(daemon)["status"]
    assert trashed["trashed"] == 1 and trashed["trash"] >= 64 << 20
    daemon.rest.must("DELETE", "/v1/volumes/v?purge=true")
    for volume in daemon.rest.volumes(phase="trashed"):
        daemon.rest.must("DELETE", "/v1/volumes/uid:" + volume["uid"])
    after = pool(daemon)["status"]
    assert after["allocated"] == after["volumes"] == after["trash"] == 0
    until(lambda: pool(daemon)["status"]["used"] - before["used"] < 4 << 20, 10,
          "XFS has freed the space")


def test_a_second_pool(daemon):
    made = make_pool(daemon, "fast", driver="image", size="512M", path=place(daemon), media="nvme",
                     overcommit=1)
    assert made["status"]["phase"] == "ready" and made["status"]["media"] == "nvme"
    assert [item["name"] for item in daemon.rest.must("GET", "/v1/pools")["items"]] == [
        "default", "fast"]
    assert daemon.rest.create("a", "64M", pool="fast")["spec"]["pool"] == "fast"
    assert daemon.rest.create("b", "64M", pool="default")["spec"]["pool"] == "default"
    answer = daemon.rest.post("/v1/volumes", {"name": "c", "spec": {"size": "600M", "pool": "fast"}})
    assert answer.status == 507 and "fast" in answer.error["message"]
    assert [volume["name"] for volume in daemon.rest.volumes(pool="fast")] == ["a"]
    daemon.rest.mount("a")
    daemon.kill()
    daemon.start()
    assert daemon.rest.mount("a")["status"]["attachment"]["path"]
    daemon.rest.unmount("a")
    assert_at_rest(daemon)


def test_a_pool_of_that_name(daemon):
    again = daemon.rest.post("/v1/pools", {"name": "default"})
    assert again.status == 409 and again.error["kind"] == "exists"


def test_the_same_pool_is_wanted_at_once(daemon):
    """One wins; the others are told, and nobody is left half-made."""
    answers = []
    body = {"name": "p", "spec": {"driver": "image", "size": "512M", "path": place(daemon)}}
    threads = [threading.Thread(target=lambda: answers.append(daemon.rest.post("/v1/pools", body)))
               for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [201] + [409] * 5
    assert_at_rest(daemon)


def test_two_pools_in_one_place(daemon):
    make_pool(daemon, "one", driver="dir", path=place(daemon))
    before = tree(place(daemon))
    for driver in ("dir", "image"):
        answer = daemon.rest.post("/v1/pools", {"name": "two", "spec": {"driver": driver,
                                                                        "path": place(daemon)}})
        assert answer.status == 409 and "places/p" in answer.error["message"], answer
        inside = daemon.rest.post("/v1/pools", {"name": "two", "spec": {
            "driver": driver, "path": place(daemon) + "/volumes/inside"}})
        assert inside.status == 409, inside
    assert tree(place(daemon)) == before
    assert daemon.rest.get("/v1/pools/two").status == 404


@pytest.mark.parametrize("driver", ["dir", "image"])
def test_a_directory_with_other_content_is_refused(daemon, driver):
    path = place(daemon)
    os.makedirs(path + "/photos")
    with open(path + "/photos/cat.jpg", "wb") as file:
        file.write(b"meow")
    before = tree(path)
    answer = daemon.rest.post("/v1/pools", {"name": "p", "spec": {"driver": driver, "path": path}})
    assert answer.status == 409 and "photos" in answer.error["message"], answer
    assert tree(path) == before
    assert os.listdir(os.path.dirname(path)) == ["p"]
    assert daemon.rest.get("/v1/pools/p").status == 404


@pytest.mark.parametrize("content", [b"", b"{", b'{"kind":"dolium-pool","version":99}', b"\x00" * 4096,
                                     b'{"kind":"dolium-pool","version":1,"driver":"dir"}'])
def test_a_damaged_or_newer_pool_is_refused(daemon, content):
    path = place(daemon)
    make_pool(daemon, "first", driver="dir", path=path)
    daemon.rest.must("POST", "/v1/volumes", {"name": "v", "spec": {"pool": "first"}})
    with open(path + "/pool.json", "wb") as file:
        file.write(content)
    before = tree(path)
    daemon.restart()
    status = pool(daemon, "first")["status"]
    assert status["phase"] == "unavailable" and "pool.json" in status["reason"], status
    answer = daemon.rest.post("/v1/volumes", {"name": "w", "spec": {"pool": "first"}})
    assert answer.status == 503
    answer = daemon.rest.post("/v1/pools", {"name": "p", "spec": {"driver": "dir", "path": path}})
    assert answer.status in (409, 501), answer
    assert tree(path) == before
    assert daemon.rest.volume("v")["status"]["phase"] == "available"   # Docker must not forget it


def test_a_device_that_holds_something_is_not_formatted(daemon):
    file = daemon.dir + "/disk"
    with open(file, "wb") as image:
        image.truncate(600 << 20)
    subprocess.run(["mkfs.ext4", "-q", file], check=True)
    device = subprocess.run(["losetup", "-f", "--show", file], check=True, text=True,
                            capture_output=True).stdout.strip()
    try:
        with open(file, "rb") as image:
            before = image.read(1 << 20)
        answer = daemon.rest.post("/v1/pools", {"name": "p", "spec": {
            "device": device, "path": place(daemon)}})
        assert answer.status == 409 and "ext4" in answer.error["message"], answer
        with open(file, "rb") as image:
            assert image.read(1 << 20) == before
        assert daemon.rest.get("/v1/pools/p").status == 404
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


def test_a_pool_on_a_device(daemon):
    file = daemon.dir + "/disk"
    with open(file, "wb") as image:
        image.truncate(600 << 20)
    device = subprocess.run(["losetup", "-f", "--show", file], check=True, text=True,
                            capture_output=True).stdout.strip()
    path = place(daemon)
    try:
        made = make_pool(daemon, "p", device=device, path=path)
        assert made["status"]["phase"] == "ready" and made["status"]["kind"] == "xfs on a device"
        daemon.rest.create("v", "64M", pool="p")
        daemon.rest.mount("v")
        daemon.rest.unmount("v")
        daemon.stop()
        kernel.unmount_below(path)
        daemon.start()
        assert daemon.rest.mount("v")["status"]["attachment"]["path"]
        daemon.rest.unmount("v")
        daemon.rest.remove("v")
        daemon.stop()
    finally:
        kernel.unmount_below(path)
        subprocess.run(["losetup", "-d", device], check=False)


# Plain directories

@pytest.fixture(name="plain")
def _plain(make_daemon):
    """A daemon whose only pool is of plain directories."""
    daemon = make_daemon(start=False, pools=[{"name": "plain", "driver": "dir"}], config=FAST)
    return daemon.start()


def test_plain_directories(plain):
    volume = plain.rest.must("POST", "/v1/volumes", {
        "name": "v", "spec": {"uid": 7, "gid": 8, "mode": "0750"}})
    assert volume["spec"]["fs"] == "directory" and volume["status"]["size_enforced"] is False
    path = plain.rest.mount("v", "one")["status"]["attachment"]["path"]
    status = os.stat(path)
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (7, 8, 0o750)
    with open(path + "/file", "w", encoding="utf-8") as file:
        file.write("kept")
    plain.rest.mount("v", "two")
    assert len(plain.volume_mounts()) == 1
    plain.rest.unmount("v", "one")
    plain.kill()
    plain.start()
    plain.rest.unmount("v", "two")
    assert_at_rest(plain)
    with open(plain.rest.mount("v")["status"]["attachment"]["path"] + "/file",
              encoding="utf-8") as file:
        assert file.read() == "kept"
    plain.rest.unmount("v")
    plain.rest.remove("v")
    assert_at_rest(plain)


@pytest.mark.parametrize("spec, field", [({"size": "64M"}, "size"), ({"fs": "ext4"}, "fs"),
                                         ({"fs": "none"}, "fs"), ({"thick": True}, "thick")])
def test_plain_directories_promise_nothing_they_cannot_keep(plain, spec, field):
    answer = plain.rest.post("/v1/volumes", {"name": "v", "spec": spec})
    assert answer.status == 501 and answer.error["kind"] == "unsupported", answer
    assert field in answer.error["message"] and "plain" in answer.error["message"]
    assert plain.rest.volumes() == []
    assert_at_rest(plain)


# Unknown volumes

def copy_volume(daemon, name, **changes):
    """A volume that nobody recorded: a copy of another one, with a changed description."""
    source = f"{daemon.state_dir}/pools/default/volumes/{daemon.rest.volume(name)['uid']}"
    uid = str(uuid.uuid4())
    shutil.copytree(source, daemon.dir + "/staged")
    with open(daemon.dir + "/staged/volume.json", encoding="utf-8") as file:
        document = {**json.load(file), "uid": uid, **changes}
    with open(daemon.dir + "/staged/volume.json", "w", encoding="utf-8") as file:
        json.dump(document, file)
    shutil.move(daemon.dir + "/staged", os.path.dirname(source) + "/" + uid)
    return uid


def unknown(daemon):
    return daemon.rest.must("GET", "/v1/pools/default/unknown")["items"]


def adopt(daemon, **body):
    return daemon.rest.post("/v1/pools/default/adopt", body)


def test_an_unknown_volume_is_told_and_adopted(make_daemon):
    daemon = make_daemon(config=FAST)
    daemon.rest.create("v", "32M", labels={"a": "b"})
    path = daemon.rest.mount("v")["status"]["attachment"]["path"]
    with open(path + "/file", "w", encoding="utf-8") as file:
        file.write("kept")
    daemon.rest.unmount("v")
    assert unknown(daemon) == []
    uid = copy_volume(daemon, "v")
    (found,) = unknown(daemon)
    assert found["uid"] == uid and found["name"] == "v" and found["size"] == 32 << 20
    assert "reason" not in found
    until(lambda: "UnknownVolume" in [event["reason"] for event in daemon.rest.events()], 10)
    assert len(daemon.rest.volumes()) == 1          # reported, and neither recorded nor deleted
    taken = adopt(daemon, uid=uid)
    assert taken.status == 409 and "another name" in taken.error["message"]
    answer = adopt(daemon, uid=uid, name="adopted")
    assert answer.status == 200 and answer.json["labels"] == {"a": "b"}
    assert unknown(daemon) == []
    assert adopt(daemon, uid=uid, name="other").status == 409
    with open(daemon.rest.mount("adopted")["status"]["attachment"]["path"] + "/file",
              encoding="utf-8") as file:
        assert file.read() == "kept"
    daemon.rest.unmount("adopted")
    assert_at_rest(daemon)


@pytest.mark.parametrize("name", ["", "a/b", "uid:x", "x" * 129])
def test_adopting_under_a_bad_name(daemon, name):
    daemon.rest.create("v", "32M")
    uid = copy_volume(daemon, "v")
    answer = adopt(daemon, uid=uid, name=name)
    assert answer.status == 400 and "name" in answer.error["message"], answer
    assert [item["uid"] for item in unknown(daemon)] == [uid]


@pytest.mark.parametrize("uid", ["", "../../etc", "..", "x", "a/b", "%2e%2e"])
def test_adopting_what_is_not_there(daemon, uid):
    answer = adopt(daemon, uid=uid)
    assert answer.status in (400, 404), answer
    assert daemon.rest.volumes() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name":"../x"}', None])
def test_what_cannot_be_adopted_says_why_and_stays(make_daemon, content):
    daemon = make_daemon(config=FAST)
    daemon.rest.create("v", "32M")
    uid = copy_volume(daemon, "v")
    directory = f"{daemon.state_dir}/pools/default/volumes/{uid}"
    if content is None:
        os.unlink(directory + "/volume.json")
    else:
        with open(directory + "/volume.json", "wb") as file:
            file.write(content)
    before = tree(directory)
    (found,) = unknown(daemon)
    assert found["uid"] == uid and found["reason"]
    answer = adopt(daemon, uid=uid, name="w")
    assert answer.status == 409 and "cannot be adopted" in answer.error["message"], answer
    until(lambda: "UnknownVolume" in [event["reason"] for event in daemon.rest.events()], 10)
    daemon.restart()
    assert tree(directory) == before
    assert [volume["name"] for volume in daemon.rest.volumes()] == ["v"]


def test_strangers_in_the_pool_are_left_alone(make_daemon):
    """Files of people, and directories that are no volumes."""
    daemon = make_daemon(config=FAST)
    daemon.rest.create("v", "32M")
    root = f"{daemon.state_dir}/pools/default"
    os.makedirs(root + "/volumes/my stuff")
    os.makedirs(root + "/notes")
    with open(root + "/volumes/file", "w", encoding="utf-8") as file:
        file.write("mine")
    os.symlink("/etc", root + "/volumes/" + str(uuid.uuid4()))
    before = {path: data for path, data in tree(root).items() if "/disk" not in path}
    daemon.restart()
    assert_is_served(daemon)
    after = tree(root)
    assert {path: after.get(path) for path in before if "notes" in path or "stuff" in path
            or path.endswith("/file")} == {
                path: data for path, data in before.items() if "notes" in path or "stuff" in path
                or path.endswith("/file")}
    assert os.path.exists("/etc/passwd")


def assert_is_served(daemon):
    daemon.rest.mount("v")
    daemon.rest.unmount("v")
    daemon.rest.create("w", "32M")
    daemon.rest.remove("w")

# SPDX-License-Identifier: Apache-2.0
"""The host's own disk is full, beneath the store or beneath the pool's backing file: what is there is
kept, requests fail with a clear error, and all goes on when there is space again."""
import os
import subprocess

import pytest

from lib import kernel
from lib.leaks import check_file_systems
from lib.wait import until

FAST = {"reconcile_period": "100ms", "survey_period": "300ms"}
MIB = 1 << 20


@pytest.fixture(name="disk")
def _disk(base, request):
    """disk(size): a small ext4 file system of its own, mounted."""
    made = []

    def disk(size):
        place = f"{base}/{request.node.name}-{len(made)}"
        with open(place + ".img", "wb") as file:
            file.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-m0", place + ".img"], check=True)
        os.mkdir(place)
        subprocess.run(["mount", "-o", "loop", place + ".img", place], check=True)
        made.append(place)
        return place
    yield disk
    for place in made:
        kernel.unmount_below(place)
        kernel.no_loops(place)
        kernel.remove_tree(place)       # a daemon that outlived its test may still write here
        os.unlink(place + ".img")


def hog(place, leave=0):
    """Takes all space of a file system but `leave` bytes."""
    with open(place + "/hog", "wb", buffering=0) as file:
        status = os.statvfs(place)
        size = max(status.f_bavail * status.f_frsize - leave, 0)
        os.posix_fallocate(file.fileno(), 0, max(size - 65536, 4096))
        if leave:
            return
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_no_space_for_the_records(make_daemon, disk, base):
    """The store's disk is full; the pool lies elsewhere."""
    place = disk(64 * MIB)
    daemon = make_daemon(config={**FAST, "state_dir": place + "/state"},
                         pools=[{"name": "default", "driver": "image", "size": "512M",
                                 "path": base + "/elsewhere"}])
    rest = daemon.rest
    for name in ("mounted", "idle", "gone"):
        rest.create(name, "32M")
    path = rest.mount("mounted")["status"]["attachment"]["path"]
    write(path + "/file", b"kept")
    hog(place)
    done, refused = fill_the_records(rest)
    assert done > 100, "the store keeps a reserve"
    assert refused is None or (refused.error["kind"] == "no-space" and refused.error["message"]), refused
    assert rest.volume("idle")["status"]["phase"] == "available"
    assert len(rest.volumes()) >= 3
    write(path + "/file", b"still written")
    os.unlink(place + "/hog")
    until(lambda: rest.post("/v1/volumes", {"name": "again", "spec": {"size": "16M"}}).status
          in (200, 201), 10, "it goes on by itself")
    rest.remove("gone")
    rest.unmount("mounted")
    assert_at_rest_elsewhere(daemon)
    daemon.kill()
    daemon.start()
    assert read(rest.mount("mounted")["status"]["attachment"]["path"] + "/file") == b"still written"
    rest.unmount("mounted")
    daemon.stop()
    kernel.unmount_below(base + "/elsewhere")


def fill_the_records(rest):
    """Creates and deletes until one is refused: (how many were done, that answer or None)."""
    for number in range(4000):
        answer = rest.post("/v1/volumes", {"name": f"n{number}", "spec": {"size": "16M"}})
        if answer.status == 201:
            answer = rest.delete(f"/v1/volumes/n{number}", query={"purge": "true"})
        if answer.status >= 300:
            return number, answer
    return 4000, None


def assert_at_rest_elsewhere(daemon):
    """The state directory lies outside the daemon's own, where lib.leaks looks for mounts."""
    rest = daemon.rest
    until(lambda: not rest.must("GET", "/v1/operations", query={"phase": "running"})["items"], 10)
    until(lambda: not [v for v in rest.volumes() if v["status"].get("attachment")], 10)
    until(lambda: os.listdir(daemon.state_dir + "/mnt") == [], 10)


def test_no_space_beneath_the_backing_file(make_daemon, disk):
    """The pool's backing file is sparse, and the disk beneath it is full."""
    place = disk(900 * MIB)
    daemon = make_daemon(config={**FAST, "state_dir": place + "/state"}, pool_size="700M")
    rest = daemon.rest
    for name in ("victim", "quiet"):
        rest.create(name, "300M")
    path = rest.mount("victim")["status"]["attachment"]["path"]
    quiet = rest.mount("quiet")["status"]["attachment"]["path"]
    write(path + "/before", b"before" * 10000)
    write(quiet + "/before", b"quiet" * 10000)
    rest.unmount("quiet")
    hog(place, leave=30 * MIB)
    failed = False
    try:
        for number in range(250):
            write(f"{path}/{number}", os.urandom(MIB))
    except OSError:
        failed = True
    assert failed, "the disk was not full"
    answer = rest.get("/v1/volumes")
    assert answer.status == 200 and len(answer.json["items"]) == 2
    os.unlink(place + "/hog")
    rest.unmount("victim", force=True)
    until(lambda: usable(rest, "victim"), 20, "the pool works again, by itself")
    path = rest.mount("victim")["status"]["attachment"]["path"]
    assert read(path + "/before") == b"before" * 10000
    rest.unmount("victim")
    quiet = rest.mount("quiet")["status"]["attachment"]["path"]
    assert read(quiet + "/before") == b"quiet" * 10000
    write(quiet + "/after", b"after")
    rest.unmount("quiet")
    assert check_file_systems(daemon) == []
    rest.create("new", "16M")
    daemon.stop()


def usable(rest, name):
    return rest.post(f"/v1/volumes/{name}/mount", {"id": "test"}).status == 200

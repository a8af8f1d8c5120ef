# SPDX-License-Identifier: Apache-2.0
"""A full pool: volumes are not damaged, creates are refused early, deleting always works, and events
tell in time."""
import json
import os
import threading

import pytest
from lib.leaks import assert_at_rest, check_file_systems
from lib.wait import until

FAST = {"reconcile_period": "100ms", "survey_period": "300ms"}
MIB = 1 << 20


def reasons(daemon):
    return [event["reason"] for event in daemon.rest.events()]


def pool(daemon):
    return daemon.rest.must("GET", "/v1/pools/default")["status"]


def fill(path, limit=1 << 40):
    """Writes until there is no space, or the limit; bytes written. Errors that are not about space
    are not kept quiet."""
    written = 0
    chunk = os.urandom(MIB)
    with open(path, "wb", buffering=0) as file:
        try:
            while written < limit:
                file.write(chunk)
                written += MIB
                if written % (8 * MIB) == 0 or written >= limit:
                    os.fsync(file.fileno())
        except OSError as error:
            assert error.errno in (5, 28), error    # ENOSPC beneath a loop device is EIO above
    return written


def mount(daemon, name):
    return daemon.rest.mount(name)["status"]["attachment"]["path"]


@pytest.fixture(name="small")
def _small(make_daemon):
    """A pool that promises three times what it has, so that volumes can fill it."""
    return make_daemon(pools=[{"name": "default", "driver": "image", "size": "1G",
                               "overcommit": 3}], config=FAST)


def fill_pool(daemon, name="greedy"):
    """Fills the pool through one volume; the mounted path."""
    daemon.rest.create(name, "1500M", trash="0s")
    path = mount(daemon, name)
    assert fill(path + "/big") > 500 * MIB
    return path


def test_a_full_pool_is_told_and_refuses_new_volumes(small):
    rest = small.rest
    rest.create("kept", "64M")
    path = mount(small, "kept")
    with open(path + "/file", "w", encoding="utf-8") as file:
        file.write("kept")
        os.fsync(file.fileno())
    fill_pool(small)
    until(lambda: "PoolFull" in reasons(small), 10, "PoolFull is told")
    assert "PoolFilling" in reasons(small) or pool(small)["used"] > pool(small)["capacity"] * 0.9
    for spec in ({"size": "16M"}, {"size": "16M", "fs": "none"}, {"size": "16M", "thick": True}):
        answer = rest.post("/v1/volumes", {"name": "new", "spec": spec})
        assert answer.status == 507 and answer.error["kind"] == "no-space", answer
        assert "full" in answer.error["message"]
    assert not rest.exists("new")
    with open(path + "/file", encoding="utf-8") as file:
        assert file.read() == "kept"
    # everything that needs no space goes on: looking, mounting, changing, renaming, deleting
    rest.must("PATCH", "/v1/volumes/kept", {"labels": {"a": "b"}, "name": "still"})
    rest.unmount("still")
    mount(small, "still")
    rest.unmount("still")
    rest.unmount("greedy", force=True)
    rest.remove("greedy")
    until(lambda: "PoolFine" in reasons(small), 10, "PoolFine is told")
    rest.create("new", "16M")
    assert_at_rest(small)
    assert check_file_systems(small) == []


def test_volumes_are_whole_after_a_full_pool(small):
    """Several writers hit the end at the same time; when there is space again, every file system is
    clean and everything that was synced before is there."""
    rest = small.rest
    names = [f"w{i}" for i in range(3)]
    paths = {}
    for name in names:
        rest.create(name, "900M", trash="0s")
        paths[name] = mount(small, name)
        with open(paths[name] + "/before", "w", encoding="utf-8") as file:
            file.write(name * 1000)
            os.fsync(file.fileno())
    threads = [threading.Thread(target=fill, args=(path + "/big", 450 * MIB))
               for path in paths.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: "PoolFull" in reasons(small), 10)
    rest.unmount(names[0], force=True)
    rest.remove(names[0])
    until(lambda: pool(small)["available"] > 200 * MIB, 10, "there is space again")
    for name in names[1:]:
        rest.unmount(name, force=True)
    until(lambda: not small.volume_mounts() and len(small.loops()) == 1, 10, "all is detached")
    for name in names[1:]:
        path = mount(small, name)
        with open(path + "/before", encoding="utf-8") as file:
            assert file.read() == name * 1000
        if os.path.exists(path + "/big"):
            os.unlink(path + "/big")
        assert fill(path + "/again", 2 * MIB) == 2 * MIB
        rest.unmount(name)
    assert check_file_systems(small) == []
    assert_at_rest(small)


def test_a_volume_goes_on_when_the_pool_has_space_again(small):
    """The writer saw errors; after space was made it writes again, at the latest after a remount."""
    rest = small.rest
    rest.create("other", "64M", trash="0s", thick=True)
    path = fill_pool(small)
    rest.remove("other")
    try:
        os.unlink(path + "/big")
    except OSError:                                 # ext4 turned read-only: mount it again
        rest.unmount("greedy", force=True)
        path = mount(small, "greedy")
        os.unlink(path + "/big")
    assert fill(path + "/small", 4 * MIB) == 4 * MIB
    rest.unmount("greedy")
    assert check_file_systems(small) == []


def test_a_thick_volume_keeps_its_space(small):
    """Others may fill the pool: what was set aside can still be written."""
    rest = small.rest
    rest.create("thick", "128M", thick=True)
    path = mount(small, "thick")
    fill_pool(small)
    assert fill(path + "/all", 100 * MIB) == 100 * MIB
    rest.unmount("thick")
    assert check_file_systems(small) == []


def test_the_trash_is_given_up_first(small):
    """Oldest first, and only as much as is needed; protected and living volumes never."""
    rest = small.rest
    for name in ("old", "new"):
        rest.create(name, "150M", thick=True, trash="1d")
    rest.create("alive", "64M")
    rest.remove("old", purge=False)
    rest.remove("new", purge=False)
    assert pool(small)["trash"] >= 300 * MIB
    rest.create("greedy", "1500M", trash="0s")
    path = mount(small, "greedy")
    step = 0
    while len(rest.volumes(phase="trashed")) == 2 and step < 60:
        fill(f"{path}/{step}", 16 * MIB)
        step += 1
        until(lambda: True, 1)
    until(lambda: len(rest.volumes(phase="trashed")) < 2, 10, "some trash is purged")
    left = [volume["name"] for volume in rest.volumes(phase="trashed")]
    assert left in (["new"], []), left
    assert "VolumeRemoved" in reasons(small)
    assert rest.exists("alive") and rest.exists("greedy")
    rest.unmount("greedy", force=True)
    rest.remove("greedy")
    assert_at_rest(small)


def test_the_ballast_is_freed_and_taken_again(small):
    rest = small.rest
    ballast = f"{small.state_dir}/pools/default/ballast"
    size = os.stat(ballast).st_blocks * 512
    assert size > 0
    fill_pool(small)
    until(lambda: "BallastFreed" in reasons(small), 10, "an event tells")
    assert not os.path.exists(ballast) or os.stat(ballast).st_blocks == 0
    rest.unmount("greedy", force=True)
    rest.remove("greedy")
    until(lambda: os.path.exists(ballast) and os.stat(ballast).st_blocks * 512 == size, 10,
          "the ballast is there again")


def test_deleting_works_where_nothing_else_does(small):
    """To the trash, out of it, and for good, with not a byte left in the pool."""
    rest = small.rest
    for name in ("a", "b", "c"):
        rest.create(name, "16M")
    fill_pool(small)
    until(lambda: "BallastFreed" in reasons(small), 10)
    with open(f"{small.state_dir}/pools/default/last", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    rest.remove("a", purge=False)
    rest.remove("b", purge=True)
    rest.must("POST", "/v1/volumes/uid:" + rest.create("c", "16M")["uid"] + "/mount", {"id": "x"})
    rest.unmount("c", "x")
    assert not rest.exists("a") and not rest.exists("b") and rest.exists("c")
    small.kill()
    small.start()
    assert not rest.exists("a") and not rest.exists("b") and rest.exists("c")
    os.unlink(f"{small.state_dir}/pools/default/last")
    rest.unmount("greedy", force=True)
    rest.remove("greedy")
    assert_at_rest(small)
    assert check_file_systems(small) == []


def test_starting_with_a_full_pool(small):
    fill_pool(small)
    small.kill()
    small.start()
    assert pool(small)["phase"] == "ready"
    assert small.rest.post("/v1/volumes", {"name": "new", "spec": {"size": "16M"}}).status == 507
    small.rest.unmount("greedy", force=True)
    small.rest.remove("greedy")
    until(lambda: small.rest.post("/v1/volumes", {"name": "new", "spec": {"size": "16M"}}
                                  ).status == 201, 10, "it creates again")
    assert_at_rest(small)


def test_promises_end_before_the_space_does(make_daemon):
    """Without overcommit the sum of the sizes is the capacity; a refused one costs nothing."""
    daemon = make_daemon(pools=[{"name": "default", "driver": "image", "size": "512M",
                                 "overcommit": 1}])
    left = pool(daemon)["allocatable"]
    for number in range(100):
        answer = daemon.rest.post("/v1/volumes", {"name": f"v{number}", "spec": {"size": "64M"}})
        if answer.status != 201:
            break
    assert answer.status == 507 and "promised" in answer.error["message"], answer
    assert number == left // (64 * MIB)
    assert pool(daemon)["allocated"] == number * 64 * MIB
    daemon.rest.remove("v0")
    daemon.rest.create("again", "64M")
    assert_at_rest(daemon)


def test_many_creates_at_once_do_not_promise_too_much(make_daemon):
    daemon = make_daemon(pools=[{"name": "default", "driver": "image", "size": "512M",
                                 "overcommit": 1}])
    room = pool(daemon)["allocatable"] // (64 * MIB)
    answers = []
    threads = [threading.Thread(target=lambda i=i: answers.append(daemon.rest.post(
        "/v1/volumes", {"name": f"v{i}", "spec": {"size": "64M"}}))) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [json.loads(answer.body)["name"] for answer in answers if answer.status == 201]
    assert len(made) == room
    assert {answer.error["kind"] for answer in answers if answer.status != 201} == {"no-space"}
    assert_at_rest(daemon)

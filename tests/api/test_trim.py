# SPDX-License-Identifier: Apache-2.0
"""What is deleted in a volume goes back to its pool."""
import os

import pytest
from lib.wait import until

MIB = 1 << 20


def fill(path, mebibytes):
    with open(path, "wb") as file:
        for _ in range(mebibytes // 4):
            file.write(os.urandom(1 << 16) * 64)
        os.fsync(file.fileno())


def delete(path):
    os.remove(path)
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(directory)         # until its journal says so, the file system keeps the blocks
    os.close(directory)


def allocated(rest, name):
    return rest.volume(name)["status"]["allocated"]


@pytest.mark.parametrize("fs", ["ext4", "xfs"])
@pytest.mark.daemon(pool_size="3G")
def test_a_gibibyte_comes_back(rest, fs):
    before = rest.must("GET", "/v1/pools/default")["status"]["used"]
    rest.create("v", "5G", fs=fs)               # more than one piece of the trim
    path = rest.mount("v")["status"]["attachment"]["path"]
    empty = allocated(rest, "v")
    fill(path + "/big", 1024)
    assert allocated(rest, "v") > 1024 * MIB
    delete(path + "/big")
    assert allocated(rest, "v") > 1024 * MIB
    volume = rest.must("POST", "/v1/volumes/v/trim")
    assert volume["status"]["allocated"] < empty + 100 * MIB
    until(lambda: rest.must("GET", "/v1/pools/default")["status"]["used"] < before + 200 * MIB, 10,
          "the pool has its space back")
    rest.unmount("v")


def test_by_itself_and_not_what_a_snapshot_has(make_daemon):
    rest = make_daemon(config={"trim_period": "1s"}).rest
    rest.create("v", "512M")
    path = rest.mount("v")["status"]["attachment"]["path"]
    fill(path + "/kept", 64)
    rest.must("POST", "/v1/snapshots", {"name": "s", "volumes": ["v"]})
    used = rest.must("GET", "/v1/pools/default")["status"]["used"]
    fill(path + "/gone", 64)
    delete(path + "/gone")
    delete(path + "/kept")
    until(lambda: allocated(rest, "v") < 48 * MIB, 10, "the volume is trimmed")
    # what the snapshot shares stays in the pool until it goes
    assert rest.must("GET", "/v1/pools/default")["status"]["used"] > used - 32 * MIB
    rest.must("DELETE", "/v1/snapshots/v@s")
    until(lambda: rest.must("GET", "/v1/pools/default")["status"]["used"] < used - 32 * MIB, 10,
          "the space of the snapshot is back")
    rest.unmount("v")


def test_what_cannot_be_trimmed(rest):
    rest.create("idle", "32M")
    answer = rest.post("/v1/volumes/idle/trim")
    assert answer.status == 409 and "'idle' is not mounted" in answer.error["message"]
    rest.create("raw", "32M", fs="none")
    rest.mount("raw")
    answer = rest.post("/v1/volumes/raw/trim")
    assert answer.status == 501 and "no file system of its own" in answer.error["message"]
    rest.unmount("raw")
    rest.create("thick", "32M", thick=True)
    rest.mount("thick")
    answer = rest.post("/v1/volumes/thick/trim")
    assert answer.status == 501 and "keeps the space" in answer.error["message"]
    assert allocated(rest, "thick") >= 32 * MIB
    rest.unmount("thick")
    assert rest.post("/v1/volumes/nothing/trim").status == 404

# SPDX-License-Identifier: Apache-2.0
"""Export and import over REST, on a real pool; with clients that go, streams that lie, and crashes
in the middle."""
import http.client
import os
import select
import socket
import struct
import threading
import time

import pytest
from api.test_snapshots import frozen, place, read, snapshot, write
from lib.leaks import assert_at_rest
from lib.wait import until

MIB = 1 << 20


def export(daemon, what, base=None):
    kind = "snapshots" if "@" in what else "volumes"
    return daemon.rest.get(f"/v1/{kind}/{what}/export", query={"base": base} if base else None)


def stream_of(daemon, what, base=None):
    answer = export(daemon, what, base)
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == "application/vnd.dolium.stream"
    return answer.body


def bring(daemon, name, stream, **more):
    return daemon.rest.post(f"/v1/volumes/{name}/import", body=stream, **more)


def must_bring(daemon, name, stream, **more):
    answer = bring(daemon, name, stream, **more)
    assert answer.status == 200, answer
    return answer.json


def snapshots(daemon, name):
    return {s["name"]: s for s in daemon.rest.must("GET", f"/v1/snapshots?volume={name}")["items"]}


def content(daemon, name):
    path = place(daemon.rest.mount(name, "look"))
    found = {entry: read(f"{path}/{entry}") for entry in os.listdir(path) if entry != "lost+found"}
    daemon.rest.unmount(name, "look")
    return found


def header_end(stream):
    """Where the first record begins."""
    return 16 + struct.unpack("<I", stream[12:16])[0] + 8


@pytest.mark.parametrize("fs, size", [("ext4", "64M"), ("xfs", "300M")])
@pytest.mark.parametrize("mounted", [True, False])
def test_there_and_back(daemon, fs, size, mounted):
    origin = daemon.rest.create("db", size, fs=fs)
    path = place(daemon.rest.mount("db"))
    write(path + "/f", "hello")
    if not mounted:
        daemon.rest.unmount("db")
    stream = stream_of(daemon, "db")
    assert len(stream) < 2 * MIB and b'"snapshot"' not in stream[:header_end(stream)]
    assert not snapshots(daemon, "db")          # that of the moment has gone
    if mounted:
        assert not frozen(path)
    copy = must_bring(daemon, "copy", stream)
    assert copy["spec"]["size"] == origin["spec"]["size"] and copy["spec"]["fs"] == fs
    assert copy["uid"] != origin["uid"]
    assert copy["status"]["fs_uuid"] != origin["status"]["fs_uuid"]
    assert not snapshots(daemon, "copy")
    assert content(daemon, "copy") == {"f": "hello"}
    if mounted:
        daemon.rest.unmount("db")


def test_block_volumes(daemon):
    daemon.rest.create("raw", "32M", fs="none")
    device = daemon.rest.mount("raw")["status"]["attachment"]["device"]
    data = os.urandom(MIB) + b"t" * MIB
    with open(device, "r+b") as file:
        file.seek(5 * MIB)
        file.write(data)
        os.fsync(file.fileno())
    stream = stream_of(daemon, "raw")
    daemon.rest.unmount("raw")
    assert MIB < len(stream) < 1.2 * MIB        # noise and text; holes are left out
    must_bring(daemon, "copy", stream)
    with open(daemon.rest.mount("copy")["status"]["attachment"]["device"], "rb") as file:
        found = file.read()
    daemon.rest.unmount("copy")
    assert found == bytes(5 * MIB) + data + bytes(25 * MIB)


@pytest.mark.parametrize("fs, size", [("ext4", "64M"), ("xfs", "300M")])
def test_increments(daemon, fs, size):
    """Three states go over; each is a snapshot there, too. What is written there is kept."""
    daemon.rest.create("db", size, fs=fs)
    path = place(daemon.rest.mount("db"))
    streams = []
    for number, name in enumerate(("mon", "tue", "wed")):
        write(f"{path}/f", name)
        write(f"{path}/{name}", "x")
        if number:
            os.remove(f"{path}/{('mon', 'tue', 'wed')[number - 1]}")
        snapshot(daemon, name, "db")
        base = ("mon", "tue", "wed")[number - 1] if number else None
        streams.append(stream_of(daemon, f"db@{name}", base and f"db@{base}"))
    daemon.rest.unmount("db")
    uids = {name: s["uid"] for name, s in snapshots(daemon, "db").items()}
    copy = must_bring(daemon, "copy", streams[0])
    assert copy["status"]["fs_uuid"] != daemon.rest.volume("db")["status"]["fs_uuid"]
    must_bring(daemon, "copy", streams[1])
    there = snapshots(daemon, "copy")
    assert {name: s["source"] for name, s in there.items()} == {
        "mon": uids["mon"], "tue": uids["tue"]}     # nothing was written there: nothing kept
    assert content(daemon, "copy") == {"f": "tue", "tue": "x"}
    must_bring(daemon, "copy", streams[2])
    kept = set(snapshots(daemon, "copy")) - {"mon", "tue", "wed"}
    assert len(kept) == 1 and kept.pop().startswith("before-import-")   # it was mounted
    assert content(daemon, "copy") == {"f": "wed", "wed": "x"}
    # the chain goes on: the copy's snapshots have the same identity
    again = stream_of(daemon, "copy@tue", "copy@mon")
    third = must_bring(daemon, "third", stream_of(daemon, "copy@mon"))
    must_bring(daemon, "third", again)
    assert content(daemon, "third") == {"f": "tue", "tue": "x"}
    assert snapshots(daemon, "third")["tue"]["source"] == uids["tue"]
    # put back to an imported snapshot, it can be mounted beside the others still
    daemon.rest.must("POST", "/v1/snapshots/copy@mon/restore")
    uuids = {daemon.rest.volume(name)["status"]["fs_uuid"] for name in ("db", "copy", "third")}
    assert len(uuids) == 3 and third["status"]["fs_uuid"] not in uuids
    paths = [place(daemon.rest.mount(name)) for name in ("db", "copy", "third")]
    assert [read(path + "/f") for path in paths] == ["wed", "mon", "tue"]
    for name in ("db", "copy", "third"):
        daemon.rest.unmount(name)
        daemon.rest.remove(name)
    assert_at_rest(daemon)


def test_an_increment_to_now(daemon):
    """A live volume against a snapshot; and the volume has grown in between."""
    daemon.rest.create("db", "64M")
    path = place(daemon.rest.mount("db"))
    write(path + "/f", "old")
    snapshot(daemon, "one", "db")
    full = stream_of(daemon, "db@one")
    daemon.rest.unmount("db")
    daemon.rest.must("POST", "/v1/volumes/db/resize", {"size": "128M"})
    path = place(daemon.rest.mount("db"))
    write(path + "/f", "new")
    later = stream_of(daemon, "db", "db@one")
    daemon.rest.unmount("db")
    must_bring(daemon, "copy", full)
    grown = must_bring(daemon, "copy", later)
    assert grown["spec"]["size"] == grown["status"]["size"] == 128 * MIB
    assert set(snapshots(daemon, "copy")) == {"one"}
    assert content(daemon, "copy") == {"f": "new"}
    assert daemon.rest.must("GET", "/v1/pools/default")["status"]["allocated"] == 256 * MIB


def test_only_changes_are_read(daemon):
    daemon.rest.create("raw", "256M", fs="none")
    device = daemon.rest.mount("raw")["status"]["attachment"]["device"]
    fd = os.open(device, os.O_RDWR | os.O_SYNC)
    for at in range(0, 128, 8):
        os.pwrite(fd, os.urandom(8 * MIB), at * MIB)
    snapshot(daemon, "one", "raw")
    for at in range(0, 128, 8):
        os.pwrite(fd, os.urandom(4096), at * MIB)
    os.close(fd)
    small = stream_of(daemon, "raw", "raw@one")
    daemon.rest.unmount("raw")
    assert 16 * 4096 <= len(small) < MIB
    told = [e for e in daemon.rest.events() if e["reason"] == "VolumeExported"][-1]["message"]
    assert 16 * 4096 <= int(told.split(": ")[1].split()[0]) < MIB, told


# ---- refusals

def refused(daemon, name, stream, status, *words, **more):
    answer = bring(daemon, name, stream, **more)
    assert answer.status == status, answer
    for word in words:
        assert word in answer.error["message"], answer
    return answer


def test_refused_exports(daemon):
    daemon.rest.create("db")
    daemon.rest.create("other")
    snapshot(daemon, "one", "db")
    snapshot(daemon, "one", "other")
    for what, base, status, word in (("nosuch", None, 404, "nosuch"), ("db@two", None, 404, "db@two"),
                                     ("db", "db@two", 404, "base"),
                                     ("db", "other@one", 400, "another volume"),
                                     ("db@one", "db@one", 400, "does not differ from itself")):
        answer = export(daemon, what, base)
        assert answer.status == status and word in answer.error["message"], answer
    assert set(snapshots(daemon, "db")) == {"one"}


def test_refused_imports(daemon):
    daemon.rest.create("db")
    snapshot(daemon, "one", "db")
    snapshot(daemon, "two", "db")
    full, later = stream_of(daemon, "db@one"), stream_of(daemon, "db@two", "db@one")
    refused(daemon, "db", full, 409, "'db' exists already")
    refused(daemon, "a@b", full, 400, "name")
    refused(daemon, "nosuch", later, 404, "db@one", "nosuch")
    daemon.rest.create("other")
    refused(daemon, "other", later, 409, "db@one", "no snapshot that is that one")
    refused(daemon, "db", later, 409, "already", "db@two")
    refused(daemon, "copy", full, 404, "pool", query={"pool": "nosuch"})
    must_bring(daemon, "copy", full)
    refused(daemon, "copy", later, 400, "pool", query={"pool": "default"})
    daemon.rest.mount("copy")
    refused(daemon, "copy", later, 423, "rest test")
    daemon.rest.unmount("copy")
    snapshot(daemon, "two", "copy")
    refused(daemon, "copy", later, 409, "another snapshot 'two'")
    for stream, word in ((b"", "empty"), (b"x" * 100, "not a stream"), (full[:-1], "cut off"),
                         (full[:200], "cut off"), (full + b"x", "follows its end"),
                         (b"\x1f\x8b" + bytes(5000), "not a stream"),
                         (full[:8] + b"\2" + full[9:], "version 2")):
        refused(daemon, "bad", stream, 501 if word == "version 2" else 400, "import of 'bad'", word)
    assert {v["name"] for v in daemon.rest.volumes()} == {"db", "other", "copy"}
    for name in ("db", "other", "copy"):
        daemon.rest.remove(name)
    assert_at_rest(daemon)


def test_damaged_records(daemon):
    """One bit in each kind of place; increments leave the volume as it was."""
    daemon.rest.create("db")
    path = place(daemon.rest.mount("db"))
    write(path + "/f", "old")
    snapshot(daemon, "one", "db")
    write(path + "/f", "new")
    snapshot(daemon, "two", "db")
    daemon.rest.unmount("db")
    full, later = stream_of(daemon, "db@one"), stream_of(daemon, "db@two", "db@one")
    must_bring(daemon, "copy", full)
    for name, stream in (("bad", full), ("copy", later)):
        begin = header_end(stream)
        for at in (20, begin, begin + 9, begin + 25, begin + 40, len(stream) // 2, len(stream) - 1):
            damaged = bytearray(stream)
            damaged[at] ^= 4
            refused(daemon, name, bytes(damaged), 400, "damaged at byte")
    assert set(snapshots(daemon, "copy")) == {"one"} and not daemon.rest.exists("bad")
    assert content(daemon, "copy") == {"f": "old"}


def test_the_lying_header(daemon):
    """The stream of a block volume that holds another file system than its header says."""
    daemon.rest.create("db", "64M", fs="ext4")
    stream = stream_of(daemon, "db")
    begin = header_end(stream)
    assert stream[16:begin - 8].count(b'"ext4"') == 1
    lying = stream.replace(b'"fs":"ext4"', b'"fs":"xfs" ', 1)
    refused(daemon, "bad", lying, 400, "checksum of the header")
    assert not daemon.rest.exists("bad")


def test_too_large_for_the_pool(make_daemon):
    daemon = make_daemon(pool_size="1G")
    small = make_daemon(pool_size="600M")
    daemon.rest.create("raw", "700M", fs="none")
    device = daemon.rest.mount("raw")["status"]["attachment"]["device"]
    with open(device, "r+b") as file:
        for _ in range(620):
            file.write(os.urandom(MIB))
    daemon.rest.unmount("raw")
    stream = stream_of(daemon, "raw")
    refused(small, "copy", stream, 507, "pool 'default'")
    assert not small.rest.exists("copy")
    assert_at_rest(small)
    assert small.rest.must("GET", "/v1/pools/default")["status"]["allocated"] == 0
    small.rest.create("fits", "64M")                # the pool works on


# ---- interruptions

def raw_import(daemon, name, stream, length):
    """A connection that has sent the head and the stream's begin."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(daemon.socket)
    connection.sendall(f"POST /v1/volumes/{name}/import HTTP/1.1\r\nHost: x\r\n"
                       f"Content-Length: {length}\r\n\r\n".encode() + stream)
    return connection


def wait_gone(daemon, name):
    until(lambda: not daemon.rest.exists(name), 10, f"{name} is gone")
    until(lambda: not daemon.rest.must("GET", "/v1/operations?phase=running")["items"], 10, "rest")


def test_the_client_goes(daemon):
    daemon.rest.create("db")
    snapshot(daemon, "one", "db")
    snapshot(daemon, "two", "db")
    full, later = stream_of(daemon, "db@one"), stream_of(daemon, "db@two", "db@one")
    connection = raw_import(daemon, "copy", full[:-10], len(full))
    until(lambda: daemon.rest.exists("copy"), 10, "it has begun")
    assert daemon.rest.volume("copy")["status"]["phase"] == "creating"
    connection.close()
    wait_gone(daemon, "copy")
    failed = [e for e in daemon.rest.events() if e["reason"] == "ImportFailed"]
    assert "went away" in failed[-1]["message"]
    must_bring(daemon, "copy", full)
    connection = raw_import(daemon, "copy", later[:-10], len(later))
    until(lambda: len(snapshots(daemon, "copy")) == 2, 10, "it has begun")
    connection.close()
    until(lambda: len(snapshots(daemon, "copy")) == 1, 10, "it is undone")
    must_bring(daemon, "copy", later)
    for name in ("db", "copy"):
        daemon.rest.remove(name)
    assert_at_rest(daemon)


def test_the_reconciler_lets_it_be(make_daemon):
    """What is being imported is no unknown volume, no lost one and no left-over."""
    daemon = make_daemon(config={"survey_period": "100ms", "reconcile_period": "100ms"})
    daemon.rest.create("db")
    snapshot(daemon, "one", "db")
    snapshot(daemon, "two", "db")
    for name, stream in (("copy", stream_of(daemon, "db@one")),
                         ("copy", stream_of(daemon, "db@two", "db@one"))):
        connection = raw_import(daemon, name, stream[:-10], len(stream))
        time.sleep(1)
        assert daemon.rest.must("GET", "/v1/pools/default/unknown")["items"] == []
        connection.sendall(stream[-10:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        connection.close()
    odd = [e for e in daemon.rest.events() if e["level"] != "normal"]
    assert not odd, odd
    assert_at_rest(daemon)


def test_stopped_in_the_middle(make_daemon):
    """The daemon does not wait for a stream that may take hours; nor does it leave half of it."""
    daemon = make_daemon()
    daemon.rest.create("db")
    stream = stream_of(daemon, "db")
    connection = raw_import(daemon, "copy", stream[:-10], len(stream))
    until(lambda: daemon.rest.exists("copy"), 10, "it has begun")
    began = time.monotonic()
    daemon.stop()
    assert time.monotonic() - began < 5
    connection.close()
    daemon.start()
    assert not daemon.rest.exists("copy")
    assert_at_rest(daemon)


def test_written_past_the_daemon(daemon):
    """A volume that was changed without being mounted: what is there is kept, too."""
    daemon.rest.create("raw", "32M", fs="none")
    snapshot(daemon, "one", "raw")
    full = stream_of(daemon, "raw@one")
    snapshot(daemon, "two", "raw")
    uid = must_bring(daemon, "copy", full)["uid"]
    with open(f"{daemon.state_dir}/pools/default/volumes/{uid}/disk", "r+b") as file:
        file.write(b"x" * 4096)
        os.fsync(file.fileno())
    must_bring(daemon, "copy", stream_of(daemon, "raw@two", "raw@one"))
    assert {name[:14] for name in snapshots(daemon, "copy")} == {"one", "before-import-", "two"}


def test_the_taker_goes(daemon):
    """Who takes an export and goes away leaves no snapshot behind."""
    daemon.rest.create("raw", "64M", fs="none")
    device = daemon.rest.mount("raw")["status"]["attachment"]["device"]
    with open(device, "r+b") as file:
        file.write(os.urandom(48 * MIB))
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(daemon.socket)
    connection.sendall(b"GET /v1/volumes/raw/export HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert len(snapshots(daemon, "raw")) == 1
    assert daemon.rest.delete("/v1/volumes/raw?purge=true").status in (409, 423)
    connection.close()
    until(lambda: not snapshots(daemon, "raw"), 10, "the snapshot is gone")
    daemon.rest.unmount("raw")
    daemon.rest.remove("raw")
    assert_at_rest(daemon)


def test_deleted_while_it_is_exported(daemon):
    daemon.rest.create("raw", "64M", fs="none")
    device = daemon.rest.mount("raw")["status"]["attachment"]["device"]
    with open(device, "r+b") as file:
        file.write(os.urandom(32 * MIB))
    daemon.rest.unmount("raw")
    snapshot(daemon, "one", "raw")
    answers = []
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(daemon.socket)
    connection.sendall(b"GET /v1/snapshots/raw@one/export HTTP/1.0\r\nHost: x\r\n\r\n")
    answers.append(connection.recv(65536))
    daemon.rest.must("DELETE", "/v1/snapshots/raw@one")
    while answers[-1]:
        answers.append(connection.recv(1 << 20))
    connection.close()
    stream = b"".join(answers).split(b"\r\n\r\n", 1)[1]
    must_bring(daemon, "copy", stream)              # it was whole


@pytest.mark.parametrize("point", ["driver.snapshot-create.after", "driver.snapshot-read.before",
                                   "driver.snapshot-read.after"])
def test_killed_while_exporting(make_daemon, point):
    daemon = make_daemon()
    daemon.rest.create("db")
    path = place(daemon.rest.mount("db"))
    write(path + "/f", "x")
    daemon.stop()
    daemon.start(fault=f"{point}=kill")
    try:
        export(daemon, "db")
    except (OSError, http.client.HTTPException):
        pass
    daemon.wait_killed()
    daemon.start(fault="")
    until(lambda: not snapshots(daemon, "db"), 10, "the snapshot of the moment is gone")
    until(lambda: not daemon.rest.must("GET", "/v1/operations?phase=running")["items"], 10, "rest")
    assert not frozen(path)
    daemon.rest.unmount("db")
    daemon.rest.remove("db")
    assert_at_rest(daemon)


def test_others_are_not_held_up(daemon):
    """As many imports as there may be, each in the middle: everything else goes on."""
    daemon.rest.create("db")
    stream = stream_of(daemon, "db")
    held = [raw_import(daemon, f"c{i}", stream[:-5], len(stream)) for i in range(8)]
    until(lambda: len(daemon.rest.volumes()) == 9, 10, "all have begun")
    waiting = [raw_import(daemon, f"w{i}", stream[:-5], len(stream)) for i in range(9)]
    refused_ones = select.select(waiting, [], [], 20)[0]
    assert len(refused_ones) == 1               # eight wait, one is too many
    answer = refused_ones[0].recv(1000)
    assert answer.startswith(b"HTTP/1.1 503") and b"Retry-After" in answer, answer
    path = place(daemon.rest.mount("db"))
    write(path + "/f", "x")
    daemon.rest.unmount("db")
    for connection in held:
        connection.sendall(stream[-5:])
    done = [connection.recv(100) for connection in held]
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in done), done
    for connection in held + waiting:
        connection.close()
    until(lambda: not daemon.rest.must("GET", "/v1/operations?phase=running")["items"], 10, "rest")
    names = {v["name"] for v in daemon.rest.volumes()}
    assert names == {"db", *(f"c{i}" for i in range(8))}


def test_two_of_the_same_name(daemon):
    daemon.rest.create("db")
    stream = stream_of(daemon, "db")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(bring(daemon, "copy", stream).status))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 409, 409, 409]

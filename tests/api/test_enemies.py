# SPDX-License-Identifier: Apache-2.0
"""Clients that mean no good, or are careless: half requests, slow readers, floods, races. Others are
served meanwhile, and nothing is left behind."""
import http.client
import json
import os
import random
import socket
import threading
import time

import pytest
from lib.leaks import assert_at_rest
from lib.rest import UnixConnection, converse
from lib.wait import until

HEAD = b"POST /v1/volumes HTTP/1.1\r\nHost: x\r\n"


def connect(daemon, timeout=30):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(timeout)
    peer.connect(daemon.socket)
    return peer


def read_all(peer):
    """What comes until the end; a reset is an end."""
    data = b""
    try:
        while chunk := peer.recv(65536):
            data += chunk
    except (ConnectionResetError, BrokenPipeError):
        pass
    return data


def together(functions):
    """Runs them at the same time; the first error of any is raised."""
    errors = []

    def run(function):
        try:
            function()
        except Exception as error:      # raised again below
            errors.append(error)
    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def file_descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


# Connections

def test_requests_that_are_never_finished(daemon):
    """Heads and bodies that stop, on many connections: all are cut off in time."""
    before = file_descriptors(daemon)
    starts = (b"", b"P", b"POST /v1/vol", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{",
              HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
              HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    peers = []
    for number in range(210):
        peer = connect(daemon)
        peer.sendall(starts[number % len(starts)])
        peers.append(peer)
    assert daemon.rest.get("/v1/volumes").status == 200
    for number, peer in enumerate(peers):
        if starts[number % len(starts)]:
            peer.settimeout(20)
            answer = read_all(peer)
            assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:100]
    for peer in peers:
        peer.close()
    until(lambda: file_descriptors(daemon) <= before + 3, 15, "connections are closed")
    assert daemon.rest.volumes() == []


def test_a_body_one_byte_at_a_time_is_cut_off(daemon):
    peer = connect(daemon)
    peer.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
    start = time.monotonic()
    try:
        while time.monotonic() - start < 20:
            peer.sendall(b" ")
            peer.settimeout(0.5)
            try:
                if not peer.recv(1000):
                    break
            except socket.timeout:
                pass
    except OSError:
        pass
    assert 8 < time.monotonic() - start < 15
    peer.close()


def test_a_reader_that_does_not_read(daemon):
    """Big answers pile up in nobody's memory."""
    for number in range(60):
        daemon.rest.create(f"v{number}", "16M", labels={"k": "x" * 250, "l": "y" * 250})
    peers = []
    for _ in range(20):
        peer = connect(daemon)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sendall(b"GET /v1/volumes HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        peers.append(peer)
    time.sleep(0.5)
    start = time.monotonic()
    assert len(daemon.rest.volumes()) == 60
    assert time.monotonic() - start < 5
    for peer in peers:
        peer.close()


def test_a_watcher_that_does_not_read_is_cut_off(daemon):
    watcher = connect(daemon)
    watcher.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    watcher.sendall(b"GET /v1/events?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")
    good = connect(daemon)
    good.sendall(b"GET /v1/events?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")
    daemon.rest.create("v", "16M")
    for number in range(300):
        daemon.rest.must("PATCH", "/v1/volumes/v", {"labels": {"n": str(number)}})
    seen = b""
    while b"VolumeCreated" not in seen or seen.count(b"VolumeChanged") < 300:
        seen += good.recv(65536)
    assert daemon.rest.get("/healthz").status == 200
    watcher.close()
    good.close()


def test_watchers_that_come_and_go(daemon):
    before = file_descriptors(daemon)
    for _ in range(100):
        peer = connect(daemon)
        peer.sendall(b"GET /v1/events?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")
        peer.close()
    daemon.rest.create("v", "16M")              # wakes those that were not noticed
    until(lambda: file_descriptors(daemon) <= before + 3, 15, "watches are closed")


def test_the_connection_goes_on_after_a_refusal(daemon):
    """A client error is not the end of a keep-alive connection, and does not shift its answers."""
    connection = UnixConnection(daemon.socket)
    for _ in range(20):
        connection.request("POST", "/v1/volumes", body=b'{"name":""}')
        answer = connection.getresponse()
        assert answer.status == 400 and b"name" in answer.read()
        connection.request("GET", "/v1/nothing")
        answer = connection.getresponse()
        assert answer.status == 404 and answer.read()
        connection.request("GET", "/v1/volumes")
        answer = connection.getresponse()
        assert answer.status == 200 and json.loads(answer.read()) == {"items": []}
    connection.close()


def test_head_and_options(daemon):
    for method in ("HEAD", "OPTIONS", "TRACE", "CONNECT", "get"):
        answer = converse(daemon.socket, f"{method} /v1/volumes HTTP/1.1\r\nHost: x\r\n"
                          "Connection: close\r\n\r\n".encode(), timeout=5)
        assert answer.split(b" ")[1][:1] in (b"2", b"4", b"5"), (method, answer)
    assert daemon.rest.get("/healthz").status == 200


def test_hundreds_of_clients_are_all_answered(daemon):
    """More than there are workers, each on its own connection, all at the same time."""
    answers = []
    together([lambda i=i: answers.append(daemon.rest.post(
        "/v1/volumes", {"name": f"v{i}", "spec": {"size": "16M"}})) for i in range(120)])
    assert [answer.status for answer in answers] == [201] * 120
    assert len(daemon.rest.volumes()) == 120
    answers.clear()
    together([lambda i=i: answers.append(daemon.rest.delete(f"/v1/volumes/v{i}?purge=true"))
              for i in range(120)])
    assert [answer.status for answer in answers] == [200] * 120
    assert_at_rest(daemon)


def test_clients_that_leave_before_the_answer(daemon):
    """What they asked for is done or not, but whole."""
    for number in range(60):
        body = json.dumps({"name": f"v{number}", "spec": {"size": "16M"}}).encode()
        peer = connect(daemon)
        peer.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        peer.close()
    time.sleep(0.5)
    assert_at_rest(daemon)
    for number in range(60):
        daemon.rest.create(f"v{number}", "16M")
    assert len(daemon.rest.volumes()) == 60


@pytest.mark.parametrize("seed", range(3))
def test_noise_on_the_socket(daemon, seed):
    """Good requests with bytes changed, cut and doubled."""
    chance = random.Random(seed)
    body = b'{"name":"v","labels":{"a":"b"},"spec":{"size":"16M","fs":"ext4"}}'
    good = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    for _ in range(150):
        data = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(data))
            change = chance.randrange(4)
            if change == 0:
                data[place] = chance.randrange(256)
            elif change == 1:
                del data[place:place + chance.randint(1, 9)]
            elif change == 2:
                data[place:place] = data[place:place + chance.randint(1, 30)]
            else:
                data[place:place] = bytes(chance.randrange(256) for _ in range(3))
        answer = converse(daemon.socket, bytes(data), timeout=0.5, half_close=True)
        assert not answer or answer.startswith(b"HTTP/1."), answer[:100]
        assert b" 500 " not in answer[:20], (bytes(data), answer)
    assert daemon.rest.get("/healthz").status == 200
    for volume in daemon.rest.volumes():        # some noise is a good request
        daemon.rest.remove(volume["name"])
    assert_at_rest(daemon)


# Races

def test_one_name_wanted_by_many(daemon):
    """The same request from all: one volume. Different ones: one wins, the others are told."""
    answers = []
    together([lambda: answers.append(daemon.rest.post(
        "/v1/volumes", {"name": "same", "spec": {"size": "16M"}})) for _ in range(24)])
    assert sorted({answer.status for answer in answers}) in ([200, 201], [201])
    assert len({answer.json["uid"] for answer in answers}) == 1
    answers.clear()
    together([lambda i=i: answers.append(daemon.rest.post(
        "/v1/volumes", {"name": "other", "spec": {"size": f"{16 + i}M"}})) for i in range(12)])
    assert sorted(answer.status for answer in answers) == [201] + [409] * 11
    assert_at_rest(daemon)


def test_one_name_wanted_by_renames(daemon):
    for number in range(10):
        daemon.rest.create(f"v{number}", "16M")
    answers = []
    together([lambda i=i: answers.append(daemon.rest.patch(f"/v1/volumes/v{i}", {"name": "new"}))
              for i in range(10)])
    assert sorted(answer.status for answer in answers) == [200] + [409] * 9
    assert len(daemon.rest.volumes()) == 10
    assert_at_rest(daemon)


def test_names_that_are_swapped_at_once(daemon):
    """Two volumes want each other's name: nobody waits for ever, nobody loses a name."""
    uids = {daemon.rest.create(name, "16M")["uid"] for name in ("a", "b")}
    for _ in range(10):
        together([lambda: daemon.rest.patch("/v1/volumes/a", {"name": "b"}, timeout=20),
                  lambda: daemon.rest.patch("/v1/volumes/b", {"name": "a"}, timeout=20)])
    assert {volume["uid"] for volume in daemon.rest.volumes()} == uids
    assert {volume["name"] for volume in daemon.rest.volumes()} == {"a", "b"}
    assert_at_rest(daemon)


def test_the_same_mount_by_many(daemon):
    daemon.rest.create("v", "32M")
    paths = []
    together([lambda i=i: paths.append(daemon.rest.mount("v", f"c{i}")["status"]["attachment"]["path"])
              for i in range(24)])
    assert len(set(paths)) == 1 and len(daemon.volume_mounts()) == 1
    assert len(daemon.rest.volume("v")["status"]["attachment"]["consumers"]) == 24
    together([lambda i=i: daemon.rest.unmount("v", f"c{i}") for i in range(24)])
    assert daemon.volume_mounts() == []
    assert_at_rest(daemon)


def test_everything_at_once(daemon):
    """Random requests on few names; errors are fine as long as they are not 'internal'."""
    end = time.monotonic() + 5
    kinds, names = set(), [f"v{i}" for i in range(5)]

    def client(number):
        chance, rest = random.Random(number), daemon.rest
        while time.monotonic() < end:
            name = chance.choice(names)
            path = "/v1/volumes/" + name
            answer = chance.choice((
                lambda: rest.post("/v1/volumes", {"name": name, "spec": {"size": "16M"}}),
                lambda: rest.post(path + "/mount", {"id": f"c{number}"}),
                lambda: rest.post(path + "/unmount", {"id": f"c{number}"}),
                lambda: rest.post(path + "/unmount", {"id": "x", "force": True}),
                lambda: rest.delete(path), lambda: rest.delete(path + "?purge=true"),
                lambda: rest.post(path + "/restore"),
                lambda: rest.patch(path, {"labels": {"n": str(number)}}),
                lambda: rest.patch(path, {"name": chance.choice(names)}),
                lambda: rest.get("/v1/volumes?usage=true"), lambda: rest.get("/metrics")))()
            if answer.status >= 400:
                kinds.add(answer.error["kind"])
    together([lambda i=i: client(i) for i in range(8)])
    assert "internal" not in kinds and "not-found" in kinds, kinds
    for volume in daemon.rest.volumes():
        daemon.rest.unmount(volume["name"], force=True)
    assert_at_rest(daemon)


def test_pages_of_many_while_others_come_and_go(make_daemon):
    """250 volumes in pages of three, while others are created, deleted and renamed: those that stay
    are seen exactly once, in order."""
    daemon = make_daemon(pool_size="8G")
    stay = [f"s{i:03}" for i in range(250)]
    together([lambda part=part: [daemon.rest.create(name, "16M", labels={"stay": "yes"})
                                 for name in stay[part::8]] for part in range(8)])
    stop = threading.Event()

    def disturb(number):
        chance, rest = random.Random(number), daemon.rest
        while not stop.is_set():
            name = f"s{chance.randrange(250):03}{number}"
            rest.create(name, "16M", trash="0s")
            rest.patch("/v1/volumes/" + name, {"name": "t" + name})
            rest.delete("/v1/volumes/t" + name)
    others = [threading.Thread(target=disturb, args=(number,)) for number in range(2)]
    for thread in others:
        thread.start()
    try:
        for query in ({"limit": "3"}, {"limit": "17", "label": "stay=yes"}, {"limit": "1000"}):
            seen = [volume["name"] for volume in daemon.rest.volumes(**query)]
            assert seen == sorted(seen) and len(seen) == len(set(seen))
            assert [name for name in seen if name in set(stay)] == stay
            assert "label" not in query or seen == stay
    finally:
        stop.set()
        for thread in others:
            thread.join()
    assert_at_rest(daemon)


@pytest.mark.parametrize("token", ["", "AAAA", "e3t9fQ==", "////", "=", "a" * 5000, "djE=",
                                   "cwEx", "%F0%9F%8F%BA"])
def test_tokens_that_nobody_gave(daemon, token):
    daemon.rest.create("v1", "16M")
    answer = daemon.rest.get("/v1/volumes?limit=1&continue=" + token)
    assert answer.status in (200, 400), answer
    assert answer.status == 200 or "continue" in answer.error["message"]


@pytest.mark.parametrize("patch, words", [
    ({"name": None}, ["name", "null"]), ({"name": ["x"]}, ["name"]), ({"name": {}}, ["name"]),
    ({"labels": []}, ["labels"]), ({"labels": "a=b"}, ["labels"]), ({"labels": {"a": {}}}, ["labels.a"]),
    ({"labels": {"a": None, "": "x"}}, ["labels"]), ({"spec": None}, ["spec", "null"]),
    ({"spec": {"trash": None}}, ["spec.trash", "null"]), ({"spec": {"protect": None}}, ["spec.protect"]),
    ({"spec": {"size": "1G"}}, ["spec.size"]), ({"spec": {"pool": "x"}}, ["spec.pool"]),
    ({"spec": {"trash": 1.5}}, ["spec.trash"]), ({"spec": {"trash": "-1s"}}, ["trash"]),
    ({"spec": {"mountopts": "exec"}}, ["mountopts"]), ({"spec": {"protect": "true"}}, ["spec.protect"]),
    ({"uid": "x"}, ["uid"]), ({"revision": 1}, ["revision"]), ({"status": {}}, ["status"]),
    ({"spec": {"mode": "0777"}}, ["spec.mode"]), ([], ["object"]), ("x", ["JSON"]), (5, ["JSON"]),
])
def test_patches_that_are_refused_change_nothing(daemon, patch, words):
    daemon.rest.create("v", "16M", labels={"a": "1"}, mountopts="noatime")
    before = daemon.rest.volume("v")
    answer = daemon.rest.patch("/v1/volumes/v", json.dumps(patch))
    assert answer.status == 400 and answer.error["kind"] == "invalid", answer
    assert all(word in answer.error["message"] for word in words), answer
    after = daemon.rest.volume("v")
    assert (after["name"], after["labels"], after["spec"]) == (
        before["name"], before["labels"], before["spec"])


def test_a_patch_that_changes_nothing(daemon):
    before = daemon.rest.create("v", "16M", labels={"a": "1"})
    for patch in ({}, {"labels": {}}, {"labels": {"a": "1"}}, {"name": "v"}, {"labels": {"x": None}},
                  {"spec": {}}, {"spec": {"trash": "24h", "protect": False}}):
        assert daemon.rest.must("PATCH", "/v1/volumes/v", patch)["revision"] == before["revision"]
    assert [event["reason"] for event in daemon.rest.events()] == ["VolumeCreated"]
    cleared = daemon.rest.must("PATCH", "/v1/volumes/v", {"labels": None, "spec": {"mountopts": None}})
    assert cleared["labels"] == {} and cleared["spec"] == before["spec"]


def test_names_that_look_alike_are_different(daemon):
    """Bytes decide: case, composed and decomposed letters, look-alikes."""
    names = ["abc", "ABC", "\u00e9", "e\u0301", "\u0430", "a", "a.", "a b", "a%20b", "a+b", "uid", "..a", "-", "#", "?"]
    assert len(set(names)) == len(names)
    uids = {name: daemon.rest.create(name, "16M")["uid"] for name in names}
    for name in names:
        assert daemon.rest.volume(name)["uid"] == uids[name]
    listed = [volume["name"] for volume in daemon.rest.volumes(limit="2")]
    assert sorted(listed, key=str.encode) == listed and set(listed) == set(names)
    daemon.kill()
    daemon.start()
    assert {volume["name"]: volume["uid"] for volume in daemon.rest.volumes()} == uids
    assert_at_rest(daemon)


def test_long_waits_do_not_hold_up_the_end(daemon):
    """A client waits for an operation that does not end; doliumd stops all the same."""
    answer = daemon.rest.get("/v1/operations/nosuch?wait=30s")
    assert answer.status == 404
    connection = UnixConnection(daemon.socket)
    connection.request("GET", "/v1/events?watch=true")
    start = time.monotonic()
    daemon.stop()
    assert time.monotonic() - start < 5
    try:
        connection.getresponse().read()
    except (http.client.HTTPException, OSError):
        pass
    connection.close()

# SPDX-License-Identifier: Apache-2.0
"""Bad input: each gets an error that names the field and what was expected, and changes nothing."""
import json
import socket
import time

import pytest
from lib.rest import converse
from lib.wait import until

GOOD = {"name": "x", "spec": {"size": "64M"}}


@pytest.fixture(scope="module", name="running")
def _running(request):
    """One daemon for all of these: none of them may change it."""
    from lib import kernel
    from lib.daemon import Daemon
    daemon = Daemon(pool_size="1G").start()
    daemon.rest.create("there", "64M")
    yield daemon
    complaints = daemon.destroy()
    kernel.remove_tree(daemon.dir)
    assert not complaints


@pytest.fixture(autouse=True)
def _unchanged(running):
    before = running.rest.get("/v1/volumes").body
    yield
    assert running.rest.get("/v1/volumes").body == before


def refused(running, body, *words, kind="invalid", path="/v1/volumes", method="POST"):
    answer = running.rest.request(method, path, body=body)
    assert answer.status // 100 == 4 or answer.status in (501, 507), answer
    assert answer.error["kind"] == kind, answer
    for word in words:
        assert word in answer.error["message"], answer


NAMES = ["", ".", "..", "a/b", "a@b", "a\nb", "a\x7fb", "a\u0085b", " a", "a ", "x" * 129,
         "é" * 65, "../../etc/passwd"]


@pytest.mark.parametrize("name", NAMES)
def test_names(running, name):
    refused(running, {**GOOD, "name": name}, "name")
    refused(running, {"name": name}, "name", path="/v1/volumes/there", method="PATCH")


@pytest.mark.parametrize("name", ["a", "x" * 128, "é" * 64, "名前", "🏺 jar", "a.b-c_d", "-x",
                                  "a'b\"c", "$(reboot)", "%2f", "a b"])
def test_good_names(running, name):
    assert running.rest.create(name, "16M")["name"] == name
    assert running.rest.volume(name)["name"] == name
    running.rest.remove(name)


SIZES = [0, -1, 1, "0", "-1", "+5G", "1x", "ten", "1.5G", "", " 1G", "1G ", "1 G", 1.5, True,
         "16385P", 1 << 62, "99999999999999999999", 99999999999999999999, [], {}, "1e9", "0x10"]


@pytest.mark.parametrize("size", SIZES)
def test_sizes(running, size):
    beyond_json = size == 99999999999999999999      # the parser refuses it, and names no field
    refused(running, {"name": "x", "spec": {"size": size}}, "" if beyond_json else "size")


@pytest.mark.parametrize("spec, words", [
    ({"fs": "ntfs"}, ["spec.fs", "ext4, xfs", "ntfs"]),
    ({"fs": 5}, ["spec.fs"]),
    ({"fs": "xfs", "size": "64M"}, ["size", "xfs", "300M"]),
    ({"colour": "red"}, ["spec.colour", "unknown field", "size"]),
    ({"uid": -1}, ["spec.uid"]), ({"uid": 4294967295}, ["uid"]), ({"uid": "root"}, ["spec.uid"]),
    ({"mode": "999"}, ["spec.mode"]), ({"mode": 755}, ["spec.mode"]), ({"mode": "17777"}, ["mode"]),
    ({"read_iops": 9}, ["read_iops", "10 to 4294967295", "got 9"]),
    ({"write_iops": -1}, ["spec.write_iops"]),
    ({"read_iops": "none"}, ["spec.read_iops"]),
    ({"write_bps": "63K"}, ["write_bps", "at least 64K", "got 63K"]),
    ({"read_bps": "fast"}, ["spec.read_bps", "fast"]),
    ({"mountopts": "exec,dev,suid"}, ["mountopts", "exec"]),
    ({"mountopts": "loop=/dev/sda"}, ["mountopts"]),
    ({"mountopts": "noatime,,"}, ["mountopts"]),
    ({"trash": "-1h"}, ["spec.trash"]), ({"trash": "soon"}, ["spec.trash", "24h"]),
    ({"protect": "yes"}, ["spec.protect", "true or false"]),
    ({"thick": 1}, ["spec.thick"]),
    ({"fs": "none", "mountopts": "ro"}, ["mountopts", "block"]),
])
def test_settings(running, spec, words):
    refused(running, {"name": "x", "spec": {"size": "64M", **spec}}, *words)


def test_pool_that_is_not_there(running):
    refused(running, {"name": "x", "spec": {"pool": "nowhere"}}, "nowhere", kind="not-found")


def test_too_large_for_the_pool(running):
    refused(running, {"name": "x", "spec": {"size": "10T"}}, "promised", "10T", kind="no-space")


@pytest.mark.parametrize("labels, words", [
    ({"": "x"}, ["labels"]), ({"a=b": "x"}, ["labels"]), ({"a": 1}, ["labels"]),
    ({"k" * 129: "x"}, ["labels", "128"]), ({"k": "v" * 257}, ["labels", "256"]),
    ({"k": "a\nb"}, ["labels"]), ({f"k{i}": "" for i in range(65)}, ["labels", "64"]), (["a"], ["labels"]),
])
def test_labels(running, labels, words):
    refused(running, {**GOOD, "labels": labels}, *words)


BODIES = [
    (b"", "expected"), (b"{", "JSON"), (b"[]", "object"), (b"5", ""), (b'"x"', ""), (b"null", ""),
    (b'{"name":"x","name":"y"}', "name"), (b'{"name":"x"} trailing', "JSON"),
    (b'{"name":"x\xff"}', ""), (b'{"name":"x\\u0000y"}', ""), (b'{"name":"x\\ud800"}', ""),
    (b"{'name':'x'}", ""), (b'{"name":"x",}', ""), (b"\xef\xbb\xbf{}", ""),
    (b'{"spec":' * 3000 + b"1" + b"}" * 3000, ""), (b'{"uid":"1","name":"x"}', "uid"),
    (b'{"status":{},"name":"x"}', "status"), (b'{"name":["x"]}', "name"),
    (b'{"name":"x","spec":[]}', "spec"), (b'{"name":"x","colour":"y"}', "colour"),
]


@pytest.mark.parametrize("body, word", BODIES)
def test_bodies(running, body, word):
    refused(running, body, word)


def test_large_body(running):
    """Refused by its announced length, before it is sent; and by what came, when none is."""
    head = b"POST /v1/volumes HTTP/1.1\r\nHost: x\r\n"
    announced = converse(running.socket, head + b"Content-Length: 3000000\r\n\r\n{", timeout=3)
    assert b" 413 " in announced.splitlines()[0] and b'"invalid"' in announced
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    chunked = converse(running.socket, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17,
                       timeout=3)
    assert not chunked or b" 413 " in chunked.splitlines()[0]


@pytest.mark.parametrize("path, status", [
    ("/v1/volumes/a%00b", 400), ("/v1/volumes/%ff", 400), ("/v1/volumes/%zz", 400),
    ("/v1/volumes/", 404), ("/v1/volumes/there/", 404), ("/v1", 404), ("/", 404),
    ("/v1/volumes/nosuch", 404), ("/v1/volumes/uid:../..", 404), ("/v1/volumes/..%2f..%2fetc", 404),
    ("/v1/volumes?colour=red", 400), ("/v1/volumes?limit=1&limit=2", 400),
    ("/v1/volumes?limit=-1", 400), ("/v1/volumes?limit=99999999", 400),
    ("/v1/volumes?phase=dead", 400), ("/v1/volumes?continue=!!!", 400),
    ("/v1/operations/nosuch", 404), ("/v1/operations/..%2f..", 404),
    ("/v1/operations/x?wait=never", 400), ("/v1/pools/nosuch", 404),
    ("/v1/events?after=-1", 400), ("/v1/events?watch=perhaps", 400),
])
def test_paths(running, path, status):
    answer = running.rest.get(path)
    assert answer.status == status, answer
    assert answer.error["message"]


def test_unknown_query_names_what_is_known(running):
    message = running.rest.get("/v1/volumes?colour=red").error["message"]
    assert "colour" in message and "limit" in message and "label" in message


def test_if_match(running):
    answer = running.rest.patch("/v1/volumes/there", {}, headers={"If-Match": "yesterday"})
    assert answer.status == 400 and "If-Match" in answer.error["message"]


HEAD = b"GET /v1/volumes HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("data", [
    b"POST /v1/volumes HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}",
    b"POST /v1/volumes HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\n{}\r\n0\r\n\r\n",
    HEAD + b"X: a\0b\r\n\r\n", HEAD + b"X-Long: " + b"y" * 100000 + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00garbage\r\n\r\n", b"GET\r\n\r\n", b"BREW /v1/volumes HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/volumes HTTP/9.9\r\nHost: x\r\n\r\n", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
    b"POST /v1/volumes HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    HEAD + b"X: y\r\n" * 5000 + b"\r\n",
])
def test_heads(running, data):
    answer = converse(running.socket, data, timeout=3, half_close=True)
    assert not answer or answer.split(b" ")[1][:1] in b"45", answer[:200]


def test_slow_clients_are_cut_off(running):
    """A byte a second does not keep a request alive: its time is counted in total."""
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(running.socket)
        slow.settimeout(0.01)
        start = time.monotonic()
        closed = False
        while not closed and time.monotonic() - start < 20:
            try:
                slow.sendall(b"G" if time.monotonic() - start < 1 else b"x")
                closed = slow.recv(1000) == b""
            except socket.timeout:
                time.sleep(0.5)
            except OSError:
                closed = True
        assert closed and 8 < time.monotonic() - start < 14
    assert running.rest.get("/healthz").status == 200


def test_thousands_of_connections(running):
    """They are refused or wait; who is served goes on being served."""
    sockets = []
    try:
        for _ in range(3000):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(0.05)
            sockets.append(connection)
            try:
                connection.connect(running.socket)
            except OSError:
                break
        assert len(sockets) > 1000
    finally:
        for connection in sockets:
            connection.close()
    until(lambda: served(running), 10, "it is served again")


def served(running):
    """A full backlog answers EAGAIN; the gate is allowed a moment to empty it."""
    try:
        return running.rest.get("/v1/volumes").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("body, words", [
    ({"name": "UP"}, ["name"]), ({"name": "a", "spec": {"driver": "zfs"}}, ["zfs", "image"]),
    ({"name": "a", "spec": {"path": "relative"}}, ["path"]),
    ({"name": "a", "spec": {"overcommit": 0.5}}, ["overcommit"]),
    ({"name": "a", "spec": {"warn": 0.9, "full": 0.8}}, ["warn"]),
    ({"name": "a", "spec": {"media": "tape"}}, ["spec.media", "nvme"]),
])
def test_pools(running, body, words):
    refused(running, body, *words, path="/v1/pools")


def test_pool_of_that_name_exists(running):
    refused(running, {"name": "default"}, "default", kind="exists", path="/v1/pools")


def test_errors_have_one_form(running):
    answer = running.rest.get("/v1/volumes/nosuch")
    assert json.loads(answer.body) == {"error": {
        "kind": "not-found", "message": "volume 'nosuch' does not exist", "details": {}}}

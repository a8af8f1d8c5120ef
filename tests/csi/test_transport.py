# SPDX-License-Identifier: Apache-2.0
"""The gRPC server under clients that do what they should not."""
import gzip
import os
import socket
import struct
import subprocess
import threading
import time

import grpc
import hpack
import pytest

from lib.csi import Csi

PROBE = "/csi.v1.Identity/Probe"
INFO = "/csi.v1.Identity/GetPluginInfo"


# HTTP/2 by hand (RFC 9113), for what no client library does

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + \
        struct.pack(">I", stream) + payload


def literal(name, value):
    """A header as HPACK's literal without indexing; texts shorter than 127 bytes."""
    name, value = name.encode(), value.encode()
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(path=PROBE, method="POST", content_type="application/grpc", **more):
    return b"".join(literal(*pair) for pair in [
        (":method", method), (":scheme", "http"), (":path", path), (":authority", "x"),
        ("content-type", content_type), ("te", "trailers"),
        *((key.replace("_", "-"), value) for key, value in more.items())])


class Raw:
    """A connection of our own making."""

    def __init__(self, path, greet=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.buffer, self.decoder = b"", hpack.Decoder()
        if greet:
            self.send(PREFACE + frame(SETTINGS))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def call(self, stream=1, body=b"\0\0\0\0\0", **how):
        self.send(frame(HEADERS, 4, stream, head(**how)) + frame(DATA, 1, stream, body))

    def take(self, size):
        while len(self.buffer) < size:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.buffer += more
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def frame(self):
        """(kind, flags, stream, payload) of the next frame."""
        prefix = self.take(9)
        payload = self.take(int.from_bytes(prefix[:3], "big"))
        return prefix[3], prefix[4], int.from_bytes(prefix[5:9], "big"), payload

    def until(self, kind):
        """The next frame of this kind; EOFError when the server closes before."""
        while True:
            found = self.frame()
            if found[0] == kind:
                return found

    def ended(self, stream=1):
        """Waits until the call has ended; all its headers."""
        headers = {}
        while True:
            kind, flags, which, payload = self.frame()
            assert kind != GOAWAY and not (which == stream and kind == RST_STREAM)
            if kind == HEADERS:
                found = dict(self.decoder.decode(payload))
                if which == stream:
                    headers.update(found)
                    if flags & 1:
                        return headers

    def status(self, stream=1):
        return int(self.ended(stream)["grpc-status"])

    def closed(self):
        """Reads until the server closes; the error code of its GOAWAY, or None."""
        code = None
        try:
            while True:
                kind, _, _, payload = self.frame()
                if kind == GOAWAY:
                    code = int.from_bytes(payload[4:8], "big")
        except (EOFError, ConnectionResetError):
            return code


@pytest.fixture
def path(csi_daemon):
    return csi_daemon.csi_socket


@pytest.fixture(autouse=True)
def still_well(csi_daemon):
    """Whatever a test did: the daemon lives and serves others."""
    yield
    assert csi_daemon.runs()
    with Csi(csi_daemon.csi_socket) as client:
        assert client.Probe(timeout=20).ready.value


def test_unknown_methods_are_unimplemented(csi, fails):
    for method in ["/csi.v1.Identity/No", "/x", "/csi.v1.Identity/Probe/", "/" + "y" * 5000]:
        with fails("UNIMPLEMENTED", "there is no method"):
            csi.raw(method, b"")


def test_gzip_requests(csi):
    # Long enough that the client compresses it: unknown fields are skipped.
    body = b"".join(b"\xfa\x01\x04abcd" for _ in range(500))
    assert csi.raw(INFO, body, compression=grpc.Compression.Gzip)
    assert csi.raw(INFO, body, compression=grpc.Compression.Deflate)


def test_a_message_that_is_too_large(csi, fails):
    with fails("RESOURCE_EXHAUSTED", "too large"):
        csi.raw(INFO, b"\xfa\x01" + b"\x00" * (2 << 20))


def test_a_gzip_bomb(path):
    bomb = gzip.compress(b"\0" * (100 << 20))
    assert len(bomb) < 1 << 20
    with Csi(path) as client, Raw(path) as raw:
        body = b"\1" + struct.pack(">I", len(bomb)) + bomb
        raw.send(frame(HEADERS, 4, 1, head(grpc_encoding="gzip")))
        sent = 0
        while sent < len(body):         # within the 64 KiB window: updates are read between
            raw.send(frame(DATA, 0, 1, body[sent:sent + 16384]))
            sent += 16384
            if sent % 65536 == 0:
                raw.until(WINDOW_UPDATE)
        raw.send(frame(DATA, 1, 1))
        assert raw.status() == 8
        assert client.Probe().ready.value


@pytest.mark.parametrize("body, code, text", [
    (b"", 13, "no message"), (b"\0", 13, "cut off"), (b"\0\0\0\0", 13, "cut off"),
    (b"\0\0\0\0\5abc", 13, "cut off"), (b"\0\0\0\0\1abc", 13, "more than one message"),
    (b"\2\0\0\0\0", 13, "unknown flags"), (b"\1\0\0\0\1x", 13, "does not say how"),
    (b"\0\xff\xff\xff\xff", 8, "too large")])
def test_wrong_framing(path, body, code, text):
    with Raw(path) as raw:
        raw.call(body=body)
        headers = raw.ended()
        assert (int(headers["grpc-status"]), text in headers["grpc-message"]) == (code, True)


def test_wrong_compression(path):
    with Raw(path) as raw:
        raw.call(stream=1, body=b"\1\0\0\0\1x", grpc_encoding="snappy")
        assert raw.status(1) == 12
        raw.call(stream=3, body=b"\1\0\0\0\1x", grpc_encoding="gzip")
        assert raw.status(3) == 13


@pytest.mark.parametrize("text, code", [
    ("0S", 4), ("0n", 4), ("999n", 4), ("5S", 0), ("99999999H", 0), ("60000m", 0),
    ("123456789S", 13), ("5", 13), ("S", 13), ("-1S", 13), ("5s", 13), ("5 S", 13)])
def test_time_outs(path, text, code):
    with Raw(path) as raw:
        raw.call(grpc_timeout=text)
        assert raw.status() == code


@pytest.mark.parametrize("how, code", [
    ({"method": "GET"}, "405"), ({"content_type": "text/plain"}, "415"),
    ({"content_type": "application/grpcx"}, "415")])
def test_what_is_not_grpc(path, how, code):
    with Raw(path) as raw:
        raw.call(**how)
        assert raw.ended()[":status"] == code


def test_not_http2_at_all(path):
    for greeting in [b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
                     PREFACE + os.urandom(4096)]:
        with Raw(path, greet=False) as raw:
            raw.send(greeting)
            raw.closed()


def test_random_frames(path):
    for _ in range(200):
        with Raw(path) as raw:
            try:
                for _ in range(5):
                    raw.send(frame(os.urandom(1)[0] % 11, os.urandom(1)[0], os.urandom(1)[0] % 5,
                                   os.urandom(os.urandom(1)[0] % 40)))
            except (BrokenPipeError, ConnectionResetError):
                pass


def test_rapid_resets_end_the_connection(path):
    with Raw(path) as raw:
        try:
            for number in range(20000):
                stream = 1 + 2 * number
                raw.send(frame(HEADERS, 4, stream, head()) + frame(DATA, 1, stream, b"\0" * 5) +
                         frame(RST_STREAM, 0, stream, b"\0\0\0\x08"))
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert raw.closed() in (11, None)       # ENHANCE_YOUR_CALM, if it was still read


@pytest.mark.parametrize("flood", [frame(PING, 0, 0, b"12345678"), frame(SETTINGS),
                                   frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1")])
def test_floods_end_the_connection(path, flood):
    with Raw(path) as raw:
        reader = threading.Thread(target=raw.closed)
        reader.start()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(2000):
                raw.send(flood * 100)
        reader.join(20)
        assert not reader.is_alive()


def test_pings_are_answered(path):
    with Raw(path) as raw:
        raw.send(frame(PING, 0, 0, b"\2\4\x10\x10\x09\x0e\7\7"))
        kind, flags, _, payload = raw.until(PING)
        assert flags == 1 and payload == b"\2\4\x10\x10\x09\x0e\7\7"


def test_a_client_that_reads_nothing(path):
    with Raw(path) as raw:
        raw.socket.settimeout(3)
        try:
            for number in range(3000):
                raw.call(stream=1 + 2 * number)
        except (OSError, TimeoutError):
            pass


def test_a_thousand_calls_at_once(csi):
    call, asked = csi.stub("GetPluginInfo")
    futures = [call.future(asked(), timeout=60) for _ in range(1000)]
    assert {future.result().name for future in futures} == {"csi.dolium.io"}


def test_cancelled_calls(csi, hasty):
    for _ in range(50):
        hasty("GetPluginInfo")
    assert csi.Probe().ready.value


def test_no_greeting_is_not_waited_for_for_ever(path):
    start = time.monotonic()
    with Raw(path, greet=False) as raw:
        raw.closed()
    assert 5 < time.monotonic() - start < 19


def test_a_request_that_does_not_end(path):
    start = time.monotonic()
    with Raw(path) as raw:
        raw.send(frame(HEADERS, 4, 1, head()))
        assert raw.status() == 4
    assert 5 < time.monotonic() - start < 19


def test_clients_are_told_to_go(csi_daemon):
    with Raw(csi_daemon.csi_socket) as raw:
        raw.call()
        raw.ended()
        csi_daemon.stop()
        assert raw.closed() == 0
    csi_daemon.start()


def test_text_that_is_none(csi, fails):
    for garbage in [b"\xff" * 20, b"\x0b\x0c", b"\x00", b"\x0a\x05abc"]:
        with fails("INVALID_ARGUMENT"):
            csi.raw(INFO, garbage)


def test_load(path):
    body = path + ".body"
    with open(body, "wb") as file:
        file.write(b"\0" * 5)
    done = subprocess.run(["h2load", "-n", "5000", "-c", "8", "-m", "16", "-d", body,
                           "-H", "content-type: application/grpc", "-B", "unix:" + path,
                           "http://x" + PROBE], capture_output=True, timeout=60, check=True,
                          text=True)
    os.remove(body)
    assert "5000 succeeded, 0 failed" in done.stdout, done.stdout

# SPDX-License-Identifier: Apache-2.0
"""A client of the Docker volume plugin protocol that sends what the real ones send."""
import json
import socket

DOCKER, PODMAN = "docker", "podman"
PODMAN_ID = "2f73349cfc4630255319c6c8dfc1b46a8996ace9d14d8e07563b165915918ec2"


def request_bytes(method, body, dialect=DOCKER):
    """One request as dockerd 20.10 or Podman 4.3 writes it. `body`: a document, or bytes, or None
    for an empty one."""
    if body is None:
        body = b""
    elif not isinstance(body, bytes):
        body = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        if dialect == DOCKER:
            body += b"\n"
    if dialect == DOCKER:
        head = (f"POST /{method} HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\n"
                f"Content-Length: {len(body)}\r\n"
                "Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n")
    else:
        head = (f"POST /{method} HTTP/1.1\r\nHost: plugin\r\nUser-Agent: Go-http-client/1.1\r\n"
                f"Content-Length: {len(body)}\r\n"
                "Content-Type: application/vnd.docker.plugins.v1.1+json\r\n\r\n")
    return head.encode() + body


class Closed(Exception):
    """The daemon closed the connection without an answer."""


class Connection:
    """One keep-alive connection."""

    def __init__(self, path, timeout=60):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def _more(self):
        try:
            chunk = self.sock.recv(65536)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            raise Closed(self.buffer)
        self.buffer += chunk

    def answer(self):
        """(status, headers in lower case, body bytes) of the next answer; Closed when none comes."""
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {key.strip().lower(): value.strip()
                   for key, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", "0"))
        while len(self.buffer) < length:
            self._more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(lines[0].split()[1]), headers, body

    def send(self, data):
        self.sock.sendall(data)

    def call(self, method, body=None, dialect=DOCKER):
        """(status, document)."""
        self.send(request_bytes(method, body, dialect))
        status, _, text = self.answer()
        return status, json.loads(text)


class Plugin:
    """One connection per call."""

    def __init__(self, path, dialect=DOCKER):
        self.path, self.dialect = path, dialect

    def connect(self, timeout=60):
        return Connection(self.path, timeout)

    def call(self, method, body=None):
        with self.connect() as connection:
            return connection.call(method, body, self.dialect)

    def must(self, method, body=None):
        status, document = self.call(method, body)
        assert status == 200 and not document.get("Err"), f"{method} {body}: {status} {document}"
        return document

    def refused(self, method, body=None):
        """The text of the error that must come: 500 with Err, which both clients understand."""
        status, document = self.call(method, body)
        assert status == 500 and document.get("Err"), f"{method} {body}: {status} {document}"
        return document["Err"]

    def create(self, name, **options):
        return self.must("VolumeDriver.Create", {"Name": name, "Opts": options or None})

    def mount(self, name, id):
        return self.must("VolumeDriver.Mount", {"Name": name, "ID": id})["Mountpoint"]

    def unmount(self, name, id):
        return self.must("VolumeDriver.Unmount", {"Name": name, "ID": id})

    def get(self, name):
        return self.must("VolumeDriver.Get", {"Name": name})["Volume"]

    def list(self):
        return self.must("VolumeDriver.List", {})["Volumes"]

    def remove(self, name):
        return self.must("VolumeDriver.Remove", {"Name": name})

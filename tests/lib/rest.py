# SPDX-License-Identifier: Apache-2.0
"""A client of the REST API, and raw conversations on unix sockets."""
import http.client
import json
import socket
from urllib.parse import quote, urlencode


class UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 over a unix socket."""

    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    """status, headers (of http.client), body (bytes) and, parsed when asked for, json."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def error(self):
        """The error object of a failed request, or {}."""
        try:
            return self.json.get("error", {})
        except (ValueError, AttributeError):
            return {}

    def __repr__(self):
        return f"<{self.status} {self.text[:500]}>"


class RestError(AssertionError):
    """A request that should have succeeded did not; .answer is what came."""

    def __init__(self, request, answer):
        super().__init__(f"{request}: {answer.status} {answer.text[:2000]}")
        self.answer = answer


class Rest:
    """Each request on its own connection. Methods named after HTTP's give an Answer and never
    fail on a status; the named helpers below them give the document or raise RestError."""

    def __init__(self, socket_path, timeout=60):
        self.socket_path = socket_path
        self.timeout = timeout

    def request(self, method, path, body=None, headers=None, query=None, timeout=None):
        """`body`: bytes and str are sent as they are, anything else as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        if query:
            path += "?" + urlencode(query)
        connection = UnixConnection(self.socket_path, timeout or self.timeout)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.request("POST", path, body=body, **more)

    def patch(self, path, body=None, **more):
        return self.request("PATCH", path, body=body, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    def must(self, method, path, body=None, **more):
        """The document of a request that has to succeed."""
        answer = self.request(method, path, body=body, **more)
        if answer.status // 100 != 2:
            raise RestError(f"{method} {path}", answer)
        return answer.json

    # Volumes, by name

    @staticmethod
    def volume_path(name):
        return "/v1/volumes/" + quote(name, safe=":")

    def create(self, name, size="64M", labels=None, **spec):
        body = {"name": name, "spec": {"size": size, **spec}}
        if labels:
            body["labels"] = labels
        return self.must("POST", "/v1/volumes", body)

    def volume(self, name):
        return self.must("GET", self.volume_path(name))

    def volumes(self, **query):
        """All of them: follows the pages."""
        items = []
        while True:
            page = self.must("GET", "/v1/volumes", query=query or None)
            items += page["items"]
            if not page.get("continue"):
                return items
            query["continue"] = page["continue"]

    def exists(self, name):
        return self.get(self.volume_path(name)).status == 200

    def mount(self, name, consumer="test"):
        return self.must("POST", self.volume_path(name) + "/mount", {"id": consumer})

    def unmount(self, name, consumer="test", force=False):
        body = {"id": consumer, "force": True} if force else {"id": consumer}
        return self.must("POST", self.volume_path(name) + "/unmount", body)

    def remove(self, name, purge=True):
        return self.must("DELETE", self.volume_path(name), query={"purge": "true"} if purge else None)

    def events(self, **query):
        return self.must("GET", "/v1/events", query=query or None)["items"]


def converse(socket_path, data, timeout=10, half_close=False):
    """Sends bytes and returns what comes until the peer closes the connection or nothing comes for
    `timeout` seconds. A connection reset counts as closed."""
    chunks = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(timeout)
        peer.connect(socket_path)
        try:
            peer.sendall(data)
            if half_close:
                peer.shutdown(socket.SHUT_WR)
            while chunk := peer.recv(65536):
                chunks.append(chunk)
        except (ConnectionResetError, BrokenPipeError, socket.timeout):
            pass
    return b"".join(chunks)

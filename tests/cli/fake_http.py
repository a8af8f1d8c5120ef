# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of the daemon of straw."""
import http.server
import json
import time
from urllib.parse import parse_qsl, unquote, urlsplit

STATUS = {"invalid": 400, "denied": 403, "not-found": 404, "exists": 409, "conflict": 409,
          "stale": 412, "busy": 423, "internal": 500, "unsupported": 501, "unavailable": 503,
          "timeout": 504, "no-space": 507}


class Refused(Exception):
    def __init__(self, kind, message):
        super().__init__(message)
        self.kind, self.message = kind, message


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection. `daemon` is the FakeDaemon; `routes` are rows of method, path, names of query
    parameters, handler(daemon, query, body, *parts of the path), kind of operation."""
    protocol_version = "HTTP/1.1"
    daemon = None
    routes = ()

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"

    def reply(self, status, document):
        body = self.daemon.raw
        if body is None:
            body = json.dumps(document, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, kind, message):
        self.reply(STATUS[kind], {"error": {"kind": kind, "message": message, "details": {}}})

    def read_body(self, method):
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not text:
            return None
        if self.headers.get("Content-Type") != "application/json":
            raise Refused("invalid", "Content-Type: expected application/json")
        if method == "GET":
            raise Refused("invalid", "a GET request has no body")
        return json.loads(text)

    def route(self, method, path, pairs):
        for known_method, pattern, known, handler, kind in self.routes:
            match = pattern.fullmatch(path)
            if not match or known_method != method:
                continue
            for name, _ in pairs:
                if name not in known:
                    raise Refused("invalid", f"unknown query parameter '{name}'")
            return handler, kind, [unquote(part, errors="strict") for part in match.groups()]
        raise Refused("not-found", f"no such path: {method} {path}")

    def answer(self, method):
        daemon = self.daemon
        parts = urlsplit(self.path)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        body = self.read_body(method)
        query = dict(pairs)
        daemon.requests.append((method, unquote(parts.path), query, body))
        if daemon.delay:
            daemon.stopping.wait(daemon.delay)
        if daemon.fail:
            raise Refused(*daemon.fail)
        handler, kind, arguments = self.route(method, parts.path, pairs)
        if query.get("watch") == "true":
            return self.watch(query)
        with daemon.lock:
            if kind and daemon.slow:
                seconds, daemon.slow = daemon.slow, None
                self.reply(*self.slowly(seconds, handler, kind, query, body, arguments))
            else:
                self.reply(*handler(daemon, query, body, *arguments))

    def slowly(self, seconds, handler, kind, query, body, arguments):
        daemon = self.daemon
        if kind in ("create", "adopt"):
            _, volume = handler(daemon, query, body, *arguments)
            return daemon.later(seconds, lambda: None, kind, volume)
        volume = daemon.find(arguments[0], trashed=kind == "restore")
        return daemon.later(seconds, lambda: handler(daemon, query, body, *arguments), kind, volume)

    def watch(self, query):
        daemon = self.daemon
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        last = int(query.get("after", 0))
        while not daemon.stopping.is_set():
            for event in list(daemon.events):
                if event["sequence"] > last and query.get("volume") in (None, event["name"]):
                    last = event["sequence"]
                    self.wfile.write(json.dumps(event).encode() + b"\n")
                    self.wfile.flush()
            time.sleep(0.02)

    def handle_method(self):
        try:
            self.answer(self.command)
        except Refused as refused:
            self.refuse(refused.kind, refused.message)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = handle_method

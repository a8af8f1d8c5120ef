# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document against what the daemon really does: each described operation is called and
its answers are checked, and nothing is served that is not described."""
import os
import re

import pytest
from api.schema import Checker

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@pytest.fixture(name="document")
def _document(daemon):
    return daemon.rest.must("GET", "/openapi.json")


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def test_document_is_whole(document):
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    for path, method, operation in operations(document):
        assert operation["summary"], (path, method)
        named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path)), (path, method)
        assert "default" in operation["responses"]
    for reference in re.findall(r"#/components/schemas/(\w+)", str(document)):
        assert reference in schemas
    for name, schema in schemas.items():
        for field, described in schema["properties"].items():
            assert described.get("description") or "allOf" in described, f"{name}.{field}"


def test_only_what_is_described_is_served(daemon, document):
    for path, methods in document["paths"].items():
        concrete = re.sub(r"{\w+}", "x", path)
        for method in METHODS:
            answer = daemon.rest.request(method, concrete)
            described = method.lower() in methods
            assert (answer.status != 405) == described, (method, path, answer)
            if not described:
                allowed = answer.headers["Allow"]
                assert all(word.upper() in allowed for word in methods), (allowed, methods)
    assert daemon.rest.get("/v1/nothing").status == 404


class Caller:
    """Calls operations by their described path and checks every answer."""

    def __init__(self, daemon, document):
        self.rest, self.document, self.checker = daemon.rest, document, Checker(document)
        self.called = set()

    def __call__(self, method, path, body=None, status=None, query=None, **arguments):
        operation = self.document["paths"][path][method.lower()]
        self.called.add((path, method))
        concrete = re.sub(r"{(\w+)}", lambda match: arguments[match[1]], path)
        if isinstance(body, bytes):
            assert list(operation["requestBody"]["content"]) == [
                "application/x-tar" if path.endswith("/tar") else "application/vnd.dolium.stream"]
        elif body is not None:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            complaints = self.checker.errors(schema, body)
            assert not complaints, complaints
        answer = self.rest.request(method, concrete, body=body, query=query)
        described = operation["responses"].get(str(answer.status),
                                               operation["responses"]["default"])
        if status is not None:
            assert answer.status == status, answer
            assert status >= 400 or str(status) in operation["responses"], (path, method, status)
        content = described["content"]
        if "application/json" in content:
            assert answer.headers["Content-Type"].startswith("application/json")
            complaints = self.checker.errors(content["application/json"]["schema"], answer.json)
            assert not complaints, (method, path, complaints)
        return answer


def test_every_operation_answers_as_described(daemon, document):
    call = Caller(daemon, document)
    volumes, volume, pools, pool = "/v1/volumes", "/v1/volumes/{volume}", "/v1/pools", "/v1/pools/{pool}"
    made = {"name": "a", "labels": {"k": "v"},
            "spec": {"size": "64M", "uid": 5, "mode": "0750", "mountopts": "noatime"}}
    call("POST", volumes, made, 201)
    call("POST", volumes, made, 200)
    call("POST", volumes, {**made, "spec": {"size": 1 << 30}}, 409)
    call("POST", volumes, {"name": "b", "spec": {"size": "64M"}}, 202, query={"wait": "0s"})
    call("GET", volumes, status=200)
    call("GET", volumes, status=200, query={"limit": "1", "usage": "true"})
    call("GET", volumes, status=400, query={"limit": "x"})
    call("PATCH", volume, {"labels": {"k": "w"}, "spec": {"trash": "2h"}}, 200, volume="a")
    call("POST", volume + "/mount", {"id": "one"}, 200, volume="a")
    call("GET", volume, status=200, volume="a")
    call("GET", volume, status=404, volume="nosuch")
    call("DELETE", volume, status=423, volume="a")
    call("POST", volume + "/trim", status=200, volume="a")
    call("POST", volume + "/unmount", {"id": "one"}, 200, volume="a")
    call("DELETE", volume, status=200, volume="a")
    call("GET", volumes, status=200, query={"phase": "trashed"})
    call("POST", volume + "/restore", {}, 200, volume="a")
    snapshots, snapshot = "/v1/snapshots", "/v1/snapshots/{snapshot}"
    call("POST", volume + "/resize", {"size": "128M"}, 200, volume="a")
    call("POST", snapshots, {"name": "s", "volumes": ["a"], "labels": {"k": "v"}}, 201)
    call("POST", snapshots, {"name": "s", "volumes": ["a"]}, 409)
    call("GET", snapshots, status=200, query={"usage": "true"})
    call("GET", snapshot, status=200, snapshot="a@s")
    call("PATCH", snapshot, {"protect": False, "labels": {"k": "w"}}, 200, snapshot="a@s")
    call("POST", snapshot + "/mount", {"id": "one"}, 200, snapshot="a@s")
    call("POST", snapshot + "/unmount", {"id": "one"}, 200, snapshot="a@s")
    call("GET", snapshot + "/diff", status=200, snapshot="a@s")
    call("GET", volume + "/diff", status=200, volume="a", query={"base": "a@s"})
    call("GET", volume + "/diff", status=400, volume="a")
    path = call("POST", volume + "/mount", {"id": "one"}, 200, volume="a").json["status"][
        "attachment"]["path"]
    for name, made_of in (("file", "x"), ("empty", "")):
        with open(f"{path}/{name}", "w", encoding="utf-8") as file:
            file.write(made_of)
    os.symlink("file", path + "/link")
    call("POST", snapshots, {"name": "t", "volumes": ["a"]}, 201)
    for route, arguments in ((snapshot, {"snapshot": "a@t"}), (volume, {"volume": "a"})):
        call("GET", route + "/files", status=200, query={"recursive": "true"}, **arguments)
        call("GET", route + "/file", status=200, query={"path": "/file"}, **arguments)
        call("GET", route + "/file", status=404, query={"path": "/nosuch"}, **arguments)
        call("GET", route + "/files/diff", status=200, query={"base": "a@s"}, **arguments)
        tar = call("GET", route + "/tar", status=200, query={"path": "/link"}, **arguments).body
    call("POST", volume + "/tar", tar, 200, volume="tar", query={"size": "64M"})
    call("POST", volume + "/tar", tar, 409, volume="tar")
    call("POST", snapshot + "/files/restore", {"paths": ["file"]}, 409, snapshot="a@t")
    call("POST", snapshot + "/files/restore", {"paths": ["file"], "to": "/d"}, 200, snapshot="a@t")
    call("POST", volume + "/unmount", {"id": "one"}, 200, volume="a")
    call("DELETE", snapshot, status=200, snapshot="a@t")
    call("POST", snapshot + "/restore", {}, 200, snapshot="a@s")
    stream = call("GET", snapshot + "/export", status=200, snapshot="a@s").body
    call("GET", volume + "/export", status=200, volume="a", query={"base": "a@s"})
    call("GET", volume + "/export", status=404, volume="a", query={"base": "a@t"})
    call("POST", volume + "/import", stream, 200, volume="d", query={"pool": "default"})
    call("POST", volume + "/import", stream, 409, volume="d")
    call("POST", volumes, {"name": "c", "spec": {"from": "a@s"}}, 201)
    call("POST", volume + "/check", {"repair": False}, 200, volume="a")
    schedules, schedule = "/v1/schedules", "/v1/schedules/{schedule}"
    nightly = {"name": "nightly", "spec": {"every": ["daily 02:00 keep 7"], "volumes": ["a"]}}
    call("POST", schedules, nightly, 201)
    call("POST", schedules, nightly, 409)
    call("POST", schedule + "/run", status=200, schedule="nightly")
    call("PATCH", schedule, {"name": "nightly", "spec": {"group": True}}, 200, schedule="nightly")
    call("GET", schedules, status=200)
    call("GET", schedule, status=200, schedule="nightly")
    call("DELETE", schedule, status=200, schedule="nightly")
    call("DELETE", snapshot, status=200, snapshot="a@s")
    call("GET", pools, status=200)
    call("GET", pool, status=200, pool="default")
    call("GET", pool + "/unknown", status=200, pool="default")
    call("POST", pool + "/adopt", {"uid": "11111111-1111-4111-8111-111111111111"}, 404,
         pool="default")
    call("POST", pools, {"name": "plain", "spec": {"driver": "dir", "path": daemon.dir + "/plain"}},
         201)
    newest = call("GET", "/v1/operations", status=200).json["items"][0]
    call("GET", "/v1/operations/{operation}", status=200, operation=newest["uid"])
    call("GET", "/v1/events", status=200)
    call("GET", "/v1/doctor", status=200)
    for path in ("/healthz", "/readyz", "/version", "/metrics", "/openapi.json"):
        call("GET", path, status=200)
    described = {(path, method) for path, method, _ in operations(document)}
    assert call.called == described


def test_checker_can_complain(document):
    """The test of the test: wrong documents are found."""
    checker = Checker(document)
    volume = {"$ref": "#/components/schemas/Volume"}
    assert not checker.errors(volume, {"name": "a"})
    assert checker.errors(volume, {})
    assert checker.errors(volume, {"name": 1})
    assert checker.errors(volume, {"name": "a", "colour": "red"})
    assert checker.errors(volume, {"name": "a", "spec": {"fs": "ntfs"}})
    assert checker.errors(volume, {"name": "a", "spec": {"mode": "9"}})
    assert checker.errors(volume, {"name": "a", "spec": {"size": -1}})

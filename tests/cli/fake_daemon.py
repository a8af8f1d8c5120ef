# SPDX-License-Identifier: Apache-2.0
"""A daemon of straw for the tests of the command line: REST as docs/rest.md has it, volumes that
are only records. As strict as the real one about unknown paths, query parameters and fields, so
that the command line cannot come to depend on more than the contract.

Tests change its behaviour through attributes: `fail` (an error for the next requests), `slow` (the
next changes answer 202 and end so much later), `delay` (seconds before any answer), `raw` (bytes in
place of a body), `page` (how many items a page of a list has at most), `endless` (lists continue
for ever). `requests` is what it was asked.
"""
import copy
import os
import re
import shutil
import socketserver
import tempfile
import threading
import time
import uuid

from cli.fake_http import Handler, Refused

GIB = 1 << 30
SPEC = {"size": 10 * GIB, "pool": "default", "fs": "ext4", "thick": False, "uid": 0, "gid": 0,
        "mode": "0755", "protect": False, "trash": "1d"}
LIMITS = {"read_iops", "write_iops", "read_bps", "write_bps"}
SPEC_FIELDS = set(SPEC) | {"mountopts"} | LIMITS
POOL_SPEC = {"driver": "image", "overcommit": 2.0, "warn": 0.8, "full": 0.95}
POOL_FIELDS = set(POOL_SPEC) | {"path", "device", "size", "media", "reserve"}


def stamp(ago=0):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000001Z", time.gmtime(time.time() - ago))


def only(fields, known, where):
    for field in fields:
        if field not in known:
            raise Refused("invalid", f"{where}{field}: unknown field")


def size_of(value):
    if isinstance(value, int):
        return value
    number, unit = re.fullmatch(r"(\d+)([KMGT]?)(?:iB)?", value).groups()
    return int(number) << " KMGT".index(unit or " ") * 10


def matches(volume, selector):
    for part in selector.split(","):
        key, _, value = part.partition("=")
        if volume["labels"].get(key) != (value if "=" in part else volume["labels"].get(key, "\0")):
            return False
    return True


class FakeDaemon:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="dcli-", dir="/tmp")
        self.socket = self.dir + "/dolium.sock"
        self.host = "unix://" + self.socket
        self.lock = threading.RLock()
        self.volumes, self.pools, self.unknown = [], [], {}
        self.operations, self.events, self.requests = [], [], []
        self.doctor = [{"name": "loop", "level": "ok", "message": "loop devices are there"}]
        self.fail, self.slow, self.delay, self.raw, self.page = None, None, 0, None, 1000
        self.endless = False
        self.stopping = threading.Event()
        self.add_pool("default")
        self.server = None
        self.start()

    # Life

    def start(self):
        bound = type("BoundHandler", (Handler,), {"daemon": self, "routes": ROUTES})

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64

        self.server = Server(self.socket, bound)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def destroy(self):
        self.stop()
        shutil.rmtree(self.dir)

    # Records

    def add_pool(self, name, labels=None, **spec):
        pool = {"name": name, "uid": str(uuid.uuid4()), "revision": 1, "labels": labels or {},
                "spec": {**POOL_SPEC, "path": "/var/lib/dolium/pools/" + name, **spec},
                "status": {"phase": "ready", "created": stamp(7200), "kind": "xfs", "media": "ssd",
                           "capacity": 100 * GIB, "used": 25 * GIB, "available": 75 * GIB,
                           "reserve": GIB, "allocated": 40 * GIB, "allocatable": 160 * GIB,
                           "trash": 0, "volumes": 0, "trashed": 0}}
        self.pools.append(pool)
        return pool

    def add_volume(self, name, labels=None, age=300, **spec):
        volume = {"name": name, "uid": str(uuid.uuid4()), "revision": 7, "labels": labels or {},
                  "spec": {**SPEC, **spec},
                  "status": {"phase": "available", "created": stamp(age), "changed": stamp(age),
                             "fs_uuid": str(uuid.uuid4()), "size_enforced": True, "used": 0,
                             "available": 0, "allocated": 1 << 20}}
        volume["spec"]["size"] = size_of(volume["spec"]["size"])
        self.volumes.append(volume)
        return volume

    def add_trashed(self, name, **spec):
        volume = self.add_volume(name, **spec)
        volume["status"].update(phase="trashed", trashed=stamp(60), expires=stamp(-86340))
        return volume

    def add_operation(self, operation, volume, phase="done", **more):
        record = {"uid": str(uuid.uuid4()), "revision": 1, "operation": operation,
                  "volume": volume["uid"], "volume_name": volume["name"], "actor": "rest",
                  "phase": phase, "started": stamp(5), **more}
        if phase != "running":
            record["ended"] = stamp(3)
        self.operations.insert(0, record)
        return record

    def add_event(self, reason, name="db", level="normal", message="it happened"):
        with self.lock:
            event = {"sequence": len(self.events) + 1, "time": stamp(), "level": level,
                     "reason": reason, "object": "volume", "name": name, "uid": str(uuid.uuid4()),
                     "message": message, "actor": "rest"}
            self.events.append(event)
            return event

    def find(self, reference, trashed=False):
        def is_meant(volume):
            is_trashed = volume["status"]["phase"] == "trashed"
            if reference == "uid:" + volume["uid"]:
                return is_trashed or not trashed
            return volume["name"] == reference and is_trashed == trashed

        found = [volume for volume in self.volumes if is_meant(volume)]
        if not found:
            raise Refused("not-found", f"volume '{reference}' does not exist")
        if len(found) > 1:
            raise Refused("conflict", f"several volumes '{reference}' are in the trash; "
                                      "say which by uid:...")
        return found[0]

    def find_pool(self, name):
        for pool in self.pools:
            if pool["name"] == name:
                return pool
        raise Refused("not-found", f"pool '{name}' does not exist")

    # Requests: each returns (status, document)

    def list_volumes(self, query, _body):
        items = sorted(self.volumes, key=lambda v: v["name"].encode())
        phase = query.get("phase")
        items = [v for v in items if (v["status"]["phase"] == phase if phase
                                      else v["status"]["phase"] != "trashed")]
        if "label" in query:
            items = [v for v in items if matches(v, query["label"])]
        if "pool" in query:
            items = [v for v in items if v["spec"]["pool"] == query["pool"]]
        if self.endless:
            return 200, {"items": items, "continue": "again"}
        start = int(query.get("continue", 0))
        count = min(int(query.get("limit", 1000)), self.page)
        page = {"items": items[start:start + count]}
        if start + count < len(items):
            page["continue"] = str(start + count)
        return 200, page

    def create_volume(self, _query, body):
        only(body, {"name", "labels", "spec"}, "")
        spec, labels = body.get("spec", {}), body.get("labels", {})
        only(spec, SPEC_FIELDS, "spec.")
        if "pool" in spec:
            self.find_pool(spec["pool"])
        same = [v for v in self.volumes
                if v["name"] == body["name"] and v["status"]["phase"] != "trashed"]
        if same:
            for key, value in spec.items():
                old = same[0]["spec"].get(key)
                if old != (size_of(value) if key == "size" else value):
                    raise Refused("exists", f"volume '{body['name']}' exists with {key} {old}")
            return 200, same[0]
        return 201, self.add_volume(body["name"], labels, age=0, **spec)

    def get_volume(self, _query, _body, reference):
        return 200, self.find(reference)

    def change_volume(self, _query, body, reference):
        only(body, {"name", "labels", "spec"}, "")
        only(body.get("spec", {}), {"protect", "trash", "mountopts"} | LIMITS, "spec.")
        volume = self.find(reference)
        for target, patch in ((volume["labels"], body.get("labels", {})),
                              (volume["spec"], body.get("spec", {}))):
            for key, value in patch.items():
                if value is None:
                    target.pop(key, None)
                else:
                    target[key] = value
        volume["name"] = body.get("name", volume["name"])
        return 200, volume

    def delete_volume(self, query, _body, reference):
        volume = self.find(reference)
        if volume["spec"]["protect"]:
            raise Refused("conflict", f"volume '{reference}' is protected")
        if volume["status"].get("attachment"):
            raise Refused("busy", f"volume '{reference}' is mounted")
        if query.get("purge") == "true" or volume["spec"]["trash"] in ("0", "0s"):
            self.volumes.remove(volume)
            gone = copy.deepcopy(volume)
            gone["status"]["phase"] = "deleting"
            gone["status"].pop("expires", None)
            return 200, gone
        volume["status"].update(phase="trashed", trashed=stamp(), expires=stamp(-86400))
        return 200, volume

    def mount(self, _query, body, reference):
        only(body, {"id"}, "")
        volume = self.find(reference)
        attachment = volume["status"].setdefault(
            "attachment", {"node": "here", "device": "/dev/loop3", "since": stamp(),
                           "consumers": []})
        if volume["spec"]["fs"] != "none":
            attachment["path"] = "/var/lib/dolium/mnt/" + volume["uid"]
        for consumer in attachment["consumers"]:
            if consumer["id"] == body["id"]:
                consumer["count"] += 1
                return 200, volume
        attachment["consumers"].append({"client": "rest", "id": body["id"], "count": 1,
                                        "since": stamp()})
        return 200, volume

    def unmount(self, _query, body, reference):
        only(body, {"id", "force"}, "")
        volume = self.find(reference)
        attachment = volume["status"].get("attachment", {"consumers": []})
        left = [] if body.get("force") else [c for c in attachment["consumers"]
                                             if c["id"] != body["id"]]
        attachment["consumers"] = left
        if not left:
            volume["status"].pop("attachment", None)
        return 200, volume

    def restore(self, _query, body, reference):
        only(body, {"name"}, "")
        volume = self.find(reference, trashed=True)
        name = body.get("name", volume["name"])
        if any(v["name"] == name and v["status"]["phase"] != "trashed" for v in self.volumes):
            raise Refused("exists", f"volume '{name}' exists")
        volume["name"] = name
        volume["status"]["phase"] = "available"
        volume["status"].pop("expires"), volume["status"].pop("trashed")
        return 200, volume

    def list_pools(self, _query, _body):
        return 200, {"items": self.pools}

    def create_pool(self, _query, body):
        only(body, {"name", "labels", "spec"}, "")
        only(body.get("spec", {}), POOL_FIELDS, "spec.")
        if any(pool["name"] == body["name"] for pool in self.pools):
            raise Refused("exists", f"pool '{body['name']}' exists")
        return 201, self.add_pool(body["name"], body.get("labels"), **body.get("spec", {}))

    def get_pool(self, _query, _body, name):
        return 200, self.find_pool(name)

    def get_unknown(self, _query, _body, name):
        self.find_pool(name)
        return 200, {"items": self.unknown.get(name, [])}

    def adopt(self, _query, body, name):
        only(body, {"uid", "name"}, "")
        self.find_pool(name)
        for item in self.unknown.get(name, []):
            if item["uid"] == body["uid"]:
                self.unknown[name].remove(item)
                volume = self.add_volume(body.get("name", item["name"]), pool=name)
                volume["uid"] = item["uid"]
                return 200, volume
        raise Refused("not-found", f"pool '{name}' has nothing with the uid '{body['uid']}'")

    def list_operations(self, query, _body):
        items = [o for o in self.operations
                 if query.get("phase") in (None, o["phase"]) and
                 query.get("volume") in (None, o["volume_name"], "uid:" + o["volume"])]
        return 200, {"items": items[:int(query.get("limit", 100))]}

    def get_operation(self, query, _body, uid):
        found = [o for o in self.operations if o["uid"] == uid]
        if not found:
            raise Refused("not-found", f"operation '{uid}' does not exist")
        if "wait" in query:
            until = time.monotonic() + 5
            while found[0]["phase"] == "running" and time.monotonic() < until:
                self.lock.release()
                time.sleep(0.02)
                self.lock.acquire()
        return 200, found[0]

    def list_events(self, query, _body):
        items = [e for e in self.events if e["sequence"] > int(query.get("after", 0)) and
                 query.get("volume") in (None, e["name"])]
        return 200, {"items": items[:min(int(query.get("limit", 100)), self.page)]}

    def get_doctor(self, _query, _body):
        return 200, {"items": self.doctor}

    def get_version(self, _query, _body):
        return 200, {"version": "9.8.7", "api": "v1", "node": "here", "boot_id": "b"}

    # Long changes

    def later(self, seconds, change, kind, volume):
        """Records a running operation that ends with the change after a while; 202."""
        operation = self.add_operation(kind, volume, phase="running")

        def end():
            self.stopping.wait(seconds)
            with self.lock:
                try:
                    if self.stopping.is_set():
                        raise Refused("unavailable", "the daemon stops")
                    change()
                    operation["phase"] = "done"
                except Refused as refused:
                    operation.update(phase="failed", error_kind=refused.kind,
                                     message=refused.message)
                operation["ended"] = stamp()

        threading.Thread(target=end, daemon=True).start()
        return 202, operation


VOLUME, POOL = "/v1/volumes/([^/]+)", "/v1/pools/([^/]+)"
CHANGE = {"wait"}
# method, path, query parameters, handler, the kind of operation it is
ROUTES = [(method, re.compile(path), known, handler, kind) for method, path, known, handler, kind in (
    ("GET", "/v1/volumes", {"limit", "continue", "label", "phase", "pool"},
     FakeDaemon.list_volumes, None),
    ("POST", "/v1/volumes", CHANGE, FakeDaemon.create_volume, "create"),
    ("GET", VOLUME, set(), FakeDaemon.get_volume, None),
    ("PATCH", VOLUME, CHANGE, FakeDaemon.change_volume, "change"),
    ("DELETE", VOLUME, CHANGE | {"purge"}, FakeDaemon.delete_volume, "delete"),
    ("POST", VOLUME + "/mount", CHANGE, FakeDaemon.mount, "mount"),
    ("POST", VOLUME + "/unmount", CHANGE, FakeDaemon.unmount, "unmount"),
    ("POST", VOLUME + "/restore", CHANGE, FakeDaemon.restore, "restore"),
    ("GET", "/v1/pools", set(), FakeDaemon.list_pools, None),
    ("POST", "/v1/pools", CHANGE, FakeDaemon.create_pool, None),
    ("GET", POOL, set(), FakeDaemon.get_pool, None),
    ("GET", POOL + "/unknown", set(), FakeDaemon.get_unknown, None),
    ("POST", POOL + "/adopt", CHANGE, FakeDaemon.adopt, "adopt"),
    ("GET", "/v1/operations", {"volume", "phase", "limit"}, FakeDaemon.list_operations, None),
    ("GET", "/v1/operations/([^/]+)", {"wait"}, FakeDaemon.get_operation, None),
    ("GET", "/v1/events", {"after", "limit", "volume", "watch"}, FakeDaemon.list_events, None),
    ("GET", "/v1/doctor", set(), FakeDaemon.get_doctor, None),
    ("GET", "/version", set(), FakeDaemon.get_version, None),
)]

# SPDX-License-Identifier: Apache-2.0
"""Every operation, killed and failed at every one of its steps: what was acknowledged is there, the
same request succeeds afterwards, and nothing is left over. See lib/sweep.py."""
import json
import os
import shutil
import uuid

import pytest

from lib import kernel
from lib.sweep import Case, Worker, sweep
from lib.wait import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="doliumd needs root")

CONTENT = b"what was written before\n" * 100


def write(path, data=CONTENT):
    with open(path + "/data", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read(path):
    with open(path + "/data", "rb") as file:
        return file.read()


def image(daemon, uid, pool="default"):
    return f"{daemon.state_dir}/pools/{pool}/volumes/{uid}"


class Create(Case):
    def __init__(self, **spec):
        self.spec = {"size": "32M", **spec}

    def body(self, what):
        return {"name": what, "labels": {"a": "b"}, "spec": self.spec}

    def run(self, daemon, what):
        daemon.rest.must("POST", "/v1/volumes", self.body(what))

    def check(self, daemon, what, done):
        assert daemon.rest.exists(what) or not done
        if not done:
            return
        volume = daemon.rest.mount(what)
        if volume["spec"]["fs"] != "none":
            path = volume["status"]["attachment"]["path"]
            assert os.listdir(path) in ([], ["data"])
            write(path)
        daemon.rest.unmount(what)


class Change(Case):
    """Something done to a volume that holds data; the data must survive it."""
    patch = {"labels": {"new": "label"}, "spec": {"protect": True, "trash": "1h"}}
    labels = {"old": "label"}

    def prepare(self, daemon, number):
        name = f"v{number}"
        daemon.rest.create(name, "32M", labels=self.labels, fs=getattr(self, "fs", "ext4"))
        self.fill(daemon, name)
        return name

    def fill(self, daemon, name):
        write(daemon.rest.mount(name, "filler")["status"]["attachment"]["path"])
        daemon.rest.unmount(name, "filler")

    def data_is_there(self, daemon, name):
        path = daemon.rest.mount(name, "checker")["status"]["attachment"]["path"]
        assert read(path) == CONTENT
        daemon.rest.unmount(name, "checker")

    def run(self, daemon, what):
        daemon.rest.must("PATCH", daemon.rest.volume_path(what), self.patch)

    def check(self, daemon, what, done):
        volume = daemon.rest.volume(what)
        changed = volume["labels"] == {"old": "label", "new": "label"}
        assert changed or (volume["labels"] == self.labels and not done)
        assert volume["spec"]["protect"] == changed
        self.data_is_there(daemon, what)

    def clean(self, daemon, what):
        daemon.rest.must("PATCH", daemon.rest.volume_path(what), {"spec": {"protect": False}})
        daemon.rest.remove(what)


class Rename(Change):
    def run(self, daemon, what):
        new = what + "-new"
        if not daemon.rest.exists(new):         # repeated: done already
            daemon.rest.must("PATCH", daemon.rest.volume_path(what), {"name": new})

    def check(self, daemon, what, done):
        old, new = (daemon.rest.exists(name) for name in (what, what + "-new"))
        assert old != new and (new or not done)
        self.data_is_there(daemon, what + "-new" if new else what)

    def clean(self, daemon, what):
        daemon.rest.remove(what + "-new")


class Trash(Change):
    def run(self, daemon, what):
        if daemon.rest.exists(what):
            daemon.rest.remove(what, purge=False)

    def check(self, daemon, what, done):
        trashed = [volume["name"] for volume in daemon.rest.volumes(phase="trashed")]
        assert daemon.rest.exists(what) != (what in trashed)
        assert what in trashed or not done

    def clean(self, daemon, what):
        daemon.rest.must("POST", daemon.rest.volume_path(what) + "/restore", {})
        self.data_is_there(daemon, what)
        daemon.rest.remove(what)


class Purge(Change):
    def run(self, daemon, what):
        if daemon.rest.exists(what):
            daemon.rest.remove(what)

    def check(self, daemon, what, done):
        assert not (done and daemon.rest.exists(what))
        assert daemon.rest.volumes(phase="trashed") == []
        if not done and daemon.rest.exists(what):
            self.data_is_there(daemon, what)

    def clean(self, daemon, what):
        daemon.rest.create(what, "32M")         # the name is free
        daemon.rest.remove(what)


class Restore(Change):
    def prepare(self, daemon, number):
        name = super().prepare(daemon, number)
        daemon.rest.remove(name, purge=False)
        return name

    def run(self, daemon, what):
        if not daemon.rest.exists(what):
            daemon.rest.must("POST", daemon.rest.volume_path(what) + "/restore", {})

    def check(self, daemon, what, done):
        trashed = [volume["name"] for volume in daemon.rest.volumes(phase="trashed")]
        assert daemon.rest.exists(what) != (what in trashed)
        if done:
            self.data_is_there(daemon, what)

    def clean(self, daemon, what):
        daemon.rest.remove(what)


class Expire(Change):
    """The trash gives a volume up by itself: `run` waits for it."""

    def prepare(self, daemon, number):
        name = super().prepare(daemon, number)
        daemon.rest.remove(name, purge=False)
        return name

    def run(self, daemon, what):
        for volume in daemon.rest.volumes(phase="trashed"):
            daemon.rest.must("DELETE", "/v1/volumes/uid:" + volume["uid"])

    def check(self, daemon, what, done):
        assert not daemon.rest.exists(what)
        assert not done or daemon.rest.volumes(phase="trashed") == []

    def clean(self, daemon, what):
        pass


class Mount(Change):
    def run(self, daemon, what):
        daemon.rest.mount(what, "one")

    def is_mounted(self, daemon, what):
        return "attachment" in daemon.rest.volume(what)["status"]

    def check(self, daemon, what, done):
        assert self.is_mounted(daemon, what) or not done
        if done:
            self.data_is_there(daemon, what)

    def clean(self, daemon, what):
        daemon.rest.unmount(what, force=True)
        daemon.rest.remove(what)


class MountAgain(Mount):
    """A second consumer, while the first one uses it all the time."""

    def prepare(self, daemon, number):
        name = super().prepare(daemon, number)
        daemon.rest.mount(name, "zero")
        return name

    def check(self, daemon, what, done):
        consumers = {consumer["id"] for consumer in
                     daemon.rest.volume(what)["status"]["attachment"]["consumers"]}
        assert consumers == {"zero", "one"} or (consumers == {"zero"} and not done)
        self.data_is_there(daemon, what)


class MountBlock(Mount):
    fs = "none"

    def fill(self, daemon, name):
        device = daemon.rest.mount(name, "filler")["status"]["attachment"]["device"]
        with open(device, "r+b", buffering=0) as file:
            file.write(CONTENT.ljust(4096))
            os.fsync(file.fileno())
        daemon.rest.unmount(name, "filler")

    def data_is_there(self, daemon, name):
        device = daemon.rest.mount(name, "checker")["status"]["attachment"]["device"]
        with open(device, "rb", buffering=0) as file:
            assert file.read(4096) == CONTENT.ljust(4096)
        daemon.rest.unmount(name, "checker")


class Unmount(Mount):
    consumers = ("one",)
    force = False

    def prepare(self, daemon, number):
        name = super().prepare(daemon, number)
        for consumer in self.consumers:
            daemon.rest.mount(name, consumer)
        return name

    def run(self, daemon, what):
        daemon.rest.unmount(what, "one", force=self.force)

    def check(self, daemon, what, done):
        attachment = daemon.rest.volume(what)["status"].get("attachment", {"consumers": []})
        left = {consumer["id"] for consumer in attachment["consumers"]}
        gone = set() if self.force else set(self.consumers) - {"one"}
        assert left == gone or (left == set(self.consumers) and not done)
        self.data_is_there(daemon, what)


class UnmountOneOfTwo(Unmount):
    consumers = ("one", "two")


class UnmountByForce(UnmountOneOfTwo):
    force = True


class Adopt(Change):
    """An unknown volume: a copy of another one under a new uid."""

    def prepare(self, daemon, number):
        name, uid = super().prepare(daemon, number), str(uuid.uuid4())
        source, target = (image(daemon, one) for one in (daemon.rest.volume(name)["uid"], uid))
        staged = f"{daemon.dir}/staged"
        shutil.copytree(source, staged)
        daemon.rest.remove(name)
        with open(staged + "/volume.json", encoding="utf-8") as file:
            document = json.load(file)
        document.update(uid=uid)
        with open(staged + "/volume.json", "w", encoding="utf-8") as file:
            json.dump(document, file)
        return name, uid, staged, target

    def run(self, daemon, what):
        name, uid, staged, target = what
        if os.path.exists(staged):
            shutil.move(staged, target)
        if not daemon.rest.exists(name):
            daemon.rest.must("POST", "/v1/pools/default/adopt", {"uid": uid})

    def check(self, daemon, what, done):
        if done:
            assert daemon.rest.volume(what[0])["uid"] == what[1]
            self.data_is_there(daemon, what[0])

    def unrecorded(self, what):
        return what[1:2]

    def clean(self, daemon, what):
        daemon.rest.remove(what[0])


CASES = {
    "create-ext4": Create(), "create-xfs": Create(fs="xfs", size="300M"),
    "create-none": Create(fs="none"), "create-thick": Create(thick=True),
    "change": Change(), "rename": Rename(), "trash": Trash(), "purge": Purge(),
    "purge-trashed": Expire(), "restore": Restore(), "mount": Mount(),
    "mount-again": MountAgain(), "mount-block": MountBlock(), "unmount": Unmount(),
    "unmount-one-of-two": UnmountOneOfTwo(), "unmount-by-force": UnmountByForce(),
    "adopt": Adopt(),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)



def killed(case):
    return sweep(case, "*=kill,after={n},if={file}", Worker.run_killed)


def no_space(case):
    return sweep(case, "*=error:no-space,after={n},if={file}", Worker.run_failed)


def failing_from_there_on(case):
    """Undoing fails, too; the reconciler does it later."""
    return sweep(case, "*=error:internal,after={n},times=0,if={file}", Worker.run_failed)


WAYS = (killed, no_space, failing_from_there_on)
each_way = pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])


@each_case
@each_way
def test_at_every_step(way, case):
    assert way(case) > 1

# SPDX-License-Identifier: Apache-2.0
"""Snapshots, clones, restore and growing, killed and failed at every one of their steps; nothing may
stay frozen. See lib/sweep.py."""
import os
import time

import pytest

from crash.test_sweep import CONTENT, Change, each_way, read, write
from lib.wait import until

LATER = b"what was written later\n" * 100


class Snapshots(Change):
    """A mounted volume with a snapshot "old" of its first content."""
    mounted = True

    def prepare(self, daemon, number):
        name = super().prepare(daemon, number)
        daemon.rest.must("POST", "/v1/snapshots", {"name": "old", "volumes": [name]})
        path = daemon.rest.mount(name, "user")["status"]["attachment"]["path"]
        write(path, LATER)
        if not self.mounted:
            daemon.rest.unmount(name, "user")
        return name

    def content(self, daemon, name):
        """What the volume has; writing to it must not hang."""
        path = daemon.rest.mount(name, "checker")["status"]["attachment"]["path"]
        with open(path + "/probe", "wb") as file:
            os.fsync(file.fileno())
        os.remove(path + "/probe")
        found = read(path)
        daemon.rest.unmount(name, "checker")
        return found

    def names(self, daemon, what):
        return {s["name"] for s in daemon.rest.must("GET", f"/v1/snapshots?volume={what}")["items"]}

    def clean(self, daemon, what):
        daemon.rest.unmount(what, "user")
        daemon.rest.remove(what)


class Take(Snapshots):
    def run(self, daemon, what):
        answer = daemon.rest.post("/v1/snapshots", {"name": "new", "volumes": [what]})
        assert answer.status in (201, 409), answer

    def check(self, daemon, what, done):
        assert "old" in self.names(daemon, what)
        assert "new" in self.names(daemon, what) or not done
        assert self.content(daemon, what) == LATER


class Drop(Snapshots):
    def run(self, daemon, what):
        answer = daemon.rest.delete(f"/v1/snapshots/{what}@old")
        assert answer.status in (200, 404), answer

    def check(self, daemon, what, done):
        assert not (done and self.names(daemon, what))
        assert self.content(daemon, what) == LATER


class CloneIt(Snapshots):
    source, holds = "@old", CONTENT

    def run(self, daemon, what):
        daemon.rest.must("POST", "/v1/volumes", {
            "name": what + "-copy", "spec": {"from": what + self.source, "size": "48M"}})

    def check(self, daemon, what, done):
        assert self.content(daemon, what) == LATER
        if done or daemon.rest.exists(what + "-copy"):
            assert self.content(daemon, what + "-copy") == self.holds

    def clean(self, daemon, what):
        daemon.rest.remove(what + "-copy")
        super().clean(daemon, what)


class CloneLive(CloneIt):
    source, holds = "", LATER


class PutBack(Snapshots):
    mounted = False

    def run(self, daemon, what):
        daemon.rest.must("POST", f"/v1/snapshots/{what}@old/restore")

    def check(self, daemon, what, done):
        assert self.content(daemon, what) in ((CONTENT,) if done else (CONTENT, LATER))


class Grow(Snapshots):
    mounted = False

    def run(self, daemon, what):
        daemon.rest.must("POST", f"/v1/volumes/{what}/resize", {"size": "96M"})

    def check(self, daemon, what, done):
        volume = daemon.rest.volume(what)
        assert volume["status"]["size"] in ((96 << 20,) if done else (32 << 20, 96 << 20))
        assert self.content(daemon, what) == LATER


class Look(Snapshots):
    """A check of the file system, of a copy of the moment."""
    repair = False

    def run(self, daemon, what):
        found = daemon.rest.must("POST", f"/v1/volumes/{what}/check", {"repair": self.repair})
        assert found["clean"], found

    def check(self, daemon, what, done):
        assert self.names(daemon, what) == {"old"}
        assert self.content(daemon, what) == LATER


class Mend(Look):
    mounted, repair = False, True


class Scheduled(Snapshots):
    """A run of a schedule that keeps one: it takes the new snapshot and prunes the old one."""

    def prepare(self, daemon, number):
        name = super().prepare(daemon, number)
        daemon.rest.must("POST", "/v1/schedules", {"name": name, "spec": {
            "every": ["every 366d keep 1"], "volumes": [name]}})
        daemon.rest.must("POST", f"/v1/schedules/{name}/run")
        self.next_second()
        return name

    @staticmethod
    def next_second():
        """Runs are called after the second in which they begin."""
        time.sleep(1.01 - time.time() % 1)

    def run(self, daemon, what):
        daemon.rest.must("POST", f"/v1/schedules/{what}/run")

    def made(self, daemon, what):
        return self.names(daemon, what) - {"old"}

    def check(self, daemon, what, done):
        schedule = f"/v1/schedules/{what}"
        until(lambda: "run" not in daemon.rest.must("GET", schedule)["status"]
              and len(self.made(daemon, what)) == 1, 10, "its run is over, and one is left")
        assert self.content(daemon, what) == LATER

    def repeat(self, daemon, what):
        before = self.made(daemon, what)
        self.next_second()
        self.run(daemon, what)
        assert self.made(daemon, what).isdisjoint(before)

    def clean(self, daemon, what):
        daemon.rest.must("DELETE", f"/v1/schedules/{what}")
        super().clean(daemon, what)


CASES = {"take": Take(), "drop": Drop(), "clone": CloneIt(), "clone-live": CloneLive(),
         "put-back": PutBack(), "grow": Grow(), "scheduled": Scheduled(),
         "check": Look(), "repair": Mend()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@each_way
def test_at_every_step(way, case):
    assert way(case) > 1

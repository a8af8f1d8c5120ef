# SPDX-License-Identifier: Apache-2.0
"""Bringing files back, looking at them, and filling a volume from a tar, killed and failed at every
one of their steps. See lib/sweep.py."""
import io
import os
import tarfile

import pytest

from crash.test_sweep import CONTENT, Case, each_way, read
from crash.test_sweep_snapshots import LATER, Snapshots
from lib.wait import until


class BringBack(Snapshots):
    """A file that is there is replaced, another one comes back with its directory."""
    def prepare(self, daemon, number):
        name = super().prepare(daemon, number)
        path = daemon.rest.mount(name, "user")["status"]["attachment"]["path"]
        os.makedirs(path + "/kept")
        with open(path + "/kept/mine", "wb") as file:
            file.write(b"mine")
        if not self.mounted:
            daemon.rest.unmount(name, "user")
        return name

    def run(self, daemon, what):
        daemon.rest.must("POST", f"/v1/snapshots/{what}@old/files/restore",
                         {"paths": ["/data"], "to": "/kept", "overwrite": True})

    def check(self, daemon, what, done):
        path = daemon.rest.mount(what, "checker")["status"]["attachment"]["path"]
        assert set(os.listdir(path)) == {"data", "kept"}, os.listdir(path)
        assert read(path) == LATER
        found = set(os.listdir(path + "/kept"))
        assert "mine" in found and ("data" in found or not done)
        if "data" in found:
            assert read(path + "/kept") == CONTENT
        daemon.rest.unmount(what, "checker")

    def clean(self, daemon, what):
        """A consumer whose release could not be recorded goes with the next look round."""
        until(lambda: "files" not in holders(daemon, what), what="nobody works on its files")
        super().clean(daemon, what)


def holders(daemon, what):
    attachment = daemon.rest.volume(what)["status"].get("attachment") or {}
    return {consumer["client"] for consumer in attachment.get("consumers", [])}


class BringBackUnmounted(BringBack):
    mounted = False


class Look(Snapshots):
    def run(self, daemon, what):
        items = daemon.rest.must("GET", f"/v1/snapshots/{what}@old/files")["items"]
        assert [item["path"] for item in items] == ["/", "/data"]

    def check(self, daemon, what, done):
        until(lambda: not daemon.rest.must("GET", f"/v1/snapshots/{what}@old").get("attachment"))
        assert self.content(daemon, what) == LATER


class TakeTar(Case):
    def body(self):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            info = tarfile.TarInfo("data")
            info.size = len(CONTENT)
            tar.addfile(info, io.BytesIO(CONTENT))
        return buffer.getvalue()

    def run(self, daemon, what):
        if not daemon.rest.exists(what):
            daemon.rest.must("POST", f"/v1/volumes/{what}/tar", self.body(), query={"size": "32M"})

    def check(self, daemon, what, done):
        assert daemon.rest.exists(what) or not done
        if not daemon.rest.exists(what):
            return
        path = daemon.rest.mount(what, "checker")["status"]["attachment"]["path"]
        assert os.listdir(path) == ["data"] and read(path) == CONTENT
        daemon.rest.unmount(what, "checker")


CASES = {"bring-back": BringBack(), "bring-back-unmounted": BringBackUnmounted(), "look": Look(),
         "take-tar": TakeTar()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@each_way
def test_at_every_step(way, case):
    assert way(case) > 1

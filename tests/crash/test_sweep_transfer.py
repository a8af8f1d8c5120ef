# SPDX-License-Identifier: Apache-2.0
"""Export and import, killed and failed at every one of their steps: half of a stream leaves nothing,
and no snapshot of the moment stays. See lib/sweep.py."""
import http.client

import pytest

from crash.test_sweep import CONTENT, each_way
from crash.test_sweep_snapshots import LATER, Snapshots


def stream_of(daemon, path):
    """The stream; one that breaks off with its reason fails as a request does."""
    try:
        answer = daemon.rest.get(path)
    except http.client.IncompleteRead as error:
        assert b"fault injected" not in error.partial, error.partial[-200:]
        raise
    assert answer.status == 200, answer
    return answer.body


class Send(Snapshots):
    def run(self, daemon, what):
        assert stream_of(daemon, f"/v1/volumes/{what}/export")[:4] == b"\x89DOL"

    def check(self, daemon, what, done):
        assert self.names(daemon, what) == {"old"}
        assert self.content(daemon, what) == LATER


class SendChanges(Send):
    def run(self, daemon, what):
        stream_of(daemon, f"/v1/volumes/{what}/export?base={what}@old")


class Receive(Snapshots):
    """A stream becomes the volume `what`-copy."""
    source, holds = "snapshots/{}@old", CONTENT
    mounted = False

    def prepare(self, daemon, number):
        name = super().prepare(daemon, number)
        self.stream = getattr(self, "stream", {})
        self.stream[name] = stream_of(daemon, f"/v1/{self.source.format(name)}/export")
        return name

    def run(self, daemon, what):
        answer = daemon.rest.post(f"/v1/volumes/{what}-copy/import", self.stream[what])
        assert answer.status in (200, 409), answer

    def check(self, daemon, what, done):
        copy = what + "-copy"
        assert daemon.rest.exists(copy) or not done
        if daemon.rest.exists(copy):
            assert self.names(daemon, copy) == ({"old"} if "@" in self.source else set())
            assert self.content(daemon, copy) == self.holds
        assert self.content(daemon, what) == LATER

    def clean(self, daemon, what):
        daemon.rest.remove(what + "-copy")
        super().clean(daemon, what)


class ReceiveNow(Receive):
    source, holds = "volumes/{}", LATER


class ReceiveChanges(Receive):
    """The copy is there in its old state, and is brought to the new one."""
    named = True

    def prepare(self, daemon, number):
        name = super().prepare(daemon, number)
        super().run(daemon, name)
        target = f"/v1/volumes/{name}/export"
        if self.named:
            daemon.rest.must("POST", "/v1/snapshots", {"name": "new", "volumes": [name]})
            target = f"/v1/snapshots/{name}@new/export"
        self.stream[name] = stream_of(daemon, f"{target}?base={name}@old")
        return name

    def check(self, daemon, what, done):
        copy = what + "-copy"
        names = self.names(daemon, copy)
        kept = {name for name in names if name.startswith("before-import-")}
        assert names - kept in ([{"old", "new"}] if done and self.named else
                                [{"old"}] if not self.named else [{"old"}, {"old", "new"}])
        state = self.content(daemon, copy)
        assert state == LATER or (state == CONTENT and not done)
        assert (state == LATER) == ("new" in names) or not self.named


class ReceiveChangesToNow(ReceiveChanges):
    named = False


CASES = {"send": Send(), "send-changes": SendChanges(), "receive": Receive(),
         "receive-now": ReceiveNow(), "receive-changes": ReceiveChanges(),
         "receive-changes-to-now": ReceiveChangesToNow()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@each_way
def test_at_every_step(way, case):
    assert way(case) > 1

# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the command line's tests."""
import subprocess

import pytest

from cli.fake_daemon import FakeDaemon
from lib.build import Build
from lib.process import environment


@pytest.fixture
def fake():
    """A FakeDaemon with the pool 'default' and nothing in it."""
    daemon = FakeDaemon()
    yield daemon
    daemon.destroy()


class Result:
    """Exit status and output of one run."""

    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def lines(self):
        return self.out.splitlines()

    def __repr__(self):
        return f"<status {self.status}\nout: {self.out}\nerr: {self.err}>"


@pytest.fixture
def dolium(fake):
    """dolium("volume", "ls", status=0): runs the program against `fake`."""
    def run(*arguments, status=0, input="", env=None, timeout=60):
        done = subprocess.run([Build().dolium, *arguments], input=input, capture_output=True,
                              text=True, timeout=timeout, check=False,
                              env=environment(**{"DOLIUM_HOST": fake.host, **(env or {})}))
        result = Result(done)
        assert result.status == status, result
        # data and talk never mix: an error has its message
        assert (result.status in (0, 1)) or "dolium: " in result.err, result
        return result
    return run

# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all suites that run the built programs. See lib/ for what they hand out."""
import os
import signal

import pytest

from lib import kernel, sandbox
from lib.build import Build
from lib.daemon import Daemon
from lib.docker import Docker
from lib.plugin import PODMAN
from lib.podman import Podman

STRICT = os.environ.get("DOL_TEST_STRICT") == "1"


def pytest_configure(config):
    config.addinivalue_line("markers", "daemon(**keywords): how the fixture `daemon` makes it")
    config.addinivalue_line("markers", "docker(*options): how the fixture `docker` makes it")
    # A shell's background job ignores it, and so would everything the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sandbox.enter(config)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    setattr(item, "failed_" + report.when, report.failed)
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and DOL_TEST_STRICT=1 is set: {report.longrepr}"


def pytest_sessionfinish(session, exitstatus):
    left = kernel.loops(sandbox.base())
    if left:
        print(f"\nloop devices left by this run: {left}")
        session.exitstatus = 1


@pytest.fixture(scope="session")
def build():
    """Paths of the built programs: .doliumd, .dolium, .dir."""
    return Build()


@pytest.fixture(scope="session")
def base():
    """The directory of this test run."""
    return sandbox.base()


@pytest.fixture
def make_daemon(request):
    """Makes daemons; takes them all down after the test and fails it when one leaked. The keywords
    are those of lib.daemon.Daemon, and start=False to only prepare it."""
    if os.geteuid() != 0:
        pytest.skip("doliumd needs root")
    daemons = []

    def make(start=True, **more):
        daemon = Daemon(**more)
        daemons.append(daemon)
        return daemon.start() if start else daemon

    yield make
    complaints = []
    for daemon in reversed(daemons):
        complaints += daemon.destroy()
        if complaints or getattr(request.node, "failed_call", False):
            print(f"--- log of {daemon.name} ---\n{daemon.log_tail()}")
        kernel.remove_tree(daemon.dir)
    if complaints:
        pytest.fail("left behind:\n" + "\n".join(complaints))


@pytest.fixture
def daemon(make_daemon, request):
    """A running doliumd with one image pool of 2 GiB. @pytest.mark.daemon(pool_size="24G") and the
    like on a test give it other keywords of lib.daemon.Daemon."""
    marker = request.node.get_closest_marker("daemon")
    return make_daemon(**(marker.kwargs if marker else {}))


@pytest.fixture
def rest(daemon):
    """The REST client of `daemon`."""
    return daemon.rest


@pytest.fixture
def cli(daemon):
    """cli("volume", "ls", check=False): runs dolium against `daemon`."""
    return daemon.cli


@pytest.fixture
def plugin(daemon):
    """`daemon`'s volume plugin as dockerd talks to it."""
    return daemon.plugin()


@pytest.fixture
def podman_plugin(daemon):
    """`daemon`'s volume plugin as Podman talks to it."""
    return daemon.plugin(PODMAN)


@pytest.fixture
def docker(daemon, request):
    """A private dockerd. `daemon`'s plugin is its volume driver of the name `daemon.name`.
    @pytest.mark.docker("--live-restore") and the like give it more options."""
    marker = request.node.get_closest_marker("docker")
    client = Docker(*(marker.args if marker else ())).start()
    yield client
    if getattr(request.node, "failed_call", False):
        print(f"--- log of dockerd ---\n{client.tail()}")
    client.destroy()


@pytest.fixture
def podman(daemon):
    """A private Podman. `daemon`'s plugin is its volume driver of the name `daemon.name`."""
    client = Podman(daemon.name, daemon.docker_socket)
    yield client
    client.destroy()

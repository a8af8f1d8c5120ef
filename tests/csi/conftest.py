# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the CSI suite: a doliumd that serves CSI, and its client."""
import contextlib

import pytest

from lib.csi import Csi, Failed


@pytest.fixture
def csi_daemon(make_daemon, request):
    """As `daemon`, with --csi=all."""
    marker = request.node.get_closest_marker("daemon")
    return make_daemon(arguments=["--csi=all"], **(marker.kwargs if marker else {}))


@pytest.fixture
def csi(csi_daemon):
    with Csi(csi_daemon.csi_socket) as client:
        yield client


@pytest.fixture
def hasty(csi_daemon):
    """hasty("Probe", field=...): begins a call and cancels it. On a connection of its own: grpcio
    may reset a call that it has not begun yet, which ends the connection (RFC 9113, 5.1)."""
    with Csi(csi_daemon.csi_socket) as client:
        def cancel(rpc, **fields):
            call, asked = client.stub(rpc)
            call.future(asked(**fields), timeout=60).cancel()
        yield cancel


@contextlib.contextmanager
def fails(code, *words):
    """The block must fail with this status, and its text must have these words."""
    with pytest.raises(Failed) as caught:
        yield caught
    assert caught.value.code.name == code, str(caught.value)
    for word in words:
        assert word in caught.value.text, str(caught.value)


@pytest.fixture(name="fails")
def fails_fixture():
    return fails

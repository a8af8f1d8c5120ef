# SPDX-License-Identifier: Apache-2.0
"""csi.v1.Identity."""
import os
import re

from lib.csi import Csi


def test_who_we_are(csi):
    info = csi.GetPluginInfo()
    assert info.name == "csi.dolium.io"
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+.*", info.vendor_version)


def test_probe_says_ready(csi):
    assert csi.Probe().ready.value is True


def test_the_endpoint_of_the_environment(make_daemon):
    daemon = make_daemon(start=False)
    for number, endpoint in enumerate(["unix://{}", "unix:{}", "{}"]):
        path = f"{daemon.dir}/{number}/plugin.sock"
        daemon.start(env={"CSI_ENDPOINT": endpoint.format(path)})
        with Csi(path) as client:
            assert client.Probe().ready.value
        assert os.stat(path).st_mode & 0o777 == 0o600
        daemon.stop()
        assert not os.path.exists(path)


def test_nothing_is_served_unless_asked_for(daemon):
    assert not os.path.exists(daemon.csi_socket)


def test_a_wrong_mode_is_refused(make_daemon):
    daemon = make_daemon(start=False, arguments=["--csi=some"])
    daemon.start(wait=False)
    assert daemon.process.wait(10) == 64
    assert "csi: expected all, controller, node or none, got 'some'" in daemon.log_tail()

# SPDX-License-Identifier: Apache-2.0
"""The unit files, readiness messages and socket activation. systemd itself is not needed: its side
of both protocols (sd_notify(3), sd_listen_fds(3)) is played here."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from lib.build import ROOT, Build
from lib.plugin import Plugin, request_bytes
from lib.process import environment
from lib.rest import Rest
from lib.wait import SLOWNESS, until

UNITS = ("doliumd.service", "doliumd.socket", "doliumd-docker.socket")
# Options that give a service a mount namespace of its own (systemd.exec(5)): no container would
# see a volume mounted in one.
NAMESPACE_OPTIONS = (
    "BindPaths BindReadOnlyPaths DynamicUser ExecPaths ExtensionDirectories ExtensionImages "
    "InaccessiblePaths MountAPIVFS MountFlags MountImages NoExecPaths PrivateDevices PrivateIPC "
    "PrivateMounts PrivateTmp ProcSubset ProtectControlGroups ProtectHome ProtectHostname "
    "ProtectKernelLogs ProtectKernelModules ProtectKernelTunables ProtectProc ProtectSystem "
    "ReadOnlyPaths ReadWritePaths RootDirectory RootImage TemporaryFileSystem").split()


def unit_text(name):
    path = f"{ROOT}/dist/systemd/{name}"
    with open(path if os.path.exists(path) else path + ".in", encoding="utf-8") as file:
        return file.read()


@pytest.fixture
def unit_dir(tmp_path, build):
    for name in UNITS:
        text = unit_text(name).replace("@SBINDIR@/doliumd", build.doliumd)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_systemd_accepts_the_units(unit_dir):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no",
                           *(str(unit_dir / name) for name in UNITS)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "dolium" not in done.stderr


def test_the_service_stays_in_the_hosts_mount_namespace():
    options = re.findall(r"^(\w+)=", unit_text("doliumd.service"), re.MULTILINE)
    assert not set(options) & set(NAMESPACE_OPTIONS)


def test_stopping_the_service_kills_no_helper():
    text = unit_text("doliumd.service")
    assert "\nKillMode=process\n" in text and "\nRestart=always\n" in text


@pytest.mark.parametrize("unit", UNITS)
def test_the_units_come_before_docker(unit):
    before = re.search(r"^Before=(.*)$", unit_text(unit), re.MULTILINE).group(1).split()
    assert {"docker.service", "podman.service"} <= set(before)


def listener(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(path)
    sock.listen(64)
    return sock


class Systemd:
    """Plays systemd for one daemon: listening sockets handed over by number and name, and the
    socket that readiness messages come to."""

    def __init__(self, daemon, names=("rest", "docker")):
        self.daemon = daemon
        self.names = names
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(daemon.dir + "/notify")
        self.sockets = [listener(daemon.socket if name == "rest" else daemon.docker_socket)
                        for name in names]
        self.messages = []

    def start(self, **more):
        """LISTEN_PID must be doliumd's own: a shell sets it and becomes doliumd."""
        daemon = self.daemon
        numbers = " ".join(str(sock.fileno()) for sock in self.sockets)
        script = ("import os,sys\n"
                  f"for new, old in enumerate([int(n) for n in '{numbers}'.split()], 100):"
                  " os.dup2(old, new)\n"
                  f"for n in range({len(self.sockets)}): os.dup2(100 + n, 3 + n)\n"
                  "os.environ['LISTEN_PID'] = str(os.getpid())\n"
                  "os.execv(sys.argv[1], sys.argv[1:])\n")
        env = {**os.environ, "LISTEN_FDS": str(len(self.sockets)),
               "LISTEN_FDNAMES": ":".join(self.names), "NOTIFY_SOCKET": daemon.dir + "/notify", **more}
        with open(daemon.log, "ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-c", script, *daemon.argv], env=env, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, pass_fds=[sock.fileno() for sock in self.sockets])
        return self

    def heard(self, word, seconds=20):
        self.notify.settimeout(seconds * SLOWNESS)
        while not any(word in message.split("\n") for message in self.messages):
            self.messages.append(self.notify.recv(4096).decode())
        return True

    def end(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(20 * SLOWNESS)
        finally:
            self.popen.kill()
            for sock in self.sockets:
                sock.close()


def test_readiness_is_told_when_it_serves(make_daemon):
    daemon = make_daemon(start=False)
    systemd = Systemd(daemon, names=()).start()
    try:
        systemd.heard("READY=1")
        assert daemon.rest.get("/readyz").status == 200
    finally:
        assert systemd.end() == 0
    systemd.heard("STOPPING=1")


def test_it_serves_on_the_sockets_of_systemd(make_daemon):
    daemon = make_daemon(start=False)
    systemd = Systemd(daemon)
    inodes = [os.stat(path).st_ino for path in (daemon.socket, daemon.docker_socket)]
    systemd.start()
    try:
        systemd.heard("READY=1")
        assert Rest(daemon.socket).get("/readyz").status == 200
        assert Plugin(daemon.docker_socket).call("Plugin.Activate")[0] == 200
        assert [os.stat(path).st_ino for path in (daemon.socket, daemon.docker_socket)] == inodes
    finally:
        assert systemd.end() == 0
    # They are systemd's: a client that comes now waits for the next doliumd.
    assert [os.stat(path).st_ino for path in (daemon.socket, daemon.docker_socket)] == inodes


def test_sockets_are_told_apart_by_name_not_order(make_daemon):
    daemon = make_daemon(start=False)
    systemd = Systemd(daemon, names=("docker", "rest")).start()
    try:
        systemd.heard("READY=1")
        assert Rest(daemon.socket).get("/readyz").status == 200
        assert Plugin(daemon.docker_socket).must("Plugin.Activate")["Implements"] == ["VolumeDriver"]
    finally:
        assert systemd.end() == 0


def test_a_request_from_before_the_start_is_answered(make_daemon):
    """What dockerd sends while doliumd is not there yet waits in systemd's socket."""
    daemon = make_daemon(start=False)
    systemd = Systemd(daemon)
    with Plugin(daemon.docker_socket).connect(timeout=30 * SLOWNESS) as connection:
        connection.send(request_bytes("VolumeDriver.List", {}))
        systemd.start()
        try:
            status, _, _ = connection.answer()
            assert status == 200
        finally:
            assert systemd.end() == 0


def test_the_command_line_waits_for_the_start(make_daemon):
    """Its request is what makes systemd start doliumd."""
    daemon = make_daemon(start=False)
    systemd = Systemd(daemon)
    with subprocess.Popen([Build().dolium, "volume", "ls"], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE,
                          env=environment(DOLIUM_HOST="unix://" + daemon.socket)) as client:
        systemd.start(DOLIUM_FAULT="driver.open.before=delay:1500")
        try:
            out, err = client.communicate(timeout=30 * SLOWNESS)
            assert client.returncode == 0, err
            assert "NAME" in out and err == ""
        finally:
            assert systemd.end() == 0


def test_its_own_sockets_are_removed_at_the_end(make_daemon):
    daemon = make_daemon()
    assert os.path.exists(daemon.socket) and os.path.exists(daemon.docker_socket)
    daemon.stop()
    until(lambda: not os.path.exists(daemon.docker_socket), 2, "the plugin socket is removed")
    assert not os.path.exists(daemon.socket)


def test_sockets_of_a_killed_daemon_are_replaced(make_daemon):
    daemon = make_daemon()
    daemon.kill()
    assert os.path.exists(daemon.docker_socket)
    daemon.start()
    assert daemon.plugin().call("Plugin.Activate")[0] == 200

# SPDX-License-Identifier: Apache-2.0
"""A private doliumd: its own state, run directory, small pool, plugin socket; and its undoing."""
import glob
import json
import os
import signal
import subprocess

from lib import kernel
from lib.build import Build
from lib.plugin import DOCKER, Plugin
from lib.process import Process, environment, processes_naming
from lib.rest import Rest
from lib.sandbox import base
from lib.wait import until

PLUGINS = "/run/docker/plugins"
_number = 0


def _config(directory, run_dir, docker_socket, pools):
    """YAML is a superset of JSON: the configuration file is written as such."""
    return {"state_dir": directory + "/state", "run_dir": run_dir,
            "docker_socket": docker_socket or "none", "node": "testnode", "log_level": "debug", "reconcile_period": "1s",
            "pools": pools}


class Daemon:
    """Made by the fixtures `daemon` and `make_daemon`; started when they hand it over."""

    def __init__(self, pools=None, pool_size="2G", config=None, arguments=(), fault=None, env=None,
                 docker=True):
        """`pools`: of the configuration file, instead of one image pool 'default' of `pool_size`.
        `config`: more keys of that file; a value of None takes one out. `fault`: DOLIUM_FAULT.
        `docker`: whether it serves the plugin."""
        global _number
        _number += 1
        self.name = f"dol{_number}"         # the driver's name for dockerd: the socket's file name
        self.dir = f"{base()}/{self.name}"
        self.state_dir, self.run_dir = self.dir + "/state", self.dir + "/run"
        self.socket = self.run_dir + "/dolium.sock"
        self.csi_socket = self.run_dir + "/csi.sock"    # with the argument --csi=all
        self.docker_socket = f"{PLUGINS}/{self.name}.sock" if docker else None
        self.log = self.dir + "/doliumd.log"
        self.config_path = self.dir + "/dolium.yaml"
        self.arguments, self.env = list(arguments), dict(env or {})
        if fault:
            self.env["DOLIUM_FAULT"] = fault
        self.process = None
        os.makedirs(self.dir)
        document = _config(self.dir, self.run_dir, self.docker_socket,
                           pools or [{"name": "default", "driver": "image", "size": pool_size}])
        document.update(config or {})
        self.state_dir = document["state_dir"]
        self.write_config({key: value for key, value in document.items() if value is not None})

    def write_config(self, document):
        self.config = document
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(document if isinstance(document, str) else json.dumps(document, indent=1))

    # Life

    @property
    def pid(self):
        return self.process.pid

    @property
    def argv(self):
        return [Build().doliumd, "--config", self.config_path, *self.arguments]

    def start(self, wait=True, fault=None, env=None):
        """`fault` replaces the plan given at the beginning for this start; "" = none."""
        assert not self.runs(), "doliumd runs already"
        more = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + f":log_path={self.dir}/san",
                "UBSAN_OPTIONS": os.environ.get("UBSAN_OPTIONS", "") + f":log_path={self.dir}/san",
                "TSAN_OPTIONS": os.environ.get("TSAN_OPTIONS", "") + f":log_path={self.dir}/san",
                **self.env, **(env or {})}
        if fault is not None:
            more["DOLIUM_FAULT"] = fault
        self.process = Process(self.argv, self.log, env=environment(**more))
        if wait:
            self.wait_ready()
        return self

    def ready(self):
        try:
            return Rest(self.socket, timeout=5).get("/readyz").status == 200
        except OSError:
            return False

    def wait_ready(self, seconds=20):
        def question():
            assert self.runs(), (f"doliumd ended with {self.process.popen.returncode} while "
                                 f"starting:\n{self.process.tail()}")
            return self.ready()
        try:
            until(question, seconds, "doliumd answers /readyz")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.process.tail()}") from None

    def runs(self):
        return self.process is not None and self.process.runs()

    def stop(self, seconds=20):
        """SIGTERM; its exit status must be 0."""
        self.process.signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        assert status == 0, f"doliumd ended with {status}:\n{self.process.tail()}"

    def kill(self):
        """SIGKILL, as a crash."""
        self.process.kill()

    def wait_killed(self, seconds=20):
        """Waits until a fault plan has killed it."""
        status = self.process.wait(seconds)
        assert status == -signal.SIGKILL, f"doliumd ended with {status}:\n{self.process.tail()}"

    def restart(self, **more):
        self.stop()
        return self.start(**more)

    # Talking to it

    @property
    def rest(self):
        return Rest(self.socket)

    def plugin(self, dialect=DOCKER):
        return Plugin(self.docker_socket, dialect)

    def cli(self, *arguments, check=True, input=None, env=None, timeout=60):
        """Runs dolium against this daemon; CompletedProcess with text."""
        done = subprocess.run([Build().dolium, *arguments], input=input, text=True,
                              capture_output=True, timeout=timeout, check=False,
                              env=environment(DOLIUM_HOST="unix://" + self.socket, **(env or {})))
        assert not check or done.returncode == 0, f"dolium {arguments}: {done}"
        return done

    # What it has in the kernel

    def mounts(self):
        """Mounts below its directory, the pool's own among them."""
        return kernel.mounts(self.dir)

    def volume_mounts(self):
        return [entry for entry in self.mounts() if "/mnt/" in entry[0]]

    def loops(self):
        return kernel.loops(self.dir)

    # Undoing

    def _reports(self):
        texts = []
        for path in glob.glob(self.dir + "/san.*"):
            with open(path, encoding="utf-8", errors="replace") as file:
                texts.append(file.read()[:6000])
        return texts

    def destroy(self):
        """Stops it, takes down what it and its test left mounted (which is no fault: doliumd leaves
        mounts alone), and returns complaints about what should not be there."""
        complaints = []
        if self.runs():
            try:
                self.stop()
            except AssertionError as error:
                complaints.append(str(error))
        if self.process is not None:
            self.process.kill()
        seen = [point for point, *_ in self.volume_mounts()]
        complaints += [f"mounted {seen.count(point)} times on one another: {point}"
                       for point in sorted(set(seen)) if seen.count(point) > 1]
        left = until_none(lambda: processes_naming(self.dir))
        complaints += [f"process left: {pid} {command}" for pid, command in left.items()]
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        files = list(self.loops().values())
        complaints += [f"{files.count(file)} loop devices on one image: {file}"
                       for file in sorted(set(files)) if files.count(file) > 1]
        complaints += [f"loop device on a deleted image: {file}" for file in files
                       if file.endswith(" (deleted)")]
        kernel.detach_loops(self.dir)       # those of block volumes stay attached by themselves
        for _ in range(3):                  # what was hidden beneath shows up
            if not kernel.unmount_below(self.dir):
                break
        left = kernel.no_loops(self.dir)
        complaints += [f"loop device left: {device} on {file}" for device, file in left.items()]
        kernel.detach_loops(self.dir)
        if self.docker_socket and os.path.exists(self.docker_socket):
            os.remove(self.docker_socket)   # every dockerd would wait for it, 15 s a time
        complaints += [f"sanitizer report:\n{text}" for text in self._reports()]
        return complaints

    def log_tail(self):
        return self.process.tail() if self.process else ""


def until_none(question, seconds=3):
    """Waits a little for `question` to answer something empty; its last answer."""
    try:
        until(lambda: not question(), seconds)
    except AssertionError:
        pass
    return question()

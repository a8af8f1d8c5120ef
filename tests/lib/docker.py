# SPDX-License-Identifier: Apache-2.0
"""A private dockerd, Debian's, which finds plugins in the sandbox's /run/docker/plugins."""
import json
import os
import shutil
import signal
import subprocess

from lib import kernel
from lib.image import COMMAND, tarball
from lib.process import Process, environment, processes_naming
from lib.sandbox import base
from lib.wait import until

_number = 0


def _program(name):
    """Debian's, also where another one comes first in PATH."""
    for directory in ("/usr/sbin", "/usr/bin"):
        if os.access(f"{directory}/{name}", os.X_OK):
            return f"{directory}/{name}"
    return shutil.which(name)


class Docker:
    def __init__(self, *options):
        """`options`: more of dockerd's."""
        global _number
        _number += 1
        self.dir = f"{base()}/dk{_number}"
        self.socket = self.dir + "/docker.sock"
        self.log = self.dir + "/dockerd.log"
        self.cgroup = f"{os.path.basename(base())}-{_number}"
        self.options = options
        self.process = None
        os.makedirs(self.dir + "/exec")

    def start(self):
        # A killed dockerd leaves these, and the next one would believe them.
        for name in ("docker.pid", "exec/containerd/containerd.pid"):
            try:
                os.remove(f"{self.dir}/{name}")
            except FileNotFoundError:
                pass
        self.process = Process(
            [_program("dockerd"), "-H", "unix://" + self.socket, "--data-root", self.dir + "/data",
             "--exec-root", self.dir + "/exec", "--pidfile", self.dir + "/docker.pid",
             "--iptables=false", "--ip6tables=false", "--bridge=none", "--ip-forward=false",
             "--ip-masq=false", "--userland-proxy=false", "--storage-driver", "overlay2",
             "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", "/" + self.cgroup,
             "--log-level", "warn", *self.options], self.log, env=environment(TMPDIR=self.dir))
        until(self._answers, 60, f"dockerd answers (see its log)\n{self.process.tail()}")
        return self

    def _answers(self):
        assert self.process.runs(), f"dockerd ended:\n{self.process.tail()}"
        return self("info", check=False).returncode == 0

    def __call__(self, *arguments, check=True, input=None, timeout=120):
        """Runs docker; CompletedProcess with text."""
        done = subprocess.run([_program("docker"), *arguments], input=input, text=True,
                              capture_output=True, timeout=timeout, check=False,
                              env=environment(DOCKER_HOST="unix://" + self.socket,
                                              HOME=self.dir))
        assert not check or done.returncode == 0, f"docker {arguments}: {done}"
        return done

    def image(self, kind="plain"):
        """The name of an image of that kind (see image.tarball)."""
        name = "bb-" + kind
        if self("image", "inspect", name, check=False).returncode:
            self("import", "-c", COMMAND, tarball(kind), name)
        return name

    def run(self, volume, script, *options, image="plain", check=True):
        """A container that runs the script with the volume at /data, and is removed; its output,
        or the CompletedProcess with check=False."""
        done = self("run", "--rm", "--network", "none", "-v", f"{volume}:/data", *options,
                    self.image(image), "sh", "-c", script, check=check)
        return done.stdout if check else done

    def start_container(self, name, volume, script, *options, image="plain"):
        """The same in the background, not removed."""
        self("run", "-d", "--name", name, "--network", "none", "--stop-timeout", "1",
             "-v", f"{volume}:/data", *options, self.image(image), "sh", "-c", script)

    def inspect(self, kind, name):
        return json.loads(self(kind, "inspect", name).stdout)[0]

    def stop(self):
        self.process.signal(signal.SIGTERM)
        self.process.wait(60)

    def kill(self):
        self.process.kill()

    def kill_leftovers(self):
        """What a killed dockerd leaves running, as a crash of the whole host would not."""
        for pid in processes_naming(self.dir):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        until(lambda: not processes_naming(self.dir), 10)

    def config_file(self):
        """Some file on the host, to be copied into containers."""
        return self.log

    def destroy(self):
        """Removes the containers, ends it (a clean stop takes a second) and deletes everything."""
        if self.process.runs():
            containers = self("ps", "-aq", check=False).stdout.split()
            if containers:
                self("rm", "-f", *containers, check=False)
        self.process.kill()
        self.kill_leftovers()
        kernel.unmount_below(self.dir)
        kernel.remove_tree(self.dir)
        kernel.remove_cgroups(self.cgroup)

    def tail(self):
        return self.process.tail(30)

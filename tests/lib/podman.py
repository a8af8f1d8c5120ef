# SPDX-License-Identifier: Apache-2.0
"""Podman with its own storage and configuration, told of one volume plugin."""
import json
import os
import resource
import shutil
import subprocess

from lib import kernel
from lib.image import COMMAND, tarball
from lib.process import environment, processes_naming
from lib.sandbox import base
from lib.wait import until

_number = 0


def containers_conf(plugin_name, plugin_socket):
    """For hosts with and without systemd, CAP_SYS_RESOURCE and a usable cgroup2."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    tasks = min(32768, resource.getrlimit(resource.RLIMIT_NPROC)[1] % 2**63)
    runtime = "runc" if shutil.which("runc") else "crun"
    return (f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc={tasks}:{tasks}"]\n'
            f'netns = "none"\n[engine]\nruntime = "{runtime}"\ncgroup_manager = "cgroupfs"\n'
            f'events_logger = "file"\n[engine.volume_plugins]\n{plugin_name} = "{plugin_socket}"\n')


class Podman:
    def __init__(self, driver, plugin_socket):
        global _number
        _number += 1
        self.driver = driver
        self.dir = f"{base()}/pm{_number}"
        os.makedirs(self.dir)
        with open(self.dir + "/containers.conf", "w", encoding="utf-8") as file:
            file.write(containers_conf(driver, plugin_socket))
        with open(self.dir + "/storage.conf", "w", encoding="utf-8") as file:
            file.write(f'[storage]\ndriver = "overlay"\ngraphroot = "{self.dir}/storage"\n'
                       f'runroot = "{self.dir}/run"\n')

    def __call__(self, *arguments, check=True, input=None, timeout=120):
        """Runs podman; CompletedProcess with text."""
        env = environment(CONTAINERS_CONF=self.dir + "/containers.conf", HOME=self.dir,
                          CONTAINERS_STORAGE_CONF=self.dir + "/storage.conf")
        done = subprocess.run(["podman", *arguments], input=input, text=True, capture_output=True,
                              timeout=timeout, check=False, env=env)
        assert not check or done.returncode == 0, f"podman {arguments}: {done}"
        return done

    def image(self, kind="plain"):
        name = "localhost/bb-" + kind
        if self("image", "exists", name, check=False).returncode:
            self("import", "-c", COMMAND, tarball(kind), name)
        return name

    def create(self, name, **options):
        """podman volume create with the plugin."""
        flags = [flag for key, value in options.items() for flag in ("-o", f"{key}={value}")]
        return self("volume", "create", "--driver", self.driver, *flags, name)

    def run(self, volume, script, *options, image="plain", check=True):
        done = self("run", "--rm", "-v", f"{volume}:/data", *options, self.image(image),
                    "sh", "-c", script, check=check)
        return done.stdout if check else done

    def start_container(self, name, volume, script, *options, image="plain"):
        self("run", "-d", "--name", name, "--stop-timeout", "1", "-v", f"{volume}:/data", *options,
             self.image(image), "sh", "-c", script)

    def inspect(self, kind, name):
        return json.loads(self(kind, "inspect", name).stdout)[0]

    def destroy(self):
        self("rm", "-f", "-a", "-t", "0", check=False)
        try:
            until(lambda: not processes_naming(self.dir), 5)
        except AssertionError:
            for pid in processes_naming(self.dir):
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
        kernel.unmount_below(self.dir)
        kernel.remove_tree(self.dir)

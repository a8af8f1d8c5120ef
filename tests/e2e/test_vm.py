# SPDX-License-Identifier: Apache-2.0
"""What this host's kernel cannot be asked to do, in a machine of its own (lib/vm.py): limits on
control groups of version 2, and growing mounted file systems."""
import json
import os

import pytest

from lib.build import Build
from lib.vm import Vm
from lib.wait import until

pytestmark = pytest.mark.measures

MIB = 1 << 20
CONFIG = {"state_dir": "/run/state", "run_dir": "/run/d", "docker_socket": "none",
          "pools": [{"name": "default", "driver": "image", "device": "/dev/vda"}]}


class Machine:
    """A machine with doliumd in it."""

    def __init__(self, vm):
        self.vm = vm
        vm(f"cat >/run/c.yaml <<'X'\n{json.dumps(CONFIG)}\nX\n"
           f"{Build().doliumd} --config /run/c.yaml >/run/log 2>&1 &\n"
           "for i in $(seq 200); do [ -S /run/d/dolium.sock ] && exit 0; sleep 0.1; done\n"
           "cat /run/log; exit 1")

    def dolium(self, arguments, check=True):
        return self.vm(f"{Build().dolium} --host unix:///run/d/dolium.sock {arguments}",
                       check=check).stdout

    def volume(self, name):
        volume, = json.loads(self.dolium(f"volume inspect {name} -o json"))
        return volume

    def mount(self, name):
        return self.dolium(f"volume mount {name}").strip()

    def container(self, name, path, command):
        """Runs the command as a container would: a control group and mounts of its own, with the
        volume at /mnt; in the background, its output in /tmp/<name>."""
        group = f"/sys/fs/cgroup/engine/{name}"
        self.vm(f"mkdir -p /mnt {group}\n"
                f"(echo $BASHPID >{group}/cgroup.procs; exec unshare --mount --propagation private "
                f"sh -c 'mount --bind {path} /mnt && exec {command}') >/tmp/{name} 2>&1 &")

    def fio(self, name, path, arguments):
        self.container(name, path, f"fio --name=x --directory=/mnt --filename={name} --size=16M "
                                   "--time_based --ramp_time=2 --runtime=10 --output-format=json "
                                   + arguments)

    def rate(self, name, way, unit):
        text = self.vm(f"while pgrep -x fio >/dev/null; do sleep 0.1; done; cat /tmp/{name}").stdout
        return json.loads(text[text.index("{"):])["jobs"][0][way][unit]

    def held(self, name):
        """{group: limits} on the volume's device."""
        device = os.path.basename(self.volume(name)["status"]["attachment"]["device"])
        number = self.vm(f"cat /sys/block/{device}/dev").stdout.strip()
        lines = self.vm("cd /sys/fs/cgroup; find . -name io.max | xargs -r grep -H .",
                        check=False).stdout.splitlines()
        found = {}
        for line in lines:
            path, _, limits = line.partition(":")
            if limits.startswith(number + " "):
                found[os.path.dirname(path)] = limits[len(number) + 1:]
        return found


@pytest.fixture(scope="module")
def machine():
    vm = Vm()
    try:
        yield Machine(vm.start())
    finally:
        vm.stop()


def test_version_2_holds_what_containers_do_together(machine):
    machine.dolium("volume create vw --size 128M --write-bps 4M")
    machine.dolium("volume create vr --size 128M --read-iops 200 --trash 0")
    machine.dolium("volume create vb --size 128M --write-bps 3M")
    written, read, buffered = (machine.mount(name) for name in ("vw", "vr", "vb"))
    machine.fio("one", written, "--rw=write --bs=64k --direct=1")
    machine.fio("two", written, "--rw=write --bs=64k --direct=1")
    machine.fio("three", read, "--rw=randread --bs=4k --direct=1")
    machine.fio("four", buffered, "--rw=write --bs=64k --fsync=8")
    until(lambda: machine.held("vw"), 5, "the limit is held")
    # one group for the whole of the engine, so that its containers share
    assert machine.held("vw") == {"./engine": "rbps=max wbps=4194304 riops=max wiops=max"}
    together = sum(machine.rate(name, "write", "bw_bytes") for name in ("one", "two"))
    assert together == pytest.approx(4 * MIB, rel=0.1)
    assert machine.rate("three", "read", "iops") == pytest.approx(200, rel=0.1)
    assert machine.rate("four", "write", "bw_bytes") == pytest.approx(3 * MIB, rel=0.1)


def test_version_2_changes_and_leaves_nothing(machine):
    machine.dolium("volume create vc --size 64M")
    path = machine.mount("vc")
    machine.container("five", path, "sleep 1000")
    assert machine.held("vc") == {}
    machine.dolium("volume set vc --write-iops 50 --read-bps 2M")
    assert machine.held("vc") == {"./engine": "rbps=2097152 wbps=max riops=max wiops=50"}
    machine.dolium("volume set vc --write-iops none --read-bps none")
    assert machine.held("vc") == {}
    machine.dolium("volume set vc --write-iops 50")
    machine.vm("pkill -x sleep; until ! pgrep -x sleep; do sleep 0.1; done", check=False)
    machine.dolium("volume unmount vc")
    assert "wiops=50" not in machine.vm("cat /sys/fs/cgroup/*/io.max").stdout


@pytest.mark.parametrize("fs, size, larger", [("ext4", "64M", "160M"), ("xfs", "300M", "400M")])
def test_grows_while_it_is_mounted_and_written(machine, fs, size, larger):
    machine.dolium(f"volume create grow-{fs} --size {size} --fs {fs}")
    path = machine.mount(f"grow-{fs}")
    machine.vm(f"echo precious >{path}/f\n"
               f"(while :; do date; sleep 0.01; done >{path}/busy) & echo $! >/tmp/writer")
    before = int(machine.vm(f"stat -f -c %b {path}").stdout)
    machine.dolium(f"volume resize grow-{fs} {larger}")
    assert int(machine.vm(f"stat -f -c %b {path}").stdout) > before * 1.2
    volume = machine.volume(f"grow-{fs}")
    assert volume["status"]["size"] == volume["spec"]["size"] == int(larger[:-1]) * MIB
    machine.vm(f"kill $(cat /tmp/writer); cat {path}/f; dd if=/dev/zero of={path}/fill bs=1M "
               f"count={int(larger[:-1]) - int(size[:-1])}")
    machine.dolium(f"volume unmount grow-{fs}")
    image = f"/run/state/pools/default/volumes/{volume['uid']}/disk"
    machine.vm(f"e2fsck -fn {image}" if fs == "ext4" else f"xfs_repair -n {image}")

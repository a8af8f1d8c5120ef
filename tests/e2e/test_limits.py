# SPDX-License-Identifier: Apache-2.0
"""Limits of I/O on control groups of version 1: real containers, measured with fio."""
import json
import os
import re
import subprocess

import pytest

from lib.wait import until

BLKIO = "/sys/fs/cgroup/blkio"
MIB = 1 << 20

pytestmark = pytest.mark.skipif(not os.path.exists(BLKIO), reason="control groups of version 2")


def held(device):
    """{group: {file: value}} of everything any group is limited to on the device."""
    with open(f"/sys/block/{os.path.basename(device)}/dev", encoding="ascii") as file:
        number = file.read().strip()
    found = {}
    for directory, _, files in os.walk(BLKIO):
        for name in files:
            if not re.fullmatch(r"blkio\.throttle\.(read|write)_(bps|iops)_device", name):
                continue
            with open(f"{directory}/{name}", encoding="ascii") as file:
                values = dict(line.split() for line in file)
            if values.get(number, "0") != "0":
                group = os.path.relpath(directory, BLKIO)
                found.setdefault(group, {})[name.split(".")[2][:-7]] = int(values[number])
    return found


def device_of(daemon, name):
    return daemon.rest.volume(name)["status"]["attachment"]["device"]


class Fio:
    """fio in a container of its own, reporting when it has ended."""

    def __init__(self, docker, volume, *arguments, seconds=10):
        self.process = subprocess.Popen(
            ["docker", "-H", "unix://" + docker.socket, "run", "--rm", "--network", "none", "-v",
             f"{volume}:/data", docker.image("fio"), "fio", "--name=x", "--directory=/data",
             "--size=64M", "--time_based", "--ramp_time=2", f"--runtime={seconds}",
             "--output-format=json", *arguments], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "HOME": docker.dir})

    def rates(self):
        """{"read_bps":, "write_bps":, "read_iops":, "write_iops":} of the time that counts."""
        text, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0
        job = json.loads(text[text.index("{"):])["jobs"][0]
        return {f"{way}_{unit}": job[way]["bw_bytes" if unit == "bps" else "iops"]
                for way in ("read", "write") for unit in ("bps", "iops")}


@pytest.fixture
def limited(docker, daemon):
    """limited("v", "write-bps=4M"): a volume, created through Docker."""
    def make(name, *options):
        flags = [flag for option in ("size=256M", *options) for flag in ("-o", option)]
        docker("volume", "create", "-d", daemon.name, *flags, name)
    return make


@pytest.mark.measures
def test_within_ten_percent_for_all_its_containers_together(daemon, docker, limited):
    limited("vw", "write-bps=4M")
    limited("vr", "read-iops=200")
    # both volumes at once; two containers share the first
    first = Fio(docker, "vw", "--rw=write", "--bs=64k", "--direct=1", "--filename=a")
    second = Fio(docker, "vw", "--rw=write", "--bs=64k", "--direct=1", "--filename=b")
    third = Fio(docker, "vr", "--rw=randread", "--bs=4k", "--direct=1")
    together = first.rates()["write_bps"] + second.rates()["write_bps"]
    assert together == pytest.approx(4 * MIB, rel=0.1)
    assert third.rates()["read_iops"] == pytest.approx(200, rel=0.1)


def test_buffered_writes_are_held_where_they_reach_the_device(docker, limited):
    limited("vb", "write-bps=4M")
    fio = Fio(docker, "vb", "--rw=write", "--bs=64k", "--fsync=8", "--filename=a")
    assert fio.rates()["write_bps"] == pytest.approx(4 * MIB, rel=0.1)


def test_changed_and_lifted_while_it_runs(daemon, cli, docker, limited):
    limited("vc")
    docker.start_container("user", "vc", "sleep 1000")
    device = device_of(daemon, "vc")
    assert held(device) == {}
    cli("volume", "set", "vc", "--write-iops", "50", "--read-bps", "2M")
    group = docker.cgroup + "/" + docker.inspect("container", "user")["Id"]
    assert held(device) == {".": {"write_iops": 50},
                            group: {"write_iops": 50, "read_bps": 2 * MIB}}
    cli("volume", "set", "vc", "--write-iops", "none")
    assert held(device) == {group: {"read_bps": 2 * MIB}}
    cli("volume", "set", "vc", "--read-bps", "none")
    assert held(device) == {}


def test_divided_among_containers_that_come_and_go(daemon, docker, limited):
    limited("vd", "read-iops=100")
    docker.start_container("one", "vd", "sleep 1000")
    device = device_of(daemon, "vd")

    def shares():
        return sorted(limits["read_iops"] for limits in held(device).values())
    until(lambda: shares() == [100], 5, "the first container is limited")
    docker.start_container("two", "vd", "sleep 1000")
    until(lambda: shares() == [50, 50], 5, "both have a half")
    docker("rm", "-f", "one")
    until(lambda: shares() == [100], 5, "the other one has all of it")


def test_nothing_is_left_in_any_group(daemon, docker, limited):
    limited("ve", "read-iops=100", "write-bps=1M")
    docker.start_container("user", "ve", "sleep 1000")
    device = device_of(daemon, "ve")
    until(lambda: len(held(device)) == 2, 5, "the limits are held")
    daemon.kill()
    daemon.start()
    docker("rm", "-f", "user")
    until(lambda: not daemon.volume_mounts(), 10, "the last unmount")
    assert held(device) == {}


def test_the_last_container_does_not_wait_for_what_it_wrote(daemon, docker, limited):
    """Unmounting flushes 32 MiB that would take eight minutes at this rate."""
    limited("vf", "write-bps=64K")
    docker.run("vf", "dd if=/dev/zero of=/data/x bs=1M count=32")
    until(lambda: not daemon.volume_mounts(), 15, "the last unmount")


def test_a_snapshot_does_not_wait_for_what_was_written(daemon, cli, docker, limited):
    limited("vg", "write-bps=64K")
    docker.start_container("user", "vg", "dd if=/dev/zero of=/data/x bs=1M count=32; sleep 1000")
    device = device_of(daemon, "vg")
    until(lambda: len(held(device)) == 2, 5, "the limits are held")
    cli("snapshot", "create", "vg@now")
    assert len(held(device)) == 2

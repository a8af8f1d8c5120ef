# SPDX-License-Identifier: Apache-2.0
"""What is measured, and against what."""
import json
import os
import subprocess
import time
from contextlib import contextmanager

from lib import kernel
from lib.daemon import Daemon
from lib.docker import Docker
from lib.plugin import Connection
from lib.rest import UnixConnection
from lib.sandbox import base


def percentile(times, part):
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def median(times):
    return percentile(times, 0.5)


@contextmanager
def running(**more):
    daemon = Daemon(**{"config": {"log_level": "warning", "reconcile_period": "30s"}, **more})
    daemon.start()
    try:
        yield daemon
    finally:
        for complaint in daemon.destroy():
            print("  " + complaint)
        kernel.remove_tree(daemon.dir)


class Client:
    """One kept connection, as a client in C or Go has it."""

    def __init__(self, daemon):
        self.connection = UnixConnection(daemon.socket, 300)

    def __call__(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body else None)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (method, path, answer.status, text)
        return text

    def timed(self, *request):
        start = time.perf_counter()
        self(*request)
        return (time.perf_counter() - start) * 1e3


def run(*argv):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# Life of a volume

def _by_hand(directory, number):
    """What one would type instead; milliseconds of (create, mount, unmount, delete)."""
    image, point = f"{directory}/hand{number}.img", f"{directory}/hand{number}"
    times = [time.perf_counter()]
    run("truncate", "-s", "1G", image)
    run("mkfs.ext4", "-q", image)
    times.append(time.perf_counter())
    os.mkdir(point)
    device = subprocess.run(["losetup", "-f", "--show", image], check=True, text=True,
                            stdout=subprocess.PIPE).stdout.strip()
    run("mount", device, point)
    times.append(time.perf_counter())
    run("umount", point)
    run("losetup", "-d", device)
    os.rmdir(point)
    times.append(time.perf_counter())
    os.remove(image)
    times.append(time.perf_counter())
    return [(b - a) * 1e3 for a, b in zip(times, times[1:])]


def life(report, quick):
    rounds = 50 if quick else 300
    steps = {"create": [], "mount": [], "unmount": [], "delete": []}
    with running(pool_size="8G") as daemon:
        client = Client(daemon)
        pool = daemon.state_dir + "/pools/default"
        client("POST", "/v1/volumes", {"name": "warm", "spec": {"size": "1G"}})
        hand = []
        for i in range(rounds):
            path = f"/v1/volumes/v{i}"
            steps["create"].append(client.timed(
                "POST", "/v1/volumes", {"name": f"v{i}", "spec": {"size": "1G", "trash": "0"}}))
            steps["mount"].append(client.timed("POST", path + "/mount", {"id": "a"}))
            steps["unmount"].append(client.timed("POST", path + "/unmount", {"id": "a"}))
            steps["delete"].append(client.timed("DELETE", path))
            if i % 10 == 0:
                hand.append(_by_hand(pool, i))
    names = ["truncate + mkfs.ext4", "losetup + mount", "umount + losetup -d", "rm"]
    for column, (step, most) in enumerate({"create": 3, "mount": 4, "unmount": 4,
                                           "delete": 3}.items()):
        value = median(steps[step])
        report.add(f"{step}, p50 (durable, over REST)", value, "ms",
                   median([row[column] for row in hand]), names[column], f"<= {most} ms",
                   value <= most)
    both = median([a + b for a, b in zip(steps["create"], steps["mount"])])
    baseline = median([row[0] + row[1] for row in hand])
    report.add("create + mount, p50", both, "ms", baseline, "by hand", "<= 0.33x",
               both * 3 <= baseline)


# docker run

def docker(report, quick):
    rounds = 5 if quick else 15
    dockerd = Docker()
    try:
        with running(pool_size="4G") as daemon:
            dockerd.start()
            image = dockerd.image("plain")
            dockerd("volume", "create", "-d", daemon.name, "-o", "size=1G", "ours")
            dockerd("volume", "create", "theirs")
            times = {"ours": [], "theirs": []}
            for i in range(rounds * 2 + 2):
                volume = ("ours", "theirs")[i % 2]
                start = time.perf_counter()
                dockerd("run", "--rm", "--network", "none", "-v", f"{volume}:/data", image, "true")
                if i >= 2:
                    times[volume].append((time.perf_counter() - start) * 1e3)
            ours, theirs = median(times["ours"]), median(times["theirs"])
            report.add("docker run --rm, p50", ours, "ms", theirs, "Docker's local volume",
                       "<= 1.10x", ours <= theirs * 1.10)
            dockerd("volume", "rm", "ours")
    finally:
        dockerd.destroy()


# I/O

def _fio(directory, name, *options):
    out = subprocess.run(
        ["fio", "--name", name, "--directory", directory, "--output-format=json",
         "--ioengine=libaio", "--randrepeat=1", *options],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return json.loads(out[out.index("{"):])["jobs"][0]


JOBS = [
    ("4 KiB random read, O_DIRECT, depth 8", "read", 0.90,
     ["--rw=randread", "--bs=4k", "--direct=1", "--iodepth=8", "--size=512M"]),
    ("sequential read, O_DIRECT 1 MiB", "read", 0.90,
     ["--rw=read", "--bs=1M", "--direct=1", "--iodepth=4", "--size=512M"]),
    ("sequential write, O_DIRECT 1 MiB", "write", 0.90,
     ["--rw=write", "--bs=1M", "--direct=1", "--iodepth=4", "--size=512M", "--end_fsync=1"]),
    ("8 KiB write + fdatasync", "write", 0.75,
     ["--rw=randwrite", "--bs=8k", "--fdatasync=1", "--ioengine=sync", "--size=128M"]),
]


def io(report, quick):
    seconds = 3 if quick else 8
    rounds = 2 if quick else 3
    with running(pool_size="12G") as daemon:
        client = Client(daemon)
        client("POST", "/v1/volumes", {"name": "io", "spec": {"size": "4G", "thick": True}})
        volume = json.loads(client("POST", "/v1/volumes/io/mount", {"id": "a"}))
        inside = volume["status"]["attachment"]["path"]
        outside = daemon.state_dir + "/pools/default/bench"
        os.mkdir(outside)
        for title, kind, least, options in JOBS:
            rates = {inside: [], outside: []}
            for place in (inside, outside):     # the files are laid out before anything is timed
                _fio(place, kind, "--rw=write", "--bs=1M", "--direct=1", "--size=512M",
                     "--end_fsync=1")
            for _ in range(rounds):             # in turn, so that noise hits both
                for place in rates:
                    job = _fio(place, kind, *options, "--time_based", f"--runtime={seconds}")
                    rates[place].append(job[kind]["iops"])
            ours, theirs = median(rates[inside]), median(rates[outside])
            report.add(title, ours, "IO/s", theirs, "the pool's XFS", f">= {least:.2f}x",
                       ours >= theirs * least)
        # a new connection: the old one has been idle for longer than the daemon keeps it
        Client(daemon)("POST", "/v1/volumes/io/unmount", {"id": "a"})
        subprocess.run(["rm", "-r", outside], check=True)


# Memory, and ten thousand volumes

def resident_mb(daemon):
    with open(f"/proc/{daemon.pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0


def _plugin_p99(daemon, rounds, count):
    slowest = {}
    with Connection(daemon.docker_socket) as connection:
        for method in ("Get", "Path", "List"):
            times = []
            for i in range(rounds if method != "List" else max(20, rounds // 20)):
                start = time.perf_counter()
                status, _ = connection.call("VolumeDriver." + method, {"Name": f"v{i % count}"})
                times.append((time.perf_counter() - start) * 1e3)
                assert status == 200
            slowest[method] = percentile(times, 0.99)
    return slowest


def many(report, quick):
    count = 1000 if quick else 10000
    pool = [{"name": "default", "driver": "image", "size": "20G", "overcommit": 1000}]
    with running(pools=pool) as daemon:
        report.add("memory, idle", resident_mb(daemon), "MB", target="<= 20 MB",
                   reached=resident_mb(daemon) <= 20)
        client = Client(daemon)
        times = [client.timed("POST", "/v1/volumes",
                              {"name": f"v{i}", "spec": {"size": "64M"}}) for i in range(count)]
        first, last = median(times[10:210]), median(times[-200:])
        report.add(f"create, the last 200 of {count}, p50", last, "ms", first, "the first 200",
                   "<= 1.2x", last <= first * 1.2)
        lists = [client.timed("GET", f"/v1/volumes?limit={count}") for _ in range(20)]
        report.add(f"list of {count} volumes, p50", median(lists), "ms", target="<= 60 ms",
                   reached=median(lists) <= 60)
        gets = [client.timed("GET", f"/v1/volumes/v{i * 7 % count}") for i in range(2000)]
        health = [client.timed("GET", "/healthz") for _ in range(2000)]
        report.add(f"get, at {count} volumes, p50", median(gets), "ms", median(health),
                   "GET /healthz", "<= 0.3 ms", median(gets) <= 0.3)
        for method, slowest in _plugin_p99(daemon, 2000, count).items():
            report.add(f"plugin {method}, at {count} volumes, p99", slowest, "ms",
                       target="<= 10 ms", reached=slowest <= 10)
        report.add(f"memory, {count} volumes", resident_mb(daemon), "MB", target="<= 60 MB",
                   reached=resident_mb(daemon) <= 60)
        daemon.stop()
        start = time.perf_counter()
        daemon.start(wait=False)
        while not daemon.ready():
            time.sleep(0.005)
        seconds = time.perf_counter() - start
        report.add(f"start to serving, {count} volumes", seconds * 1e3, "ms", target="<= 500 ms",
                   reached=seconds <= 0.5)


SUITES = {"life": life, "docker": docker, "io": io, "many": many}

# SPDX-License-Identifier: Apache-2.0
"""What snapshots and clones cost, and what they cost those who write meanwhile."""
import json
import os
import subprocess
import threading
import time

from measure import Client, median, running


def _fio(path, *options):
    out = subprocess.run(["fio", "--name=w", "--filename=" + path, "--output-format=json", *options],
                         check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(out.stdout[out.stdout.index("{"):])["jobs"][0]


def _mounted(client, name, **spec):
    """Path of a new volume that is mounted."""
    client("POST", "/v1/volumes", {"name": name, "spec": {"trash": "0", **spec}})
    volume = json.loads(client("POST", f"/v1/volumes/{name}/mount", {"id": "bench"}))
    return volume["status"]["attachment"]["path"]


def _snapshot(client, volume, name):
    return client.timed("POST", "/v1/snapshots", {"name": name, "volumes": [volume]})


def _forget(client, volume, name):
    return client.timed("DELETE", f"/v1/snapshots/{volume}@{name}")


# One snapshot, one clone

def once(report, quick):
    rounds = 20 if quick else 100
    with running(pool_size="12G") as daemon:
        client = Client(daemon)
        path = _mounted(client, "v", size="10G")
        _fio(path + "/data", "--rw=write", "--bs=1M", "--size=1G", "--direct=1", "--end_fsync=1")
        snapshots, clones = [], []
        for i in range(rounds):
            snapshots.append(_snapshot(client, "v", f"s{i}"))
            clones.append(client.timed("POST", "/v1/volumes", {
                "name": f"c{i}", "spec": {"from": f"v@s{i}", "trash": "0"}}))
            client("DELETE", f"/v1/volumes/c{i}")
            _forget(client, "v", f"s{i}")
        start = time.perf_counter()
        subprocess.run(["cp", "--sparse=always", path + "/data", path + "/copy"], check=True)
        copied = (time.perf_counter() - start) * 1e3
        for what, times in ("snapshot", snapshots), ("clone", clones):
            report.add(f"{what} of a mounted 10 GiB volume, 1 GiB of data, p50", median(times), "ms",
                       copied, "cp of the data", "<= 5 ms", median(times) <= 5)
        client("POST", "/v1/volumes/v/unmount", {"id": "bench"})


# What writers notice

def _writing(path, seconds):
    """Slowest write in ms, of a writer at 20 MB/s."""
    job = _fio(path, "--rw=write", "--bs=64k", "--size=512M", "--direct=1", "--ioengine=psync",
               "--rate=20m", "--time_based", f"--runtime={seconds}")
    return job["write"]["clat_ns"]["max"] / 1e6


def stall(report, quick):
    seconds = 6 if quick else 15
    with running(pool_size="12G") as daemon:
        client = Client(daemon)
        path = _mounted(client, "v", size="4G")
        _fio(path + "/data", "--rw=write", "--bs=1M", "--size=1G", "--direct=1", "--end_fsync=1")
        undisturbed = _writing(path + "/w", seconds)
        ended = threading.Event()

        def snapshots():
            own, count = Client(daemon), 0
            while not ended.wait(0.5):
                _snapshot(own, "v", f"s{count}")
                count += 1

        thread = threading.Thread(target=snapshots)
        thread.start()
        slowest = _writing(path + "/w", seconds)
        ended.set()
        thread.join()
        report.add("longest stall of a writer at 20 MB/s, 2 snapshots/s", slowest, "ms",
                   undisturbed, "without snapshots", "<= 50 ms", slowest <= 50)
        Client(daemon)("POST", "/v1/volumes/v/unmount", {"id": "bench"})


# Over the number of extents

def _fragment(image, extents):
    """Every other block of the image's file: as many extents as blocks."""
    fd = os.open(image, os.O_RDWR)
    try:
        for i in range(extents):
            os.pwrite(fd, b"x" * 4096, i * 8192)
            if i % 1000 == 999:
                os.fsync(fd)
        os.fsync(fd)
    finally:
        os.close(fd)


def curve(report, quick):
    first = None
    with running(pool_size="12G") as daemon:
        client = Client(daemon)
        for extents in (1, 1000, 10000) if quick else (1, 1000, 10000, 100000):
            name = f"e{extents}"
            made = json.loads(client("POST", "/v1/volumes", {
                "name": name, "spec": {"size": "2G", "fs": "none", "trash": "0"}}))
            _fragment(f"{daemon.state_dir}/pools/default/volumes/{made['uid']}/disk", extents)
            client = Client(daemon)     # the old connection may have been idle for too long
            times = []
            for i in range(3):
                times.append(_snapshot(client, name, f"s{i}"))
                _forget(client, name, f"s{i}")
            first = first or median(times)
            report.add(f"snapshot at {extents} extents", median(times), "ms", first, "1 extent")
            client("DELETE", f"/v1/volumes/{name}")


# With many snapshots kept

def kept(report, quick):
    seconds, count = (3, 20) if quick else (8, 100)
    job = ["--rw=randwrite", "--bs=8k", "--fdatasync=1", "--ioengine=sync", "--size=64M",
           "--time_based", f"--runtime={seconds}"]
    with running(pool_size="12G") as daemon:
        client = Client(daemon)
        rates = {}
        paths = {name: _mounted(client, name, size="1G") + "/data" for name in ("none", "many")}
        for path in paths.values():
            _fio(path, "--rw=write", "--bs=1M", "--size=64M", "--direct=1", "--end_fsync=1")
        client = Client(daemon)
        for i in range(count):
            _snapshot(client, "many", f"s{i}")
        for path in paths.values():     # the first overwrite is what a snapshot costs
            _fio(path, "--rw=write", "--bs=8k", "--size=64M", "--direct=1", "--end_fsync=1")
        for _ in range(1 if quick else 3):
            for name, path in paths.items():
                rates.setdefault(name, []).append(_fio(path, *job)["write"]["iops"])
        ours, theirs = median(rates["many"]), median(rates["none"])
        report.add(f"8 KiB write + fdatasync, {count} snapshots kept", ours, "IO/s", theirs,
                   "without snapshots", ">= 0.90x", ours >= theirs * 0.90)
        for name in paths:
            Client(daemon)("POST", f"/v1/volumes/{name}/unmount", {"id": "bench"})


def past(report, quick):
    for part in once, stall, curve, kept:
        part(report, quick)


SUITES = {"past": past}

# SPDX-License-Identifier: Apache-2.0
"""What an export costs: all of a volume, and what changed in it."""
import os
import random
import subprocess
import time

from lib.build import Build
from lib.process import environment
from files import files
from measure import Client, median, running

MIB, BLOCK = 1 << 20, 4096


def _fill(device):
    """A gigabyte that cannot be compressed."""
    with open(device, "r+b", buffering=0) as file:
        for _ in range(256):
            file.write(os.urandom(4 * MIB))
        os.fsync(file.fileno())


def _change(device, share):
    """Writes so many of the blocks anew, scattered over all."""
    numbers = random.Random(1).sample(range(1024 * MIB // BLOCK), int(1024 * MIB // BLOCK * share))
    with open(device, "r+b", buffering=0) as file:
        for number in numbers:
            os.pwrite(file.fileno(), os.urandom(BLOCK), number * BLOCK)
        os.fsync(file.fileno())
    return len(numbers) * BLOCK


def _read_bytes(daemon):
    """What the daemon has had read from disks so far."""
    with open(f"/proc/{daemon.pid}/io", encoding="utf-8") as file:
        return int(dict(line.split(": ") for line in file.read().splitlines())["read_bytes"])


def _export(daemon, *words):
    """(seconds, bytes that the daemon read)"""
    before, start = _read_bytes(daemon), time.perf_counter()
    subprocess.run([Build().dolium, "volume", "export", "-q", *words, "/dev/null"], check=True,
                   env=environment(DOLIUM_HOST="unix://" + daemon.socket))
    return time.perf_counter() - start, _read_bytes(daemon) - before


def data(report, quick):
    rounds = 3 if quick else 7
    with running(pool_size="6G") as daemon:
        client = Client(daemon)
        daemon.rest.create("v", "1G", fs="none")
        device = daemon.rest.mount("v", "bench")["status"]["attachment"]["device"]
        _fill(device)
        client("POST", "/v1/snapshots", {"name": "one", "volumes": ["v"]})
        changed = _change(device, 0.01)
        client("POST", "/v1/snapshots", {"name": "two", "volumes": ["v"]})
        full = [_export(daemon, "v@two") for _ in range(rounds)]
        later = [_export(daemon, "v@two", "--base", "v@one") for _ in range(rounds)]
        times = [median([seconds for seconds, _ in each]) for each in (full, later)]
        report.add("export of 1 GiB of noise", times[0] * 1e3, "ms")
        report.add("export of the 1% of it that changed", times[1] * 1e3, "ms", times[0] * 1e3,
                   "all of it", ">= 20x faster", times[0] >= 20 * times[1])
        read = median([count for _, count in later])
        report.add("bytes read for it", read / MIB, "MiB", changed / MIB, "what changed",
                   "<= 1.10", read <= 1.10 * changed)
        daemon.rest.unmount("v", "bench")
    files(report, quick)


SUITES = {"data": data}

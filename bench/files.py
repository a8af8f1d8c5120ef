# SPDX-License-Identifier: Apache-2.0
"""What it costs to bring one file back, and to compare two states, out of very many files."""
import os
import shutil
import time

from measure import Client, median, running

COUNT = 100_000


def _fill(top):
    for number in range(COUNT):
        directory = f"{top}/{number // 1000}"
        if number % 1000 == 0:
            os.mkdir(directory)
        with open(f"{directory}/{number}", "wb") as file:
            file.write(b"%d" % number)


def _timed(work):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def _copy_by_hand(source, target):
    """The same with the snapshot mounted already: what the file alone costs."""
    shutil.copy2(source, target)
    with open(target, "rb") as file:
        os.fsync(file.fileno())


def files(report, quick):
    rounds = 5 if quick else 15
    with running(pool_size="4G") as daemon:
        client = Client(daemon)
        daemon.rest.create("many", "3G")
        top = daemon.rest.mount("many", "bench")["status"]["attachment"]["path"]
        _fill(top)
        client("POST", "/v1/snapshots", {"name": "s", "volumes": ["many"]})
        times, copied = [], []
        for number in range(rounds):
            path = f"/50/{50_000 + number}"
            os.remove(top + path)
            times.append(_timed(lambda path=path: client(
                "POST", "/v1/snapshots/many@s/files/restore", {"paths": [path]})))
        seen = daemon.rest.must("POST", "/v1/snapshots/many@s/mount", {"id": "bench"})
        for number in range(rounds):
            path = f"/51/{51_000 + number}"
            os.remove(top + path)
            copied.append(_timed(lambda path=path: _copy_by_hand(
                seen["attachment"]["path"] + path, top + path)))
        daemon.rest.must("POST", "/v1/snapshots/many@s/unmount", {"id": "bench"})
        report.add(f"one file of {COUNT} restored from a snapshot, p50", median(times), "ms",
                   median(copied), "cp, mounted already", "<= 100 ms", median(times) <= 100)
        compared = [_timed(lambda: daemon.rest.must(
            "GET", "/v1/volumes/many/files/diff?base=many@s")) for _ in range(3)]
        listed = [_timed(lambda: daemon.rest.must(
            "GET", "/v1/snapshots/many@s/files?recursive=true")) for _ in range(3)]
        report.add(f"{COUNT} files compared with a snapshot", median(compared), "ms",
                   median(listed), "listed")
        daemon.rest.unmount("many", "bench")


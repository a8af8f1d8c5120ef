# SPDX-License-Identifier: Apache-2.0
"""What volumes are told to do and to hold, as the kernel counts."""
import os
import re

MIB = 1 << 20


def metric(rest, name, volume):
    text = rest.get("/metrics").text
    found = re.search(rf'^{name}{{volume="{volume}",pool="default"}} (\S+)$', text, re.MULTILINE)
    return float(found.group(1)) if found else None


def test_io_is_counted_while_attached(rest):
    assert "io" not in rest.create("v", "64M")["status"]
    path = rest.mount("v")["status"]["attachment"]["path"]
    before = rest.volume("v")["status"]["io"]
    with open(path + "/f", "wb") as file:
        file.write(os.urandom(8 * MIB))
        os.fsync(file.fileno())
    after = rest.volume("v")["status"]["io"]
    assert 8 * MIB <= after["write_bytes"] - before["write_bytes"] < 16 * MIB
    assert after["writes"] > before["writes"] and after["read_bytes"] >= before["read_bytes"]
    listed, = rest.volumes()
    assert listed["status"]["io"]["write_bytes"] >= after["write_bytes"]
    assert metric(rest, "dolium_volume_written_bytes_total", "v") >= after["write_bytes"]
    assert metric(rest, "dolium_volume_write_seconds_total", "v") >= before["write_usec"] / 1e6
    rest.unmount("v")
    assert "io" not in rest.volume("v")["status"]
    assert metric(rest, "dolium_volume_writes_total", "v") is None

# SPDX-License-Identifier: Apache-2.0
"""I/O goes from the application to the kernel: it does not notice that doliumd is killed, stopped or
started."""
import json
import subprocess
import sys
import time

import pytest

from lib.kernel import is_mounted
from lib.leaks import assert_at_rest
from lib.wait import until

# Writes blocks past the page cache, each synced and read back. Tells how many at the end; every
# error ends it with a status that is not 0.
WRITER = r"""
import json, mmap, os, signal, sys, time
path, block = sys.argv[1], 4096
running = True
def stop(*_):
    global running
    running = False
signal.signal(signal.SIGTERM, stop)
fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600)
buffer = mmap.mmap(-1, block)
count, longest = 0, 0.0
print("started", flush=True)
while running:
    begun = time.monotonic()
    place = count % 256 * block
    data = count.to_bytes(8, "little") * (block // 8)
    buffer[:] = data
    assert os.pwrite(fd, buffer, place) == block
    os.fsync(fd)
    assert os.preadv(fd, [buffer], place) == block
    assert buffer[:] == data
    count += 1
    longest = max(longest, time.monotonic() - begun)
print(json.dumps({"count": count, "longest": longest}), flush=True)
"""


class Writer:
    def __init__(self, path):
        self.process = subprocess.Popen([sys.executable, "-c", WRITER, path], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout.readline() == "started\n", self.process.stderr.read()

    def stop(self):
        self.process.terminate()
        out, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, errors
        return json.loads(out)


@pytest.fixture
def writers():
    """Writers that end with the test."""
    made = []
    yield lambda path: made.append(Writer(path)) or made[-1]
    for writer in made:
        if writer.process.poll() is None:
            writer.process.kill()
            writer.process.wait()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_io_through_five_restarts(make_daemon, writers, how):
    daemon = make_daemon(pool_size="1G", config={"reconcile_period": "100ms"})
    rest = daemon.rest
    places = []
    for name, spec in (("ext4", {}), ("xfs", {"fs": "xfs", "size": "300M"}),
                       ("block", {"fs": "none"})):
        rest.create(name, **{"size": "64M", **spec})
        attachment = rest.mount(name, "writer")["status"]["attachment"]
        places.append(attachment["device"] if name == "block" else attachment["path"] + "/file")
    started = [writers(place) for place in places]
    for _ in range(5):
        getattr(daemon, how)()
        time.sleep(0.2)
        daemon.start()
        time.sleep(0.3)
    results = [writer.stop() for writer in started]
    assert all(result["count"] > 20 for result in results), results
    assert len(daemon.volume_mounts()) == 2
    for name in ("ext4", "xfs", "block"):
        consumers = rest.volume(name)["status"]["attachment"]["consumers"]
        assert [(consumer["id"], consumer["count"]) for consumer in consumers] == [("writer", 1)]
        rest.unmount(name, "writer")
    assert_at_rest(daemon)


def test_io_while_the_records_are_lost(make_daemon, writers):
    """The state is deleted under a killed daemon; the volume stays mounted where it is."""
    daemon = make_daemon(pool_size="512M", config={"reconcile_period": "100ms"})
    daemon.rest.create("v", "64M")
    path = daemon.rest.mount("v", "writer")["status"]["attachment"]["path"]
    writer = writers(path + "/file")
    daemon.kill()
    subprocess.run(f"rm {daemon.state_dir}/state.db*", shell=True, check=True)
    daemon.start()
    time.sleep(0.5)
    assert writer.stop()["count"] > 10
    assert is_mounted(path)
    assert daemon.rest.volume("v")["spec"]["size"] == 64 << 20
    # nobody is known to use it any more, so it may go
    until(lambda: not daemon.volume_mounts(), 10, "the volume is unmounted")
    assert_at_rest(daemon)

# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load: clients of the plugin's socket create, mount, write, unmount and remove all the
time, and doliumd is killed and started again at random moments. What was acknowledged holds."""
import ctypes
import hashlib
import os
import random
import threading
import time

from lib.leaks import assert_at_rest, check_file_systems
from lib.plugin import Closed
from lib.wait import SLOWNESS, until

CLIENTS, KILLS = 8, 15
MS_BIND = 4096
libc = ctypes.CDLL(None, use_errno=True)
SEED = int(os.environ.get("DOL_TEST_SEED", "0")) or random.randrange(1 << 32)


class Refused(Exception):
    """doliumd answered with an error."""


def bind(source, target):
    if libc.mount(source.encode(), target.encode(), None, MS_BIND, None):
        raise OSError(ctypes.get_errno(), f"bind {source} to {target}")


def unbind(target):
    if libc.umount2(target.encode(), 0):
        raise OSError(ctypes.get_errno(), f"umount {target}")


class Client(threading.Thread):
    """One client, as dockerd is: its requests are repeated until they are answered. It knows what
    was acknowledged and what it is not sure of."""

    def __init__(self, daemon, number, stop):
        super().__init__()
        self.daemon_, self.number, self.stopping = daemon, number, stop
        self.random = random.Random(SEED + number)
        self.volumes = {}               # name -> digest of its file, None = not written
        self.place = f"{daemon.dir}/places/{number}"
        self.options = {"size": "32M", "trash": "0s" if number % 2 else "1h"}
        self.current = None             # the volume it works on
        self.failure = None
        self.done = 0

    def call(self, method, body):
        """Sends until there is an answer; the answer."""
        plugin, self.current = self.daemon_.plugin(), body["Name"]
        while True:
            try:
                status, document = plugin.call("VolumeDriver." + method, body)
                break
            except (OSError, Closed, ValueError):
                if self.stopping.is_set() and not self.daemon_.runs():
                    raise
                time.sleep(0.01)
        if status != 200:
            raise Refused(f"{method} {body}: {document}")
        return document

    def create(self):
        name = f"c{self.number}-{self.done}"
        self.call("Create", {"Name": name, "Opts": self.options})
        self.volumes[name] = None

    def use(self):
        """What a container does: mounts, binds it to its own place, and gives it all back. A Mount
        whose answer was lost counts twice: it is given up when the volume is not used any more."""
        name = self.random.choice(list(self.volumes))
        identifier = f"{self.random.getrandbits(256):064x}"
        path = self.call("Mount", {"Name": name, "ID": identifier})["Mountpoint"]
        os.makedirs(self.place, exist_ok=True)
        bind(path, self.place)
        try:
            self.write(name, self.place)
        finally:
            unbind(self.place)
        self.call("Unmount", {"Name": name, "ID": identifier})

    def write(self, name, path):
        """Checks what was written before, writes something new and syncs it."""
        file = path + "/data"
        if self.volumes[name]:
            with open(file, "rb") as old:
                assert hashlib.sha256(old.read()).hexdigest() == self.volumes[name], name
        else:
            assert os.listdir(path) == [], f"{name} is not empty"
        data = self.random.randbytes(self.random.choice((100, 5000, 300000)))
        with open(path + "/new", "wb") as new:
            new.write(data)
            os.fsync(new.fileno())
        os.rename(path + "/new", file)
        directory = os.open(path, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self.volumes[name] = hashlib.sha256(data).hexdigest()

    def remove(self):
        name = self.random.choice(list(self.volumes))
        self.volumes.pop(name)
        until(lambda: self.is_removed(name), 20, f"{name} is removed")

    def is_removed(self, name):
        try:
            self.call("Remove", {"Name": name})
        except Refused as error:
            # the answer to the first try was lost; or to a Mount, so that one seems in use
            assert "does not exist" in str(error) or "in use" in str(error), error
            return "does not exist" in str(error)
        return True

    def step(self):
        choice = self.random.random()
        if not self.volumes or (choice < 0.3 and len(self.volumes) < 6):
            self.create()
        elif choice < 0.85:
            self.use()
        else:
            self.remove()
        self.done += 1

    def run(self):
        try:
            while not self.stopping.is_set():
                self.step()
        except Exception as error:      # told by the main thread
            self.failure = (f"client {self.number}, step {self.done}: {error!r}\n"
                            + self.history(self.current))

    def history(self, name):
        """What the daemon's log tells of a volume."""
        lines = self.daemon_.process.output().splitlines()
        return "\n".join(line for line in lines if f"'{name}'" in line or " is ready after" in line)


def check_volumes(daemon, clients):
    """Everything acknowledged is there with its data, and nothing else."""
    known = {name: digest for client in clients for name, digest in client.volumes.items()}
    assert {volume["name"] for volume in daemon.rest.volumes()} == set(known)
    for name, digest in known.items():
        path = daemon.rest.mount(name)["status"]["attachment"]["path"]
        if digest:
            with open(path + "/data", "rb") as file:
                assert hashlib.sha256(file.read()).hexdigest() == digest, name
        else:
            assert os.listdir(path) == []
        daemon.rest.unmount(name)


def test_killed_under_load(make_daemon):
    print(f"DOL_TEST_SEED={SEED}")
    chance = random.Random(SEED)
    daemon = make_daemon(pool_size="6G", config={"reconcile_period": "300ms", "consumer_grace": "2s",
                                                   "log_level": "info"})
    stop = threading.Event()
    workers = [Client(daemon, number, stop) for number in range(CLIENTS)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.02, 0.6))
            if any(worker.failure for worker in workers):
                break
            daemon.kill()
            daemon.start(wait=chance.random() < 0.7)
        daemon.wait_ready()
        time.sleep(0.3)
    finally:
        stop.set()
        for worker in workers:
            worker.join(60)
    failures = [worker.failure for worker in workers if worker.failure]
    assert not failures, "\n".join(failures)
    assert sum(worker.done for worker in workers) > 50 / SLOWNESS
    check_after_load(daemon, workers)


def check_after_load(daemon, workers):
    until(lambda: not daemon.volume_mounts(), 20, "stale consumers are given up")
    assert_at_rest(daemon)
    check_volumes(daemon, workers)
    assert check_file_systems(daemon) == []
    assert_at_rest(daemon)

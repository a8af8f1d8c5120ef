# SPDX-License-Identifier: Apache-2.0
"""The first start of doliumd, its start after a crash, and the making of pools, killed and failed at
every one of their steps."""
import itertools
import os
import time

import pytest

from lib.leaks import assert_at_rest
from lib.sweep import Case, Worker, sweep

FAST = {"reconcile_period": "100ms", "survey_period": "100ms"}


def start_faulty(daemon, plan, seconds=20):
    """Starts it with a fault plan; true when it got ready, false when it ended."""
    daemon.start(wait=False, fault=plan)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not daemon.runs():
            return False
        if daemon.ready():
            return True
        time.sleep(0.01)
    raise AssertionError(f"neither ready nor ended:\n{daemon.log_tail()}")


def passes(daemon):
    return daemon.process.output().count("fault: passed")


def assert_works(daemon, name="after"):
    daemon.rest.create(name, "32M")
    path = daemon.rest.mount(name)["status"]["attachment"]["path"]
    with open(path + "/file", "w", encoding="utf-8") as file:
        file.write("x")
    daemon.rest.unmount(name)
    daemon.rest.remove(name)
    assert_at_rest(daemon)


def count_steps(make_daemon):
    """Of a first start."""
    daemon = make_daemon(pool_size="512M", config={"reconcile_period": "1h"}, fault="*=log")
    return passes(daemon)


def test_the_first_start_killed_at_every_step(make_daemon):
    steps = count_steps(make_daemon)
    assert steps > 10
    for number in range(steps):
        daemon = make_daemon(start=False, pool_size="512M", config=FAST)
        start_faulty(daemon, f"*=kill,after={number}")
        daemon.kill()
        daemon.start(fault="")
        assert_at_rest(daemon)
        assert_works(daemon)
        assert len(daemon.rest.must("GET", "/v1/pools")["items"]) == 1
        daemon.stop()


@pytest.mark.parametrize("error", ["error:no-space", "error:internal,times=0"])
def test_the_first_start_failing_at_every_step(make_daemon, error):
    """It ends and says why, or it serves and says why its pool is unavailable."""
    for number in range(count_steps(make_daemon)):
        daemon = make_daemon(start=False, pool_size="512M", config=FAST)
        if start_faulty(daemon, f"*={error},after={number}"):
            pool = daemon.rest.must("GET", "/v1/pools/default")
            assert pool["status"]["phase"] == "ready" or "fault injected" in pool["status"]["reason"]
            daemon.stop()
        else:
            assert daemon.process.popen.returncode > 0
            assert "fault injected" in daemon.log_tail()
        daemon.start(fault="")
        assert_at_rest(daemon)
        assert_works(daemon)
        daemon.stop()


def test_a_pool_that_failed_at_the_start_comes_back_by_itself(make_daemon):
    daemon = make_daemon(pool_size="512M", config=FAST, fault="driver.open.before=error:unavailable")
    assert_at_rest(daemon)
    assert_works(daemon)
    assert "PoolReady" in [event["reason"] for event in daemon.rest.events()]


def prepare_busy(daemon):
    """Volumes in every state: mounted, idle, trashed, block; what is recorded of them."""
    rest = daemon.rest
    for name in ("mounted", "idle", "trashed"):
        rest.create(name, "32M", labels={"name": name})
    rest.create("block", "32M", fs="none")
    rest.mount("block")
    path = rest.mount("mounted")["status"]["attachment"]["path"]
    with open(path + "/file", "w", encoding="utf-8") as file:
        file.write("kept")
    rest.remove("trashed", purge=False)
    return path, record(daemon)


def record(daemon):
    volumes = daemon.rest.volumes() + daemon.rest.volumes(phase="trashed")
    return {volume["name"]: (volume["uid"], volume["labels"], volume["spec"],
                             volume["status"]["phase"], bool(volume["status"].get("attachment")))
            for volume in volumes}


@pytest.mark.parametrize("action", ["kill", "error:no-space", "error:internal,times=0"])
def test_a_restart_with_mounted_volumes_at_every_step(make_daemon, action):
    daemon = make_daemon(pool_size="512M", config=FAST)
    path, before = prepare_busy(daemon)
    daemon.kill()
    for number in itertools.count():
        ready = start_faulty(daemon, f"*={action},after={number};*=log")
        with open(path + "/file", encoding="utf-8") as file:
            assert file.read() == "kept"
        if ready and passes(daemon) > 60 + number:  # the reconciler goes round and round
            break
        daemon.kill()
        with open(daemon.log, "w", encoding="utf-8"):
            pass
        if number > 40:
            break
    daemon.kill()
    daemon.start(fault="")
    assert_at_rest(daemon)
    assert record(daemon) == before
    assert len(daemon.volume_mounts()) == 1
    daemon.rest.unmount("block")


class PoolCreate(Case):
    """Pools cannot be deleted, so each run gets the next directory. With more and more of them the
    reconciler's passes would hide that the operation's own have ended."""
    limit = 20

    def prepare(self, daemon, number):
        path = f"{daemon.dir}/places/p{number}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return f"p{number}", path

    def spec(self, path):
        return {"driver": "image", "size": "512M", "path": path}

    def run(self, daemon, what):
        name, path = what
        if daemon.rest.get("/v1/pools/" + name).status != 200:
            daemon.rest.must("POST", "/v1/pools", {"name": name, "spec": self.spec(path)})

    def check(self, daemon, what, done):
        if done:
            assert daemon.rest.must("GET", "/v1/pools/" + what[0])["status"]["phase"] == "ready"

    def clean(self, daemon, what):
        daemon.rest.create("v", pool=what[0], **self.volume())
        daemon.rest.mount("v")
        daemon.rest.unmount("v")
        daemon.rest.remove("v")

    def volume(self):
        return {"size": "32M"}


class PoolCreateDir(PoolCreate):
    def spec(self, path):
        return {"driver": "dir", "path": path}

    def volume(self):
        return {"size": None}


POOLS = {"image": PoolCreate(), "dir": PoolCreateDir()}
each_pool = pytest.mark.parametrize("case", POOLS.values(), ids=POOLS)


@each_pool
def test_pool_create_killed_at_every_step(case):
    assert sweep(case, "*=kill,after={n},if={file}", Worker.run_killed) > 1


@each_pool
@pytest.mark.parametrize("error", ["error:no-space", "error:internal,times=0"])
def test_pool_create_failing_at_every_step(case, error):
    assert sweep(case, "*=" + error + ",after={n},if={file}", Worker.run_failed) > 1

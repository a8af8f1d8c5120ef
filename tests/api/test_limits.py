# SPDX-License-Identifier: Apache-2.0
"""Limits of I/O over REST: what is recorded, refused and told. That they hold: e2e/test_limits.py."""
import contextlib
import pathlib
import subprocess

LIMITS = ("read_iops", "write_iops", "read_bps", "write_bps")


def limits(volume):
    return {key: volume["spec"][key] for key in LIMITS if key in volume["spec"]}


def test_set_changed_and_taken_away(daemon):
    rest = daemon.rest
    volume = rest.create("db", "32M", read_iops=100, write_bps="1M")
    assert limits(volume) == {"read_iops": 100, "write_bps": 1 << 20}
    changed = rest.must("PATCH", "/v1/volumes/db",
                        {"spec": {"read_iops": None, "write_iops": 20, "read_bps": 1 << 16}})
    assert limits(changed) == {"write_iops": 20, "read_bps": 1 << 16, "write_bps": 1 << 20}
    assert limits(rest.volume("db")) == limits(changed)
    cleared = rest.must("PATCH", "/v1/volumes/db",
                        {"spec": {"write_iops": 0, "read_bps": 0, "write_bps": 0}})
    assert limits(cleared) == {}
    # they are settings like others: created again with other ones, it differs
    answer = rest.post("/v1/volumes", {"name": "db", "spec": {"read_iops": 50}})
    assert answer.status == 409 and "read_iops is 0, not 50" in answer.error["message"]


def test_kept_beside_the_data(daemon):
    daemon.rest.create("db", "32M", read_iops=100, write_bps="1M")
    daemon.stop()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        pathlib.Path(daemon.state_dir, name).unlink(missing_ok=True)
    daemon.start()
    assert limits(daemon.rest.volume("db")) == {"read_iops": 100, "write_bps": 1 << 20}


def test_a_bad_one_changes_nothing(daemon):
    daemon.rest.create("db", "32M", read_iops=100)
    for spec, word in (({"read_iops": 5}, "read_iops"), ({"write_bps": "1K"}, "write_bps"),
                       ({"read_iops": 1 << 32}, "read_iops"), ({"read_bps": "1x"}, "spec.read_bps")):
        answer = daemon.rest.request("PATCH", "/v1/volumes/db", {"spec": {"write_iops": 50, **spec}})
        assert answer.status == 400 and word in answer.error["message"]
    assert limits(daemon.rest.volume("db")) == {"read_iops": 100}


def test_block_volumes_cannot_be_limited(daemon):
    answer = daemon.rest.post("/v1/volumes", {"name": "raw", "spec": {
        "size": "32M", "fs": "none", "read_iops": 100}})
    assert answer.status == 501 and "fs=none cannot be limited" in answer.error["message"]
    daemon.rest.create("raw", "32M", fs="none")
    answer = daemon.rest.request("PATCH", "/v1/volumes/raw", {"spec": {"read_iops": 100}})
    assert answer.status == 501 and "cannot be limited" in answer.error["message"]


@contextlib.contextmanager
def no_control_groups():
    """This run's own mount namespace shows none that limit I/O meanwhile."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = [(line.split()[4], *line.split(" - ")[1].split()) for line in file]
    gone = [(path, kind, options) for path, kind, _, options in mounts
            if kind == "cgroup2" or kind == "cgroup" and "blkio" in options.split(",")]
    for path, _, _ in gone:
        subprocess.run(["umount", "-l", path], check=True)
    try:
        yield
    finally:
        for path, kind, options in reversed(gone):
            subprocess.run(["mount", "-t", kind, "-o", options, kind, path], check=True)


def doctor(daemon):
    checks = daemon.rest.must("GET", "/v1/doctor")["items"]
    return next(check for check in checks if check["name"] == "limits")


def test_a_host_that_cannot_says_so_and_refuses(daemon):
    rest = daemon.rest
    assert doctor(daemon)["level"] == "ok"
    rest.create("before", "32M", read_iops=100)
    rest.create("plain", "32M")
    with no_control_groups():
        check = doctor(daemon)
        assert check["level"] == "warning" and "no control groups" in check["message"]
        for answer in (rest.post("/v1/volumes", {"name": "v", "spec": {"write_bps": "1M"}}),
                       rest.patch("/v1/volumes/plain", {"spec": {"read_iops": 100}})):
            assert answer.status == 501 and "this host cannot hold them" in answer.error["message"]
        assert not rest.exists("v") and limits(rest.volume("plain")) == {}
        # what was limited elsewhere can be used, changed and set free here
        rest.mount("before")
        rest.must("PATCH", "/v1/volumes/before", {"labels": {"a": "b"}})
        rest.must("PATCH", "/v1/volumes/before", {"spec": {"read_iops": 0}})
        rest.unmount("before")

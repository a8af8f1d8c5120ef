# SPDX-License-Identifier: Apache-2.0
"""Schedules over REST, on a real pool and by the real clock."""
import datetime
import os
import re
import threading
import time

import pytest

from lib.wait import until

DAY = datetime.timedelta(days=1)


def create(daemon, name, *every, **spec):
    return daemon.rest.must("POST", "/v1/schedules", {"name": name, "spec": {"every": every, **spec}})


def schedule(daemon, name):
    return daemon.rest.must("GET", f"/v1/schedules/{name}")


def snapshots(daemon, volume):
    return daemon.rest.must("GET", "/v1/snapshots", query={"volume": volume})["items"]


def names(daemon, volume):
    return [snapshot["name"] for snapshot in snapshots(daemon, volume)]


def events(daemon, reason):
    return [event for event in daemon.rest.must("GET", "/v1/events")["items"]
            if event["reason"] == reason]


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def far_from_now():
    """A time of day that is not reached while a test runs."""
    return (datetime.datetime.now(datetime.timezone.utc) + DAY / 2).strftime("%H:%M")


def test_life(daemon):
    daemon.rest.create("db")
    made = create(daemon, "nightly", "daily 02:00 keep 7", "monthly last 04:00", volumes=["db"],
                  timezone="Europe/Berlin")
    assert made["spec"]["volumes"] == ["db"] and made["status"]["volumes"] == 1
    assert moment(made["status"]["next"]) - moment(made["status"]["created"]) <= DAY
    again = daemon.rest.post("/v1/schedules", {"name": "nightly", "spec": made["spec"]})
    assert again.status == 409 and "'nightly' exists" in again.error["message"]
    ran = daemon.rest.must("POST", "/v1/schedules/nightly/run")
    assert ran["status"]["snapshots"] == 1 and ran["status"]["failures"] == 0
    taken, = snapshots(daemon, "db")
    assert re.fullmatch(r"nightly-\d{8}T\d{6}Z", taken["name"])
    assert taken["schedule"] == "nightly" and taken["rules"] == ["daily 02:00"]
    daemon.rest.must("PATCH", "/v1/schedules/nightly", {"spec": {"timezone": None, "paused": True}})
    changed = schedule(daemon, "nightly")
    assert "timezone" not in changed["spec"] and "next" not in changed["status"]
    assert [s["name"] for s in daemon.rest.must("GET", "/v1/schedules")["items"]] == ["nightly"]
    daemon.restart()
    assert schedule(daemon, "nightly")["spec"] == changed["spec"]
    daemon.rest.must("DELETE", "/v1/schedules/nightly")
    assert daemon.rest.get("/v1/schedules/nightly").status == 404
    assert names(daemon, "db") == [taken["name"]]       # its snapshots stay
    assert events(daemon, "ScheduleCreated") and events(daemon, "ScheduleDeleted")


@pytest.mark.parametrize("body, told", [
    ({"name": "s"}, "spec.every: expected lines like"),
    ({"name": "s", "spec": {"every": ["daily 25:00"], "volumes": ["db"]}},
     "spec.every[0]: 'daily 25:00': expected 00:00 to 23:59"),
    ({"name": "s", "spec": {"every": ["daily 02:00 keep none"], "volumes": ["db"]}},
     "expected a number of 1 to 1000, got 'none'"),
    ({"name": "s", "spec": {"every": ["daily 02:00"] * 17, "volumes": ["db"]}}, "at most 16 lines"),
    ({"name": "s", "spec": {"every": ["daily 02:00"]}}, "either volumes or a label, got none"),
    ({"name": "s", "spec": {"every": ["daily 02:00"], "volumes": ["db"], "label": "a"}}, "got both"),
    ({"name": "s", "spec": {"every": ["daily 02:00"], "volumes": ["nope"]}}, "'nope' does not exist"),
    ({"name": "s", "spec": {"every": ["daily 02:00"], "volumes": ["db"], "timezone": "Mars/Olympus"}},
     "spec.timezone: 'Mars/Olympus' is not a time zone"),
    ({"name": "s", "spec": {"every": ["daily 02:00"], "volumes": ["db"], "timezone": "../../passwd"}},
     "is not a time zone"),
    ({"name": "s", "spec": {"every": "daily 02:00", "volumes": ["db"]}}, "spec.every: expected"),
    ({"name": "s", "spec": {"each": []}}, "spec.each: unknown field"),
    ({"name": "../s", "spec": {"every": ["daily 02:00"], "volumes": ["db"]}}, "name: expected 1 to 40"),
    ({"name": "s" * 41, "spec": {"every": ["daily 02:00"], "volumes": ["db"]}}, "name: expected 1 to 40"),
    ({"name": "s", "status": {"failures": 3}}, "status: this field is read-only"),
])
def test_bad_input(daemon, body, told):
    daemon.rest.create("db")
    answer = daemon.rest.post("/v1/schedules", body)
    assert answer.status in (400, 404) and told in answer.error["message"], answer
    assert daemon.rest.must("GET", "/v1/schedules")["items"] == []


def test_bad_changes(daemon):
    daemon.rest.create("db")
    made = create(daemon, "s", "daily 02:00", volumes=["db"])
    path = "/v1/schedules/s"
    for patch, told in [({"name": "t"}, "name never changes"),
                        ({"spec": None}, "null is not allowed"),
                        ({"spec": {"every": []}}, "spec.every: expected lines"),
                        ({"spec": {"volumes": None}}, "got none"),
                        ({"spec": {"label": "a=b"}}, "got both")]:
        answer = daemon.rest.request("PATCH", path, patch)
        assert answer.status == 400 and told in answer.error["message"], answer
    stale = daemon.rest.request("PATCH", path, {"spec": {"group": True}},
                                headers={"If-Match": '"1"'})
    assert stale.status == 412, stale
    assert schedule(daemon, "s")["spec"] == made["spec"]


def test_by_the_clock(daemon):
    """While others change things: no run is taken twice, and no more is kept than was said."""
    for name in ("db", "log"):
        daemon.rest.create(name, labels={"app": "pg"})
    daemon.rest.mount("db")
    create(daemon, "fast", "every 1s keep 3", label="app=pg", group=True)
    seen, end = set(), time.monotonic() + 6
    while time.monotonic() < end:
        found = snapshots(daemon, "db")
        seen |= {s["name"] for s in found}
        assert len(found) <= 4              # the oldest goes after the newest is there
        time.sleep(0.1)
    assert len(seen) >= 5
    paused = daemon.rest.must("PATCH", "/v1/schedules/fast", {"spec": {"paused": True}})
    assert paused["status"]["failures"] == 0
    db, log = snapshots(daemon, "db"), snapshots(daemon, "log")
    assert [s["name"] for s in db] == [s["name"] for s in log] and len(db) == 3
    assert [s["group"] for s in db] == [s["group"] for s in log]
    assert all(s["consistency"] == "file-system" for s in db)
    for taken in db:                        # called after the second it was due, taken within it
        due = datetime.datetime.strptime(taken["name"], "fast-%Y%m%dT%H%M%S%z")
        assert datetime.timedelta(0) <= moment(taken["created"]) - due < datetime.timedelta(seconds=1)
    daemon.rest.unmount("db")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_missed_runs_run_once(daemon, how):
    daemon.rest.create("db")
    create(daemon, "s", f"daily {far_from_now()} keep 9", "every 1d", volumes=["db"], timezone="UTC")
    getattr(daemon, how)()
    daemon.start(env={"DOLIUM_CLOCK": "73h"})
    until(lambda: names(daemon, "db"), 10, "what was missed is taken")
    taken, = snapshots(daemon, "db")
    assert len(taken["rules"]) == 2         # one for all that was missed
    called = datetime.datetime.strptime(taken["name"], "s-%Y%m%dT%H%M%S%z")
    assert abs(moment(taken["created"]) - called) < datetime.timedelta(minutes=1)
    daemon.kill()
    daemon.start(env={"DOLIUM_CLOCK": "73h"})
    time.sleep(1)
    assert names(daemon, "db") == [taken["name"]]


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("point, after", [
    *[(f"driver.snapshot-create.{when}", after) for when in ("before", "after") for after in (0, 1)],
    *[(f"store.commit.{when}", after) for when in ("before", "after") for after in (0, 1, 2, 3)]])
def test_killed_in_the_middle(make_daemon, point, after, group):
    """The run that was begun is ended by the next doliumd, with nothing twice."""
    daemon = make_daemon(docker=False)
    for name in ("a", "b"):
        daemon.rest.create(name, "16M")
    create(daemon, "s", f"daily {far_from_now()}", volumes=["a", "b"], timezone="UTC", group=group)
    trigger = daemon.dir + "/trigger"
    daemon.restart(fault=f"{point}=kill,after={after},if={trigger}", env={"DOLIUM_CLOCK": "1s"})
    with open(trigger, "w", encoding="utf-8"):
        pass
    try:
        daemon.rest.post("/v1/schedules/s/run")
    except OSError:
        pass
    daemon.wait_killed()
    daemon.start(fault="")
    until(lambda: not daemon.rest.must("GET", "/v1/operations", query={"phase": "running"})["items"]
          and "run" not in schedule(daemon, "s")["status"], 10)
    begun = (point, after) != ("store.commit.before", 0)
    for name in ("a", "b"):
        assert len(names(daemon, name)) == begun, names(daemon, name)
    assert names(daemon, "a") == names(daemon, "b")
    assert schedule(daemon, "s")["status"]["failures"] == 0


def test_what_is_protected_or_mounted_stays_and_is_told(daemon):
    daemon.rest.create("db")
    create(daemon, "s", "every 366d keep 1", volumes=["db"])
    for _ in range(2):
        daemon.rest.must("POST", "/v1/schedules/s/run")
        time.sleep(1.1)                     # names are of seconds
        last = names(daemon, "db")[-1]
        if len(names(daemon, "db")) == 1 and not events(daemon, "SnapshotHeld"):
            daemon.rest.must("PATCH", f"/v1/snapshots/db@{last}", {"protect": True})
    held, newest = names(daemon, "db")
    daemon.rest.must("POST", f"/v1/snapshots/db@{newest}/mount", {"id": "t"})
    daemon.rest.must("POST", "/v1/schedules/s/run")
    assert schedule(daemon, "s")["status"]["held"] == [f"db@{held}", f"db@{newest}"]
    told = [event["message"] for event in events(daemon, "SnapshotHeld")]
    assert len(told) == 2 and "protected" in told[0] and "mounted" in told[1], told
    daemon.rest.must("POST", f"/v1/snapshots/db@{newest}/unmount", {"id": "t"})
    daemon.rest.must("PATCH", f"/v1/snapshots/db@{held}", {"protect": False})
    daemon.rest.must("PATCH", "/v1/schedules/s", {"spec": {"group": True}})   # looks at once
    until(lambda: len(names(daemon, "db")) == 1, 5)
    assert held not in names(daemon, "db") and newest not in names(daemon, "db")


def test_a_full_pool_gives_up_snapshots_before_trash(make_daemon):
    daemon = make_daemon(pool_size="600M", config={"reconcile_period": "300ms"})
    daemon.rest.create("db", "400M")
    daemon.rest.create("old", "16M")
    daemon.rest.must("DELETE", "/v1/volumes/old")
    create(daemon, "s", "every 366d keep 9", volumes=["db"])
    path = daemon.rest.mount("db")["status"]["attachment"]["path"]
    for number in range(3):
        with open(path + "/data", "wb") as file:
            file.write(os.urandom(60 << 20))
            os.fsync(file.fileno())
        daemon.rest.must("POST", "/v1/schedules/s/run")
        time.sleep(1.1 if number < 2 else 0)
    first, second, newest = names(daemon, "db")
    daemon.rest.must("POST", "/v1/snapshots", {"name": "mine", "volumes": ["db"]})
    with open(path + "/more", "wb") as file:
        for _ in range(400):
            try:
                file.write(os.urandom(1 << 20))
                os.fsync(file.fileno())
            except OSError:
                break
            if first not in names(daemon, "db"):
                break
    until(lambda: first not in names(daemon, "db"), 10, "the oldest is given up")
    left = names(daemon, "db")
    assert newest in left and "mine" in left
    assert events(daemon, "SnapshotGivenUp")
    assert daemon.rest.must("GET", "/v1/volumes", query={"phase": "trashed"})["items"], \
        f"the trash went before snapshots did ({second in left})"
    daemon.rest.unmount("db")


def test_many_at_once(daemon):
    """Schedules are run, changed and deleted at the same time."""
    daemon.rest.create("db")
    create(daemon, "s", "every 1s keep 2", volumes=["db"])
    failures = []

    def work(number):
        for _ in range(15):
            answer = (daemon.rest.post("/v1/schedules/s/run") if number % 2 else
                      daemon.rest.request("PATCH", "/v1/schedules/s", {"spec": {"group": True}}))
            if answer.status not in (200, 412):
                failures.append(answer)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    daemon.rest.must("DELETE", "/v1/schedules/s")
    assert 1 <= len(names(daemon, "db")) <= 3

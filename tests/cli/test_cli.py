# SPDX-License-Identifier: Apache-2.0
"""Every command of dolium: what it asks of the daemon and what it prints."""
import json
import os
import re

import pytest

GIB = 1 << 30


def changes(fake):
    """The requests that changed something, without the time they were ready to wait."""
    return [(method, path, {key: value for key, value in query.items() if key != "wait"}, body)
            for method, path, query, body in fake.requests if method != "GET"]


def test_create_sends_only_what_was_said(dolium, fake):
    result = dolium("volume", "create", "db")
    assert (result.out, result.err) == ("db\n", "")
    assert changes(fake) == [("POST", "/v1/volumes", {}, {"name": "db"})]


def test_create_with_everything(dolium, fake):
    fake.add_pool("fast")
    dolium("volume", "create", "--size", "20G", "db", "--fs=xfs", "--pool", "fast", "--thick",
           "--uid", "999", "--gid=998", "--mode", "2775", "--mountopts", "noatime,nodev",
           "--label", "app=pg", "-l", "query=a=b", "--label", "empty=", "--protect",
           "--trash", "7d")
    assert changes(fake) == [("POST", "/v1/volumes", {}, {
        "name": "db", "labels": {"app": "pg", "query": "a=b", "empty": ""},
        "spec": {"size": "20G", "fs": "xfs", "pool": "fast", "thick": True, "uid": 999, "gid": 998,
                 "mode": "2775", "mountopts": "noatime,nodev", "protect": True, "trash": "7d"}})]


def test_create_again_says_so(dolium, fake):
    dolium("volume", "create", "db", "--size", "1G")
    again = dolium("volume", "create", "db", "--size", "1G")
    assert again.out == "db\n" and "was there already" in again.err
    assert dolium("-q", "volume", "create", "db", "--size", "1G").err == ""
    other = dolium("volume", "create", "db", "--size", "2G", status=73)
    assert other.out == "" and "exists with size" in other.err


@pytest.mark.parametrize("toggle, value", [("--protect", True), ("--protect=true", True),
                                           ("--protect=off", False), ("--protect=0", False)])
def test_toggles(dolium, fake, toggle, value):
    fake.add_volume("db")
    dolium("volume", "set", "db", toggle)
    assert changes(fake)[0][3] == {"spec": {"protect": value}}


def test_ls_is_in_order_and_without_trash(dolium, fake):
    fake.add_volume("b")
    fake.add_volume("a", size="512M")
    fake.add_trashed("t")
    lines = dolium("volume", "ls").lines
    assert lines[0].split() == "NAME SIZE USED USE% POOL FS PHASE MOUNTED-BY AGE".split()
    assert [line.split() for line in lines[1:]] == [
        ["a", "512M", "-", "-", "default", "ext4", "available", "-", "5m"],
        ["b", "10G", "-", "-", "default", "ext4", "available", "-", "5m"]]
    assert dolium("volume", "ls", "-q").out == "a\nb\n"
    assert dolium("volume", "ls", "--all", "-q").out == "a\nb\nt\n"
    assert dolium("volume", "ls", "--phase", "trashed", "-q").out == "t\n"


def test_ls_filters(dolium, fake):
    fake.add_pool("fast")
    fake.add_volume("a", {"app": "web", "tier": "1"})
    fake.add_volume("b", {"app": "db"}, pool="fast")
    fake.add_volume("c", {"tier": "1"})
    assert dolium("volume", "ls", "-q", "--label", "app=web").out == "a\n"
    assert dolium("volume", "ls", "-q", "-l", "app").out == "a\nb\n"
    assert dolium("volume", "ls", "-q", "-l", "app", "-l", "tier=1").out == "a\n"
    assert dolium("volume", "ls", "-q", "--pool", "fast").out == "b\n"


def test_ls_follows_pages(dolium, fake):
    fake.page = 7
    names = sorted(f"v{number:03}" for number in range(100))
    for name in names:
        fake.add_volume(name)
    assert dolium("volume", "ls", "-q").lines == names
    assert len(fake.requests) == 15
    assert len(json.loads(dolium("volume", "ls", "-o", "json").out)) == 100


def test_ls_of_nothing(dolium):
    assert len(dolium("volume", "ls").lines) == 1
    assert dolium("volume", "ls", "-q").out == ""
    assert json.loads(dolium("volume", "ls", "-o", "json").out) == []


def test_inspect(dolium, fake):
    volume = fake.add_volume("db", {"app": "pg"})
    text = dolium("volume", "inspect", "db").out
    for part in ("Name:", volume["uid"], "app=pg", "10G", "ext4", "(5m ago)"):
        assert part in text
    both = json.loads(dolium("volume", "inspect", "db", "uid:" + volume["uid"], "-o", "json").out)
    assert both == [volume, volume]


def test_inspect_goes_on_past_what_is_missing(dolium, fake):
    fake.add_volume("a")
    fake.add_volume("c")
    result = dolium("volume", "inspect", "a", "b", "c", "-q", status=66)
    assert result.out == "a\nc\n"
    assert result.err == "dolium: volume 'b' does not exist\n"


def test_rm_to_the_trash_and_back(dolium, fake):
    fake.add_volume("a")
    fake.add_volume("b")
    result = dolium("volume", "rm", "a", "b")
    assert result.out == "a\nb\n"
    assert len(re.findall(r"^volume '[ab]' is in the trash until [-0-9]+T[0-9:]+Z$", result.err,
                          re.MULTILINE)) == 2
    assert changes(fake)[0] == ("DELETE", "/v1/volumes/a", {}, None)
    trash = dolium("trash", "ls").lines
    assert trash[0].split() == "NAME UID SIZE TAKES POOL DELETED EXPIRES".split()
    assert re.search(r" in 2[34]h$", trash[1])
    assert dolium("trash", "ls", "-q").out == "a\nb\n"
    assert dolium("trash", "restore", "a").out == "a\n"
    assert dolium("trash", "restore", "b", "--name", "c").out == "c\n"
    assert dolium("volume", "ls", "-q").out == "a\nc\n"


def test_rm_quietly(dolium, fake):
    fake.add_volume("a")
    result = dolium("volume", "rm", "a", "-q")
    assert (result.out, result.err) == ("a\n", "")


def test_rm_purge(dolium, fake):
    fake.add_volume("a")
    result = dolium("volume", "rm", "a", "--purge")
    assert (result.out, result.err) == ("a\n", "")
    assert changes(fake) == [("DELETE", "/v1/volumes/a", {"purge": "true"}, None)]
    assert not fake.volumes


def test_rm_refused(dolium, fake):
    fake.add_volume("a", protect=True)
    fake.add_volume("b")
    result = dolium("volume", "rm", "a", "b", status=65)
    assert result.out == "b\n" and "'a' is protected" in result.err


def test_restore_by_uid(dolium, fake):
    first, second = fake.add_trashed("db"), fake.add_trashed("db")
    assert "uid:" in dolium("trash", "restore", "db", status=65).err
    assert dolium("trash", "restore", second["uid"]).out == "db\n"
    assert second["status"]["phase"] == "available"
    dolium("trash", "restore", "uid:" + first["uid"], "--name", "older")
    assert first["name"] == "older"
    assert "does not exist" in dolium("trash", "restore", first["uid"], status=66).err


def test_trash_empty(dolium, fake):
    fake.add_volume("keep")
    fake.add_trashed("a")
    fake.add_trashed("a")
    refused = dolium("trash", "empty", status=64)
    assert "--yes" in refused.err and len(fake.volumes) == 3
    done = dolium("trash", "empty", "--yes")
    assert (done.out, done.err) == ("", "2 volumes deleted for good\n")
    assert [volume["name"] for volume in fake.volumes] == ["keep"]
    assert dolium("trash", "empty").err == "0 volumes deleted for good\n"


def test_trash_empty_reports_what_stays(dolium, fake):
    fake.add_trashed("a", protect=True)
    fake.add_trashed("b")
    result = dolium("trash", "empty", "-y", "-q", status=65)
    assert result.out == "b\n" and "volume 'a' (uid " in result.err


def test_rename(dolium, fake):
    fake.add_volume("old")
    assert dolium("volume", "rename", "old", "new name").out == "new name\n"
    assert changes(fake) == [("PATCH", "/v1/volumes/old", {}, {"name": "new name"})]


def test_set(dolium, fake):
    fake.add_volume("db", {"gone": "x", "app": "old"})
    dolium("volume", "set", "db", "--label", "app=pg", "--unlabel", "gone", "--trash", "0",
           "--mountopts", "noatime", "--protect")
    assert changes(fake)[0][3] == {
        "labels": {"app": "pg", "gone": None},
        "spec": {"protect": True, "trash": "0", "mountopts": "noatime"}}
    assert fake.volumes[0]["labels"] == {"app": "pg"}
    dolium("volume", "set", "db", "--read-iops", "500", "--write-bps=20M", "--read-bps", "none")
    assert changes(fake)[1][3] == {
        "spec": {"read_iops": 500, "write_bps": "20M", "read_bps": 0}}
    dolium("volume", "set", "db", "--mountopts", "")
    assert changes(fake)[2][3] == {"spec": {"mountopts": None}}
    assert "nothing to set" in dolium("volume", "set", "db", status=64).err


def test_mount_prints_the_path_alone(dolium, fake):
    volume = fake.add_volume("db")
    path = "/var/lib/dolium/mnt/" + volume["uid"]
    assert dolium("volume", "mount", "db").out == path + "\n"
    assert dolium("volume", "mount", "db", "-q").out == path + "\n"
    assert changes(fake)[0] == ("POST", "/v1/volumes/db/mount", {}, {"id": "cli"})
    dolium("volume", "mount", "db", "--id", "")
    assert changes(fake)[2][3] == {"id": ""}
    document = json.loads(dolium("volume", "mount", "db", "-o", "json").out)
    assert document["status"]["attachment"]["path"] == path
    assert json.loads(dolium("volume", "mount", "db", "-qo", "json").out) == path


def test_mount_of_a_block_volume_prints_the_device(dolium, fake):
    fake.add_volume("raw", fs="none")
    assert dolium("volume", "mount", "raw").out == "/dev/loop3\n"


def test_unmount(dolium, fake):
    fake.add_volume("db")
    dolium("volume", "mount", "db", "--id", "a")
    dolium("volume", "mount", "db", "--id", "b")
    first = dolium("volume", "unmount", "db", "--id", "a")
    assert (first.out, first.err) == ("db\n", "volume 'db' stays mounted for rest:b\n")
    dolium("volume", "umount", "db")  # not ours to begin with: no error
    last = dolium("volume", "umount", "db", "--force")
    assert (last.out, last.err) == ("db\n", "")
    assert changes(fake)[-1][3] == {"id": "cli", "force": True}


def test_adopt(dolium, fake):
    fake.add_pool("fast")
    fake.unknown = {"default": [{"uid": "u-1", "name": "lost", "size": GIB, "allocated": 4096,
                                 "created": "2026-01-01T00:00:00Z", "reason": "no record"}],
                    "fast": [{"uid": "u-2", "name": "other", "size": 2 * GIB}]}
    lines = dolium("pool", "unknown").lines
    assert lines[0].split() == "UID NAME POOL SIZE TAKES CREATED REASON".split()
    assert [line.split()[:4] for line in lines[1:]] == [["u-1", "lost", "default", "1G"],
                                                        ["u-2", "other", "fast", "2G"]]
    assert dolium("pool", "unknown", "fast", "-q").out == "u-2\n"
    assert "pool unknown" in dolium("volume", "adopt", "u-1", status=64).err
    assert dolium("volume", "adopt", "u-1", "--pool", "default").out == "lost\n"
    assert dolium("volume", "adopt", "u-2", "--pool=fast", "--name", "mine").out == "mine\n"
    assert changes(fake)[1] == ("POST", "/v1/pools/fast/adopt", {}, {"uid": "u-2", "name": "mine"})


def test_pools(dolium, fake):
    assert dolium("pool", "create", "bulk", "--path", "/srv/bulk", "--driver=dir", "--size", "5G",
                  "--media", "hdd", "--overcommit", "1.5", "--warn=0.7", "--full", "0.9",
                  "--reserve=1G", "--label", "rack=3").out == "bulk\n"
    assert changes(fake) == [("POST", "/v1/pools", {}, {
        "name": "bulk", "labels": {"rack": "3"},
        "spec": {"path": "/srv/bulk", "driver": "dir", "size": "5G", "media": "hdd",
                 "overcommit": 1.5, "warn": 0.7, "full": 0.9, "reserve": "1G"}})]
    dolium("pool", "create", "disk", "--device", "/dev/sdb")
    assert changes(fake)[1][3] == {"name": "disk", "spec": {"device": "/dev/sdb"}}
    assert dolium("pool", "ls", "-q").out == "default\nbulk\ndisk\n"
    assert dolium("pool", "ls").lines[1].split() == [
        "default", "image", "ssd", "100G", "25G", "75G", "25%", "40G", "0", "ready"]
    assert "/srv/bulk" in dolium("pool", "inspect", "bulk").out
    assert json.loads(dolium("pool", "inspect", "bulk", "-o", "json").out) == [fake.pools[1]]
    assert "pool 'none' does not exist" in dolium("pool", "inspect", "none", status=66).err


def test_operations(dolium, fake):
    volume = fake.add_volume("db")
    old = fake.add_operation("create", volume)
    new = fake.add_operation("delete", volume, phase="failed", error_kind="busy",
                             message="volume 'db' is mounted")
    lines = dolium("operation", "ls").lines
    assert lines[0].split() == "UID OPERATION VOLUME PHASE BY AGE TOOK MESSAGE".split()
    assert [line.split()[0] for line in lines[1:]] == [new["uid"], old["uid"]]
    assert dolium("operation", "ls", "-q", "--phase=failed", "--volume", "db",
                  "--limit", "5").out == new["uid"] + "\n"
    assert fake.requests[-1][2] == {"phase": "failed", "volume": "db", "limit": "5"}
    assert "is mounted" in dolium("operation", "inspect", new["uid"]).out
    assert json.loads(dolium("operation", "inspect", old["uid"], "-o", "json").out) == [old]
    assert dolium("operation", "wait", old["uid"], "-q").out == old["uid"] + "\n"
    failed = dolium("operation", "wait", new["uid"], status=75)
    assert failed.err == "dolium: volume 'db' is mounted\n" and "failed" in failed.out
    assert "does not exist" in dolium("operation", "wait", "no-such", status=66).err


def test_events(dolium, fake):
    fake.page = 3
    for number in range(10):
        fake.add_event(f"Reason{number}", name="db" if number % 2 else "web")
    lines = dolium("events").lines
    assert lines[0].split() == "TIME LEVEL REASON OBJECT NAME BY MESSAGE".split()
    assert [line.split()[2] for line in lines[1:]] == [f"Reason{n}" for n in range(10)]
    assert all(re.match(r"[-0-9]{10}T[0-9:]{8}Z ", line) for line in lines[1:])
    assert dolium("events", "-q", "--after", "8").out == "9\n10\n"
    assert dolium("events", "-q", "--volume", "db").lines == ["2", "4", "6", "8", "10"]
    assert json.loads(dolium("events", "-o", "json").out) == fake.events


def test_df(dolium, fake):
    fake.add_volume("db")["status"].update(
        used=3 * GIB, available=7 * GIB, attachment={
            "path": "/x", "consumers": [{"client": "docker", "id": "0123456789abcdef", "count": 1},
                                        {"client": "podman", "id": "", "count": 2}]})
    volumes, pools = (part.splitlines() for part in dolium("df").out.split("\n\n"))
    assert volumes[0].split() == "VOLUME SIZE USED AVAIL USE% POOL MOUNTED-BY".split()
    assert volumes[1].split(maxsplit=6) == ["db", "10G", "3G", "7G", "30%", "default",
                                            "docker:0123456789ab, podman x2"]
    assert pools[0].split() == ("POOL CAPACITY USED AVAIL USE% PROMISED PROMISABLE TRASH "
                                "VOLUMES").split()
    assert pools[1].split() == ["default", "100G", "25G", "75G", "25%", "40G", "160G", "0", "0"]
    assert json.loads(dolium("df", "-o", "json").out) == {"volumes": fake.volumes,
                                                          "pools": fake.pools}
    assert dolium("df", "-q").out == "db\n"


def test_doctor(dolium, fake):
    assert "loop devices are there" in dolium("doctor").out
    fake.doctor.append({"name": "xfs", "level": "warning", "message": "no mkfs.xfs",
                        "help": "apt install xfsprogs"})
    assert "-> apt install xfsprogs" in dolium("doctor").out
    fake.doctor.append({"name": "root", "level": "error", "message": "not root"})
    assert dolium("doctor", status=1).err == ""
    assert json.loads(dolium("doctor", "-o", "json", status=1).out) == fake.doctor
    assert dolium("doctor", "-q", status=1).out == "loop\nxfs\nroot\n"


def test_doctor_without_a_daemon(dolium, fake):
    fake.stop()
    result = dolium("doctor", status=1)
    assert "error" in result.out and fake.socket in result.out and "-> check --host" in result.out
    items = json.loads(dolium("doctor", "-o", "json", status=1).out)
    assert [(item["name"], item["level"]) for item in items] == [("daemon", "error")]


def test_doctor_says_how_to_start_the_daemon(dolium):
    if os.path.exists("/run/dolium/dolium.sock"):
        pytest.skip("a doliumd runs on this host")
    result = dolium("doctor", env={"DOLIUM_HOST": ""}, status=1)
    assert "systemctl start doliumd" in result.out


def test_version(dolium, fake):
    text = dolium("version").out
    assert "9.8.7" in text and "v1" in text
    own = dolium("--version").out
    assert own.startswith("dolium ") and own.split()[1] in text
    assert dolium("version", "-q").out == own.split()[1] + "\n"
    document = json.loads(dolium("version", "-o", "json").out)
    assert document["server"]["version"] == "9.8.7"
    fake.stop()
    down = dolium("version", status=75)
    assert own.split()[1] in down.out and fake.socket in down.err
    assert json.loads(dolium("version", "-o", "json", status=75).out)["server"] is None
    dolium("--version")


def test_aliases(dolium, fake):
    fake.add_volume("a")
    assert dolium("volume", "list", "-q").out == "a\n"
    assert dolium("volume", "remove", "a", "-q").out == "a\n"


def test_options_stand_anywhere(dolium, fake):
    fake.add_volume("a")
    expected = json.dumps(["a"])
    for arguments in (("-q", "-o", "json", "volume", "ls"), ("volume", "-qojson", "ls"),
                      ("volume", "ls", "--quiet", "--output=json"),
                      ("-oyaml", "volume", "ls", "-q", "-o", "json")):
        assert json.loads(dolium(*arguments).out) == json.loads(expected)


def test_host_option_goes_before_the_environment(dolium, fake):
    dolium("volume", "ls", "--host", fake.host, env={"DOLIUM_HOST": "unix:///nowhere"})
    dolium("volume", "ls", "--host", "unix:///nowhere", status=75)


def test_double_dash_ends_the_options(dolium, fake):
    dolium("volume", "create", "--", "--purge")
    assert dolium("volume", "rm", "--", "--purge").out == "--purge\n"


def all_commands(table):
    yield table
    for command in table["commands"]:
        yield from all_commands(command)


@pytest.mark.parametrize("way", ["--help", "-h", "help"])
def test_help_for_everything(dolium, fake, way):
    fake.stop()  # help needs no daemon
    for command in all_commands(json.loads(dolium("help", "-o", "json").out)):
        words = command["path"].split()[1:]
        text = dolium("help", *words).out if way == "help" else dolium(*words, way).out
        assert text.startswith(f"Usage: {command['path']}")
        assert command["summary"] in text
        for option in command["options"]:
            assert "--" + option["name"] in text and option["doc"] in text
        for inner in command["commands"]:
            assert f"  {inner['name']}" in text


def test_help_for_what_is_not_there(dolium):
    assert "did you mean 'create'?" in dolium("help", "volume", "creat", status=64).err
    assert "__complete" not in dolium("--help").out

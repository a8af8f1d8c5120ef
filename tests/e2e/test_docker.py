# SPDX-License-Identifier: Apache-2.0
"""The main job with a real dockerd: data outlives its container, within an enforced size."""
import json
import os
import re
import subprocess
import threading
import time

import pytest

from lib.docker import Docker
from lib.kernel import is_mounted
from lib.plugin import DOCKER, Plugin
from lib.wait import SLOWNESS, until

MIB = 1 << 20


@pytest.fixture
def create(docker, daemon):
    """create("v", "size=64M", ...): docker volume create with the plugin; CompletedProcess."""
    def make(name, *options, check=True):
        flags = [flag for option in options for flag in ("-o", option)]
        return docker("volume", "create", "-d", daemon.name, *flags, name, check=check)
    return make


def consumers(daemon, name):
    """{id: count} of the volume's consumers."""
    attachment = daemon.rest.volume(name)["status"].get("attachment") or {}
    return {entry["id"]: entry["count"] for entry in attachment.get("consumers", [])}


def gone(daemon, seconds=5):
    """Nothing is mounted any more."""
    until(lambda: not daemon.volume_mounts(), seconds, "the last unmount")


# The main job

def test_data_outlives_its_container(daemon, docker, create):
    create("v1", "size=64M")
    docker("run", "--name", "writer", "--network", "none", "-v", "v1:/data", docker.image(),
           "sh", "-c", "echo precious >/data/f && sync")
    docker("rm", "writer")
    assert docker.run("v1", "cat /data/f") == "precious\n"
    gone(daemon)
    assert docker("volume", "ls", "-q").stdout.split() == ["v1"]


def test_the_size_is_enforced(docker, create):
    create("small", "size=64M")
    done = docker.run("small", "dd if=/dev/zero of=/data/big bs=1M count=200", check=False)
    assert done.returncode != 0 and "No space left on device" in done.stderr
    size, used = docker.run("small", "rm /data/big; df -k /data | tail -n 1").split()[1:3]
    assert 0.80 * 64 * 1024 < int(size) <= 64 * 1024
    assert int(used) < 8 * 1024
    # Nearly all of it can really be used.
    docker.run("small", "dd if=/dev/zero of=/data/fits bs=1M count=48")


@pytest.mark.daemon(pool_size="24G")
def test_a_size_is_given_even_when_none_is_asked(docker, create):
    create("plain")
    size = int(docker.run("plain", "df -k /data | tail -n 1").split()[1])
    assert 9 << 20 < size <= 10 << 20


def test_docker_run_makes_the_volume(daemon, docker):
    docker("run", "--rm", "--network", "none", "--mount",
           f"type=volume,src=made,dst=/data,volume-driver={daemon.name},volume-opt=size=32M",
           docker.image(), "sh", "-c", "echo x >/data/x")
    assert docker.inspect("volume", "made")["Driver"] == daemon.name
    assert daemon.rest.volume("made")["spec"]["size"] == 32 * MIB


@pytest.mark.daemon(pool_size="24G")
def test_an_anonymous_volume_goes_with_its_container(daemon, docker):
    docker("run", "--rm", "--network", "none", "--volume-driver", daemon.name, "-v", "/data",
           docker.image(), "sh", "-c", "echo x >/data/x")
    assert daemon.rest.volumes() == []


def test_removing_a_volume(daemon, docker, create):
    create("bye", "size=32M")
    docker.run("bye", "echo x >/data/x")
    docker("volume", "rm", "bye")
    assert daemon.rest.volumes() == []
    assert [item["name"] for item in daemon.rest.volumes(phase="trashed")] == ["bye"]


def test_restart_of_a_container(daemon, docker, create):
    create("rs", "size=32M")
    docker.start_container("cr", "rs", "date >>/data/starts; sleep 1000")
    until(lambda: consumers(daemon, "rs"), 5)
    before = consumers(daemon, "rs")
    docker("restart", "-t", "0", "cr")
    assert len(consumers(daemon, "rs")) == 1 and consumers(daemon, "rs") != before
    until(lambda: docker("exec", "cr", "cat", "/data/starts").stdout.count("\n") == 2, 5)
    docker("rm", "-f", "cr")
    gone(daemon)


def test_two_containers_share_a_volume(daemon, docker, create):
    create("sh", "size=32M")
    docker.start_container("c1", "sh", "sleep 1000")
    docker.start_container("c2", "sh", "sleep 1000")
    assert sorted(consumers(daemon, "sh").values()) == [1, 1]
    docker("exec", "c1", "sh", "-c", "echo from-c1 >/data/f")
    docker("rm", "-f", "c1")
    assert docker("exec", "c2", "cat", "/data/f").stdout == "from-c1\n"
    assert len(daemon.volume_mounts()) == 1
    docker("rm", "-f", "c2")
    gone(daemon)


def test_one_volume_twice_in_one_container(daemon, docker, create):
    create("tw", "size=32M")
    docker.run("tw", "echo x >/data/x && cat /other/x", "-v", "tw:/other")
    gone(daemon)


def test_read_only(docker, create):
    create("ro", "size=32M")
    docker.run("ro", "echo x >/data/x")
    done = docker("run", "--rm", "--network", "none", "-v", "ro:/data:ro", docker.image(), "sh",
                  "-c", "cat /data/x; echo y >/data/y", check=False)
    assert done.stdout == "x\n" and "Read-only" in done.stderr


def test_twenty_starts_at_once_on_one_volume(daemon, docker, create):
    create("many", "size=64M")
    docker.image()
    errors = []

    def run(number):
        done = docker.run("many", f"echo {number} >/data/{number}; sleep 1", check=False)
        if done.returncode:
            errors.append(done.stderr)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(map(int, docker.run("many", "ls /data").split())) == list(range(20))
    gone(daemon)


def test_docker_cp_repeats_the_id_of_a_running_container(daemon, docker, create):
    create("cp", "size=32M")
    docker.start_container("cc", "cp", "echo inside >/data/f; sleep 1000")
    until(lambda: docker("exec", "cc", "ls", "/data").stdout, 5)
    for number in range(3):
        docker("cp", "cc:/data/f", f"{docker.dir}/out{number}")
        docker("cp", docker.config_file(), f"cc:/data/in{number}")
    assert open(docker.dir + "/out0", encoding="ascii").read() == "inside\n"
    assert list(consumers(daemon, "cp").values()) == [1]
    docker("exec", "cc", "sh", "-c", "test -e /data/in2 && echo on >>/data/f")
    docker("rm", "-f", "cc")
    gone(daemon)


def test_docker_cp_on_a_stopped_container(daemon, docker, create):
    create("st", "size=32M")
    docker("create", "--name", "cs", "--network", "none", "-v", "st:/data", docker.image())
    docker("cp", docker.config_file(), "cs:/data/in")
    gone(daemon)
    docker("cp", "cs:/data/in", docker.dir + "/out")
    assert os.path.getsize(docker.dir + "/out")
    gone(daemon)


# Content of the image

def test_a_new_volume_gets_the_images_content(docker, create):
    create("cu", "size=32M")
    listing = docker.run("cu", "cd /data && stat -c '%n %u %g %a' * && cat link && cat 'sub/ä file'",
                         image="content")
    assert "seed 1234 2345 640\n" in listing
    assert listing.endswith("from the image\ndeep\n")
    # Not again: what the user deleted stays deleted.
    docker.run("cu", "rm /data/seed", image="content")
    assert "seed" not in docker.run("cu", "ls /data", image="content").split()


def test_nocopy(docker, create):
    create("nc", "size=32M")
    assert docker("run", "--rm", "--network", "none", "-v", "nc:/data:nocopy",
                  docker.image("content"), "ls", "/data").stdout == ""


# Options

def test_options_reach_the_volume(daemon, docker, create):
    create("op", "size=512M", "fs=xfs", "uid=1234", "gid=2345", "mode=2770",
           "mountopts=noatime,nodev", "label.team=a b", "label.tier=gold", "trash=2h")
    volume = daemon.rest.volume("op")
    assert volume["spec"]["fs"] == "xfs" and volume["spec"]["size"] == 512 * MIB
    assert volume["labels"] == {"team": "a b", "tier": "gold"}
    assert docker("run", "--rm", "--network", "none", "-v", "op:/mnt", docker.image(), "stat", "-c",
                  "%u %g %a", "/mnt").stdout == "1234 2345 2770\n"
    options = docker.run("op", "grep ' /data ' /proc/mounts").split()
    assert options[2] == "xfs" and {"noatime", "nodev"} <= set(options[3].split(","))


def test_a_protected_volume_is_not_removed(daemon, docker, create):
    create("pr", "size=32M", "protect=true")
    docker.run("pr", "echo x >/data/x")
    done = docker("volume", "rm", "pr", check=False)
    assert done.returncode and "protect" in done.stderr
    assert docker("volume", "rm", "-f", "pr", check=False).returncode
    assert docker.run("pr", "cat /data/x") == "x\n"
    daemon.rest.must("PATCH", "/v1/volumes/pr", {"spec": {"protect": False}})
    docker("volume", "rm", "pr")


def test_trash_of_zero_deletes_at_once(daemon, docker, create):
    create("tr", "size=32M", "trash=0s")
    docker("volume", "rm", "tr")
    assert daemon.rest.volumes(phase="trashed") == []


def test_a_thick_volume_takes_its_space_at_once(daemon, docker, create):
    create("thin", "size=128M")
    create("thick", "size=128M", "thick=true")
    allocated = {name: daemon.rest.volume(name)["status"]["allocated"] for name in ("thin", "thick")}
    assert allocated["thick"] >= 128 * MIB and allocated["thin"] < 32 * MIB


@pytest.mark.parametrize("option,word", [("sise=1G", "sise"), ("size=much", "size"),
                                         ("fs=ntfs", "fs"), ("class=gold", "class"),
                                         ("mode=rwx", "mode"), ("pool=nosuch", "nosuch")])
def test_a_wrong_option_is_explained(daemon, docker, create, option, word):
    done = create("wrong", option, check=False)
    assert done.returncode and word in done.stderr
    if word == "sise":
        assert all(known in done.stderr for known in ("size", "fs", "pool", "protect", "label"))
    assert docker("volume", "ls", "-q").stdout == ""
    assert daemon.rest.volumes() == []


@pytest.mark.parametrize("name", ["a/b", "../x", "v@s"])
def test_a_wrong_name_is_explained(docker, create, name):
    done = create(name, check=False)
    assert done.returncode and "name" in done.stderr


def test_inspect_shows_the_status(daemon, docker, create):
    create("in", "size=64M")
    docker.start_container("ci", "in", "dd if=/dev/zero of=/data/f bs=1M count=20; sync; sleep 1000")
    until(lambda: docker("exec", "ci", "ls", "/data", check=False).stdout, 5)
    volume = docker.inspect("volume", "in")
    status = {key.lower(): str(value) for key, value in volume["Status"].items()}
    assert {"size", "used", "pool", "fs", "state", "consumers"} <= set(status)
    assert "64" in status["size"] or str(64 * MIB) in status["size"]
    assert status["pool"] == "default" and status["fs"] == "ext4"
    assert volume["Mountpoint"] and is_mounted(volume["Mountpoint"])
    assert not volume["CreatedAt"].startswith("0001")
    docker("rm", "-f", "ci")


def test_a_volume_in_use_is_not_removed_behind_dockers_back(daemon, docker, create):
    create("use", "size=32M")
    docker.start_container("cu", "use", "echo x >/data/x; sleep 1000")
    answer = daemon.rest.delete("/v1/volumes/use", query={"purge": "true"})
    assert answer.status in (409, 423) and "use" in answer.error["message"]
    assert docker("exec", "cu", "cat", "/data/x").stdout == "x\n"
    docker("rm", "-f", "cu")


def test_an_error_at_mount_names_the_volume(daemon, docker, create):
    create("lost", "size=32M")
    uid = daemon.rest.volume("lost")["uid"]
    images = subprocess.run(["find", daemon.state_dir, "-path", f"*{uid}*", "-type", "f", "-name",
                             "disk"], capture_output=True, text=True, check=True).stdout.split()
    assert len(images) == 1
    os.rename(images[0], images[0] + ".away")
    done = docker.run("lost", "true", check=False)
    os.rename(images[0] + ".away", images[0])
    assert done.returncode == 125 and "lost" in done.stderr
    docker.run("lost", "true")


# Crashes and restarts

WRITER = ("i=0; while :; do i=$((i+1)); echo $i >/data/n.new && sync /data/n.new && "
          "mv /data/n.new /data/n && cat /data/n >/dev/null || echo $i >>/data/errors; done")


def count(docker, name):
    text = docker("exec", name, "cat", "/data/n", check=False).stdout.strip()
    return int(text) if text else 0


def goes_on(docker, name):
    """The container writes, now."""
    start = count(docker, name)
    until(lambda: count(docker, name) > start + 5, 20, "the container goes on writing")


@pytest.mark.parametrize("containers", ["live on", "die too"])
def test_dockerd_killed_and_ids_replayed(daemon, docker, create, containers):
    """A killed dockerd mounts the same ids again at its next start, without an unmount between."""
    create("kl", "size=32M")
    docker.start_container("ck", "kl", WRITER, "--restart", "always")
    until(lambda: count(docker, "ck"), 10)
    before = consumers(daemon, "kl")
    for _ in range(2):
        docker.kill()
        if containers == "die too":
            docker.kill_leftovers()
        docker.start()
        until(lambda: docker.inspect("container", "ck")["State"]["Running"], 20)
        goes_on(docker, "ck")
        assert set(consumers(daemon, "kl")) == set(before)
    assert len(daemon.volume_mounts()) == 1
    docker("rm", "-f", "ck")
    gone(daemon)


def test_clean_restart_of_dockerd(daemon, docker, create):
    create("cl", "size=32M")
    docker.start_container("cc", "cl", WRITER, "--restart", "always")
    until(lambda: count(docker, "cc"), 10)
    docker.stop()
    gone(daemon)
    docker.start()
    until(lambda: docker.inspect("container", "cc")["State"]["Running"], 20)
    goes_on(docker, "cc")
    docker("rm", "-f", "cc")
    gone(daemon)


@pytest.mark.docker("--live-restore")
def test_live_restore(daemon, docker, create):
    """The container outlives dockerd, which neither unmounts nor mounts again."""
    create("lr", "size=32M")
    docker.start_container("cl", "lr", WRITER)
    until(lambda: count(docker, "cl"), 10)
    before, written = consumers(daemon, "lr"), count(docker, "cl")
    docker.stop()
    daemon.restart()
    docker.start()
    assert count(docker, "cl") > written
    goes_on(docker, "cl")
    assert consumers(daemon, "lr") == before
    docker("rm", "-f", "cl")
    gone(daemon)


def test_a_running_container_does_not_notice_kills_of_doliumd(daemon, docker, create):
    create("io", "size=64M")
    docker.start_container("cio", "io", WRITER)
    until(lambda: count(docker, "cio"), 10)
    for _ in range(5):
        daemon.kill()
        goes_on(docker, "cio")
        daemon.start()
        goes_on(docker, "cio")
    assert docker("exec", "cio", "cat", "/data/errors", check=False).stdout == ""
    assert len(daemon.volume_mounts()) == 1
    assert docker.run("io", "cat /data/n")
    docker("rm", "-f", "cio")
    gone(daemon)


def test_fio_verifies_across_restarts_of_doliumd(daemon, docker, create):
    create("fio", "size=256M")
    docker.image("fio")
    docker.start_container(
        "cf", "fio", "fio --name=v --directory=/data --size=64M --rw=randwrite --bs=8k --direct=1"
        f" --ioengine=psync --numjobs=2 --fdatasync=16 --runtime={int(5 * SLOWNESS)} --time_based"
        " --verify=crc32c --verify_fatal=1 --output-format=json --output=/data/report",
        image="fio")
    for number in range(3):
        time.sleep(1)
        (daemon.kill if number % 2 else daemon.stop)()
        time.sleep(0.3)
        daemon.start()
    assert docker("wait", "cf", timeout=240).stdout.strip() == "0", docker("logs", "cf").stdout
    report = docker.run("fio", "cat /data/report")
    jobs = json.loads(report[report.index("{"):])["jobs"]
    assert [job["error"] for job in jobs] == [0, 0]
    assert all(job["write"]["total_ios"] > 0 for job in jobs)
    docker("rm", "cf")
    gone(daemon)


@pytest.mark.daemon(config={"consumer_grace": "3s"})
def test_a_container_that_ends_while_doliumd_is_down(daemon, docker, create):
    """Its unmount is lost; the next start mounts the same id again; at the end nothing is left:
    doliumd sees in the mount tables that nobody has the volume."""
    create("dn", "size=32M")
    docker.start_container("cd", "dn", "sleep 1000")
    until(lambda: consumers(daemon, "dn"), 5)
    daemon.stop()
    docker("kill", "cd")
    until(lambda: not docker.inspect("container", "cd")["State"]["Running"], 60)
    daemon.start()
    docker("start", "cd")
    docker("exec", "cd", "sh", "-c", "echo x >/data/x")
    assert len(daemon.volume_mounts()) == 1
    docker("rm", "-f", "cd")
    gone(daemon, 20)
    docker("volume", "rm", "dn")


def test_a_start_while_doliumd_comes_back(daemon, docker, create):
    """Docker tries for a quarter of a minute."""
    create("bk", "size=32M")
    docker.image()
    daemon.stop()
    timer = threading.Timer(2, daemon.start)
    timer.start()
    try:
        docker.run("bk", "echo x >/data/x")
    finally:
        timer.join()
    gone(daemon)


def test_no_local_volume_takes_the_place_of_ours(daemon, docker, create):
    """While doliumd is away, Docker must not run the container on an empty local volume."""
    create("mine", "size=32M")
    docker.run("mine", "echo precious >/data/f")
    daemon.kill()
    done = docker.run("mine", "cat /data/f", check=False)
    assert done.returncode
    daemon.start()
    assert docker.run("mine", "cat /data/f") == "precious\n"
    assert docker.inspect("volume", "mine")["Driver"] == daemon.name


def test_dockerd_started_before_a_volume_was_made_elsewhere(daemon, docker):
    """A volume made by the command line is Docker's at once, by its name alone."""
    daemon.rest.create("cli", "32M")
    assert "cli" in docker("volume", "ls", "-q").stdout.split()
    Plugin(daemon.docker_socket, DOCKER).get("cli")
    docker.run("cli", "echo x >/data/x")
    assert docker.inspect("volume", "cli")["Driver"] == daemon.name


def test_two_dockerds_on_one_doliumd(daemon, docker, create):
    create("two", "size=32M")
    other = Docker().start()
    try:
        docker.start_container("c1", "two", "echo one >/data/one; sleep 1000")
        other.start_container("c2", "two", "echo two >/data/two; sleep 1000")
        docker("rm", "-f", "c1")
        assert len(daemon.volume_mounts()) == 1
        until(lambda: "two" in other("exec", "c2", "ls", "/data").stdout, 5)
        assert re.search("one", other("exec", "c2", "ls", "/data").stdout)
        other("rm", "-f", "c2")
        gone(daemon)
    finally:
        other.destroy()

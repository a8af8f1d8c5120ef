# SPDX-License-Identifier: Apache-2.0
"""The main job with a real Podman, alone and together with Docker on one volume."""
import threading

import pytest

from lib.kernel import is_mounted
from lib.plugin import PODMAN_ID
from lib.wait import until

MIB = 1 << 20


def consumers(daemon, name):
    attachment = daemon.rest.volume(name)["status"].get("attachment") or {}
    return {(entry["client"], entry["id"]): entry["count"]
            for entry in attachment.get("consumers", [])}


def gone(daemon):
    until(lambda: not daemon.volume_mounts(), 5, "the last unmount")


def test_data_outlives_its_container(daemon, podman):
    podman.create("v1", size="64M")
    podman.run("v1", "echo precious >/data/f && sync")
    assert podman.run("v1", "cat /data/f") == "precious\n"
    gone(daemon)


def test_the_size_is_enforced(podman):
    podman.create("small", size="64M")
    done = podman.run("small", "dd if=/dev/zero of=/data/big bs=1M count=200", check=False)
    assert done.returncode and "No space left on device" in done.stderr
    assert int(podman.run("small", "df -k /data | tail -n 1").split()[1]) <= 64 * 1024


def test_two_containers_are_one_consumer(daemon, podman):
    """Podman counts by itself and sends one constant id."""
    podman.create("sh", size="32M")
    podman.start_container("c1", "sh", "echo one >/data/f; sleep 1000")
    podman.start_container("c2", "sh", "sleep 1000")
    assert consumers(daemon, "sh") == {("podman", PODMAN_ID): 1}
    podman("rm", "-f", "-t", "0", "c1")
    assert podman("exec", "c2", "cat", "/data/f").stdout == "one\n"
    podman("rm", "-f", "-t", "0", "c2")
    gone(daemon)


def test_two_volumes_with_the_same_id(daemon, podman):
    podman.create("a", size="32M")
    podman.create("b", size="32M")
    podman.start_container("ca", "a", "sleep 1000")
    podman.start_container("cb", "b", "sleep 1000")
    assert len(daemon.volume_mounts()) == 2
    podman("rm", "-f", "-t", "0", "ca")
    assert len(daemon.volume_mounts()) == 1
    podman("exec", "cb", "sh", "-c", "echo x >/data/x")
    podman("rm", "-f", "-t", "0", "cb")
    gone(daemon)


def test_restart_of_a_container(daemon, podman):
    podman.create("r", size="32M")
    podman.start_container("cr", "r", "echo x >>/data/starts; sleep 1000")
    until(lambda: podman("exec", "cr", "cat", "/data/starts", check=False).stdout, 5)
    podman("restart", "-t", "0", "cr")
    until(lambda: podman("exec", "cr", "cat", "/data/starts").stdout == "x\nx\n", 5)
    assert len(daemon.volume_mounts()) == 1
    podman("rm", "-f", "-t", "0", "cr")
    gone(daemon)


def test_twenty_starts_at_once_on_one_volume(daemon, podman):
    podman.create("many", size="64M")
    podman.image()
    errors = []

    def run(number):
        done = podman.run("many", f"echo {number} >/data/{number}; sleep 0.5", check=False)
        if done.returncode:
            errors.append(done.stderr)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(podman.run("many", "ls /data").split()) == 20
    gone(daemon)


# Errors: Podman looks only at the HTTP status

def test_an_error_at_create_is_seen(podman):
    for option, word in (({"sise": "1G"}, "sise"), ({"size": "much"}, "size"),
                         ({"class": "gold"}, "class")):
        with pytest.raises(AssertionError) as error:
            podman.create("bad", **option)
        assert word in str(error.value)
    assert podman("volume", "ls", "-q").stdout == ""


def test_an_error_at_mount_stops_the_container(daemon, podman):
    """With a 200 the container would run on an empty directory, and its data would be lost."""
    podman.create("gone", size="32M")
    daemon.rest.remove("gone")
    daemon.rest.create("gone", "32M", fs="none")        # nothing that could be mounted for it
    done = podman.run("gone", "echo lost >/data/f", check=False)
    assert done.returncode and "gone" in done.stderr


def test_an_error_at_remove_is_seen(daemon, podman):
    podman.create("pr", size="32M", protect="true")
    done = podman("volume", "rm", "pr", check=False)
    assert done.returncode and "protect" in done.stderr
    assert daemon.rest.exists("pr")
    assert "pr" in podman("volume", "ls", "-q").stdout


# What Podman shows and knows

def test_inspect_shows_the_status(podman):
    podman.create("in", size="64M")
    status = podman.inspect("volume", "in")["Status"]
    assert {"size", "used", "pool", "fs", "state"} <= {key.lower() for key in status}


def test_the_owner_is_ours_to_set(podman):
    podman.create("own", size="32M", uid="1234", gid="2345", mode="2770")
    assert podman.run("own", "stat -c '%u %g %a' /data") == "1234 2345 2770\n"
    assert podman("run", "--rm", "--user", "1234:2345", "-v", "own:/data", podman.image(), "sh",
                  "-c", "echo x >/data/x && cat /data/x").stdout == "x\n"


def test_reload_finds_volumes_made_elsewhere(daemon, podman):
    daemon.rest.create("cli", "32M")
    podman("volume", "reload")
    assert "cli" in podman("volume", "ls", "-q").stdout.split()
    podman.run("cli", "echo x >/data/x")
    podman("volume", "rm", "cli")
    assert not daemon.rest.exists("cli")


def test_reload_forgets_nothing(podman):
    podman.create("kept", size="32M")
    podman("volume", "reload")
    assert podman("volume", "ls", "-q").stdout.split() == ["kept"]


# Restarts

def test_a_running_container_does_not_notice_a_kill_of_doliumd(daemon, podman):
    podman.create("io", size="32M")
    podman.start_container("ci", "io", "while :; do date >/data/n && sync || echo e >>/data/errors;"
                           " echo . >>/data/count; done")
    for _ in range(3):
        daemon.kill()
        before = len(podman("exec", "ci", "cat", "/data/count").stdout)
        until(lambda: len(podman("exec", "ci", "cat", "/data/count").stdout) > before, 5)
        daemon.start()
    assert podman("exec", "ci", "ls", "/data").stdout.split() == ["count", "n"]
    assert consumers(daemon, "io") == {("podman", PODMAN_ID): 1}
    podman("rm", "-f", "-t", "0", "ci")
    gone(daemon)


# Together with Docker

def test_docker_finds_what_podman_wrote(daemon, podman, docker):
    podman.create("both", size="32M")
    podman.run("both", "echo from-podman >/data/f")
    assert docker.run("both", "cat /data/f; echo from-docker >/data/g") == "from-podman\n"
    assert docker.inspect("volume", "both")["Driver"] == daemon.name
    assert podman.run("both", "cat /data/g") == "from-docker\n"
    gone(daemon)


def test_docker_and_podman_at_once(daemon, podman, docker):
    podman.create("both", size="32M")
    podman.start_container("cp", "both", "echo p >/data/p; sleep 1000")
    docker.start_container("cd", "both", "echo d >/data/d; sleep 1000")
    until(lambda: docker("exec", "cd", "ls", "/data").stdout.split() == ["d", "p"], 5)
    assert len(daemon.volume_mounts()) == 1
    assert {client for client, _ in consumers(daemon, "both")} == {"docker", "podman"}
    path = daemon.rest.volume("both")["status"]["attachment"]["path"]
    podman("rm", "-f", "-t", "0", "cp")
    assert is_mounted(path)
    docker("exec", "cd", "sh", "-c", "echo still >/data/still")
    podman.start_container("cp", "both", "sleep 1000")
    docker("rm", "-f", "cd")
    assert is_mounted(path)
    assert podman("exec", "cp", "cat", "/data/still").stdout == "still\n"
    podman("rm", "-f", "-t", "0", "cp")
    gone(daemon)


def test_podman_refuses_to_remove_what_docker_uses(daemon, podman, docker):
    podman.create("both", size="32M")
    docker.start_container("cd", "both", "sleep 1000")
    done = podman("volume", "rm", "both", check=False)
    assert done.returncode and "both" in done.stderr
    docker("exec", "cd", "sh", "-c", "echo x >/data/x")
    docker("rm", "-f", "cd")
    gone(daemon)

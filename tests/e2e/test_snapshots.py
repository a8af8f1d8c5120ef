# SPDX-License-Identifier: Apache-2.0
"""Snapshots and clones for containers of a real dockerd."""
import time

from lib.wait import until


def test_a_clone_of_a_snapshot_while_a_container_writes(daemon, docker):
    """Taken under a writing container, cloned through Docker's own options, seen by another one."""
    docker("volume", "create", "-d", daemon.name, "-o", "size=128M", "db")
    docker.start_container("writer", "db", "echo first >/data/f; sync; n=0; while :; do n=$((n+1)); "
                                           "echo $n >/data/n; done")
    time.sleep(0.5)
    taken = daemon.rest.must("POST", "/v1/snapshots", {"name": "one", "volumes": ["db"]})["items"][0]
    assert taken["consistency"] == "file-system"
    docker("exec", "writer", "sh", "-c", "echo second >/data/f")
    docker("volume", "create", "-d", daemon.name, "-o", "from=db@one", "copy")
    assert docker.run("copy", "cat /data/f; echo mine >/data/mine") == "first\n"
    docker("volume", "create", "-d", daemon.name, "-o", "from=db@one", "-o", "ro=true", "look")
    refused = docker.run("look", "cat /data/f; echo x >/data/x", check=False)
    assert refused.stdout == "first\n" and "Read-only" in refused.stderr
    assert docker("exec", "writer", "cat", "/data/f").stdout == "second\n"
    docker("rm", "-f", "writer")
    docker("volume", "rm", "db")
    assert docker.run("copy", "cat /data/f /data/mine") == "first\nmine\n"


def test_restore_waits_for_its_containers(daemon, docker):
    docker("volume", "create", "-d", daemon.name, "-o", "size=64M", "db")
    docker.run("db", "echo good >/data/f")
    daemon.rest.must("POST", "/v1/snapshots", {"name": "good", "volumes": ["db"]})
    docker.start_container("user", "db", "echo bad >/data/f; sync; sleep 1000")
    time.sleep(0.5)
    answer = daemon.rest.post("/v1/snapshots/db@good/restore")
    assert answer.status == 423 and "docker" in answer.error["message"]
    docker("rm", "-f", "user")
    daemon.rest.must("POST", "/v1/snapshots/db@good/restore")
    assert docker.run("db", "cat /data/f") == "good\n"


def test_unknown_origin_is_refused(docker, daemon):
    done = docker("volume", "create", "-d", daemon.name, "-o", "from=nosuch@x", "copy", check=False)
    assert done.returncode and "nosuch" in done.stderr


def test_a_container_sees_its_files_again(daemon, docker):
    """What a running container has deleted comes back under its hands, with owner and mode."""
    docker("volume", "create", "-d", daemon.name, "-o", "size=64M", "db")
    docker.start_container("user", "db", "mkdir -p /data/etc; echo precious >/data/etc/conf; "
                                         "chmod 640 /data/etc/conf; chown 33:44 /data/etc/conf; "
                                         "ln -s conf /data/etc/link; sync; touch /data/ready; "
                                         "sleep 1000")
    until(lambda: docker("exec", "user", "test", "-e", "/data/ready", check=False).returncode == 0)
    daemon.cli("snapshot", "create", "db@monday")
    docker("exec", "user", "rm", "-rf", "/data/etc")
    assert daemon.cli("files", "cat", "db@monday", "/etc/link").stdout == "precious\n"
    daemon.cli("files", "restore", "db@monday", "/etc")
    shown = docker("exec", "user", "sh", "-c", "cat /data/etc/link; stat -c '%u %g %a' "
                                               "/data/etc/conf; ls -A /data").stdout
    assert shown == "precious\n33 44 640\netc\nready\n"
    docker("rm", "-f", "user")
    docker("volume", "rm", "db")

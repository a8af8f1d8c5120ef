# SPDX-License-Identifier: Apache-2.0
"""The volume plugin as the clients' bytes reach it: headers, empty bodies, retries, errors. What
dockerd 20.10 and 28.5 and Podman 4.3 were seen to send."""
import json
import os
import re
import shutil
import threading
import time
import uuid
from datetime import datetime

import pytest

from lib.kernel import is_mounted, unmount_below
from lib.plugin import DOCKER, PODMAN, PODMAN_ID, Closed, request_bytes
from lib.rest import converse
from lib.wait import until

METHODS = ("Create", "Remove", "Mount", "Unmount", "Path", "Get")


def new_id():
    return uuid.uuid4().hex * 2


# Transport

@pytest.mark.parametrize("dialect", [DOCKER, PODMAN])
def test_activate(daemon, dialect):
    assert daemon.plugin(dialect).must("Plugin.Activate") == {"Implements": ["VolumeDriver"]}


@pytest.mark.parametrize("host", ["", "plugin", "plugin.moby.localhost", "127.0.0.1:9911"])
def test_any_host_header_is_taken(daemon, host):
    """Debian's dockerd sends an empty one, which a strict server would refuse."""
    answer = converse(daemon.docker_socket,
                      f"POST /Plugin.Activate HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n"
                      "Connection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 ") and b"VolumeDriver" in answer


def test_capabilities_are_local(plugin):
    assert plugin.must("VolumeDriver.Capabilities", {}) == {"Capabilities": {"Scope": "local"}}


def test_one_connection_serves_many_requests(plugin):
    with plugin.connect() as connection:
        for _ in range(50):
            assert connection.call("VolumeDriver.List", {})[0] == 200


def test_requests_sent_together_are_answered_in_order(plugin):
    with plugin.connect() as connection:
        connection.send(request_bytes("Plugin.Activate", None)
                        + request_bytes("VolumeDriver.Capabilities", {})
                        + request_bytes("VolumeDriver.List", {}))
        bodies = [connection.answer()[2] for _ in range(3)]
    assert [key for body in bodies for key in json.loads(body) if key != "Err"] == [
        "Implements", "Capabilities", "Volumes"]


def test_a_request_in_single_bytes(plugin):
    with plugin.connect() as connection:
        for byte in request_bytes("VolumeDriver.List", {}):
            connection.send(bytes([byte]))
        assert connection.answer()[0] == 200


@pytest.mark.parametrize("dialect,body", [(DOCKER, {}), (PODMAN, None)])
def test_list_with_and_without_a_body(daemon, dialect, body):
    answer = daemon.plugin(dialect).must("VolumeDriver.List", body)
    assert answer["Volumes"] == []


@pytest.mark.parametrize("path", ["/", "/VolumeDriver.Nonsense", "/Plugin.Activate/x", "/v1/volumes"])
def test_an_unknown_path_is_answered_with_err(daemon, path):
    answer = converse(daemon.docker_socket,
                      f"POST {path} HTTP/1.1\r\nHost: \r\nContent-Length: 2\r\n"
                      "Connection: close\r\n\r\n{}".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) >= 400
    assert json.loads(body)["Err"]


# An empty body: what dockerd's retry sends after a connection broke

@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("body", [None, {}, {"Name": ""}, {"Name": "", "ID": "x"}])
def test_a_request_without_a_name_gets_no_answer(daemon, plugin, method, body):
    """An answer would be believed: success as done, an error to Get as "there is no such volume"."""
    if method == "Create" and body == {}:
        body = {"Name": "", "Opts": None}
    with plugin.connect(timeout=10) as connection:
        connection.send(request_bytes("VolumeDriver." + method, body))
        with pytest.raises(Closed) as closed:
            connection.answer()
    assert closed.value.args[0] == b""
    assert plugin.list() == []
    assert daemon.rest.volumes() == []


def test_only_that_connection_is_closed(plugin):
    with plugin.connect() as good, plugin.connect() as bad:
        assert good.call("VolumeDriver.List", {})[0] == 200
        bad.send(request_bytes("VolumeDriver.Get", None))
        with pytest.raises(Closed):
            bad.answer()
        assert good.call("VolumeDriver.List", {})[0] == 200


# Errors

def test_get_of_an_unknown_volume_is_500_and_err(plugin):
    """Podman looks at the status only; Docker at both."""
    assert "nosuch" in plugin.refused("VolumeDriver.Get", {"Name": "nosuch"})


@pytest.mark.parametrize("method", ["Mount", "Path"])
def test_errors_name_the_volume(plugin, method):
    """Docker's own message has only the path, which is empty."""
    assert "nosuch" in plugin.refused("VolumeDriver." + method, {"Name": "nosuch", "ID": new_id()})


def test_remove_of_an_unknown_volume(plugin):
    status, answer = plugin.call("VolumeDriver.Remove", {"Name": "nosuch"})
    assert status == 200 or (status == 500 and "nosuch" in answer["Err"])


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".", "v1@snap", "a\nb", "\u0001",
                                  pytest.param("x" * 129, id="long"), " lead", "trail ", "/etc/passwd", "uid:x"])
def test_names_that_docker_lets_through_are_refused(daemon, plugin, name):
    before = sorted(os.listdir(daemon.state_dir))
    error = plugin.refused("VolumeDriver.Create", {"Name": name, "Opts": None})
    assert "name" in error
    assert plugin.list() == []
    assert sorted(os.listdir(daemon.state_dir)) == before


@pytest.mark.parametrize("name", ["x", "v1.0_a-b", "Datenträger", "卷", "a b",
                                  pytest.param("x" * 128, id="long"), "-rf",
                                  "$(id)", "'", '"', "\\", "%41"])
def test_odd_but_good_names(plugin, name):
    plugin.create(name, size="32M")
    identifier = new_id()
    path = plugin.mount(name, identifier)
    assert os.path.isabs(path) and is_mounted(path)
    assert plugin.get(name)["Name"] == name
    plugin.unmount(name, identifier)
    plugin.remove(name)


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'"x"', b'{"Name":"a"}x', b"\xff\xfe",
                                  b'{"Name":"a","Name":"b"}', b'{"Name":"a\\u0000b"}',
                                  b'{"Name":7}', b'{"Name":"a","Opts":[]}',
                                  b'{"Name":"a","Opts":{"size":5}}',
                                  pytest.param(b"{" * 100000, id="deep"),
                                  pytest.param(b'{"Name":"' + b"x" * 3000000, id="long")])
def test_a_bad_body_is_refused_and_changes_nothing(plugin, body):
    try:
        status, answer = plugin.call("VolumeDriver.Create", body)
        assert status >= 400 and answer["Err"]
    except (Closed, BrokenPipeError):
        pass                            # as good: the client cannot take it for success
    assert plugin.list() == []


def test_a_get_that_makes_no_sense_is_not_answered_as_unknown(plugin):
    """Whatever cannot be read must not say "no such volume"."""
    plugin.create("w", size="32M")
    for body in (b"{", b'{"Name":"w"', b"garbage"):
        with plugin.connect(timeout=10) as connection:
            connection.send(request_bytes("VolumeDriver.Get", body))
            with pytest.raises(Closed):
                connection.answer()


# Create

def test_create_needs_no_options(make_daemon):
    plugin = make_daemon(pool_size="24G").plugin()      # sizes are 10 GiB when nothing is said
    for name, opts in (("n", None), ("e", {})):
        plugin.must("VolumeDriver.Create", {"Name": name, "Opts": opts})
    plugin.must("VolumeDriver.Create", {"Name": "absent"})
    assert plugin.get("absent")["Status"]["size"]


def test_create_again_with_the_same_options_succeeds(plugin):
    for _ in range(3):
        plugin.create("same", size="64M", mode="0750")
    plugin.create("same", size="65536K", mode="750")    # the same, written in another way
    assert len(plugin.list()) == 1


def test_create_again_with_other_options_names_the_difference(plugin):
    plugin.create("other", size="64M")
    error = plugin.refused("VolumeDriver.Create", {"Name": "other", "Opts": {"size": "128M"}})
    assert "other" in error and "size" in error
    assert re.search(r"64|67108864", error) and re.search(r"128|134217728", error)


def test_an_unknown_option_is_refused_with_the_list(plugin):
    error = plugin.refused("VolumeDriver.Create", {"Name": "u", "Opts": {"sise": "1G"}})
    assert "sise" in error
    for known in "size fs pool thick uid gid mode mountopts label protect trash".split():
        assert known in error
    assert plugin.list() == []


@pytest.mark.parametrize("option,value", [
    ("size", "0"), ("size", "-1"), ("size", "1"), ("size", "x"), ("size", ""), ("size", "1.5.2G"),
    ("size", "99999999999999999999"), ("size", "16E"), ("size", "1ZB"), ("fs", "ntfs"),
    ("pool", "nosuch"), ("pool", "../x"), ("thick", "maybe"), ("uid", "-1"), ("uid", "root"),
    ("gid", "4294967296"), ("mode", "999"), ("mode", "10000"), ("mountopts", "exec,dev,suid,errors=panic"),
    ("mountopts", "noatime,,"), ("protect", "2"), ("trash", "soon"), ("trash", "-1h"),
    ("class", "gold"), ("label.", "x")])
def test_a_bad_value_is_refused_by_name(plugin, option, value):
    error = plugin.refused("VolumeDriver.Create", {"Name": "bad", "Opts": {option: value}})
    assert option.rstrip(".") in error
    assert plugin.list() == []


def test_status_shows_what_users_ask_for(plugin):
    plugin.create("st", size="64M")
    volume = plugin.get("st")
    for key in "size used pool fs state consumers".split():
        assert key in {name.lower() for name in volume["Status"]}, volume
    created = datetime.fromisoformat(volume["CreatedAt"].replace("Z", "+00:00"))
    assert abs(created.timestamp() - time.time()) < 600
    assert not volume.get("Mountpoint")


def test_parallel_creates_of_one_name_make_one_volume(plugin):
    results = []

    def create():
        results.append(plugin.call("VolumeDriver.Create", {"Name": "race", "Opts": {"size": "32M"}}))

    threads = [threading.Thread(target=create) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in results] == [200] * 16, results
    assert len(plugin.list()) == 1


# Mount and unmount

@pytest.fixture
def volume(plugin):
    plugin.create("vol", size="64M")
    return "vol"


def test_each_id_holds_the_mount(plugin, volume):
    first, second = new_id(), new_id()
    path = plugin.mount(volume, first)
    assert plugin.mount(volume, second) == path
    assert plugin.get(volume)["Mountpoint"] == path
    assert plugin.must("VolumeDriver.Path", {"Name": volume})["Mountpoint"] == path
    plugin.unmount(volume, first)
    assert is_mounted(path)
    plugin.unmount(volume, second)
    assert not is_mounted(path)
    assert not plugin.get(volume).get("Mountpoint")


def test_a_repeated_id_is_counted(plugin, volume):
    """docker cp on a running container sends the container's id again, and unmounts it."""
    with plugin.connect() as connection:
        identifier = new_id()
        body = {"Name": volume, "ID": identifier}
        status, answer = connection.call("VolumeDriver.Mount", body)
        path = answer["Mountpoint"]
        assert connection.call("VolumeDriver.Mount", body) == (status, answer)
        connection.call("VolumeDriver.Unmount", body)
        assert is_mounted(path)
        connection.call("VolumeDriver.Unmount", body)
        assert not is_mounted(path)


def test_mounts_are_never_stacked(daemon, plugin, volume):
    for _ in range(20):
        plugin.mount(volume, new_id())
    assert len(daemon.volume_mounts()) == 1


@pytest.mark.parametrize("body", [{"ID": "never-mounted"}, {"ID": ""}, {}])
def test_unmount_of_an_unknown_id_succeeds(plugin, volume, body):
    plugin.must("VolumeDriver.Unmount", {"Name": volume, **body})


def test_unmount_of_an_unknown_volume_succeeds_or_names_it(plugin):
    status, answer = plugin.call("VolumeDriver.Unmount", {"Name": "nosuch", "ID": "x"})
    assert status == 200 or "nosuch" in answer["Err"]


def test_without_ids(plugin, volume):
    """dvdcli and dockers before 1.12 send none."""
    path = plugin.must("VolumeDriver.Mount", {"Name": volume})["Mountpoint"]
    assert is_mounted(path)
    plugin.must("VolumeDriver.Unmount", {"Name": volume})
    assert not is_mounted(path)


def test_podmans_one_id_for_all_volumes(daemon, podman_plugin):
    paths = []
    for name in ("p1", "p2"):
        podman_plugin.create(name, size="32M")
        paths.append(podman_plugin.mount(name, PODMAN_ID))
    podman_plugin.unmount("p1", PODMAN_ID)
    assert not is_mounted(paths[0]) and is_mounted(paths[1])
    podman_plugin.unmount("p2", PODMAN_ID)
    assert daemon.volume_mounts() == []


def test_podman_and_docker_hold_one_volume_apart(plugin, podman_plugin, volume):
    """Podman's constant id must not be taken for Docker's, nor one's unmount for the other's."""
    path = plugin.mount(volume, new_id())
    assert podman_plugin.mount(volume, PODMAN_ID) == path
    podman_plugin.unmount(volume, PODMAN_ID)
    podman_plugin.unmount(volume, PODMAN_ID)
    assert is_mounted(path)


def test_remove_while_mounted_is_refused(daemon, plugin, volume):
    identifier = new_id()
    path = plugin.mount(volume, identifier)
    with open(path + "/keep", "w", encoding="ascii") as file:
        file.write("kept")
    assert volume in plugin.refused("VolumeDriver.Remove", {"Name": volume})
    assert open(path + "/keep", encoding="ascii").read() == "kept"
    plugin.unmount(volume, identifier)
    plugin.remove(volume)
    assert plugin.list() == []


def test_a_removed_name_is_free_at_once_and_the_data_in_the_trash(daemon, plugin, volume):
    identifier = new_id()
    with open(plugin.mount(volume, identifier) + "/old", "w", encoding="ascii") as file:
        file.write("old")
    plugin.unmount(volume, identifier)
    plugin.remove(volume)
    plugin.create(volume, size="32M")
    path = plugin.mount(volume, identifier)
    assert os.listdir(path) == []
    plugin.unmount(volume, identifier)
    assert len(daemon.rest.volumes(phase="trashed")) == 1


def test_a_new_volume_is_empty(plugin, volume):
    """lost+found would keep Docker from filling it from the image."""
    assert os.listdir(plugin.mount(volume, new_id())) == []


def test_a_block_volume_cannot_be_mounted_for_a_container(plugin):
    status, answer = plugin.call("VolumeDriver.Create", {"Name": "blk", "Opts": {"fs": "none",
                                                                                "size": "32M"}})
    if status == 200:
        assert "blk" in plugin.refused("VolumeDriver.Mount", {"Name": "blk", "ID": new_id()})
    else:
        assert "fs" in answer["Err"]


def test_a_client_that_goes_away_leaves_nothing_half_done(daemon, plugin, volume):
    for _ in range(10):
        connection = plugin.connect()
        connection.send(request_bytes("VolumeDriver.Mount", {"Name": volume, "ID": new_id()}))
        connection.close()
    # Whether it saw the client go in time or not: answers go on, and nothing is stacked.
    assert plugin.get(volume)["Name"] == volume
    assert len(daemon.volume_mounts()) <= 1


def test_many_requests_at_once(plugin):
    names = [f"many{n}" for n in range(12)]
    errors = []

    def work(name):
        try:
            for _ in range(3):
                identifier = new_id()
                plugin.create(name, size="32M")
                plugin.mount(name, identifier)
                plugin.get(name)
                plugin.unmount(name, identifier)
            plugin.remove(name)
        except Exception as error:      # all of them are shown below
            errors.append(f"{name}: {error}")

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert plugin.list() == []


# Restart of doliumd

def test_mounts_and_ids_outlive_doliumd(daemon, plugin, volume):
    first, second = new_id(), new_id()
    path = plugin.mount(volume, first)
    with open(path + "/f", "w", encoding="ascii") as file:
        daemon.kill()
        file.write("written while doliumd was dead")
        file.flush()
        os.fsync(file.fileno())
        daemon.start()
        assert is_mounted(path)
    assert plugin.mount(volume, second) == path
    assert len(daemon.volume_mounts()) == 1
    plugin.unmount(volume, first)
    assert is_mounted(path)
    plugin.unmount(volume, second)
    until(lambda: not is_mounted(path), 5)


def test_get_answers_while_a_pool_is_gone(make_daemon):
    """Otherwise dockerd would make an empty local volume of the same name."""
    daemon = make_daemon()
    daemon.plugin().create("w", size="32M")
    daemon.stop()
    pools = daemon.state_dir + "/pools"
    unmount_below(daemon.dir)
    os.rename(pools, pools + ".away")
    try:
        daemon.start(wait=False)
        until(lambda: not daemon.runs() or daemon.ready(), 20)
        if daemon.runs():
            try:
                assert daemon.plugin().get("w")["Name"] == "w"
            except Closed:
                pass
    finally:
        if daemon.runs():
            daemon.stop()
        unmount_below(daemon.dir)
        shutil.rmtree(pools, ignore_errors=True)
        os.rename(pools + ".away", pools)
    daemon.start()
    assert daemon.plugin().get("w")["Name"] == "w"

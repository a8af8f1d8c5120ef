# SPDX-License-Identifier: Apache-2.0
"""csi.v1.Controller: CreateVolume, DeleteVolume, ControllerExpandVolume."""
import concurrent.futures

import pytest

from lib.csi import Csi, Failed, messages
from lib.csi_words import (GIB, MIB, NO_SUCH, NODE, capability, create, from_snapshot, from_volume,
                           size, topology, wish)


def rest_volume(daemon, name):
    answer = daemon.rest.get("/v1/volumes/" + name)
    assert answer.status == 200, answer.json
    return answer.json


def test_create_says_what_it_made(csi, csi_daemon):
    volume = create(csi, parameters={"fs": "xfs", "label.tier": "gold", "trash": "0s", "gid": "7",
                                     "csi.storage.k8s.io/pvc/name": "data"},
                    capacity_range=size(400 * MIB))
    assert volume.capacity_bytes == 400 * MIB
    assert [dict(each.segments) for each in volume.accessible_topology] == \
        [{"csi.dolium.io/node": NODE}]
    seen = rest_volume(csi_daemon, "v1")
    assert (seen["uid"], seen["spec"]["fs"], seen["spec"]["gid"]) == (volume.volume_id, "xfs", 7)
    assert seen["labels"] == {"tier": "gold", "csi.storage.k8s.io/pvc/name": "data"}


def test_the_same_request_finds_the_same_volume(csi):
    first = create(csi, parameters={"trash": "0s"})
    for _ in range(10):
        assert create(csi, parameters={"trash": "0s"}) == first
    assert create(csi, capacity_range=size(1, GIB)).volume_id == first.volume_id
    assert create(csi, capacity_range=None).volume_id == first.volume_id


@pytest.mark.parametrize("other", [
    {"capacity_range": size(65 * MIB)}, {"capacity_range": size(0, 63 * MIB)},
    {"parameters": {"fs": "xfs"}}, {"volume_capabilities": [capability(fs="xfs")]},
    {"volume_capabilities": [capability(block=True)]}, {"parameters": {"uid": "3"}}],
    ids=["larger", "smaller", "fs", "fs_type", "block", "uid"])
def test_the_same_name_with_other_wishes(csi, fails, other):
    create(csi, parameters={"fs": "ext4"})
    with fails("ALREADY_EXISTS", "v1"):
        create(csi, **other)


@pytest.mark.parametrize("wrong, code, word", [
    ({"name": ""}, "INVALID_ARGUMENT", "name"),
    ({"name": "x" * 129}, "INVALID_ARGUMENT", "name"),
    ({"volume_capabilities": []}, "INVALID_ARGUMENT", "volume_capabilities"),
    ({"volume_capabilities": [capability(mode="UNKNOWN")]}, "INVALID_ARGUMENT", "access_mode"),
    ({"volume_capabilities": [capability(mode="MULTI_NODE_MULTI_WRITER")]}, "INVALID_ARGUMENT",
     "one node"),
    ({"volume_capabilities": [capability(), capability(block=True)]}, "INVALID_ARGUMENT", "both"),
    ({"volume_capabilities": [capability(fs="ntfs")]}, "INVALID_ARGUMENT", "fs_type"),
    ({"volume_capabilities": [capability(fs="ext4"), capability(fs="xfs")]}, "INVALID_ARGUMENT",
     "fs_type"),
    ({"volume_capabilities": [capability(flags=["data=journal"])]}, "INVALID_ARGUMENT",
     "mount_flags"),
    ({"parameters": {"fs": "ntfs"}}, "INVALID_ARGUMENT", "fs"),
    ({"parameters": {"colour": "red"}}, "INVALID_ARGUMENT", "colour"),
    ({"parameters": {"thick": "perhaps"}}, "INVALID_ARGUMENT", "thick"),
    ({"parameters": {"pool": "none-such"}}, "NOT_FOUND", "none-such"),
    ({"mutable_parameters": {"a": "b"}}, "INVALID_ARGUMENT", "mutable_parameters"),
    ({"capacity_range": size(-1)}, "INVALID_ARGUMENT", "capacity_range"),
    ({"capacity_range": size(2 * GIB, GIB)}, "INVALID_ARGUMENT", "capacity_range"),
    ({"capacity_range": size(1 << 62)}, "OUT_OF_RANGE", "capacity_range"),
    ({"capacity_range": size(0, MIB)}, "OUT_OF_RANGE", "capacity_range"),
    ({"capacity_range": size(64 * MIB + 1, 64 * MIB + 2)}, "OUT_OF_RANGE", "capacity_range"),
    ({"capacity_range": size(900 * GIB)}, "RESOURCE_EXHAUSTED", "overcommit"),
    ({"volume_content_source": from_snapshot(NO_SUCH)}, "NOT_FOUND", "does not exist"),
    ({"volume_content_source": from_volume(NO_SUCH)}, "NOT_FOUND", "does not exist"),
    ({"volume_content_source": from_volume("")}, "INVALID_ARGUMENT", "volume_id"),
])
def test_wrong_wishes(csi, fails, csi_daemon, wrong, code, word):
    with fails(code, word):
        csi.CreateVolume(**{**wish(), **wrong})
    assert csi_daemon.rest.get("/v1/volumes").json["items"] == []


def test_sizes(csi):
    for name, asked, got in [("b", size(1), 16 * MIB), ("c", size(20 * MIB + 1), 20 * MIB + 4096),
                             ("d", size(0, 50 * MIB + 5), 50 * MIB),
                             ("e", size(30 * MIB, 30 * MIB), 30 * MIB)]:
        assert create(csi, name, capacity_range=asked).capacity_bytes == got, name


def test_names_of_any_kind(csi, csi_daemon):
    names = ["ü" * 64, "a/b", "x@y", "uid:1", ".", " spaced ", "–".join("ab"), "%2F"]
    volumes = {name: create(csi, name, capacity_range=size(16 * MIB)).volume_id for name in names}
    assert len(set(volumes.values())) == len(names)
    for name, uid in volumes.items():
        assert create(csi, name, capacity_range=size(16 * MIB)).volume_id == uid
    labels = [each["labels"].get("csi.dolium.io/name")
              for each in csi_daemon.rest.get("/v1/volumes").json["items"] if each.get("labels")]
    assert set(labels) == {"a/b", "x@y", "uid:1", ".", " spaced "}


def test_topology(csi, fails):
    need = messages().TopologyRequirement
    with fails("RESOURCE_EXHAUSTED", NODE):
        create(csi, accessibility_requirements=need(requisite=[topology("other")]))
    assert create(csi, accessibility_requirements=need(
        requisite=[topology("other"), topology(NODE)], preferred=[topology("other")]))


def test_twenty_at_once_are_one(csi):
    call, asked = csi.stub("CreateVolume")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: call(asked(**wish()), timeout=60), range(20)))
    assert len({answer.volume.volume_id for answer in answers}) == 1


def test_a_hundred_at_once(csi):
    call, asked = csi.stub("CreateVolume")
    futures = [call.future(asked(**wish(f"v{i}", capacity_range=size(16 * MIB))), timeout=60)
               for i in range(100)]
    assert len({future.result().volume.volume_id for future in futures}) == 100


def test_a_cancelled_create_is_found_by_the_next(csi, hasty):
    for i in range(20):
        hasty("CreateVolume", **wish(f"v{i}"))
        assert create(csi, f"v{i}").capacity_bytes == 64 * MIB
    assert len(csi.ListVolumes().entries) == 20


def test_secrets_are_not_logged(csi, csi_daemon):
    volume = create(csi, secrets={"password": "tellnobody"})
    csi.DeleteVolume(volume_id=volume.volume_id, secrets={"password": "tellnobody"})
    with open(csi_daemon.log, encoding="utf-8") as log:
        assert "tellnobody" not in log.read()


# Deleting

def test_delete_is_repeated(csi, csi_daemon):
    volume = create(csi)
    for _ in range(10):
        csi.DeleteVolume(volume_id=volume.volume_id)
    trashed = csi_daemon.rest.get("/v1/volumes?phase=trashed").json["items"]
    assert [each["uid"] for each in trashed] == [volume.volume_id]
    again = create(csi)
    assert again.volume_id != volume.volume_id
    csi.DeleteVolume(volume_id=NO_SUCH)


def test_delete_for_good_when_the_class_says_so(csi, csi_daemon):
    csi.DeleteVolume(volume_id=create(csi, parameters={"trash": "0s"}).volume_id)
    assert csi_daemon.rest.get("/v1/volumes?phase=trashed").json["items"] == []


def test_what_cannot_be_deleted(csi, csi_daemon, fails):
    with fails("INVALID_ARGUMENT", "volume_id"):
        csi.DeleteVolume()
    protected = create(csi, "p", parameters={"protect": "true"})
    with fails("FAILED_PRECONDITION", "protected"):
        csi.DeleteVolume(volume_id=protected.volume_id)
    used = create(csi, "u")
    csi_daemon.plugin().mount("u", "a" * 64)
    with fails("FAILED_PRECONDITION", "in use by docker"):
        csi.DeleteVolume(volume_id=used.volume_id)
    csi_daemon.plugin().unmount("u", "a" * 64)
    csi.CreateSnapshot(source_volume_id=used.volume_id, name="s")
    with fails("FAILED_PRECONDITION", "snapshots"):
        csi.DeleteVolume(volume_id=used.volume_id)


# Growing

def test_expand(csi):
    uid = create(csi).volume_id
    for _ in range(10):
        grown = csi.ControllerExpandVolume(volume_id=uid, capacity_range=size(100 * MIB))
        assert grown.capacity_bytes == 100 * MIB and not grown.node_expansion_required
    assert csi.ControllerExpandVolume(
        volume_id=uid, capacity_range=size(1)).capacity_bytes == 100 * MIB


def test_wrong_expansions(csi, fails):
    uid = create(csi).volume_id
    for code, word, fields in [
            ("INVALID_ARGUMENT", "volume_id", {"capacity_range": size(1)}),
            ("INVALID_ARGUMENT", "capacity_range", {"volume_id": uid}),
            ("NOT_FOUND", "does not exist", {"volume_id": NO_SUCH, "capacity_range": size(1)}),
            ("OUT_OF_RANGE", "already", {"volume_id": uid, "capacity_range": size(0, MIB)}),
            ("OUT_OF_RANGE", "at most", {"volume_id": uid, "capacity_range": size(1 << 60)}),
            ("INVALID_ARGUMENT", "block", {"volume_id": uid, "capacity_range": size(1),
                                           "volume_capability": capability(block=True)}),
            ("RESOURCE_EXHAUSTED", "overcommit", {"volume_id": uid,
                                                  "capacity_range": size(900 * GIB)})]:
        with fails(code, word):
            csi.ControllerExpandVolume(**fields)


# Copies

def test_clones(csi, csi_daemon, fails):
    origin = create(csi)
    snapshot = csi.CreateSnapshot(source_volume_id=origin.volume_id, name="s").snapshot
    for name, source in [("c1", from_snapshot(snapshot.snapshot_id)),
                         ("c2", from_volume(origin.volume_id))]:
        clone = create(csi, name, volume_content_source=source)
        assert clone.content_source == source and clone.capacity_bytes == 64 * MIB
        assert create(csi, name, volume_content_source=source) == clone
        with fails("ALREADY_EXISTS", "volume_content_source"):
            create(csi, name)
        assert create(csi, name + "-large", volume_content_source=source,
                      capacity_range=size(80 * MIB)).capacity_bytes == 80 * MIB
        with fails("OUT_OF_RANGE", "limit_bytes"):
            create(csi, name + "-small", volume_content_source=source,
                   capacity_range=size(1, 32 * MIB))
        with fails("INVALID_ARGUMENT", "volume_content_source"):
            create(csi, name + "-block", volume_content_source=source,
                   volume_capabilities=[capability(block=True)])
    csi_daemon.rest.patch("/v1/volumes/v1", {"name": "renamed"})
    assert create(csi, "c1", volume_content_source=from_snapshot(snapshot.snapshot_id))


def test_killed_while_creating(csi_daemon):
    for number, point in enumerate(["driver.create.before", "driver.create.after",
                                    "store.commit.after"]):
        csi_daemon.stop()
        csi_daemon.start(fault=point + "=kill")
        with Csi(csi_daemon.csi_socket) as csi, pytest.raises(Failed):
            create(csi, f"v{number}")
        csi_daemon.wait_killed()
        csi_daemon.start(fault="")
        with Csi(csi_daemon.csi_socket) as csi:
            volume = create(csi, f"v{number}")
            assert create(csi, f"v{number}") == volume
            assert len(csi.ListVolumes().entries) == number + 1

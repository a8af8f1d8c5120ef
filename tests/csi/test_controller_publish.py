# SPDX-License-Identifier: Apache-2.0
"""csi.v1.Controller: publishing, validating, listing, capacity, and the other faces beside it."""
import pytest

from lib.csi import Csi, messages
from lib.csi_words import GIB, MIB, NO_SUCH, NODE, capability, create, size, topology

ID = "a" * 64                           # as Docker has them


def publish(csi, uid, **more):
    return csi.ControllerPublishVolume(**{"volume_id": uid, "node_id": NODE,
                                          "volume_capability": capability(), **more})


def nodes(csi, uid):
    return list(csi.ControllerGetVolume(volume_id=uid).status.published_node_ids)


def test_publish_is_repeated(csi, csi_daemon):
    uid = create(csi).volume_id
    assert nodes(csi, uid) == []
    for _ in range(10):
        publish(csi, uid)
    assert nodes(csi, uid) == [NODE]
    for _ in range(10):
        csi.ControllerUnpublishVolume(volume_id=uid, node_id=NODE)
    assert nodes(csi, uid) == [] and csi_daemon.volume_mounts() == []


def test_it_stays_published_when_doliumd_is_restarted(csi, csi_daemon, fails):
    uid = create(csi).volume_id
    publish(csi, uid)
    csi_daemon.kill()
    csi_daemon.start()
    with Csi(csi_daemon.csi_socket) as again:
        assert nodes(again, uid) == [NODE]
        publish(again, uid)
        with fails("ALREADY_EXISTS", "SINGLE_NODE_MULTI_WRITER,mount,ro"):
            publish(again, uid, readonly=True)
        again.ControllerUnpublishVolume(volume_id=uid)
        assert nodes(again, uid) == []


def test_wrong_publishings(csi, fails):
    uid = create(csi).volume_id
    for code, word, fields in [
            ("INVALID_ARGUMENT", "volume_id", {"volume_id": ""}),
            ("INVALID_ARGUMENT", "node_id", {"node_id": ""}),
            ("INVALID_ARGUMENT", "volume_capability", {"volume_capability": None}),
            ("NOT_FOUND", "does not exist", {"volume_id": NO_SUCH}),
            ("NOT_FOUND", "node_id", {"node_id": "elsewhere"}),
            ("INVALID_ARGUMENT", "access_mode", {"volume_capability": capability(
                mode="MULTI_NODE_SINGLE_WRITER")}),
            ("INVALID_ARGUMENT", "fs_type", {"volume_capability": capability(fs="xfs")})]:
        with fails(code, word):
            publish(csi, uid, **fields)
    with fails("INVALID_ARGUMENT", "volume_id"):
        csi.ControllerUnpublishVolume(node_id=NODE)
    csi.ControllerUnpublishVolume(volume_id=NO_SUCH, node_id=NODE)
    csi.ControllerUnpublishVolume(volume_id=uid, node_id="elsewhere")


# The other faces

@pytest.mark.parametrize("mode", ["SINGLE_NODE_WRITER", "SINGLE_NODE_SINGLE_WRITER"])
def test_a_single_writer_keeps_docker_out(csi, csi_daemon, fails, mode):
    uid = create(csi).volume_id
    publish(csi, uid, volume_capability=capability(mode=mode))
    text = csi_daemon.plugin().refused("VolumeDriver.Mount", {"Name": "v1", "ID": ID})
    assert f"in use by csi node {NODE} since 20" in text
    csi.ControllerUnpublishVolume(volume_id=uid, node_id=NODE)
    csi_daemon.plugin().mount("v1", ID)
    with fails("FAILED_PRECONDITION", "in use by docker"):
        publish(csi, uid, volume_capability=capability(mode=mode))
    publish(csi, uid)                   # several writers: together with Docker


def test_a_volume_of_docker_is_one_of_ours(csi, csi_daemon, fails):
    csi_daemon.plugin().create("d1", size="64M")
    entry, = csi.ListVolumes().entries
    uid = entry.volume.volume_id
    assert entry.volume.capacity_bytes == 64 * MIB
    assert create(csi, "d1").volume_id == uid
    publish(csi, uid)
    assert csi_daemon.rest.delete("/v1/volumes/d1").status == 423
    with fails("FAILED_PRECONDITION", "in use by csi"):
        csi.DeleteVolume(volume_id=uid)
    csi.ControllerUnpublishVolume(volume_id=uid, node_id=NODE)
    csi.DeleteVolume(volume_id=uid)
    with fails("NOT_FOUND", "deleted"):
        csi.ControllerGetVolume(volume_id=uid)


# Questions

def test_validate(csi, fails):
    uid = create(csi).volume_id
    wanted = [capability(fs="ext4"), capability(mode="SINGLE_NODE_WRITER")]
    answer = csi.ValidateVolumeCapabilities(volume_id=uid, volume_capabilities=wanted)
    assert list(answer.confirmed.volume_capabilities) == wanted and answer.message == ""
    for wrong, word in [(capability(block=True), "file system"), (capability(fs="xfs"), "fs_type"),
                        (capability(mode="MULTI_NODE_MULTI_WRITER"), "one node")]:
        answer = csi.ValidateVolumeCapabilities(volume_id=uid, volume_capabilities=[wrong])
        assert not answer.HasField("confirmed") and word in answer.message
    for code, fields in [("INVALID_ARGUMENT", {"volume_id": uid}),
                         ("INVALID_ARGUMENT", {"volume_capabilities": wanted}),
                         ("NOT_FOUND", {"volume_id": NO_SUCH, "volume_capabilities": wanted})]:
        with fails(code):
            csi.ValidateVolumeCapabilities(**fields)


def test_list_in_pages(csi, fails):
    ids = {create(csi, f"v{i}", capacity_range=size(16 * MIB)).volume_id for i in range(7)}
    seen, token = [], ""
    while True:
        page = csi.ListVolumes(max_entries=3, starting_token=token)
        seen += [entry.volume.volume_id for entry in page.entries]
        token = page.next_token
        if not token:
            break
        csi.DeleteVolume(volume_id=seen[-1])    # the token holds all the same
    assert len(seen) == 7 and set(seen) == ids
    assert not csi.ListVolumes(max_entries=100).next_token
    with fails("ABORTED", "starting_token"):
        csi.ListVolumes(starting_token="nonsense")
    with fails("INVALID_ARGUMENT", "max_entries"):
        csi.ListVolumes(max_entries=-1)


def test_condition(csi):
    status = csi.ControllerGetVolume(volume_id=create(csi).volume_id).status
    assert not status.volume_condition.abnormal
    assert status.volume_condition.message == "available"


def test_capacity(csi):
    empty = csi.GetCapacity()
    assert 0 < empty.maximum_volume_size.value <= empty.available_capacity
    assert empty.minimum_volume_size.value == 16 * MIB
    create(csi, capacity_range=size(GIB))
    assert csi.GetCapacity().available_capacity == empty.available_capacity - GIB
    assert csi.GetCapacity(parameters={"pool": "default"}).available_capacity > 0
    assert csi.GetCapacity(accessible_topology=topology(NODE)).available_capacity > 0
    for fields in [{"parameters": {"pool": "other"}}, {"accessible_topology": topology("other")},
                   {"volume_capabilities": [capability(mode="MULTI_NODE_MULTI_WRITER")]}]:
        assert csi.GetCapacity(**fields).available_capacity == 0


def test_capabilities(csi):
    kind = messages().ControllerServiceCapability.RPC.Type
    names = {kind.Name(each.rpc.type) for each in csi.ControllerGetCapabilities().capabilities}
    assert {"CREATE_DELETE_VOLUME", "LIST_VOLUMES_PUBLISHED_NODES", "SINGLE_NODE_MULTI_WRITER"} \
        <= names
    assert not {"UNKNOWN", "MODIFY_VOLUME"} & names

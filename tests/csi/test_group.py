# SPDX-License-Identifier: Apache-2.0
"""csi.v1.GroupController."""
import concurrent.futures

import pytest

from lib.csi import Csi, messages
from lib.csi_words import MIB, NO_SUCH, create, from_snapshot, size


@pytest.fixture
def volumes(csi):
    return [create(csi, f"v{i}", capacity_range=size(16 * MIB)).volume_id for i in range(3)]


def take(csi, volumes, name="g1", **more):
    return csi.CreateVolumeGroupSnapshot(name=name, source_volume_ids=volumes,
                                         **more).group_snapshot


def test_create_is_repeated(csi, csi_daemon, volumes):
    group = take(csi, volumes)
    assert group.ready_to_use and group.group_snapshot_id
    assert {each.source_volume_id for each in group.snapshots} == set(volumes)
    assert {each.group_snapshot_id for each in group.snapshots} == {group.group_snapshot_id}
    ids = {each.snapshot_id for each in group.snapshots}
    for _ in range(10):
        again = take(csi, list(reversed(volumes)))
        assert again.group_snapshot_id == group.group_snapshot_id
        assert {each.snapshot_id for each in again.snapshots} == ids
    csi_daemon.restart()
    with Csi(csi_daemon.csi_socket) as after:
        assert after.GetVolumeGroupSnapshot(
            group_snapshot_id=group.group_snapshot_id).group_snapshot == again


def test_a_member_is_a_snapshot(csi, volumes, fails):
    group = take(csi, volumes)
    member = group.snapshots[0]
    assert csi.GetSnapshot(snapshot_id=member.snapshot_id).snapshot == member
    assert len(csi.ListSnapshots().entries) == 3
    assert create(csi, "copy", capacity_range=size(16 * MIB),
                  volume_content_source=from_snapshot(member.snapshot_id))
    with fails("INVALID_ARGUMENT", "group snapshot"):
        csi.DeleteSnapshot(snapshot_id=member.snapshot_id)


def test_a_group_of_one(csi, volumes):
    group = take(csi, volumes[:1])
    assert take(csi, volumes[:1]) == group == csi.GetVolumeGroupSnapshot(
        group_snapshot_id=group.group_snapshot_id).group_snapshot


def test_wrong_groups(csi, volumes, fails):
    take(csi, volumes)
    for code, word, fields in [
            ("ALREADY_EXISTS", "other volumes", {"source_volume_ids": volumes[:2]}),
            ("ALREADY_EXISTS", "other volumes", {"source_volume_ids": volumes[:2] + [NO_SUCH]}),
            ("INVALID_ARGUMENT", "name", {"name": ""}),
            ("INVALID_ARGUMENT", "source_volume_ids", {"name": "g2", "source_volume_ids": []}),
            ("INVALID_ARGUMENT", "twice", {"name": "g2", "source_volume_ids": volumes[:1] * 2}),
            ("NOT_FOUND", "does not exist", {"name": "g2",
                                             "source_volume_ids": volumes + [NO_SUCH]}),
            ("INVALID_ARGUMENT", "colour", {"name": "g2", "parameters": {"colour": "red"}})]:
        with fails(code, word):
            csi.CreateVolumeGroupSnapshot(**{"name": "g1", "source_volume_ids": volumes, **fields})
    assert len(csi.ListSnapshots().entries) == 3


def test_get_and_delete(csi, csi_daemon, volumes, fails):
    group = take(csi, volumes)
    ids = [each.snapshot_id for each in group.snapshots]
    for call in csi.GetVolumeGroupSnapshot, csi.DeleteVolumeGroupSnapshot:
        with fails("INVALID_ARGUMENT", "group_snapshot_id"):
            call()
        for wrong in [ids[:2], ids + [NO_SUCH]]:
            with fails("INVALID_ARGUMENT", "snapshot_ids"):
                call(group_snapshot_id=group.group_snapshot_id, snapshot_ids=wrong)
    with fails("NOT_FOUND", "does not exist"):
        csi.GetVolumeGroupSnapshot(group_snapshot_id=NO_SUCH)
    assert csi.GetVolumeGroupSnapshot(group_snapshot_id=group.group_snapshot_id,
                                      snapshot_ids=ids).group_snapshot.ready_to_use
    csi_daemon.cli("snapshot", "set", "v1@g1", "--protect")
    with fails("FAILED_PRECONDITION", "v1@g1", "protected"):
        csi.DeleteVolumeGroupSnapshot(group_snapshot_id=group.group_snapshot_id)
    assert len(csi.ListSnapshots().entries) == 3
    csi_daemon.cli("snapshot", "set", "v1@g1", "--protect=false")
    for _ in range(10):
        csi.DeleteVolumeGroupSnapshot(group_snapshot_id=group.group_snapshot_id, snapshot_ids=ids)
    assert len(csi.ListSnapshots().entries) == 0
    csi.DeleteVolumeGroupSnapshot(group_snapshot_id=NO_SUCH)


def test_ten_at_once_are_one(csi, volumes):
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        groups = list(pool.map(lambda _: take(csi, volumes).group_snapshot_id, range(10)))
    assert len(set(groups)) == 1 and len(csi.ListSnapshots().entries) == 3


def test_it_is_announced(csi):
    kind = messages().PluginCapability.Service.Type
    services = [each.service.type for each in csi.GetPluginCapabilities().capabilities]
    assert kind.GROUP_CONTROLLER_SERVICE in services
    assert len(csi.GroupControllerGetCapabilities().capabilities) == 1

# SPDX-License-Identifier: Apache-2.0
"""csi.v1.SnapshotMetadata: changed blocks, as a backup program reads them."""
import os

import pytest

from lib.csi import messages
from lib.csi_words import MIB, NO_SUCH, capability, create, size


@pytest.fixture
def device(csi, csi_daemon):
    """A block volume, and the path of its device."""
    block = capability(block=True)
    uid = create(csi, volume_capabilities=[block], capacity_range=size(64 * MIB)).volume_id
    target = csi_daemon.dir + "/device"
    csi.NodeStageVolume(volume_id=uid, staging_target_path=csi_daemon.dir + "/staging",
                        volume_capability=block)
    csi.NodePublishVolume(volume_id=uid, staging_target_path=csi_daemon.dir + "/staging",
                          target_path=target, volume_capability=block)
    return uid, target


def write(path, offset, data):
    with open(path, "r+b", buffering=0) as file:
        file.seek(offset)
        file.write(data)
        os.fsync(file.fileno())


def take(csi, uid, name):
    return csi.CreateSnapshot(source_volume_id=uid, name=name).snapshot.snapshot_id


def ranges(answers):
    return [(each.byte_offset, each.size_bytes) for answer in answers
            for each in answer.block_metadata]


def covers(found, offset, length):
    return any(start <= offset and offset + length <= start + many for start, many in found)


def test_allocated_and_delta(csi, device):
    uid, path = device
    write(path, MIB, b"a" * 8192)
    one = take(csi, uid, "one")
    write(path, 9 * MIB, b"b" * 4096)
    two = take(csi, uid, "two")
    answers = list(csi.stream("GetMetadataAllocated", snapshot_id=one))
    assert {answer.volume_capacity_bytes for answer in answers} == {64 * MIB}
    assert answers[0].block_metadata_type == messages().BlockMetadataType.Value("VARIABLE_LENGTH")
    found = ranges(answers)
    assert covers(found, MIB, 8192) and not covers(found, 9 * MIB, 4096)
    delta = ranges(csi.stream("GetMetadataDelta", base_snapshot_id=one, target_snapshot_id=two))
    assert covers(delta, 9 * MIB, 4096) and not covers(delta, MIB, 8192)
    assert ranges(csi.stream("GetMetadataDelta", base_snapshot_id=two,
                             target_snapshot_id=two)) == []


def test_many_ranges_in_pieces_and_resumed(csi, device):
    uid, path = device
    with open(path, "r+b", buffering=0) as file:
        for i in range(300):
            file.seek(i * 65536)
            file.write(b"x" * 4096)
        os.fsync(file.fileno())
    snapshot = take(csi, uid, "many")
    whole = ranges(csi.stream("GetMetadataAllocated", snapshot_id=snapshot))
    assert sum(many for _, many in whole) >= 300 * 4096
    assert all(covers(whole, i * 65536, 4096) for i in range(300))
    assert whole == sorted(whole)
    answers = list(csi.stream("GetMetadataAllocated", snapshot_id=snapshot, max_results=7))
    assert ranges(answers) == whole
    assert max(len(answer.block_metadata) for answer in answers) <= 7
    start, many = whole[len(whole) // 2]
    assert ranges(csi.stream("GetMetadataAllocated", snapshot_id=snapshot,
                             starting_offset=start)) == whole[len(whole) // 2:]
    rest = ranges(csi.stream("GetMetadataAllocated", snapshot_id=snapshot,
                             starting_offset=start + many - 1))
    assert rest == [(start + many - 1, 1)] + whole[len(whole) // 2 + 1:]


def test_wrong_questions(csi, device, fails):
    uid, _ = device
    one = take(csi, uid, "one")
    other = take(csi, create(csi, "v2").volume_id, "other")
    for rpc, code, word, fields in [
            ("GetMetadataAllocated", "INVALID_ARGUMENT", "snapshot_id", {}),
            ("GetMetadataAllocated", "NOT_FOUND", "does not exist", {"snapshot_id": NO_SUCH}),
            ("GetMetadataAllocated", "INVALID_ARGUMENT", "max_results",
             {"snapshot_id": one, "max_results": -1}),
            ("GetMetadataAllocated", "OUT_OF_RANGE", "starting_offset",
             {"snapshot_id": one, "starting_offset": -1}),
            ("GetMetadataAllocated", "OUT_OF_RANGE", "starting_offset",
             {"snapshot_id": one, "starting_offset": 65 * MIB}),
            ("GetMetadataDelta", "INVALID_ARGUMENT", "target_snapshot_id",
             {"base_snapshot_id": one}),
            ("GetMetadataDelta", "NOT_FOUND", "does not exist",
             {"base_snapshot_id": NO_SUCH, "target_snapshot_id": one}),
            ("GetMetadataDelta", "INVALID_ARGUMENT", "different volumes",
             {"base_snapshot_id": one, "target_snapshot_id": other})]:
        with fails(code, word):
            list(csi.stream(rpc, **fields))


def test_a_reader_that_leaves(csi, device):
    uid, path = device
    write(path, 0, b"x" * MIB)
    snapshot = take(csi, uid, "one")
    for _ in range(20):
        next(csi.stream("GetMetadataAllocated", snapshot_id=snapshot, max_results=1))
    assert ranges(csi.stream("GetMetadataAllocated", snapshot_id=snapshot))

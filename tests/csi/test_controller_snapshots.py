# SPDX-License-Identifier: Apache-2.0
"""csi.v1.Controller: snapshots."""
import concurrent.futures
import time

from lib.csi_words import MIB, NO_SUCH, create


def take(csi, uid, name="s1", **more):
    return csi.CreateSnapshot(source_volume_id=uid, name=name, **more).snapshot


def test_create_is_repeated(csi):
    uid = create(csi).volume_id
    first = take(csi, uid)
    assert (first.source_volume_id, first.size_bytes, first.ready_to_use) == (uid, 64 * MIB, True)
    assert abs(first.creation_time.seconds - time.time()) < 100
    for _ in range(10):
        assert take(csi, uid) == first
    assert csi.GetSnapshot(snapshot_id=first.snapshot_id).snapshot == first


def test_names_are_unique_over_all_volumes(csi, fails):
    one, two = create(csi, "v1").volume_id, create(csi, "v2").volume_id
    take(csi, one)
    with fails("ALREADY_EXISTS", "s1"):
        take(csi, two)


def test_snapshots_of_others_do_not_take_names(csi, csi_daemon, fails):
    one, two = create(csi, "v1").volume_id, create(csi, "v2").volume_id
    csi_daemon.cli("snapshot", "create", "v1@daily")
    assert take(csi, two, "daily")
    with fails("ALREADY_EXISTS"):
        take(csi, one, "daily")
    assert len(csi.ListSnapshots().entries) == 2


def test_names_of_any_kind(csi):
    uid = create(csi).volume_id
    names = ["ü" * 64, "a/b", "a@b", "x" * 128, "."]
    made = {name: take(csi, uid, name).snapshot_id for name in names}
    assert len(set(made.values())) == len(names)
    assert {name: take(csi, uid, name).snapshot_id for name in names} == made


def test_wrong_snapshots(csi, fails):
    uid = create(csi).volume_id
    for code, word, fields in [
            ("INVALID_ARGUMENT", "name", {"source_volume_id": uid}),
            ("INVALID_ARGUMENT", "source_volume_id", {"name": "s"}),
            ("INVALID_ARGUMENT", "colour", {"source_volume_id": uid, "name": "s",
                                            "parameters": {"colour": "red"}}),
            ("NOT_FOUND", "does not exist", {"source_volume_id": NO_SUCH, "name": "s"})]:
        with fails(code, word):
            csi.CreateSnapshot(**fields)
    with fails("INVALID_ARGUMENT", "snapshot_id"):
        csi.DeleteSnapshot()
    with fails("INVALID_ARGUMENT", "snapshot_id"):
        csi.GetSnapshot()
    with fails("NOT_FOUND"):
        csi.GetSnapshot(snapshot_id=NO_SUCH)


def test_delete(csi, csi_daemon, fails):
    snapshot = take(csi, create(csi).volume_id)
    csi_daemon.cli("snapshot", "set", "v1@s1", "--protect")
    with fails("FAILED_PRECONDITION", "protected"):
        csi.DeleteSnapshot(snapshot_id=snapshot.snapshot_id)
    csi_daemon.cli("snapshot", "set", "v1@s1", "--protect=false")
    for _ in range(10):
        csi.DeleteSnapshot(snapshot_id=snapshot.snapshot_id)
    csi.DeleteSnapshot(snapshot_id=NO_SUCH)
    assert len(csi.ListSnapshots().entries) == 0


def test_list(csi, fails):
    one, two = create(csi, "v1").volume_id, create(csi, "v2").volume_id
    made = [take(csi, one if i % 2 else two, f"s{i}").snapshot_id for i in range(6)]

    def ids(**fields):
        answer = csi.ListSnapshots(**fields)
        return [entry.snapshot.snapshot_id for entry in answer.entries], answer.next_token
    assert ids() == (made, "")
    assert ids(source_volume_id=one) == (made[1::2], "")
    assert ids(snapshot_id=made[2]) == ([made[2]], "")
    assert ids(snapshot_id=NO_SUCH) == ([], "") == ids(source_volume_id=NO_SUCH)
    first, token = ids(max_entries=4)
    assert first == made[:4]
    csi.DeleteSnapshot(snapshot_id=made[3])
    assert ids(starting_token=token, max_entries=2) == (made[4:], "")
    with fails("ABORTED", "starting_token"):
        csi.ListSnapshots(starting_token="nonsense")
    with fails("INVALID_ARGUMENT", "max_entries"):
        csi.ListSnapshots(max_entries=-1)


def test_twenty_at_once_are_one(csi):
    uid = create(csi).volume_id
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda _: take(csi, uid).snapshot_id, range(20)))
    assert len(set(made)) == 1

# SPDX-License-Identifier: Apache-2.0
"""Volumes and files as tar streams, over REST and with the command line."""
import gzip
import io
import os
import shutil
import stat
import subprocess
import tarfile
import threading
import time

import pytest
from api.test_files import make_tree, mounted, snapshot, tree, write
from lib.leaks import assert_at_rest
from lib.rest import UnixConnection


def export(daemon, reference, path="/"):
    kind = "snapshots" if "@" in reference else "volumes"
    answer = daemon.rest.get(f"/v1/{kind}/{reference}/tar", query={"path": path})
    assert answer.status == 200, answer
    return answer.body


def import_tar(daemon, name, data, **query):
    return daemon.rest.post(f"/v1/volumes/{name}/tar", data, query={"size": "64M", **query},
                            headers={"Content-Type": "application/x-tar"})


def tar_of(*members, **more):
    """A tar of (name, type or content, {fields})."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, **more) as tar:
        for name, what, *fields in members:
            info = tarfile.TarInfo(name)
            special = what in (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE,
                               tarfile.FIFOTYPE)
            data = b"" if special else what
            info.type = what if special else tarfile.REGTYPE
            info.size = len(data)
            for key, value in (fields[0] if fields else {}).items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(params=["ext4", "xfs"])
def volume(request, daemon):
    daemon.rest.create("db", size="320M", fs=request.param)
    return mounted(daemon, "db")


@pytest.fixture
def db(daemon):
    daemon.rest.create("db", size="64M")
    return mounted(daemon, "db")


def test_out_and_in_again_everything_is_the_same(daemon, volume):
    make_tree(volume + "/data")
    os.chmod(volume, 0o751)
    snapshot(daemon, "db", "s")
    before = tree(volume)
    data = export(daemon, "db@s")
    assert len(data) < 2 << 20, "holes are not sent"
    answer = import_tar(daemon, "copy", data, size="320M")
    assert answer.status == 200, answer
    assert answer.json["status"]["phase"] == "available"
    copy = mounted(daemon, "copy")
    assert tree(copy) == before
    assert stat.S_IMODE(os.stat(copy).st_mode) == 0o751
    for name in ("db", "copy"):
        daemon.rest.unmount(name)
    assert_at_rest(daemon)


def test_other_programs_understand_it(daemon, db, base):
    make_tree(db + "/data")
    place = base + "/unpacked"
    os.makedirs(place)
    done = subprocess.run(["tar", "-xpf", "-", "--acls", "--xattrs", "--xattrs-include=*",
                           "--numeric-owner", "-C", place], input=export(daemon, "db", "/data"),
                          check=True, capture_output=True)
    before, after = tree(db + "/data"), tree(place + "/data")
    assert set(after) == set(before), done.stderr
    for name, old in before.items():
        assert after[name][:4] + after[name][5:6] == old[:4] + old[5:6], name
        if "posix" not in str(old[6]):
            assert after[name][6] == old[6], name
    shutil.rmtree(place)


def test_what_gnu_tar_makes_is_imported(daemon, db):
    make_tree(db + "/data")
    before = tree(db)
    for number, how in enumerate((["--format=gnu", "-S"], ["--format=pax", "-S", "--acls", "--xattrs",
                                                           "--xattrs-include=*"],
                                  ["--format=posix", "-z"])):
        made = subprocess.run(["tar", "-c", *how, "-C", db, "."], capture_output=True, check=True)
        answer = import_tar(daemon, f"copy{number}", made.stdout)
        assert answer.status == 200, answer
        after = tree(mounted(daemon, f"copy{number}"))
        assert set(after) == set(before)
        for name, old in before.items():
            same = [0, 1, 2, 4, 5] + ([3, 6] if number == 1 else [])
            assert [after[name][i] for i in same] == [old[i] for i in same], (how, name)


EVIL = {
    "climbs": [("a/../../../x", b"x")],
    "climbs-link": [("a", b"x"), ("b", tarfile.LNKTYPE, {"linkname": "../../etc/passwd"})],
    "link-to-nothing": [("b", tarfile.LNKTYPE, {"linkname": "etc/passwd"})],
    "through-absolute-link": [("d", tarfile.SYMTYPE, {"linkname": "/tmp"}), ("d/evil", b"x")],
    "through-relative-link": [("d", tarfile.SYMTYPE, {"linkname": "../../../../tmp"}),
                              ("d/evil", b"x")],
    "through-own-link": [("e", tarfile.DIRTYPE), ("d", tarfile.SYMTYPE, {"linkname": "e"}),
                         ("d/evil", b"x")],
    "hard-link-through-link": [("d", tarfile.SYMTYPE, {"linkname": "/etc"}),
                               ("x", tarfile.LNKTYPE, {"linkname": "d/passwd"})],
    "directory-over-link": [("d", tarfile.SYMTYPE, {"linkname": "/tmp"}), ("d", tarfile.DIRTYPE)],
    "file-over-directory": [("d", tarfile.DIRTYPE), ("d/x", b"x"), ("d", b"x")],
    "owner": [("x", b"x", {"uid": 1 << 40})],
    "huge": [("x", b"x" * 100, {"pax_headers": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                                                "GNU.sparse.realsize": str(1 << 62)}})],
}


@pytest.mark.parametrize("name", EVIL)
def test_nothing_gets_out_of_the_volume(daemon, name):
    before = set(os.listdir("/tmp"))
    answer = import_tar(daemon, "evil", tar_of(*EVIL[name]))
    assert answer.status in (400, 409, 500, 507), answer
    assert "import of 'evil'" in answer.error["message"]
    assert {found for found in set(os.listdir("/tmp")) - before if "evil" in found} == set()
    assert not daemon.rest.exists("evil")
    assert_at_rest(daemon)


def test_what_a_tar_may_hold(daemon):
    data = tar_of(("/absolute", b"a"), ("./dot//x", b"b"), ("setuid", b"s", {"mode": 0o4755}),
                  ("null", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3}),
                  ("fifo", tarfile.FIFOTYPE), ("out", tarfile.SYMTYPE, {"linkname": "/etc/passwd"}),
                  ("twice", b"first"), ("twice", b"second"), ("out2", b"x"),
                  ("out2", tarfile.SYMTYPE, {"linkname": "x"}), ("n\nl\xff", b"name"))
    answer = import_tar(daemon, "v", data)
    assert answer.status == 200, answer
    path = mounted(daemon, "v")
    assert open(path + "/absolute", "rb").read() == b"a"
    assert open(path + "/dot/x", "rb").read() == b"b"
    assert stat.S_IMODE(os.stat(path + "/setuid").st_mode) == 0o4755
    assert stat.S_ISCHR(os.lstat(path + "/null").st_mode)
    assert os.readlink(path + "/out") == "/etc/passwd"
    assert open(path + "/twice", "rb").read() == b"second" and os.path.islink(path + "/out2")
    assert not os.path.exists("/absolute")


def test_what_is_cut_off_or_damaged_leaves_nothing(daemon):
    whole = tar_of(("a", b"a" * 3000), ("b", tarfile.DIRTYPE), ("b/c", b"c" * 2000))
    end = len(whole.rstrip(b"\0"))
    points = sorted({*range(0, end, 512), 1, 100, 513, 2000, end, end - 1, end // 512 * 512 + 512})
    for point in points:
        answer = import_tar(daemon, "part", whole[:point])
        assert answer.status == 400 and "tar" in answer.error["message"], (point, answer)
        assert not daemon.rest.exists("part"), point
    zipped = gzip.compress(whole)
    for point in (0, 1, 20, len(zipped) // 2, len(zipped) - 9):
        answer = import_tar(daemon, "part", zipped[:point])
        assert answer.status == 400, (point, answer)
    for data in (b"hello", b"\0" * 100, os.urandom(5000), whole + b"x" * (2 << 20)):
        answer = import_tar(daemon, "part", data)
        assert answer.status == 400, answer
    assert import_tar(daemon, "part", whole).status == 200
    assert import_tar(daemon, "zipped", zipped).status == 200
    assert_at_rest(daemon)


def test_every_flipped_byte_of_a_head_is_survived(daemon):
    whole = tar_of(("d", tarfile.DIRTYPE), ("d/x", b"content"))
    for position in range(0, 1024, 3):
        data = bytearray(whole)
        data[position] ^= 0xff
        answer = import_tar(daemon, f"v{position}", bytes(data))
        assert answer.status in (200, 400, 409, 500), (position, answer)
        if answer.status == 200:
            daemon.rest.remove(f"v{position}")
    assert_at_rest(daemon)


def test_bad_requests(daemon, db):
    data = tar_of(("a", b"a"))
    for name, query, status, text in [
            ("db", {}, 409, "exists"), ("x", {"size": "1"}, 400, "size"),
            ("x", {"size": "ten"}, 400, "size"), ("x", {"fs": "ntfs"}, 400, "fs"),
            ("x", {"fs": "none"}, 501, "block volume"), ("x", {"pool": "nosuch"}, 404, "nosuch"),
            ("a%40b", {}, 400, "name"), ("x", {"colour": "red"}, 400, "colour")]:
        answer = import_tar(daemon, name, data, **query)
        assert answer.status == status and text in answer.error["message"], (name, query, answer)
    answer = daemon.rest.get("/v1/volumes/db/tar?path=/nosuch")
    assert answer.status == 404, answer
    daemon.rest.unmount("db")
    assert_at_rest(daemon)


def test_too_small_a_volume_leaves_nothing(daemon):
    data = tar_of(*((f"f{n}", os.urandom(1 << 20)) for n in range(40)))
    answer = import_tar(daemon, "small", data, size="32M")
    assert answer.status == 507, answer
    assert not daemon.rest.exists("small")
    assert_at_rest(daemon)


def test_a_client_that_vanishes_leaves_nothing(daemon):
    data = tar_of(*((f"f{n}", os.urandom(1 << 20)) for n in range(20)))
    connection = UnixConnection(daemon.socket)
    connection.putrequest("POST", "/v1/volumes/gone/tar?size=64M")
    connection.putheader("Content-Type", "application/x-tar")
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders()
    connection.send(data[:10 << 20])
    assert daemon.rest.volume("gone")["status"]["phase"] == "creating"
    connection.close()
    end = time.monotonic() + 10
    while daemon.rest.exists("gone"):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert_at_rest(daemon)


def test_killed_in_the_middle_of_an_import(make_daemon):
    daemon = make_daemon(config={"reconcile_period": "200ms"})
    data = tar_of(*((f"f{n}", os.urandom(1 << 20)) for n in range(40)))
    daemon.rest.create("other", size="64M")

    def ask():
        try:
            import_tar(daemon, "gone", data)
        except OSError:
            pass
    thread = threading.Thread(target=ask)
    thread.start()
    while not daemon.rest.exists("gone"):
        time.sleep(0.005)
    daemon.kill()
    thread.join()
    daemon.start()
    assert_at_rest(daemon)
    assert not daemon.rest.exists("gone")


# The command line

def test_cp_brings_everything_to_a_directory(daemon, db, base):
    make_tree(db + "/data")
    before = tree(db + "/data")
    snapshot(daemon, "db", "s")
    top = base + "/copies"
    os.makedirs(top)
    daemon.cli("files", "cp", "db@s", "/data", top)
    assert tree(top + "/data") == before
    daemon.cli("files", "cp", "db@s", "/data", top + "/renamed")
    assert tree(top + "/renamed") == before
    daemon.cli("files", "cp", "db@s", "/data/plain", "/data/empty", top)
    daemon.cli("files", "cp", "db@s", "/data/plain", top + "/one")
    assert open(top + "/one", "rb").read() == open(top + "/plain", "rb").read()
    daemon.cli("files", "cp", "db@s", "/", top + "/all")
    assert tree(top + "/all/data") == before
    daemon.cli("files", "cp", "db", "/data", top)       # again: the same names
    assert tree(top + "/data") == before
    for words, text in [(("db@s", "/nosuch", top), "/nosuch"), (("db@no", "/data", top), "db@no"),
                        (("db@s", "/data"), "no target"),
                        (("db@s", "/data", top + "/a/b"), "a'"),
                        (("db@s", "/data", "/data", top + "/new"), "not a directory"),
                        (("db@s", "/data", top + "/plain"), "plain")]:
        done = daemon.cli("files", "cp", *words, check=False)
        assert done.returncode != 0 and text in done.stderr, (words, done)
    shutil.rmtree(top)


def test_cp_never_follows_links_that_are_there(daemon, db, base):
    os.makedirs(db + "/d/e")
    write(db + "/d/e/x")
    top, outside = base + "/place", base + "/elsewhere"
    os.makedirs(top + "/d")
    os.makedirs(outside)
    os.symlink(outside, top + "/d/e")
    done = daemon.cli("files", "cp", "db", "/d", top, check=False)
    assert done.returncode != 0 and "/d/e" in done.stderr
    assert os.listdir(outside) == []
    shutil.rmtree(top)


def test_volumes_as_tar_files(daemon, db, base):
    make_tree(db + "/data")
    before = tree(db)
    file = base + "/db.tar"
    daemon.cli("volume", "export", "db", file, "--format", "tar")
    assert "data/plain" in tarfile.open(file).getnames()
    daemon.cli("volume", "import", "copy", file, "--format", "tar", "--size", "64M")
    assert tree(mounted(daemon, "copy")) == before
    listed = daemon.cli("files", "ls", "copy", "/data", "-R").stdout
    assert "/data/sticky/inside" in listed and "-rwsr-sr-x" in listed and "\x1b" not in listed
    assert daemon.cli("files", "cat", "copy", "/data/plain", "/data/plain").stdout == \
        "plain\n" * 2000
    done = daemon.cli("volume", "import", "copy", file, "--format", "tar", check=False)
    assert done.returncode == 73 and "exists" in done.stderr
    done = daemon.cli("volume", "import", "other", file, check=False)
    assert done.returncode != 0 and not daemon.rest.exists("other")
    done = daemon.cli("volume", "import", "other", file, "--size", "1G", check=False)
    assert done.returncode == 64 and "--format tar" in done.stderr
    os.remove(file)


def test_restore_and_diff_from_the_command_line(daemon, db):
    write(db + "/a", b"old")
    write(db + "/b", b"b")
    daemon.cli("snapshot", "create", "db@s")
    os.remove(db + "/b")
    write(db + "/a", b"newer")
    shown = daemon.cli("snapshot", "diff", "--files", "db@s").stdout.split("\n")
    assert [line.split()[0::3] for line in shown[1:3]] == [["changed", "/a"], ["removed", "/b"]]
    assert daemon.cli("snapshot", "diff", "--files", "db@s", "db").stdout.split("\n") == shown
    assert "1 files" in daemon.cli("files", "restore", "db@s", "/b").stdout
    done = daemon.cli("files", "restore", "db@s", "a", check=False)
    assert done.returncode == 73 and "there already" in done.stderr
    daemon.cli("files", "restore", "db@s", "a", "--overwrite")
    daemon.cli("files", "restore", "db@s", "a", "--to", "/old")
    assert daemon.cli("files", "cat", "db", "/a", "/old/a").stdout == "oldold"

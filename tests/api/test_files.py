# SPDX-License-Identifier: Apache-2.0
"""Looking into snapshots and volumes over REST, and bringing files back."""
import base64
import ctypes
import os
import shutil
import stat
import subprocess
import threading
import time

import pytest
from lib.leaks import assert_at_rest
from lib.rest import UnixConnection

LIBC = ctypes.CDLL(None, use_errno=True)


def mounted(daemon, name, consumer="test"):
    return daemon.rest.mount(name, consumer)["status"]["attachment"]["path"]


def snapshot(daemon, volume, name):
    daemon.rest.must("POST", "/v1/snapshots", {"name": name, "volumes": [volume]})


def files(daemon, reference, path="/", **query):
    kind = "snapshots" if "@" in reference else "volumes"
    return daemon.rest.must("GET", f"/v1/{kind}/{reference}/files",
                            query={"path": path, **query})["items"]


def paths(items):
    return [item["path"] for item in items]


def cat(daemon, reference, path):
    kind = "snapshots" if "@" in reference else "volumes"
    return daemon.rest.get(f"/v1/{kind}/{reference}/file", query={"path": path})


def restore(daemon, reference, *wanted, **more):
    return daemon.rest.post(f"/v1/snapshots/{reference}/files/restore",
                            {"paths": list(wanted), **more})


def restored(daemon, reference, *wanted, **more):
    answer = restore(daemon, reference, *wanted, **more)
    assert answer.status == 200, answer
    return answer.json


def write(path, data=b"x"):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def tree(top):
    """All that can be told of the files below a directory, without its own times."""
    found, inodes = {}, {}
    for directory, names, others in os.walk(os.fsencode(top)):
        names.sort()
        for name in sorted(names + others):
            path = os.path.join(directory, name)
            info = os.lstat(path)
            content = os.readlink(path) if stat.S_ISLNK(info.st_mode) else \
                read(path) if stat.S_ISREG(info.st_mode) else None
            xattrs = {key: os.getxattr(path, key, follow_symlinks=False)
                      for key in os.listxattr(path, follow_symlinks=False)}
            short = os.path.relpath(path, os.fsencode(top))
            first = inodes.setdefault(info.st_ino, short) if info.st_nlink > 1 else short
            found[short] = (info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns, info.st_rdev,
                            content, xattrs, first if not stat.S_ISDIR(info.st_mode) else None,
                            info.st_blocks < 100 if info.st_size > 1 << 20 else None)
    return found


def make_tree(top):
    """One of everything."""
    os.mkdir(top)
    write(top + "/plain", b"plain\n" * 1000)
    os.chown(top + "/plain", 1234, 4321)
    os.chmod(top + "/plain", 0o640)
    os.utime(top + "/plain", ns=(10**18, 10**18 + 123456789))
    write(top + "/empty", b"")
    write(top + "/setuid")
    os.chown(top + "/setuid", 7, 8)
    os.chmod(top + "/setuid", 0o6755)
    with open(top + "/sparse", "wb") as file:
        file.seek(30 << 20)
        file.write(b"end")
        file.truncate(31 << 20)
    os.link(top + "/plain", top + "/z-link")
    os.symlink("/etc/passwd", top + "/out")
    os.symlink("../../../../etc", top + "/up")
    os.symlink("plain", top + "/in")
    os.lchown(top + "/in", 5, 6)
    os.mkfifo(top + "/fifo", 0o600)
    os.mknod(top + "/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mkdir(top + "/sticky")
    os.chmod(top + "/sticky", 0o1777)
    write(top + "/sticky/inside", os.urandom(300000))
    os.setxattr(top + "/plain", "user.colour", b"blue\0\xff")
    os.setxattr(top + "/sticky", "trusted.thing", b"1")
    for name in (b"new\nline", b"\x1b[31m", b"not\xffutf8", b"-rf", "ü".encode(), b" "):
        write(os.fsencode(top) + b"/" + name, name)
    subprocess.run(["setfacl", "-m", "u:99:rw,g:98:r", top + "/empty"], check=True)
    subprocess.run(["setfacl", "-d", "-m", "u:97:rwx", top + "/sticky"], check=True)
    os.utime(top + "/sticky", ns=(10**18, 10**18 + 5))


@pytest.fixture(params=["ext4", "xfs"])
def volume(request, daemon):
    daemon.rest.create("db", size="320M", fs=request.param)
    return mounted(daemon, "db")


@pytest.fixture
def db(daemon):
    daemon.rest.create("db", size="64M")
    return mounted(daemon, "db")


def test_everything_comes_back_as_it_was(daemon, volume):
    make_tree(volume + "/data")
    before = tree(volume + "/data")
    snapshot(daemon, "db", "s")
    shutil.rmtree(volume + "/data")
    answer = restored(daemon, "db@s", "/data")
    assert answer["files"] == len(before) + 1
    assert tree(volume + "/data") == before
    again = restored(daemon, "db@s", "/data", to="/else/where")
    assert again["files"] == answer["files"]
    assert tree(volume + "/else/where/data") == before
    assert sorted(os.listdir(volume)) == ["data", "else"]
    assert not daemon.rest.must("GET", "/v1/snapshots/db@s").get("attachment")
    daemon.rest.unmount("db")
    assert_at_rest(daemon)
    kinds = {o["operation"]: o["phase"] for o in daemon.rest.must("GET", "/v1/operations")["items"]}
    assert kinds["files-restore"] == "done"


def test_a_volume_that_is_not_mounted_is_mounted_for_it(daemon, db):
    write(db + "/a", b"old")
    snapshot(daemon, "db", "s")
    os.remove(db + "/a")
    daemon.rest.unmount("db")
    restored(daemon, "db@s", "a")
    assert_at_rest(daemon)
    assert cat(daemon, "db", "/a").body == b"old"
    assert_at_rest(daemon)
    assert not daemon.rest.volume("db")["status"].get("attachment")


def test_a_list_tells_what_there_is_in_order(daemon, volume):
    make_tree(volume + "/data")
    snapshot(daemon, "db", "s")
    items = files(daemon, "db@s", "/data")
    assert items[0]["path"] == "/data" and items[0]["type"] == "directory"
    names = [base64.b64decode(item["raw"]) if "raw" in item else item["path"].encode()[1:]
             for item in items]
    assert names == [b"data"] + sorted(b"data/" + name for name in
                                       os.listdir(os.fsencode(volume + "/data")))
    by_path = {item["path"]: item for item in items}
    plain = by_path["/data/plain"]
    assert (plain["mode"], plain["uid"], plain["gid"], plain["size"], plain["links"]) == \
        ("0640", 1234, 4321, 6000, 2)
    assert plain["modified"] == "2001-09-09T01:46:40.123456Z"
    assert by_path["/data/setuid"]["mode"] == "6755"
    assert by_path["/data/out"]["target"] == "/etc/passwd"
    assert by_path["/data/null"]["type"] == "character-device"
    assert by_path["/data/new\nline"]["size"] == 8
    assert base64.b64decode(by_path["/data/not\ufffdutf8"]["raw"]) == b"data/not\xffutf8"
    deep = files(daemon, "db@s", "/", recursive="true")
    assert paths(deep)[:2] == ["/", "/data"] and "/data/sticky/inside" in paths(deep)
    assert files(daemon, "db@s", "data//plain/") == [plain]
    assert files(daemon, "db", "/data/plain") == [plain]


def test_content_is_exact(daemon, db):
    data = os.urandom(3_000_000)
    write(db + "/random", data)
    write(db + "/empty", b"")
    with open(db + "/sparse", "wb") as file:
        file.seek(5 << 20)
        file.write(b"middle")
        file.truncate(6 << 20)
    os.symlink("/random", db + "/link")
    os.symlink("../../../../../random", db + "/climbs")
    snapshot(daemon, "db", "s")
    write(db + "/random", b"later")
    for name in ("random", "link", "climbs"):
        assert cat(daemon, "db@s", name).body == data, name
    assert cat(daemon, "db", "random").body == b"later"
    assert cat(daemon, "db@s", "empty").body == b""
    assert cat(daemon, "db@s", "sparse").body == read(db + "/sparse")


REFUSED = [
    ("../etc/passwd", 400, "without '..'"), ("/a/../../b", 400, "without '..'"),
    ("missing", 404, "there is no file '/missing'"), ("plain/x", 404, "no file '/plain/x'"),
    ("passwd", 404, "there is no file"), ("up/passwd", 404, "there is no file"),
    ("fifo", 400, "'/fifo' is a fifo"), ("null", 400, "'/null' is a character-device"),
    ("loop", 409, "leads through a symbolic link"), ("directory", 400, "is a directory"),
    ("a" * 300, 0, "a" * 300), ("b/" * 3000, 400, "at most 4095 bytes"),
]


@pytest.mark.parametrize("path, status, text", REFUSED, ids=[path[:20] for path, *_ in REFUSED])
def test_nothing_outside_is_read(daemon, db, path, status, text):
    write(db + "/plain")
    os.symlink("/etc/passwd", db + "/passwd")
    os.symlink("../../../../../../etc", db + "/up")
    os.symlink("loop", db + "/loop")
    os.mkfifo(db + "/fifo")
    os.mknod(db + "/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mkdir(db + "/directory")
    snapshot(daemon, "db", "s")
    answer = cat(daemon, "db@s", path)
    assert answer.status // 100 in (4, 5) and (not status or answer.status == status), answer
    assert text in answer.error["message"]


def test_bad_requests_name_what_is_wrong(daemon, db):
    write(db + "/a")
    snapshot(daemon, "db", "s")
    for body, status, text in [
            ({}, 400, "paths"), ({"paths": []}, 400, "paths: expected at least one"),
            ({"paths": ["a", "../b"]}, 400, "paths[1]"), ({"paths": ["a"], "to": ".."}, 400, "to:"),
            ({"paths": [7]}, 400, "paths"), ({"paths": ["a"], "force": True}, 400, "force"),
            ({"paths": ["a", "d/a"], "to": "/t"}, 400, "paths[1]: '/t/a' is the place of another"),
            ({"paths": ["missing"]}, 404, "/missing"), ({"paths": ["a"]}, 409, "there already"),
    ]:
        answer = daemon.rest.post("/v1/snapshots/db@s/files/restore", body)
        assert answer.status == status and text in answer.error["message"], (body, answer)
    assert daemon.rest.get("/v1/snapshots/db@none/files").status == 404
    assert daemon.rest.get("/v1/volumes/none/files").status == 404
    assert daemon.rest.get("/v1/snapshots/db@s/files?recursive=perhaps").status == 400
    assert daemon.rest.get("/v1/snapshots/db@s/files/diff").status == 400
    assert not os.path.exists(db + "/missing") and os.listdir(db) == ["a"]
    daemon.rest.create("raw", size="32M", fs="none")
    answer = daemon.rest.get("/v1/volumes/raw/files")
    assert answer.status == 501 and "block volume" in answer.error["message"]
    snapshot(daemon, "raw", "s")
    answer = daemon.rest.get("/v1/snapshots/raw@s/files")
    assert answer.status == 501 and "no files" in answer.error["message"]
    daemon.rest.unmount("db")
    assert_at_rest(daemon)


def test_what_is_there_is_kept_unless_told_otherwise(daemon, db):
    os.makedirs(db + "/d/sub")
    write(db + "/d/changed", b"old")
    write(db + "/d/sub/gone", b"gone")
    os.chmod(db + "/d", 0o750)
    snapshot(daemon, "db", "s")
    write(db + "/d/changed", b"new")
    write(db + "/d/added", b"added")
    os.remove(db + "/d/sub/gone")
    os.chmod(db + "/d", 0o700)
    answer = restore(daemon, "db@s", "/d")
    assert answer.status == 409 and answer.error["kind"] == "exists"
    assert read(db + "/d/changed") == b"new"
    restored(daemon, "db@s", "/d", overwrite=True)
    assert read(db + "/d/changed") == b"old" and read(db + "/d/sub/gone") == b"gone"
    assert read(db + "/d/added") == b"added"
    assert stat.S_IMODE(os.stat(db + "/d").st_mode) == 0o750
    write(db + "/d/changed", b"newer")
    restored(daemon, "db@s", "/", overwrite=True)
    assert read(db + "/d/changed") == b"old" and sorted(os.listdir(db)) == ["d"]


def test_a_file_never_takes_the_place_of_a_directory(daemon, db):
    write(db + "/a", b"file")
    os.mkdir(db + "/b")
    write(db + "/b/x", b"x")
    write(db + "/c", b"c")
    snapshot(daemon, "db", "s")
    os.remove(db + "/a")
    os.mkdir(db + "/a")
    write(db + "/a/precious")
    shutil.rmtree(db + "/b")
    write(db + "/b")
    os.remove(db + "/c")
    for name in ("a", "b"):
        answer = restore(daemon, "db@s", "c", name, overwrite=True)
        assert answer.status == 409 and f"'/{name}' is a" in answer.error["message"]
        assert not os.path.exists(db + "/c"), "nothing is restored when not all can be"
    assert os.path.exists(db + "/a/precious")


def test_links_in_the_volume_lead_nowhere(daemon, db, base):
    outside = base + "/outside"
    os.makedirs(outside, exist_ok=True)
    os.makedirs(db + "/d/e")
    write(db + "/d/e/f", b"evil")
    snapshot(daemon, "db", "s")
    shutil.rmtree(db + "/d")
    os.symlink(outside, db + "/d")
    for target in (outside, "/", ".", "../../.."):
        os.remove(db + "/d")
        os.symlink(target, db + "/d")
        for more in ({}, {"overwrite": True}):
            answer = restore(daemon, "db@s", "/d/e/f", **more)
            assert answer.status == 409 and "symbolic link" in answer.error["message"], answer
        answer = restore(daemon, "db@s", "/d/e/f", to="/d/e")
        assert answer.status == 409, answer
        answer = restore(daemon, "db@s", "/d", overwrite=True)
        assert answer.status == 409, answer
    assert os.listdir(outside) == [] and os.listdir(db) == ["d"]


def test_a_name_that_is_a_link_in_the_snapshot_comes_back_as_one(daemon, db):
    os.symlink("/etc", db + "/etc")
    snapshot(daemon, "db", "s")
    os.remove(db + "/etc")
    restored(daemon, "db@s", "etc")
    assert os.readlink(db + "/etc") == "/etc"
    answer = restore(daemon, "db@s", "etc/passwd")
    assert answer.status in (404, 409), answer


def test_very_deep_trees(daemon):
    daemon.rest.create("deep", size="128M")
    top = mounted(daemon, "deep")
    here = os.open(top, os.O_DIRECTORY)
    for _ in range(3000):
        os.mkdir("directory", dir_fd=here)
        inner = os.open("directory", os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("bottom", os.O_CREAT, 0o600, dir_fd=here))
    os.close(here)
    snapshot(daemon, "deep", "s")
    found = files(daemon, "deep@s", recursive="true")
    assert len(found) == 3002 and found[-1]["path"].endswith("/bottom")
    assert len(found[-1]["path"]) > 30000
    assert restored(daemon, "deep@s", "/directory", to="/again")["files"] == 3001
    assert len(files(daemon, "deep", "/again", recursive="true")) == 3002
    subprocess.run(["rm", "-rf", top + "/again", top + "/directory"], check=True)


def test_a_hundred_thousand_files(daemon):
    daemon.rest.create("many", size="3G")
    top = mounted(daemon, "many")
    for number in range(100_000):
        if number % 1000 == 0:
            os.mkdir(f"{top}/{number // 1000}")
        os.close(os.open(f"{top}/{number // 1000}/{number}", os.O_CREAT, 0o600))
    write(top + "/50/wanted", b"wanted")
    snapshot(daemon, "many", "s")
    assert len(files(daemon, "many@s", recursive="true")) == 100_102
    os.remove(top + "/50/wanted")
    assert restored(daemon, "many@s", "/50/wanted") == {"files": 1, "bytes": 6}
    assert read(top + "/50/wanted") == b"wanted"
    assert daemon.rest.must("GET", "/v1/volumes/many/files/diff",
                            query={"base": "many@s"})["items"] == []


# Differences

def diff(daemon, base, target=None):
    route = f"snapshots/{target}" if target else f"volumes/{base.split('@')[0]}"
    items = daemon.rest.must("GET", f"/v1/{route}/files/diff", query={"base": base})["items"]
    return [(item["change"], item["path"], *([item["from"]] if "from" in item else []))
            for item in items]


def test_what_differs(daemon, volume):
    os.makedirs(volume + "/dir/sub")
    for name in ("same", "gone", "grown", "edited", "touched", "mode", "attr", "moved", "both",
                 "reset", "dir/sub/x", "dir/y", "a", "a-b"):
        write(f"{volume}/{name}", name.encode() * 10)
    os.symlink("here", volume + "/link")
    snapshot(daemon, "db", "one")
    time.sleep(0.02)
    os.remove(volume + "/gone")
    write(volume + "/grown", b"longer" * 100)
    write(volume + "/edited", b"EDITED" * 10)
    os.utime(volume + "/touched", (1, 1))
    os.chmod(volume + "/mode", 0o600)
    os.setxattr(volume + "/attr", "user.x", b"1")
    os.rename(volume + "/moved", volume + "/moved-away")
    os.rename(volume + "/both", volume + "/both-away")
    write(volume + "/both-away", b"other")
    info = os.stat(volume + "/reset")
    write(volume + "/reset", b"RESET" * 10)
    os.utime(volume + "/reset", ns=(info.st_atime_ns, info.st_mtime_ns))
    os.rename(volume + "/dir", volume + "/folder")
    write(volume + "/folder/y", b"y changed")
    os.remove(volume + "/link")
    os.symlink("there", volume + "/link")
    write(volume + "/new", b"new")
    write(volume + "/a-b", b"-")
    write(volume + "/a", b"-")
    expected = [
        ("changed", "/a"), ("changed", "/a-b"), ("metadata", "/attr"),
        ("changed", "/both-away", "/both"), ("changed", "/edited"), ("renamed", "/folder", "/dir"),
        ("changed", "/folder/y", "/dir/y"), ("removed", "/gone"), ("changed", "/grown"),
        ("changed", "/link"), ("metadata", "/mode"), ("renamed", "/moved-away", "/moved"),
        ("added", "/new"), ("changed", "/reset"), ("metadata", "/touched")]
    assert diff(daemon, "db@one") == expected
    snapshot(daemon, "db", "two")
    write(volume + "/later")
    assert diff(daemon, "db@one", "db@two") == expected
    assert diff(daemon, "db@two", "db@two") == []
    assert diff(daemon, "db@two") == [("added", "/later")]
    back = diff(daemon, "db@two", "db@one")
    assert ("added", "/gone") in back and ("removed", "/new") in back


def test_a_file_that_becomes_a_directory(daemon, db):
    write(db + "/x")
    snapshot(daemon, "db", "s")
    os.remove(db + "/x")
    os.mkdir(db + "/x")
    write(db + "/x/y")
    assert diff(daemon, "db@s") == [("changed", "/x"), ("added", "/x/y")]
    daemon.rest.create("other", size="32M")
    snapshot(daemon, "other", "s")
    answer = daemon.rest.get("/v1/snapshots/other@s/files/diff", query={"base": "db@s"})
    assert answer.status == 400 and "different volumes" in answer.error["message"]


# Others at the same time

def test_several_at_once_leave_nothing(daemon, db):
    make_tree(db + "/data")
    before = tree(db + "/data")
    snapshot(daemon, "db", "s")
    failed = []

    def one(number):
        try:
            for turn in range(5):
                restored(daemon, "db@s", "/data", to=f"/{number}-{turn}")
                assert len(files(daemon, "db@s", "/data")) > 5
                assert cat(daemon, "db@s", "/data/plain").status == 200
        except AssertionError as error:
            failed.append(error)
    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    assert all(tree(f"{db}/{n}-{t}/data") == before for n in range(4) for t in range(5))
    daemon.rest.unmount("db")
    assert_at_rest(daemon)


def test_a_snapshot_is_not_deleted_while_it_is_read(daemon, db):
    write(db + "/big", os.urandom(30 << 20))
    snapshot(daemon, "db", "s")
    connection = UnixConnection(daemon.socket)
    connection.request("GET", "/v1/snapshots/db@s/file?path=/big")
    response = connection.getresponse()
    response.read(1000)
    answer = daemon.rest.delete("/v1/snapshots/db@s")
    assert answer.status == 423 and "files" in answer.error["message"]
    connection.close()              # a client that goes away frees it
    end = time.monotonic() + 10
    while daemon.rest.delete("/v1/snapshots/db@s").status != 200:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_full_volume_stays_as_it_was(daemon, db):
    write(db + "/big", os.urandom(25 << 20))
    snapshot(daemon, "db", "s")
    write(db + "/more", os.urandom(20 << 20))
    answer = restore(daemon, "db@s", "/big", to="/again")
    assert answer.status == 507, answer
    assert sorted(os.listdir(db)) == ["big", "more"]
    daemon.rest.unmount("db")
    assert_at_rest(daemon)


def test_killed_in_the_middle_nothing_is_left(make_daemon):
    daemon = make_daemon(config={"reconcile_period": "200ms"})
    daemon.rest.create("db", size="256M")
    top = mounted(daemon, "db")
    for number in range(50):
        write(f"{top}/{number}", os.urandom(2 << 20))
    snapshot(daemon, "db", "s")
    daemon.rest.unmount("db")

    def ask():
        try:
            restore(daemon, "db@s", "/", to="/again")
        except OSError:
            pass
    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.15)
    daemon.kill()
    thread.join()
    daemon.start()
    assert_at_rest(daemon)
    top = mounted(daemon, "db")
    assert not [name for name in os.listdir(top) if name.startswith(".dolium")]
    for number in range(50):
        assert os.path.getsize(f"{top}/{number}") == 2 << 20

# SPDX-License-Identifier: Apache-2.0
"""What must be true of a daemon at rest: its records, its pools and the kernel tell the same story,
and nothing lies about that no record explains."""
import json
import os
import sqlite3
import subprocess
from urllib.parse import unquote

from lib.wait import until

PHASES = ("creating", "available", "trashed", "deleting", "lost")
POOL_ENTRIES = {"pool.json", "volumes", "templates", "ballast"}
# volume.json.tmp: of a write that a crash cut off; the next one replaces it
VOLUME_ENTRIES = {"volume.json", "volume.json.tmp", "disk", "data", "snapshots"}


def all_volumes(rest):
    """Every volume, whatever its phase."""
    return [volume for phase in PHASES for volume in rest.volumes(phase=phase)]


def _listdir(path):
    try:
        return set(os.listdir(path))
    except FileNotFoundError:
        return set()


def _pool_path(daemon, pool):
    return pool["spec"].get("path") or f"{daemon.state_dir}/pools/{pool['name']}"


def _differences(what, is_, should_be):
    is_, should_be = set(is_), set(should_be)
    return [f"{what}: unexplained {sorted(is_ - should_be)}"] * bool(is_ - should_be) + \
        [f"{what}: missing {sorted(should_be - is_)}"] * bool(should_be - is_)


def _check_description(path, volume):
    with open(path + "/volume.json", encoding="utf-8") as file:
        said = json.load(file)
    return [f"{path}/volume.json says {key} {said.get(key)}, not {volume.get(key)}"
            for key in ("name", "uid", "labels", "spec") if said.get(key) != volume.get(key)] + \
        [f"{path}/volume.json says phase {said['status']['phase']}, not {volume['status']['phase']}"
         ] * (said["status"]["phase"] != volume["status"]["phase"])


def _check_volume(path, volume):
    found = _listdir(path)
    complaints = _differences(path, found - {"snapshots"},
                              found & VOLUME_ENTRIES - {"snapshots"})
    return complaints + (_check_description(path, volume) if "volume.json" in found
                         else [f"{path} has no volume.json"])


def _check_pool(daemon, pool, volumes, unrecorded):
    path = _pool_path(daemon, pool)
    mine = {volume["uid"]: volume for volume in volumes if volume["spec"]["pool"] == pool["name"]}
    there = _listdir(path + "/volumes") - (set(unrecorded) - set(mine))
    complaints = [] if pool["status"]["phase"] == "ready" else [f"{pool['name']}: {pool['status']}"]
    complaints += _differences(path + "/volumes", there, mine)
    complaints += _differences(path, _listdir(path), _listdir(path) & POOL_ENTRIES)
    complaints += [f"{path}/templates/{name}" for name in _listdir(path + "/templates")
                   if name.endswith(".tmp")]
    for uid in there & set(mine):
        complaints += _check_volume(f"{path}/volumes/{uid}", mine[uid])
    promised = sum(volume["spec"].get("size", 0) for volume in mine.values())
    status = pool["status"]
    if status["allocated"] != promised:
        complaints.append(f"pool {pool['name']} says it promised {status['allocated']} bytes, its "
                          f"volumes have {promised}")
    trashed = sum(volume["status"]["phase"] == "trashed" for volume in mine.values())
    if (status["volumes"], status["trashed"]) != (len(mine), trashed):
        complaints.append(f"pool {pool['name']} counts {status['volumes']} volumes and "
                          f"{status['trashed']} trashed, not {len(mine)} and {trashed}")
    return complaints


def _check_pools_directory(daemon, pools):
    """What lies beside the pools: backing files and signposts."""
    there = _listdir(daemon.state_dir + "/pools")
    named = {name + suffix for name in (pool["name"] for pool in pools)
             for suffix in ("", ".img", ".json")}
    return _differences(daemon.state_dir + "/pools", there, there & named)


def _check_kernel(daemon, pools, volumes):
    attached = [volume for volume in volumes if volume["status"].get("attachment")]
    points = [volume["status"]["attachment"]["path"] for volume in attached
              if volume["spec"]["fs"] != "none"]
    mounted = [point for point, *_ in daemon.volume_mounts()]
    files = list(daemon.loops().values())
    wanted = [f"{_pool_path(daemon, pool)}/volumes/{volume['uid']}/disk"
              for volume in attached for pool in pools
              if pool["name"] == volume["spec"]["pool"] and volume["spec"]["fs"] != "directory"]
    backing = [_pool_path(daemon, pool) + ".img" for pool in pools]
    complaints = _differences("mounts", mounted, points)
    complaints += [f"mounted twice: {point}" for point in set(mounted) if mounted.count(point) > 1]
    complaints += _differences("loop devices", [file for file in files if file not in backing],
                               wanted)
    complaints += [f"two loop devices on {file}" for file in set(files) if files.count(file) > 1]
    complaints += _differences(
        "mount points", {f"{daemon.state_dir}/mnt/{name}"
                         for name in _listdir(daemon.state_dir + "/mnt")}, points)
    return complaints


def store(daemon, prefix=""):
    """{key: document} of the store, read beside the daemon."""
    path = f"file:{daemon.state_dir}/state.db?mode=ro"
    connection = sqlite3.connect(path, uri=True, timeout=10)
    try:
        rows = connection.execute("SELECT key, value FROM record WHERE substr(key, 1, ?) = ?",
                                  (len(prefix), prefix)).fetchall()
    finally:
        connection.close()
    return {key: json.loads(value) for key, value in rows}


def _check_store(daemon, volumes):
    names = {unquote(key[len("names/"):]): document["uid"]
             for key, document in store(daemon, "names/").items()}
    owners = {volume["name"]: volume["uid"] for volume in volumes
              if volume["status"]["phase"] in ("available", "lost", "creating")}
    attachments = {key.rsplit("/", 1)[1] for key in store(daemon, "attachments/")}
    complaints = _differences("names", names.items(), owners.items())
    complaints += _differences("records of volumes", [key[len("volumes/"):] for key in
                                                      store(daemon, "volumes/")],
                               [volume["uid"] for volume in volumes])
    return complaints + _differences("records of attachments", attachments, [
        volume["uid"] for volume in volumes if volume["status"].get("attachment")])


def _check_snapshots(daemon, pools, volumes):
    """Records of snapshots, what lies beside their volumes, and the store tell the same."""
    recorded = daemon.rest.must("GET", "/v1/snapshots")["items"]
    found = [f"snapshot {snapshot['reference']} is {snapshot['phase']}" for snapshot in recorded
             if snapshot["phase"] != "ready"]
    for volume in volumes:
        path = [_pool_path(daemon, pool) for pool in pools
                if pool["name"] == volume["spec"]["pool"]][0] + f"/volumes/{volume['uid']}/snapshots"
        mine = {s["uid"] for s in recorded if s["volume"] == volume["uid"]}
        found += _differences(path, _listdir(path), mine)
        for uid in _listdir(path) & mine:
            found += _differences(f"{path}/{uid}", _listdir(f"{path}/{uid}"),
                                  {"disk", "snapshot.json"})
    found += _differences("records of snapshots", [key[len("snapshots/"):] for key in
                                                   store(daemon, "snapshots/")],
                          [snapshot["uid"] for snapshot in recorded])
    names = {document["uid"] for document in store(daemon, "snapshot-names/").values()}
    return found + _differences("names of snapshots", names, {s["uid"] for s in recorded})


def complaints(daemon, unrecorded=()):
    """What is not as it must be; [] = all is well. May be wrong while something is under way.
    `unrecorded`: uids that may lie in a pool without a record."""
    rest = daemon.rest
    running = rest.must("GET", "/v1/operations", query={"phase": "running"})["items"]
    volumes = all_volumes(rest)
    pools = rest.must("GET", "/v1/pools")["items"]
    found = [f"running: {operation}" for operation in running]
    found += [f"volume {volume['name']} is {volume['status']['phase']}" for volume in volumes
              if volume["status"]["phase"] not in ("available", "trashed")]
    for pool in pools:
        found += _check_pool(daemon, pool, volumes, unrecorded)
    found += _check_pools_directory(daemon, pools)
    found += _check_kernel(daemon, pools, volumes)
    found += _check_store(daemon, volumes)
    found += _check_snapshots(daemon, pools, volumes)
    return found


def assert_at_rest(daemon, seconds=10, unrecorded=()):
    """Waits until nothing is left to complain about."""
    last = []

    def question():
        last[:] = complaints(daemon, unrecorded)
        return not last
    try:
        until(question, seconds, every=0.05)
    except AssertionError:
        raise AssertionError("not at rest:\n" + "\n".join(last)) from None


def check_file_systems(daemon):
    """fsck of every ext4 image that is not mounted: complaints."""
    found = []
    for volume in all_volumes(daemon.rest):
        if volume["spec"]["fs"] != "ext4" or volume["status"].get("attachment"):
            continue
        disk = f"{daemon.state_dir}/pools/{volume['spec']['pool']}/volumes/{volume['uid']}/disk"
        done = subprocess.run(["e2fsck", "-fn", disk], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            found.append(f"e2fsck {volume['name']}: {done.stdout}{done.stderr}")
    return found

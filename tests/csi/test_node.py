# SPDX-License-Identifier: Apache-2.0
"""csi.v1.Node, as kubelet drives it."""
import concurrent.futures
import os
import stat
import subprocess

import pytest

from lib.csi import Csi, Failed, messages
from lib.csi_words import MIB, NO_SUCH, NODE, capability, create, from_snapshot, size


class Use:
    """One volume on its way to a pod: paths as kubelet has them, and the calls."""

    def __init__(self, csi, daemon, name="v1", mode="SINGLE_NODE_MULTI_WRITER", block=False, **more):
        self.csi, self.daemon = csi, daemon
        self.capability = capability(mode=mode, block=block)
        self.kubelet = daemon.dir + "/kubelet"
        self.uid = create(csi, name, volume_capabilities=[self.capability], **more).volume_id
        self.staging = f"{self.kubelet}/plugins/{name}/globalmount"
        self.target = self.path("pod1")
        os.makedirs(self.staging, exist_ok=True)

    def path(self, pod):
        """A target path: its parent is there, it is not."""
        parent = f"{self.kubelet}/pods/{pod}/{self.uid}"
        os.makedirs(parent, exist_ok=True)
        return parent + "/mount"

    def stage(self, **more):
        return self.csi.NodeStageVolume(**{
            "volume_id": self.uid, "staging_target_path": self.staging,
            "volume_capability": self.capability, **more})

    def publish(self, **more):
        return self.csi.NodePublishVolume(**{
            "volume_id": self.uid, "staging_target_path": self.staging,
            "target_path": self.target, "volume_capability": self.capability, **more})

    def unpublish(self, **more):
        return self.csi.NodeUnpublishVolume(**{
            "volume_id": self.uid, "target_path": self.target, **more})

    def unstage(self, **more):
        return self.csi.NodeUnstageVolume(**{
            "volume_id": self.uid, "staging_target_path": self.staging, **more})

    def stats(self, path=None):
        return self.csi.NodeGetVolumeStats(volume_id=self.uid, volume_path=path or self.target)

    def left(self):
        """Mounts below kubelet's directory, and those of the volume."""
        return [entry[0] for entry in self.daemon.mounts()
                if entry[0].startswith(self.kubelet) or "/mnt/" in entry[0]]

    def options(self, path=None):
        with open("/proc/self/mountinfo", encoding="utf-8") as table:
            return {line.split()[4]: line.split()[5].split(",")
                    for line in table}[path or self.target]


@pytest.fixture
def use(csi, csi_daemon):
    def make(*arguments, **more):
        return Use(csi, csi_daemon, *arguments, **more)
    return make


def write(path, text="hello"):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_the_life_of_a_pod_every_step_ten_times(csi, csi_daemon, use):
    it = use()
    attach = {"volume_id": it.uid, "node_id": NODE}
    for _ in range(10):
        csi.ControllerPublishVolume(**attach, volume_capability=it.capability)
    for _ in range(10):
        it.stage()
    for _ in range(10):
        it.publish()
    assert it.left().count(it.target) == it.left().count(it.staging) == 1
    write(it.target + "/file")
    assert read(it.staging + "/file") == "hello"
    for _ in range(10):
        it.unpublish()
    assert not os.path.exists(it.target)
    for _ in range(10):
        it.unstage()
    assert os.listdir(it.staging) == []
    for _ in range(10):
        csi.ControllerUnpublishVolume(**attach)
    assert it.left() == []
    os.rmdir(it.staging)                # kubelet does
    it.unpublish()
    it.unstage()
    os.makedirs(it.staging)
    it.stage()
    it.publish()
    assert read(it.target + "/file") == "hello"


def test_without_attaching(csi, use):
    it = use()
    it.stage()
    it.publish()
    write(it.target + "/file")
    it.unpublish()
    it.unstage()
    assert it.left() == []
    csi.DeleteVolume(volume_id=it.uid)


def test_a_block_volume(csi, use):
    it = use(block=True)
    it.stage()
    for _ in range(3):
        it.publish()
    assert stat.S_ISBLK(os.stat(it.target).st_mode)
    with open(it.target, "r+b") as device:
        assert device.seek(0, 2) == 64 * MIB
        device.seek(0)
        device.write(b"block")
    usage, = it.stats().usage
    assert usage.total == 64 * MIB and usage.unit == messages().VolumeUsage.Unit.BYTES
    it.unpublish()
    assert not os.path.exists(it.target)
    it.unstage()
    assert it.left() == [] and len(it.daemon.loops()) == 1      # the pool's own


def test_read_only(use):
    it = use()
    it.stage()
    it.publish(readonly=True)
    assert "ro" in it.options()
    with pytest.raises(OSError):
        write(it.target + "/file")
    write(it.staging + "/file")
    other = it.path("pod2")
    it.publish(target_path=other)
    write(other + "/file2")


def test_a_reader_only_mode(use):
    it = use(mode="SINGLE_NODE_READER_ONLY")
    it.stage()
    it.publish()
    for path in it.target, it.staging:
        with pytest.raises(OSError):
            write(path + "/file")


def test_attached_for_reading_only(csi, use):
    it = use()
    csi.ControllerPublishVolume(volume_id=it.uid, node_id=NODE, volume_capability=it.capability,
                                readonly=True)
    it.stage()
    it.publish()
    with pytest.raises(OSError):
        write(it.target + "/file")


def test_mount_flags(use, fails):
    it = use()
    wanted = capability(flags=["noexec", "noatime"])
    it.stage(volume_capability=wanted)
    it.publish(volume_capability=wanted)
    assert {"noexec", "noatime"} <= set(it.options())
    with fails("ALREADY_EXISTS", "noexec"):
        it.publish()
    with fails("ALREADY_EXISTS", "noexec"):
        it.stage()


def test_several_targets(use, fails):
    for number, mode in enumerate(["SINGLE_NODE_WRITER", "SINGLE_NODE_SINGLE_WRITER"]):
        it = use(f"single{number}", mode=mode)
        it.stage()
        it.publish()
        with fails("FAILED_PRECONDITION", "for one writer", it.target):
            it.publish(target_path=it.path("pod2"))
        it.unpublish()
        it.publish(target_path=it.path("pod2"))
    it = use("multi")
    it.stage()
    paths = [it.path(f"pod{i}") for i in range(5)]
    for path in paths:
        it.publish(target_path=path)
    write(paths[0] + "/file")
    assert read(paths[4] + "/file") == "hello"
    for path in paths:
        it.unpublish(target_path=path)


def test_wrong_requests(use, fails):
    it = use()
    for field, code, word in [("volume_id", "INVALID_ARGUMENT", "volume_id"),
                              ("staging_target_path", "INVALID_ARGUMENT", "staging_target_path"),
                              ("volume_capability", "INVALID_ARGUMENT", "volume_capability")]:
        with fails(code, word):
            it.stage(**{field: None})
    with fails("FAILED_PRECONDITION", "not staged"):
        it.publish()
    it.stage()
    for field, code, word in [("volume_id", "INVALID_ARGUMENT", "volume_id"),
                              ("staging_target_path", "FAILED_PRECONDITION", "staging"),
                              ("target_path", "INVALID_ARGUMENT", "target_path"),
                              ("volume_capability", "INVALID_ARGUMENT", "volume_capability")]:
        with fails(code, word):
            it.publish(**{field: None})
    for call in it.stage, it.publish:
        with fails("NOT_FOUND", "does not exist"):
            call(volume_id=NO_SUCH)
        for wrong in [capability(block=True), capability(fs="xfs"),
                      capability(mode="MULTI_NODE_READER_ONLY")]:
            with fails("INVALID_ARGUMENT"):
                call(volume_capability=wrong)
    with fails("FAILED_PRECONDITION", "staged as"):
        it.publish(volume_capability=capability(mode="SINGLE_NODE_WRITER"))
    for wrong in ["relative", "/", it.kubelet + "/../x", it.kubelet + "//x", it.target + "/"]:
        for call in it.publish, it.unpublish:
            with fails("INVALID_ARGUMENT", "target_path"):
                call(target_path=wrong)
        for call in it.stage, it.unstage:
            with fails("INVALID_ARGUMENT", "staging_target_path"):
                call(staging_target_path=wrong)
    for call in it.unpublish, it.unstage:
        with fails("INVALID_ARGUMENT", "volume_id"):
            call(volume_id="")
    block = use("block", block=True)
    block.stage()
    with fails("INVALID_ARGUMENT", "readonly"):
        block.publish(readonly=True)


def test_targets_that_are_something_else(use, fails, csi_daemon):
    it = use()
    it.stage()
    parent = os.path.dirname(it.target)
    write(parent + "/file", "keep")
    os.symlink("/etc", parent + "/link")
    os.makedirs(parent + "/full/inside")
    os.mkdir(parent + "/other")
    kernel_mount(csi_daemon, parent + "/other")
    for name in ["file", "link", "full", "other"]:
        with fails("FAILED_PRECONDITION"):
            it.publish(target_path=f"{parent}/{name}")
    with fails("NOT_FOUND"):
        it.publish(target_path=parent + "/none/mount")
    assert read(parent + "/file") == "keep"
    with fails("FAILED_PRECONDITION", "not empty"):
        it.unpublish(target_path=parent + "/file")
    with fails("FAILED_PRECONDITION", "is not volume"):
        it.unpublish(target_path=parent + "/other")
    with fails("FAILED_PRECONDITION"):
        it.unpublish(target_path=parent + "/full")
    assert os.path.isdir(parent + "/full/inside") and read(parent + "/file") == "keep"
    consumers = csi_daemon.rest.volume("v1")["status"]["attachment"]["consumers"]
    assert [each["id"] for each in consumers] == ["stage " + it.staging]


def kernel_mount(daemon, path):
    """Something of nobody's: a bind of the daemon's directory."""
    subprocess.run(["mount", "--bind", daemon.dir, path], check=True, timeout=20)


def test_unknown_volumes_are_not_there(use, fails, csi_daemon):
    it = use()
    it.unpublish(volume_id=NO_SUCH)
    it.unstage(volume_id=NO_SUCH)
    it.stage()
    with fails("FAILED_PRECONDITION", "is not volume"):
        it.unstage(volume_id=NO_SUCH)
    assert it.staging in it.left()


def test_stats(csi, use, fails):
    it = use()
    it.stage()
    it.publish()
    with open(it.target + "/data", "wb") as file:
        file.write(b"x" * (10 * MIB))
        os.fsync(file.fileno())
    for path in it.target, it.staging:
        answer = it.stats(path)
        space, inodes = answer.usage
        assert space.used >= 10 * MIB and 48 * MIB < space.total <= 64 * MIB
        assert space.available <= space.total - space.used
        assert inodes.used >= 1 and inodes.total > inodes.used
        assert not answer.volume_condition.abnormal
    with fails("NOT_FOUND", "is not at"):
        it.stats("/somewhere")
    with fails("INVALID_ARGUMENT", "volume_path"):
        csi.NodeGetVolumeStats(volume_id=it.uid)
    with fails("NOT_FOUND"):
        csi.NodeGetVolumeStats(volume_id=NO_SUCH, volume_path=it.target)


def test_growing_while_it_is_published(csi, use, fails):
    it = use(parameters={"fs": "xfs"}, capacity_range=size(300 * MIB))
    it.stage()
    it.publish()
    before = it.stats().usage[0].total
    node = {"volume_id": it.uid, "volume_path": it.target, "capacity_range": size(900 * MIB)}
    with fails("OUT_OF_RANGE", "ControllerExpandVolume"):
        csi.NodeExpandVolume(**node)
    csi.ControllerExpandVolume(volume_id=it.uid, capacity_range=size(900 * MIB))
    assert csi.NodeExpandVolume(**node).capacity_bytes == 900 * MIB
    assert it.stats().usage[0].total > 2 * before
    with fails("NOT_FOUND", "is not at"):
        csi.NodeExpandVolume(volume_id=it.uid, volume_path="/nowhere")


def test_node(csi):
    info = csi.NodeGetInfo()
    assert info.node_id == NODE
    assert dict(info.accessible_topology.segments) == {"csi.dolium.io/node": NODE}
    kind = messages().NodeServiceCapability.RPC.Type
    assert {kind.Name(each.rpc.type) for each in csi.NodeGetCapabilities().capabilities} == {
        "STAGE_UNSTAGE_VOLUME", "GET_VOLUME_STATS", "EXPAND_VOLUME", "VOLUME_CONDITION",
        "SINGLE_NODE_MULTI_WRITER"}


@pytest.mark.parametrize("mode, served, refused", [
    ("controller", "ControllerGetCapabilities", "NodeGetInfo"),
    ("node", "NodeGetInfo", "ControllerGetCapabilities")])
def test_one_half(make_daemon, fails, mode, served, refused):
    daemon = make_daemon(arguments=["--csi=" + mode])
    kind = messages().PluginCapability.Service.Type
    with Csi(daemon.csi_socket) as csi:
        getattr(csi, served)()
        with fails("UNIMPLEMENTED"):
            getattr(csi, refused)()
        services = [each.service.type for each in csi.GetPluginCapabilities().capabilities]
        assert (kind.CONTROLLER_SERVICE in services) == (mode == "controller")


# The other faces

def test_docker_and_a_pod_together(csi, csi_daemon, use, fails):
    csi_daemon.plugin().create("v1", size="64M")
    path = csi_daemon.plugin().mount("v1", "a" * 64)
    it = use()
    it.stage()
    it.publish()
    write(path + "/file", "from docker")
    assert read(it.target + "/file") == "from docker"
    csi_daemon.plugin().unmount("v1", "a" * 64)
    assert read(it.target + "/file") == "from docker"
    assert csi_daemon.rest.delete("/v1/volumes/v1").status == 423
    assert "in use by csi stage " + it.staging in csi_daemon.plugin().refused(
        "VolumeDriver.Remove", {"Name": "v1"})
    it.unpublish()
    it.unstage()
    csi_daemon.plugin().remove("v1")
    assert it.left() == []
    with fails("NOT_FOUND", "deleted"):
        it.stage()


def test_a_single_writer_keeps_docker_out(csi_daemon, use, fails):
    it = use(mode="SINGLE_NODE_WRITER")
    csi_daemon.plugin().mount("v1", "a" * 64)
    with fails("FAILED_PRECONDITION", "in use by docker aaaaaaaaaaaa since"):
        it.stage()
    csi_daemon.plugin().unmount("v1", "a" * 64)
    it.stage()
    assert "keeps it for itself" in csi_daemon.plugin().refused(
        "VolumeDriver.Mount", {"Name": "v1", "ID": "a" * 64})


def test_a_restored_snapshot(csi, use):
    it = use()
    it.stage()
    write(it.staging + "/file", "then")
    snapshot = csi.CreateSnapshot(source_volume_id=it.uid, name="s").snapshot
    write(it.staging + "/file", "now")
    copy = use("copy", volume_content_source=from_snapshot(snapshot.snapshot_id))
    copy.stage()
    copy.publish()
    assert read(copy.target + "/file") == "then"


# Restarts and crashes

def test_doliumd_is_killed_and_restarted(csi_daemon, use):
    it = use()
    it.stage()
    it.publish()
    with open(it.target + "/file", "w", encoding="utf-8") as file:
        csi_daemon.kill()
        file.write("while it was away")
        file.flush()
        csi_daemon.start()
        with Csi(csi_daemon.csi_socket) as it.csi:
            it.stage()
            it.publish()
            assert it.left().count(it.target) == 1
            assert it.stats().usage[0].used > 0
    with Csi(csi_daemon.csi_socket) as it.csi:
        assert read(it.target + "/file") == "while it was away"
        it.unpublish()
        it.unstage()
    assert it.left() == []


POINTS = ["host.mount.before", "host.mount.after", "host.expose.before", "host.expose.after",
          "store.commit.before", "store.commit.after"]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("block", [False, True], ids=["mount", "block"])
def test_killed_while_staging_and_publishing(csi_daemon, use, point, block):
    it = use(block=block)
    for step in it.stage, it.publish:
        csi_daemon.stop()
        csi_daemon.start(fault=point + "=kill")
        with Csi(csi_daemon.csi_socket) as it.csi:
            try:
                step()
                csi_daemon.stop()       # this step does not pass the point
            except Failed:
                csi_daemon.wait_killed()
        csi_daemon.start(fault="")
        with Csi(csi_daemon.csi_socket) as it.csi:
            step()
    assert it.left().count(it.target) == 1
    with Csi(csi_daemon.csi_socket) as it.csi:
        it.unpublish()
        it.unstage()
    assert it.left() == [] and len(csi_daemon.loops()) == 1


@pytest.mark.parametrize("point", ["host.unmount.before", "host.unmount.after",
                                   "store.commit.before", "store.commit.after"])
def test_killed_while_taking_away(csi_daemon, use, point):
    it = use()
    it.stage()
    it.publish()
    for step in it.unpublish, it.unstage:
        csi_daemon.stop()
        csi_daemon.start(fault=point + "=kill")
        with Csi(csi_daemon.csi_socket) as it.csi, pytest.raises(Failed):
            step()
        csi_daemon.wait_killed()
        csi_daemon.start(fault="")
        with Csi(csi_daemon.csi_socket) as it.csi:
            step()
    assert it.left() == [] and len(csi_daemon.loops()) == 1


def test_twenty_at_once(csi, use):
    uses = [use(f"v{i}") for i in range(20)]

    def run(it):
        call, asked = csi.stub("NodeStageVolume")
        fields = {"volume_id": it.uid, "staging_target_path": it.staging,
                  "volume_capability": it.capability}
        for future in [call.future(asked(**fields), timeout=60) for _ in range(3)]:
            future.result()
        it.publish(timeout=60)
        write(it.target + "/file")
        it.unpublish(timeout=60)
        it.unstage(timeout=60)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(run, uses))
    assert uses[0].left() == []


def test_a_cancelled_publish_is_finished_by_the_next(hasty, use):
    it = use()
    it.stage()
    for _ in range(20):
        hasty("NodePublishVolume", volume_id=it.uid, staging_target_path=it.staging,
              target_path=it.target, volume_capability=it.capability)
    it.publish()
    assert it.left().count(it.target) == 1


def test_a_directory_pool(make_daemon):
    daemon = make_daemon(arguments=["--csi=all"], pools=[{"name": "plain", "driver": "dir"}])
    with Csi(daemon.csi_socket) as csi:
        it = Use(csi, daemon, capacity_range=None)
        it.stage()
        it.publish()
        write(it.target + "/file")
        assert read(it.staging + "/file") == "hello"
        it.unpublish()
        it.unstage()
        assert it.left() == []

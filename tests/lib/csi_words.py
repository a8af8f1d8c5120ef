# SPDX-License-Identifier: Apache-2.0
"""Parts of CSI messages that the tests say often."""
from lib.csi import messages

MIB, GIB = 1 << 20, 1 << 30
NODE = "testnode"
NO_SUCH = "11111111-2222-4333-8444-555555555555"


def capability(mode="SINGLE_NODE_MULTI_WRITER", fs="", flags=(), block=False):
    kind = messages().VolumeCapability
    access = kind.AccessMode(mode=kind.AccessMode.Mode.Value(mode))
    if block:
        return kind(block=kind.BlockVolume(), access_mode=access)
    return kind(mount=kind.MountVolume(fs_type=fs, mount_flags=flags), access_mode=access)


def size(required=0, limit=0):
    return messages().CapacityRange(required_bytes=required, limit_bytes=limit)


def from_snapshot(uid):
    kind = messages().VolumeContentSource
    return kind(snapshot=kind.SnapshotSource(snapshot_id=uid))


def from_volume(uid):
    kind = messages().VolumeContentSource
    return kind(volume=kind.VolumeSource(volume_id=uid))


def topology(node):
    return messages().Topology(segments={"csi.dolium.io/node": node})


def wish(name="v1", **more):
    """The fields of a CreateVolume."""
    return {"name": name, "capacity_range": size(64 * MIB), "volume_capabilities": [capability()],
            **more}


def create(csi, name="v1", **more):
    """Makes a volume; its message."""
    return csi.CreateVolume(**wish(name, **more)).volume

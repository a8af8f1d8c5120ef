# SPDX-License-Identifier: Apache-2.0
"""What the kernel has: mounts and loop devices. And how to take down what a test left."""
import array
import fcntl
import os
import re
import subprocess

from lib.wait import until

LOOP_CLR_FD = 0x4C01
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IMMUTABLE_FL = 0x80086601, 0x40086602, 0x10


def _unescape(text):
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


def mounts(prefix="/", pid="self"):
    """[(mount point, source, file system type, options)] at or below `prefix`, oldest first."""
    found = []
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            head, tail = line.rstrip("\n").split(" - ", 1)
            point = _unescape(head.split(" ")[4])
            if point == prefix or point.startswith(prefix.rstrip("/") + "/"):
                fs_type, source = tail.split(" ")[:2]
                found.append((point, _unescape(source), fs_type, head.split(" ")[5]))
    return found


def is_mounted(path):
    return any(point == path for point, *_ in mounts(path))


def loops(prefix=""):
    """{"/dev/loop3": backing file} of attached devices whose backing file begins with `prefix`."""
    found = {}
    for name in os.listdir("/sys/block"):
        try:
            with open(f"/sys/block/{name}/loop/backing_file", encoding="utf-8") as file:
                backing = file.read().rstrip("\n")
        except (FileNotFoundError, NotADirectoryError, OSError):
            continue
        if backing.startswith(prefix):
            found["/dev/" + name] = backing
    return found


def set_immutable(path, value):
    """chattr +i or -i. False where the file system knows no such thing."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        flags = array.array("i", [0])
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, flags)
        flags[0] = flags[0] | FS_IMMUTABLE_FL if value else flags[0] & ~FS_IMMUTABLE_FL
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, flags)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def unmount_below(prefix):
    """Unmounts everything at or below `prefix`; lazily what is in use. Returns what was mounted."""
    found = mounts(prefix)
    for point, *_ in reversed(found):
        if subprocess.run(["umount", "--", point], capture_output=True).returncode:
            subprocess.run(["umount", "-l", "--", point], capture_output=True)
    return found


def detach_loops(prefix):
    """Detaches loop devices backed by files below `prefix`. Returns those that were still there."""
    found = loops(prefix)
    for device in found:
        try:
            fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.ioctl(fd, LOOP_CLR_FD)
            finally:
                os.close(fd)
        except OSError:
            pass
    return found


def no_loops(prefix, seconds=5):
    """Waits until autoclear has detached the devices below `prefix`; what is left otherwise."""
    try:
        until(lambda: not loops(prefix), seconds)
    except AssertionError:
        pass
    return loops(prefix)


def remove_tree(path):
    """rm -r that also removes immutable directories and stays on one file system."""
    for directory, _, _ in os.walk(path):
        set_immutable(directory, False)
    subprocess.run(["rm", "-rf", "--one-file-system", "--", path], check=False)


def remove_cgroups(name):
    """Removes the control groups at and below /<name>, in every hierarchy; nobody may be in them
    or be about to be."""
    for top in ("/sys/fs/cgroup", *(entry.path for entry in os.scandir("/sys/fs/cgroup"))):
        for directory, _, _ in os.walk(f"{top}/{name}", topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                pass                    # a process of it is dying still

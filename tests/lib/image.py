# SPDX-License-Identifier: Apache-2.0
"""Container images made here, from busybox-static; no registry is asked."""
import os
import re
import shutil
import subprocess

from lib.sandbox import base

COMMAND = 'CMD ["/bin/sh"]'


def _rootfs(directory):
    for name in ("bin", "dev", "proc", "sys", "tmp", "etc", "root", "data"):
        os.makedirs(f"{directory}/{name}")
    busybox = shutil.copy(shutil.which("busybox"), directory + "/bin/busybox")
    for name in subprocess.run([busybox, "--list"], capture_output=True, text=True,
                               check=True).stdout.split():
        if name != "busybox":
            os.symlink("busybox", f"{directory}/bin/{name}")
    for name, text in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")):
        with open(f"{directory}/etc/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _content(directory):
    """What a new volume must get from the image: nested, with owner, mode, link and odd name."""
    os.makedirs(directory + "/data/sub")
    with open(directory + "/data/seed", "w", encoding="ascii") as file:
        file.write("from the image\n")
    with open(directory + "/data/sub/ä file", "w", encoding="ascii") as file:
        file.write("deep\n")
    os.symlink("seed", directory + "/data/link")
    os.chown(directory + "/data/seed", 1234, 2345)
    os.chmod(directory + "/data/seed", 0o640)


def _with_fio(directory):
    """The host's fio and the libraries it needs."""
    fio = shutil.which("fio")
    libraries = subprocess.run(["ldd", fio], capture_output=True, text=True, check=True).stdout
    for path in [fio, *re.findall(r"(/\S+) \(0x", libraries)]:
        os.makedirs(directory + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, directory + path)


def tarball(kind="plain"):
    """The path of a root file system: "plain" (empty /data), "content" (files in /data) or
    "fio". Made once per run."""
    path = f"{base()}/rootfs-{kind}.tar"
    if os.path.exists(path):
        return path
    directory = f"{base()}/rootfs-{kind}"
    _rootfs(directory)
    {"plain": lambda _: None, "content": _content, "fio": _with_fio}[kind](directory)
    subprocess.run(["tar", "-C", directory, "-cf", path, "."], check=True)
    shutil.rmtree(directory)
    return path

# SPDX-License-Identifier: Apache-2.0
"""A small virtual machine with Debian's own kernel, for what this host's kernel cannot be asked to
do. It sees the host's programs and this tree read-only, where they are here; the rest of its files
are in its memory. Without hardware help it is slow: about 6 s to start, 10 times slower to compute.

    vm = Vm(disk="1G").start()
    vm("mount | grep cgroup2").stdout
    vm.stop()
"""
import base64
import glob
import os
import select
import socket
import subprocess
import time

from lib.build import ROOT, Build
from lib.process import Process
from lib.sandbox import base

MODULES = ("virtio_pci", "virtio_console", "virtio_blk", "9pnet_virtio", "9p", "loop", "ext4", "xfs")

# The first program: the modules, then a root in memory onto which the host's /usr and the tree are
# bound, then the agent in it.
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
while read -r module; do insmod /modules/$module; done </modules/order
mount -t tmpfs -o size=75% tmpfs /new
cd /new
mkdir -p host usr etc dev proc sys run tmp root .{root} .{build}
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host host
mount --bind host/usr usr
mount --bind host{root} .{root}
mount --bind host{build} .{build}
for link in bin sbin lib lib64; do ln -s usr/$link $link; done
cp -a host/etc/ld.so.cache host/etc/passwd host/etc/group host/etc/alternatives etc
mount -t devtmpfs dev dev
mount -t sysfs sys sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --move /proc proc
exec switch_root /new /bin/bash {root}/tests/lib/vm-agent.sh
"""


def _kernel():
    """(image, directory) of Debian's kernel, unpacked once per build directory."""
    directory = Build().dir + "/vm"
    if not glob.glob(directory + "/boot/vmlinuz-*"):
        partial = f"{directory}.{os.getpid()}"
        os.makedirs(partial)
        depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], check=True,
                                 capture_output=True, text=True).stdout
        package = next(line.split()[1] for line in depends.splitlines() if "Depends:" in line)
        subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package],
                       cwd=partial, check=True, capture_output=True)
        archive, = glob.glob(partial + "/*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, partial], check=True)
        os.remove(archive)
        version, = os.listdir(partial + "/lib/modules")
        subprocess.run(["depmod", "-b", partial, version], check=True)
        os.rename(partial, directory)
    image, = glob.glob(directory + "/boot/vmlinuz-*")
    return image, directory


def _modules(directory):
    """The files of MODULES and what they need, in order."""
    version, = os.listdir(directory + "/lib/modules")
    lines = subprocess.run(["modprobe", "-d", directory, "-S", version, "--show-depends", "-a",
                            *MODULES], check=True, capture_output=True, text=True).stdout
    paths = [line.split()[1] for line in lines.splitlines() if line.startswith("insmod")]
    return list(dict.fromkeys(paths))


def _cpio(entries):
    """An initrd (cpio "newc") of (name, mode, bytes)."""
    data = bytearray()
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        data += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        data += b"\0" * (-len(data) % 4) + content
        data += b"\0" * (-len(data) % 4)
    return bytes(data)


def _initrd(path, directory):
    modules = _modules(directory)
    order = "".join(os.path.basename(module) + "\n" for module in modules)
    entries = [(name, 0o40755, b"") for name in ("bin", "proc", "new", "modules", "dev")]
    entries += [("init", 0o100755, INIT.format(root=ROOT, build=Build().dir).encode()),
                ("modules/order", 0o100644, order.encode())]
    for name, source in [("bin/busybox", "/usr/bin/busybox"),
                         *(("modules/" + os.path.basename(module), module) for module in modules)]:
        with open(source, "rb") as file:
            entries.append((name, 0o100755, file.read()))
    with open(path, "wb") as file:
        file.write(_cpio(entries))


class Answer:
    def __init__(self, returncode, stdout):
        self.returncode, self.stdout = returncode, stdout

    def __repr__(self):
        return f"status {self.returncode}:\n{self.stdout}"


class Vm:
    """`disk`: the size of an empty /dev/vda; `memory`: MiB."""

    def __init__(self, disk="1G", memory=768):
        self.dir = base() + "/vm"
        self.disk, self.memory = disk, memory
        self.process = self.socket = None

    def start(self):
        os.makedirs(self.dir)
        image, directory = _kernel()
        _initrd(self.dir + "/initrd", directory)
        subprocess.run(["truncate", "-s", self.disk, self.dir + "/disk"], check=True)
        self.process = Process([
            "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem",
            "-smp", "2", "-m", str(self.memory), "-display", "none", "-nodefaults",
            "-no-user-config", "-no-reboot", "-kernel", image, "-initrd", self.dir + "/initrd",
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on "
            "tsc=reliable no_timer_check", "-serial", f"file:{self.dir}/console",
            "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
            "-drive", f"file={self.dir}/disk,format=raw,if=virtio,cache=unsafe,discard=unmap",
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={self.dir}/agent,server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=agent"], self.dir + "/qemu.log")
        self._connect()
        assert self._line(60) == "ready", self.tail()
        return self

    def _connect(self):
        until = time.monotonic() + 20
        while self.socket is None:
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(self.dir + "/agent")
            except OSError:
                self.socket = None
                assert self.process.runs() and time.monotonic() < until, self.process.tail()
                time.sleep(0.05)

    def _line(self, seconds):
        data, until = b"", time.monotonic() + seconds
        while not data.endswith(b"\n"):
            left = until - time.monotonic()
            assert left > 0 and select.select([self.socket], [], [], left)[0], \
                f"the machine does not answer:\n{self.tail()}"
            part = self.socket.recv(1 << 16)
            assert part, f"the machine has ended:\n{self.tail()}"
            data += part
        return data.decode().rstrip("\n")

    def __call__(self, command, check=True, seconds=60):
        """Runs it in bash; an Answer with output and errors together."""
        self.socket.sendall(base64.b64encode(command.encode()) + b"\n")
        status, _, output = self._line(seconds).partition(" ")
        answer = Answer(int(status), base64.b64decode(output).decode(errors="replace"))
        assert not check or answer.returncode == 0, f"{command}: {answer}"
        return answer

    def tail(self):
        with open(self.dir + "/console", encoding="utf-8", errors="replace") as file:
            return self.process.tail() + "".join(file.readlines()[-30:])

    def stop(self):
        self.process.kill()

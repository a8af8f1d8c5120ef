# SPDX-License-Identifier: Apache-2.0
"""Programs in the background, and what /proc says about them."""
import os
import signal
import subprocess

from lib.wait import until


class Process:
    """A program whose output goes to a file."""

    def __init__(self, argv, log, env=None, cwd=None, pass_fds=()):
        self.argv, self.log = argv, log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=cwd,
                start_new_session=True, pass_fds=pass_fds)
        self.pid = self.popen.pid

    def runs(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.runs():
            self.popen.send_signal(number)

    def wait(self, seconds):
        """Its exit status (negative: the signal); AssertionError when it goes on."""
        until(lambda: not self.runs(), seconds, f"{self.argv[0]} (pid {self.pid}) ends")
        return self.popen.returncode

    def kill(self):
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def tail(self, lines=40):
        return "\n".join(self.output().splitlines()[-lines:])


def processes():
    """{pid: (parent pid, state, command line)} of every process of this run's namespace."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="latin-1") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                command = file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[int(entry)] = (int(fields[1]), fields[0], command)
    return found


def processes_naming(text):
    """Living processes whose command line contains the text: {pid: command line}."""
    return {pid: command for pid, (_, state, command) in processes().items()
            if text in command and state != "Z" and pid != os.getpid()}


def environment(**more):
    """The environment without what would change the programs' behaviour, plus `more`."""
    drop = ("DOLIUM_", "DOL_", "DOCKER_", "CONTAINER", "NOTIFY_SOCKET", "LISTEN_", "JOURNAL_STREAM")
    env = {key: value for key, value in os.environ.items() if not key.startswith(drop)}
    env.update(LC_ALL="C.UTF-8", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    env.update({key: value for key, value in more.items() if value is not None})
    return env

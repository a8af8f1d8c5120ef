# SPDX-License-Identifier: Apache-2.0
"""What takes longer: operations that are followed, streams, questions, Ctrl-C."""
import json
import os
import pty
import re
import signal
import subprocess
import threading
import time

import pytest
import yaml

from lib.build import Build
from lib.process import environment
from lib.wait import until


class Terminal:
    """dolium on a terminal of its own; standard output goes to a pipe."""

    def __init__(self, fake, *arguments):
        self.master, slave = pty.openpty()
        self.popen = subprocess.Popen([Build().dolium, *arguments], stdin=slave, stderr=slave,
                                      stdout=subprocess.PIPE, text=True, start_new_session=True,
                                      env=environment(DOLIUM_HOST=fake.host))
        os.close(slave)
        self.text = ""
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            while data := os.read(self.master, 4096):
                self.text += data.decode().replace("\r\n", "\n")
        except OSError:
            pass

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self, seconds=20):
        """(exit status, standard output)"""
        out, _ = self.popen.communicate(timeout=seconds)
        self.thread.join(seconds)
        os.close(self.master)
        return self.popen.returncode, out


def test_long_changes_are_followed(dolium, fake):
    fake.slow = 0.3
    result = dolium("volume", "create", "db")
    assert (result.out, result.err) == ("db\n", "")
    fake.slow = 0.3
    assert dolium("volume", "mount", "db").out.startswith("/var/lib/dolium/mnt/")
    fake.slow = 0.3
    dolium("volume", "unmount", "db")
    fake.slow = 0.3
    assert json.loads(dolium("volume", "rename", "db", "new", "-o", "json").out)["name"] == "new"
    fake.slow = 0.3
    result = dolium("volume", "rm", "new")
    assert result.out == "new\n" and "in the trash" in result.err
    fake.slow = 0.3
    assert dolium("trash", "restore", "new").out == "new\n"
    fake.slow = 0.3
    result = dolium("volume", "rm", "new", "--purge")
    assert (result.out, result.err) == ("new\n", "")
    assert len(fake.operations) == 7


def test_changes_are_not_held_longer_than_a_person_waits(dolium, fake):
    dolium("volume", "create", "db")
    assert fake.requests[0][2] == {"wait": "2s"}
    dolium("volume", "mount", "db", "--timeout", "1s")
    assert re.fullmatch(r"4[0-9]{2}ms|500ms", fake.requests[1][2]["wait"])


def test_long_change_that_fails(dolium, fake):
    fake.add_volume("db", protect=True)
    fake.slow = 0.2
    result = dolium("volume", "rm", "db", status=65)
    assert result.out == "" and result.err == "dolium: volume 'db' is protected\n"


def test_waiting_is_announced_on_a_terminal(fake):
    fake.slow = 0.3
    terminal = Terminal(fake, "volume", "create", "db")
    assert terminal.end() == (0, "db\n")
    assert terminal.text.count("waiting for create of volume 'db'") == 1
    fake.slow = 0.3
    quiet = Terminal(fake, "volume", "create", "web", "-q")
    assert quiet.end() == (0, "web\n") and quiet.text == ""


def test_timeout_while_following(dolium, fake):
    fake.slow = 30
    result = dolium("volume", "create", "db", "--timeout", "500ms", status=75)
    assert f"operation {fake.operations[0]['uid']} goes on" in result.err


def test_operation_wait(dolium, fake):
    operation = fake.add_operation("create", fake.add_volume("db"), phase="running")
    timer = threading.Timer(0.4, operation.update, kwargs={"phase": "done"})
    timer.start()
    assert "done" in dolium("operation", "wait", operation["uid"]).out
    timer.join()


def test_interrupt_ends_it_at_once(fake):
    fake.slow = 30
    terminal = Terminal(fake, "volume", "create", "db")
    until(lambda: "waiting" in terminal.text, 10, "it waits")
    terminal.popen.send_signal(signal.SIGINT)
    assert terminal.end() == (-signal.SIGINT, "")


@pytest.mark.parametrize("answer, status", [("y", 0), ("Yes", 0), ("n", 65), ("", 65), ("yup", 65)])
def test_purge_asks_on_a_terminal(fake, answer, status):
    fake.add_volume("db")
    terminal = Terminal(fake, "volume", "rm", "db", "--purge")
    until(lambda: "for good? [y/N]" in terminal.text, 10, "it asks")
    assert len(fake.volumes) == 1
    terminal.type(answer + "\n")
    assert terminal.end() == (status, "db\n" if status == 0 else "")
    assert len(fake.volumes) == (0 if status == 0 else 1)


def test_empty_asks_on_a_terminal(fake):
    fake.add_trashed("a")
    terminal = Terminal(fake, "trash", "empty")
    until(lambda: "Delete 1 volume" in terminal.text, 10, "it asks")
    terminal.type("n\n")
    assert terminal.end()[0] == 64 and len(fake.volumes) == 1
    terminal = Terminal(fake, "trash", "empty", "-y")
    assert terminal.end()[0] == 0 and not fake.volumes


class Follower:
    """dolium events -f; what it has printed so far."""

    def __init__(self, fake, *arguments):
        self.popen = subprocess.Popen([Build().dolium, "events", "-f", *arguments], text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env=environment(DOLIUM_HOST=fake.host))
        self.lines = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.popen.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_lines(self, count):
        until(lambda: len(self.lines) >= count, 10, f"{count} lines come")

    def end(self):
        self.popen.send_signal(signal.SIGINT)
        status = self.popen.wait(10)
        self.thread.join(10)
        error = self.popen.stderr.read()
        self.popen.stdout.close()
        self.popen.stderr.close()
        return status, error


def test_events_are_followed(fake):
    fake.add_event("First")
    follower = Follower(fake)
    follower.wait_lines(2)
    fake.add_event("Second", level="warning")
    follower.wait_lines(3)
    fake.add_event("A" * 40)
    follower.wait_lines(4)
    assert follower.end() == (-signal.SIGINT, "")
    assert [line.split()[2] for line in follower.lines] == ["REASON", "First", "Second", "A" * 40]
    assert follower.lines[1].index("it happened") <= follower.lines[2].index("it happened")


def test_events_of_one_volume_are_followed(fake):
    follower = Follower(fake, "--volume", "db", "-q")
    until(lambda: any("watch" in query for _, _, query, _ in fake.requests), 10, "it watches")
    fake.add_event("Other", name="web")
    fake.add_event("Mine", name="db")
    follower.wait_lines(1)
    follower.end()
    assert follower.lines == ["2"]


def test_events_are_followed_by_programs(fake):
    fake.add_event("First")
    as_json, as_yaml = Follower(fake, "-o", "json"), Follower(fake, "-o", "yaml")
    as_json.wait_lines(1)
    fake.add_event("Second")
    as_json.wait_lines(2)
    as_yaml.wait_lines(20)
    as_json.end()
    as_yaml.end()
    assert [json.loads(line) for line in as_json.lines] == fake.events
    assert list(yaml.safe_load_all("\n".join(as_yaml.lines))) == fake.events


def test_stream_that_ends_is_an_error(fake):
    follower = Follower(fake)
    until(lambda: any("watch" in query for _, _, query, _ in fake.requests), 10, "it watches")
    fake.stop()
    assert follower.popen.wait(10) == 75
    assert "ended the stream" in follower.popen.stderr.read()
    follower.end()
    fake.start()


def test_stream_ends_at_the_timeout(dolium):
    start = time.monotonic()
    assert dolium("events", "-f", "--timeout", "400ms", status=75).err
    assert time.monotonic() - start < 10

# SPDX-License-Identifier: Apache-2.0
"""dolium schedule, against doliumd."""
import json


def test_the_life_of_a_schedule(daemon):
    cli = daemon.cli
    cli("volume", "create", "db", "--size", "32M")
    cli("volume", "create", "log", "--size", "32M", "--label", "app=pg")
    assert cli("schedule", "create", "nightly", "--volume", "db", "--every", "daily 02:00 keep 7",
               "-e", "monthly 1 04:00", "--timezone", "Europe/Berlin").stdout == "nightly\n"
    assert cli("schedule", "create", "app", "--labels", "app=pg", "--every", "every 4h", "--group",
               "--paused").stdout == "app\n"
    table = cli("schedule", "ls").stdout.splitlines()
    assert table[0].split() == ["NAME", "EVERY", "VOLUMES", "SNAPSHOTS", "NEXT", "LAST", "FAILED",
                                "MESSAGE"]
    assert "daily 02:00 keep 7, monthly 1 04:00" in table[2] and " in " in table[2]
    assert cli("schedule", "ls", "-q").stdout == "app\nnightly\n"
    assert cli("schedule", "run", "nightly").stdout == "nightly\n"
    assert cli("snapshot", "ls", "db", "-q").stdout.startswith("db@nightly-2")
    shown = cli("schedule", "inspect", "nightly").stdout
    assert "Europe/Berlin" in shown and "Last success" in shown and "Next run" in shown
    cli("schedule", "set", "app", "--paused=false", "--volume", "log", "--volume", "db")
    changed = json.loads(cli("schedule", "inspect", "app", "-o", "json").stdout)
    assert changed["spec"]["volumes"] == ["log", "db"] and "label" not in changed["spec"]
    cli("schedule", "set", "app", "--labels", "app", "--timezone", "")
    changed = json.loads(cli("schedule", "inspect", "app", "-o", "json").stdout)
    assert changed["spec"]["label"] == "app" and "volumes" not in changed["spec"]
    assert cli("schedule", "rm", "app", "nightly").stdout == "app\nnightly\n"
    assert cli("schedule", "ls", "-q").stdout == ""


def test_wrong_words(daemon):
    cli = daemon.cli
    for status, told, *words in [
            (64, "expected every, daily, weekly or monthly", "create", "s", "--labels", "a", "-e", "x"),
            (64, "spec.every: expected lines", "create", "s", "--labels", "a"),
            (64, "either volumes or a label", "create", "s", "-e", "daily 02:00"),
            (66, "'s' does not exist", "run", "s"),
            (66, "'s' does not exist", "rm", "s"),
            (66, "'s' does not exist", "set", "s", "--paused"),
            (66, "'s' does not exist", "inspect", "s")]:
        done = cli("schedule", *words, check=False)
        assert done.returncode == status and told in done.stderr, done


def test_completion(daemon):
    daemon.cli("volume", "create", "db", "--size", "32M")
    daemon.cli("schedule", "create", "nightly", "--volume", "db", "--every", "daily 02:00")
    assert daemon.cli("__complete", "bash", "schedule", "rm", "n").stdout == "nightly\n"
    assert "--timezone\n" in daemon.cli("__complete", "bash", "schedule", "set", "--").stdout

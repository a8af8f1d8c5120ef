# SPDX-License-Identifier: Apache-2.0
"""Formats: tables by display width, JSON and YAML that mean the same, names in all scripts."""
import json
import unicodedata

import pytest
import yaml

NAMES = ["plain", "with space", "caf\u00e9", "cafe\u0301", "\u65e5\u672c\u8a9e", "\ud55c\uae00",
         "\U0001f433 whale", "it's", 'say "hi"', "a\\b", "$HOME `id` ;", "-dash", "100%", "a:b",
         "\u0645\u0644\u0641", "x" * 128]
# strings that YAML readers take for something else when they are not quoted
TRAPS = ["yes", "No", "on", "OFF", "true", "null", "~", "y", "1", "0755", "0x10", "1e3", "1.5", ".inf",
         "12:30:45", "2026-01-02", "2026-01-02T03:04:05Z", "", " lead", "trail ", "- a", "a: b",
         "a #b", "#c", "[x]", "{x}", "*x", "&x", "!x", "|", ">", "%x", "@x", "`x", "'x'", '"x"', "?",
         ":", "-", "=", "<<", "a\tb", "a\nb", "\u00e9", "\U0001f433", "\x7f", "\x9b31m", "\u2028",
         "1_000", "0b1", "0o7", "/etc", "a/b", "12345678-1234-4123-8123-123456789012",
         "1234e567-1234-4123-8123-123456789012", "nan", "NaN", "null.", "e1", "...", "---", "\ufeff",
         "back\\slash", "q\"uote", "a'b"]


def width(text):
    """Columns on a terminal."""
    return sum(0 if unicodedata.category(c) in ("Mn", "Me", "Cf")
               else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def test_tables_are_aligned_by_display_width(dolium, fake):
    for name in NAMES:
        fake.add_volume(name)
    lines = dolium("volume", "ls").lines
    pools = {width(line[:line.index(" default ")]) for line in lines[1:]}
    assert len(pools) == 1
    assert pools.pop() + 1 == lines[0].index("POOL")


def test_output_does_not_depend_on_the_locale(dolium, fake):
    fake.add_volume("\u65e5\u672c\u8a9e")
    fake.add_volume("b")
    plain = dolium("volume", "ls").out
    for locale in ("C", "POSIX", "de_DE.UTF-8", "no_SUCH.locale"):
        assert dolium("volume", "ls", env={"LC_ALL": locale, "LANG": locale}).out == plain


@pytest.mark.parametrize("name", NAMES)
def test_names_arrive_as_they_are(dolium, fake, name):
    dolium("volume", "create", "--label", f"key={name}", "--", name)
    assert fake.volumes[0]["name"] == name and fake.volumes[0]["labels"] == {"key": name}
    assert dolium("volume", "ls", "-q").out == name + "\n"
    assert dolium("volume", "ls", "-q", "--label", f"key={name}").out == name + "\n"
    assert json.loads(dolium("volume", "inspect", "-o", "json", "--", name).out)[0]["name"] == name
    dolium("volume", "mount", "--", name)
    dolium("volume", "unmount", "--", name)
    dolium("volume", "rename", "--", name, "new " + name[:100])
    assert dolium("volume", "rm", "-q", "--", "new " + name[:100]).out == f"new {name[:100]}\n"


@pytest.mark.parametrize("arguments", [
    ("volume", "ls"), ("volume", "inspect", "db"), ("volume", "ls", "-q"), ("volume", "create", "db"),
    ("volume", "create", "db", "-q"), ("volume", "set", "db", "--label", "a=b"),
    ("volume", "mount", "db"), ("trash", "ls"), ("pool", "ls"), ("pool", "inspect", "default"),
    ("pool", "unknown"), ("operation", "ls"), ("events",), ("df",), ("df", "-q"), ("doctor",),
    ("version",), ("help",), ("help", "volume", "create"),
], ids=" ".join)
def test_json_and_yaml_are_the_same_document(dolium, fake, arguments):
    volume = fake.add_volume("db", {key: key for key in ("on", "1.5", "a: b")})
    fake.add_trashed("old")
    fake.add_operation("create", volume)
    fake.add_event("VolumeCreated")
    fake.unknown["default"] = [{"uid": "u", "name": "n", "size": 1}]
    first = json.loads(dolium(*arguments, "-o", "json").out)
    second = yaml.safe_load(dolium(*arguments, "-o", "yaml").out)
    if arguments == ("volume", "mount", "db"):  # counted twice
        second["status"]["attachment"]["consumers"][0]["count"] -= 1
    assert first == second


def test_changes_with_several_names_are_arrays(dolium, fake):
    for name in ("a", "b", "c"):
        fake.add_volume(name)
    assert [v["name"] for v in json.loads(dolium("volume", "rm", "a", "b", "-o", "json").out)] == ["a", "b"]
    assert json.loads(dolium("volume", "rm", "c", "-qo", "json").out) == ["c"]
    assert len(json.loads(dolium("trash", "empty", "--yes", "-o", "json").out)) == 3


def test_yaml_keeps_strings_strings(dolium, fake):
    fake.doctor = [{"name": trap, "level": "ok", "message": trap, trap: 1} for trap in TRAPS]
    text = dolium("doctor", "-o", "yaml").out
    assert yaml.safe_load(text) == fake.doctor
    assert text.startswith("- name: ")
    assert json.loads(dolium("doctor", "-o", "json").out) == fake.doctor


def test_numbers_stay_exact(dolium, fake):
    fake.doctor = [{"name": "n", "level": "ok", "big": (1 << 63) - 1, "small": -(1 << 63),
                    "fraction": 0.8, "whole": 2.0, "list": [1, [2, {}], []], "none": None}]
    for parse, name in ((json.loads, "json"), (yaml.safe_load, "yaml")):
        assert parse(dolium("doctor", "-o", name).out) == fake.doctor
    assert "0.8," in dolium("doctor", "-o", "json").out


@pytest.mark.parametrize("format", ["table", "json", "yaml"])
def test_documents_cannot_command_a_terminal(dolium, fake, format):
    fake.doctor = [{"name": "a\x1b[2Jb", "level": "ok", "message": "x\u009b31my\x07\x7f\r"}]
    text = dolium("doctor", "-o", format).out
    assert not any(unicodedata.category(c) == "Cc" and c != "\n" for c in text)


def test_unknown_fields_are_shown(dolium, fake):
    """A newer daemon may tell more than this program knows."""
    fake.add_volume("db")["status"]["replicas"] = [{"node": "b"}]
    fake.volumes[0]["status"]["phase"] = "hibernating"
    assert json.loads(dolium("volume", "ls", "-o", "json").out)[0]["status"]["replicas"]
    assert "hibernating" in dolium("volume", "ls").out


def test_missing_fields_are_dashes(dolium, fake):
    fake.volumes.append({"name": "odd", "uid": "u", "labels": {}, "spec": {}, "status": {"phase": "?"}})
    assert dolium("volume", "ls").lines[1].split() == ["odd", "-", "-", "-", "-", "-", "?", "-", "-"]


def test_many_consumers_are_shortened(dolium, fake):
    consumers = [{"client": "docker", "id": f"{n:064x}", "count": 1} for n in range(5)]
    fake.add_volume("db")["status"]["attachment"] = {"consumers": consumers}
    assert dolium("volume", "ls").lines[1].split("available")[1].count("docker:") == 3
    assert ", +2" in dolium("volume", "ls").out


def test_a_long_list(dolium, fake):
    for number in range(10000):
        fake.add_volume(f"volume-{number:05}")
    assert len(dolium("volume", "ls").lines) == 10001
    assert len(yaml.load(dolium("volume", "ls", "-q", "-o", "yaml").out, yaml.CSafeLoader)) == 10000
    assert dolium("volume", "ls", "-o", "yaml", timeout=20).out.count("- name: volume-") == 10000

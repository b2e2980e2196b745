"""One event a line, repeats counted."""

from __future__ import annotations

import json

import pytest

from edge.log import Log


def test_an_event_is_one_json_line_with_missing_as_null(capsys: pytest.CaptureFixture[str]) -> None:
    Log("control").event("alarm", "two\nlines", value=float("nan"))
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    found = json.loads(line)
    assert found.pop("time_utc").endswith("Z")
    assert found == {"process": "control", "event": "alarm", "text": "two\nlines", "value": None}


def test_repeats_within_a_minute_are_counted_not_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("edge.log.time.monotonic", lambda: now[0])
    log = Log("control")
    for _ in range(5):
        log.event("alarm", "same")
    now[0] += 61.0
    log.event("alarm", "same")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2
    assert lines[1]["repeated"] == 4


def test_repeats_that_end_are_told_when_the_minute_is_over_or_the_process_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("edge.log.time.monotonic", lambda: now[0])
    log = Log("web")
    for _ in range(3):
        log.event("alarm", "once only")
    now[0] += 61.0
    log.event("other", "later")
    log.event("other", "later")
    log.close()
    told = [(line["text"], line.get("repeated")) for line in map(json.loads, capsys.readouterr().out.splitlines())]
    assert told == [("once only", None), ("once only", 2), ("later", None), ("later", 1)]


def test_a_flood_of_one_kind_is_cut_and_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("edge.log.time.monotonic", lambda: now[0])
    log = Log("web")
    for number in range(1000):
        log.event("mqtt", f"garbage {number}")
    log.event("alarm", "still heard")
    now[0] += 61.0
    log.event("mqtt", "a new minute")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(line["event"] == "mqtt" for line in lines) == 120 + 2
    assert [line["suppressed"] for line in lines if "suppressed" in line] == [880]
    assert [line["text"] for line in lines if line["event"] == "alarm"] == ["still heard"]

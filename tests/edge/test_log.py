"""One event a line, repeats counted."""

from __future__ import annotations

import json

import pytest

from edge.log import Log


def test_an_event_is_one_json_line_with_missing_as_null(capsys: pytest.CaptureFixture[str]) -> None:
    Log("control").event("alarm", "two\nlines", value=float("nan"))
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert json.loads(line) == {"process": "control", "event": "alarm", "text": "two\nlines", "value": None}


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

"""The frame of the kernels' bench: rows, targets by machine, and the command."""

import json
import sys
import types

import pytest

from training import bench_kernels
from training.bench_kernels import __main__ as command


def test_a_slower_machine_is_asked_for_two_thirds(monkeypatch):
    for wide, asked, ok in ((True, "90", False), (False, "60", True)):
        monkeypatch.setattr(bench_kernels, "has_avx512", lambda wide=wide: wide)
        row = bench_kernels.ratio_row("x", (1.0, 70.0), reference="y", minimum=90.0)
        assert row["target"] == f">= {asked}x, equal"
        assert row["ok"] is ok


def test_an_error_beyond_the_tolerance_misses():
    row = bench_kernels.ratio_row("x", (1.0, 700.0), reference="y", minimum=3.0, error=2e-10, tolerance=1e-10)
    assert row["ratio"] == pytest.approx(700.0)
    assert not row["ok"]


def test_a_limit_is_met_below_it():
    assert bench_kernels.limit_row("x", 0.5, unit="s", maximum=1.0, reference="limit")["ok"]
    assert not bench_kernels.limit_row("x", 1.5, unit="s", maximum=1.0, reference="limit")["ok"]


def test_work_is_measured_in_turn():
    calls = []
    times = bench_kernels.alternate(lambda: calls.append("kernel"), lambda: calls.append("reference"), 1)
    assert calls[:2] == ["kernel", "reference"]
    assert all(0.0 < seconds < 1e-3 for seconds in times)


def test_the_machine_is_named():
    assert bench_kernels.machine()


@pytest.fixture
def tiny(monkeypatch):
    module = types.ModuleType("training.bench_kernels.tiny")
    module.rows = lambda: [bench_kernels.limit_row("x", 2.0, unit="s", maximum=1.0, reference="limit")]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(bench_kernels, "GROUPS", ("tiny",))


def test_the_command_prints_json_and_says_what_was_missed(tiny, capsys):
    assert command.main(["tiny", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["group"] == "kernels"
    assert report["rows"][0]["ok"] is False
    assert set(report["rows"][0]) >= {
        "name",
        "value",
        "unit",
        "reference",
        "reference_value",
        "ratio",
        "error",
        "target",
    }


def test_the_command_prints_lines_for_people(tiny, capsys):
    assert command.main(["tiny"]) == 1
    assert "MISSED  x: 2 s" in capsys.readouterr().out


def test_an_unknown_group_is_refused(tiny):
    with pytest.raises(SystemExit):
        command.main(["huge"])

"""``pems quality`` as a user calls it."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

from edge.cli import group, main
from edge.ingest.table import write_csv

TIMES_S = 1.7e9 // 900 * 900 + 900.0 * np.arange(96)


@pytest.fixture
def table(tmp_path):
    """A day of a house whose meters agree."""
    pv_w = np.maximum(0.0, 3000.0 * np.sin(2 * math.pi * np.arange(96) / 96.0))
    load_w = 400.0 + 100.0 * np.cos(np.arange(96))
    columns = {"pv_w": pv_w, "load_w": load_w, "battery_w": np.zeros(96), "grid_w": load_w - pv_w, "note": pv_w}
    return tmp_path / "day.csv", columns


def run(path, *arguments):
    return CliRunner().invoke(group, ["quality", str(path), *arguments])


def test_a_good_table_exits_0_and_shows_each_signal(table):
    path, columns = table
    write_csv(path, TIMES_S, columns)
    result = run(path)
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.output.splitlines()[1:]] == ["pv_w", "load_w", "battery_w", "grid_w"]
    assert "note" not in result.output


def test_json_names_scores_gates_and_findings(table):
    path, columns = table
    write_csv(path, TIMES_S, columns)
    result = run(path, "--signal", "pv_w", "--slot-s", "900", "--json")
    answer = json.loads(result.output)
    assert answer["ok"] is True
    assert answer["slot_s"] == 900.0
    (row,) = answer["signals"]
    assert row["signal"] == "pv_w"
    assert row["scores"]["completeness"] == 1.0
    assert row["gates"] == {"completeness": 0.8, "consistency": 0.7, "temporal": 0.8, "reasonableness": 0.9}
    assert row["findings"] == []


def test_a_value_out_of_range_is_a_finding(table):
    path, columns = table
    columns["pv_w"][40] = 2e5
    write_csv(path, TIMES_S, columns)
    result = run(path, "--signal", "pv_w")
    assert result.exit_code == 1
    assert "pv_w: 1 samples with range" in result.output


def test_a_broken_balance_is_a_finding_of_every_power(table):
    path, columns = table
    columns["grid_w"] = -columns["grid_w"]
    write_csv(path, TIMES_S, columns)
    result = run(path, "--json")
    assert result.exit_code == 1
    for row in json.loads(result.output)["signals"]:
        assert row["flags"]["balance"] > 50
        assert row["qartod"]["fail"] >= row["flags"]["balance"]
        assert sum(row["qartod"].values()) == row["samples"]
        assert "consistency below its gate" in row["findings"]


def test_holes_are_listed_with_their_times(table):
    path, columns = table
    keep = np.r_[0:30, 60:96]
    write_csv(path, TIMES_S[keep], {"load_w": columns["load_w"][keep]})
    result = run(path, "--json")
    assert result.exit_code == 1
    (row,) = json.loads(result.output)["signals"]
    assert row["gaps"] == [{"from": "2023-11-15T05:15:00Z", "until": "2023-11-15T13:00:00Z", "missing": 30}]
    assert "load_w: 1 gaps, 30 slots missing" in run(path).output


def test_a_column_without_values_has_null_scores(table):
    path, _ = table
    write_csv(path, TIMES_S, {"load_w": np.full(96, np.nan)})
    result = run(path, "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["signals"][0]["scores"]["reasonableness"] is None


def test_seed_mode_expects_5_minutes_of_any_table(table):
    path, columns = table
    write_csv(path, TIMES_S, {"load_w": columns["load_w"]})
    result = run(path, "--seed", "--json")
    assert result.exit_code == 1
    answer = json.loads(result.output)
    assert answer["seed"] is True
    assert answer["signals"][0]["scores"]["temporal"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--signal", "power"), "'power' is not a signal's name"),
        (("--signal", "soc_frac"), "has no column 'soc_frac'"),
        (("--slot-s", "0"), "--slot-s"),
    ],
)
def test_a_wrong_option_is_a_usage_error(table, arguments, problem):
    path, columns = table
    write_csv(path, TIMES_S, columns)
    result = run(path, *arguments)
    assert result.exit_code == 2
    assert problem in result.output


def test_a_table_of_unknown_columns_is_a_usage_error(table):
    path, columns = table
    write_csv(path, TIMES_S, {"note": columns["note"]})
    result = run(path)
    assert result.exit_code == 2
    assert "no column with a signal's name" in result.output


def test_a_missing_table_is_one_line_and_exit_1(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["quality", str(tmp_path / "none.csv")])
    assert stop.value.code == 1
    assert capsys.readouterr().err == f"pems: {tmp_path / 'none.csv'}: no such file\n"

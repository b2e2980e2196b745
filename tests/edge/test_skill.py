"""How forecasts held: counted by hand on days that were made up, with a month of plans that the store keeps."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from commandline import pems
from fakes import make_plan
from web_rig import NOW_S, SITE, fill, paused_clock

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.cli.models import lines
from edge.facts import Facts
from edge.facts.models import stages
from edge.facts.skill import bands, drift, held, reference
from edge.files import STORE_NAME
from edge.ingest.store import Store, StoreReader
from edge.messages import Plan, to_json

DAY = 96
START_S = 1_717_200_000


def flat_plan(start_s: int, load_w: float, spread_w: float = 100.0) -> Plan:
    columns = {"load_p10_w": load_w - spread_w, "load_p50_w": load_w, "load_p90_w": load_w + spread_w}
    values = {name: (value,) * 192 for name, value in columns.items()}
    return make_plan(192, start_s=start_s, issued_s=float(start_s), valid_until_s=start_s + 1800.0, **values)


def measured(load_w: np.ndarray) -> Frame:
    grid = TimeGrid(start_s=START_S, slot_s=900, count=load_w.size)
    return Frame(grid=grid, columns={"load_w": load_w})


def test_each_quarter_hour_is_held_against_the_first_plan_of_its_day() -> None:
    load_w = np.repeat([500.0, 500.0, 650.0], DAY)
    plans = [to_json(flat_plan(START_S + day * 86_400, 500.0)) for day in range(3)]
    row = held(plans, measured(load_w), 3)["load_w"]
    assert row["count"] == 3 * DAY
    assert row["inside_frac"] == pytest.approx(2 / 3)
    assert row["bias_w"] == pytest.approx(-50.0)
    assert row["error_w"] == pytest.approx(50.0)
    assert math.isnan(row["skill_ratio"]), "of the days before them nothing is known"
    assert row["drift"] == "too few days to say"


def test_skill_is_measured_by_pinball_loss_against_the_week_before() -> None:
    """500 W and 700 W in turn: the week before says 500 to 700, the plans know which it is and are 20 W too wide."""
    load_w = np.repeat(np.where(np.arange(37) % 2 == 0, 500.0, 700.0), DAY)
    plans = [to_json(flat_plan(START_S + day * 86_400, 500.0 if day % 2 == 0 else 700.0, 20.0)) for day in range(7, 37)]
    row = held(plans, measured(load_w), 30)["load_w"]
    assert row["inside_frac"] == 1.0
    assert row["skill_ratio"] > 0.9
    assert row["drift"] == "as before"
    ours = 0.1 * 20.0 + 0.0 + 0.1 * 20.0
    usual = {500.0: _pinball(500.0, [700, 500, 700, 500, 700, 500, 700]),
             700.0: _pinball(700.0, [500, 700, 500, 700, 500, 700, 500])}  # fmt: skip
    assert row["skill_ratio"] == pytest.approx(1.0 - ours / (0.5 * (usual[500.0] + usual[700.0])), abs=0.01)


def _pinball(value: float, before: list[float]) -> float:
    """Sum over the three levels, written down as in the book."""
    total = 0.0
    for level in (0.1, 0.5, 0.9):
        quantile = float(np.quantile(before, level))
        total += level * (value - quantile) if value >= quantile else (1 - level) * (quantile - value)
    return total


def test_a_model_that_lost_its_way_last_week_is_told() -> None:
    load_w = np.repeat(np.where(np.arange(37) % 2 == 0, 500.0, 700.0), DAY)
    off_w = np.where(np.arange(37) >= 30, 150.0, 0.0)
    plans = [
        to_json(flat_plan(START_S + day * 86_400, (500.0 if day % 2 == 0 else 700.0) + off_w[day], 20.0))
        for day in range(7, 37)
    ]
    row = held(plans, measured(load_w), 30)["load_w"]
    assert row["drift"] == "worse than before"
    assert row["recent"]["bias_w"] == pytest.approx(150.0)
    assert row["before"]["bias_w"] == 0.0
    assert row["recent"]["count"] + row["before"]["count"] == row["count"] == 30 * DAY


def test_the_night_says_nothing_of_a_pv_forecast() -> None:
    grid = TimeGrid(start_s=START_S, slot_s=900, count=DAY)
    pv_w = np.where(np.arange(DAY) < 48, 0.0, 1000.0)
    plan = make_plan(192, start_s=START_S, issued_s=float(START_S), pv_p10_w=(0.0,) * 192, pv_p50_w=(0.0,) * 192,
                     pv_p90_w=(20.0,) * 192)  # fmt: skip
    assert held([to_json(plan)], Frame(grid=grid, columns={"pv_w": pv_w}), 1)["pv_w"]["count"] == 48


@pytest.mark.parametrize("start_s", [START_S - 10 * 86_400, START_S + 10 * 86_400, START_S - 40_000, START_S + 40_000])
def test_a_plan_counts_only_where_it_meets_the_days_asked_for(start_s: int) -> None:
    grid = TimeGrid(start_s=START_S, slot_s=900, count=DAY)
    start_s -= start_s % 900
    found = bands([flat_plan(start_s, 500.0)], grid, "load")[:, 1]
    times_s = grid.starts_s()
    np.testing.assert_array_equal(np.isfinite(found), (times_s >= start_s) & (times_s < start_s + 86_400))


def test_the_reference_needs_three_days() -> None:
    grid = TimeGrid(start_s=START_S, slot_s=900, count=5 * DAY)
    found = reference(np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], DAY), grid)
    assert np.isnan(found[: 3 * DAY]).all()
    np.testing.assert_allclose(found[3 * DAY], [1.2, 2.0, 2.8])
    np.testing.assert_allclose(found[4 * DAY], [1.3, 2.5, 3.7])


def test_better_is_told_as_well() -> None:
    now, then = {"count": 500, "skill_ratio": 0.5}, {"count": 500, "skill_ratio": 0.2}
    assert drift(now, then, 192) == "better than before"
    assert drift(now | {"skill_ratio": math.nan}, then, 192) == "too few days to say"


@dataclass
class Installed:
    is_current: bool


@pytest.mark.parametrize(
    ("in_force", "names"),
    [
        (2, ["retired", "previous", "champion"]),
        (1, ["previous", "champion", "withdrawn"]),
        (0, ["champion", "withdrawn", "withdrawn"]),
        (9, ["retired", "retired", "retired"]),
    ],
)
def test_stages_follow_from_which_bundle_is_in_force(in_force: int, names: list[str]) -> None:
    assert stages([Installed(is_current=index == in_force) for index in range(3)]) == names  # type: ignore[misc]


def test_of_each_day_the_first_plan_is_kept_for_a_month(tmp_path: Path) -> None:
    store = Store(tmp_path / STORE_NAME)
    for quarter in range(0, 45 * DAY, 24):
        store.add_plan(flat_plan(START_S + 900 * quarter, 500.0))
    end_s = START_S + 45 * 86_400
    for time_s in (end_s, end_s + 60, end_s + 1000):
        store.add(float(time_s), {"load_w": 500.0}, {})
    store.close()
    reader = StoreReader(tmp_path / STORE_NAME)
    kept = [body["start_s"] for body in reader.plans(0.0)]
    firsts = [body["start_s"] for body in reader.first_plans(end_s - 30 * 86_400)]
    reader.close()
    assert firsts == [START_S + 86_400 * day for day in range(15, 45)]
    assert kept[0] == START_S + 5 * 86_400
    assert kept[1] == START_S + 6 * 86_400, "of older days only the first"
    assert kept[-1] == START_S + 44 * 86_400 + 18 * 3600
    assert len([start_s for start_s in kept if start_s >= end_s - 14 * 86_400]) == 14 * 4


def test_page_interface_and_command_line_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    state.mkdir()
    fill(state)
    (tmp_path / "site.toml").write_text(
        '[site]\nname = "Home"\nlatitude_deg = 49.2\nlongitude_deg = 16.6\ntimezone = "Europe/Prague"\n'
    )
    options = ("--site", str(tmp_path / "site.toml"), "--clock", f"{NOW_S}:{paused_clock().origin_s}:1e-6")
    assert pems("models", *options, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["coverage"] == Facts(SITE, state, paused_clock()).coverage()["coverage"]
    assert pems("models", *options) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "no bundle is configured: averages of the last days forecast"
    assert rows[-1].startswith("load_w")
    assert rows[-1].endswith("too few days to say")


def test_a_bundle_its_calibration_and_stages_stand_in_lines() -> None:
    models = [
        {"signal": "pv_w", "features_count": 31, "cap_w": 8000.0, "offsets_ratio": [-0.02, 0.0, 0.031]},
        {"signal": "load_w", "features_count": 12, "cap_w": 17_000.0, "offsets_ratio": [0.0, 0.0, 0.0]},
    ]
    bundle = {"name": "home", "version": "2.0", "seq": 7, "created": "2024-06-01", "models": models}
    installed = [{"stage": "champion", "version": "2.0", "seq": 7}]
    found = {"problem": "", "bundle": bundle, "installed": installed, "coverage": {}, "coverage_days": 30}
    found["calibration"] = {"problem": "calibration.json: is damaged", "signals": {}}
    found["followed"] = {"problem": "shadows.sqlite: is damaged", "shadows": [], "history": []}
    assert list(lines(found))[:4] == [
        "home 2.0, seq 7, made 2024-06-01",
        "  pv_w: 31 inputs, calibration P10 P50 P90: -0.020 +0.000 +0.031",
        "  load_w: 12 inputs, calibration P10 P50 P90: none",
        "  champion   2.0 (seq 7)",
    ]
    assert "calibration: calibration.json: is damaged" in list(lines(found))
    assert "shadows: shadows.sqlite: is damaged" in list(lines(found))

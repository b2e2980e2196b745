"""What the box knows, as JSON: bundles by what they say of themselves, settings without secrets, honest savings."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import make_plan
from web_rig import NOW_S, SITE, fill, paused_clock

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.clock import Clock
from edge.config import Battery, Bundle, Site, Tariff
from edge.config_links import Link
from edge.facts import Facts
from edge.facts.history import yesterday
from edge.facts.models import installed
from edge.facts.savings import day_costs
from edge.facts.settings import HIDDEN, shown, without_user
from edge.messages import to_json


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    fill(tmp_path)
    return Facts(replace(SITE, folder=tmp_path), tmp_path, paused_clock())


def test_every_answer_is_plain_json(facts: Facts) -> None:
    names = ("yesterday", "savings", "models", "coverage", "calibration", "quality", "log", "wear", "links", "settings")
    for name in names:
        json.dumps(getattr(facts, name)(), allow_nan=False)


def test_a_day_costs_what_its_quarters_and_prices_make(facts: Facts) -> None:
    """Without a battery: load less PV of each quarter at 0.30 in and 0.08 out, added up once more by hand."""
    day = next(row for row in facts.savings()["days"] if row["day"] == "2024-06-02")
    start_s = 1717279200  # 2024-06-02 00:00 in Prague
    hour = ((start_s + 900 * np.arange(96)) % 86_400) / 3600.0
    sun_w = 4000.0 * np.maximum(np.sin((hour - 4.0) / 15.0 * np.pi), 0.0) * (hour < 19.0)
    net_kwh = (600.0 - sun_w) / 4000.0
    expected_eur = float(np.sum(np.where(net_kwh > 0.0, 0.30, 0.08) * net_kwh))
    assert day["no_battery_eur"] == pytest.approx(expected_eur)
    assert day["ours_eur"] == pytest.approx(day["ours_bill_eur"] + day["ours_wear_eur"] - day["ours_stored_eur"])


def test_the_sum_is_the_sum_of_the_days(facts: Facts) -> None:
    data = facts.savings()
    assert len(data["days"]) == 2
    for name, total in data["total"].items():
        assert total == pytest.approx(sum(row[name] for row in data["days"]))


def test_a_box_that_stopped_long_ago_still_knows_what_it_saved(facts: Facts, tmp_path: Path) -> None:
    later = Facts(
        replace(SITE, folder=tmp_path), tmp_path, Clock(start_s=NOW_S + 400 * 86_400, origin_s=0.0, speed=1e-9)
    )
    days = later.savings()["days"]
    assert days[: len(facts.savings()["days"])] == facts.savings()["days"]


def test_a_day_with_holes_is_named_and_not_guessed(facts: Facts, tmp_path: Path) -> None:
    grid = TimeGrid(start_s=1717279200, slot_s=900, count=96)
    values = np.full(96, 100.0)
    values[:40] = np.nan
    columns = {"grid_w": values, "battery_w": values, "soc_frac": np.full(96, 0.5)}
    site = replace(SITE, folder=tmp_path)
    data = day_costs(site, facts._prices, Frame(grid=grid, columns=columns), 30)
    assert data["days"] == []
    assert data["left_out"] == [{"day": "2024-06-02", "why": "only 58% of its quarter hours were measured"}]
    unknown = {**columns, "grid_w": np.full(96, 1.0), "battery_w": np.full(96, 1.0), "soc_frac": np.full(96, np.nan)}
    left_out = day_costs(site, facts._prices, Frame(grid=grid, columns=unknown), 30)["left_out"]
    assert left_out[0]["why"] == "the battery's charge is not known"


def test_a_day_without_a_price_is_named(facts: Facts, tmp_path: Path) -> None:
    grid = TimeGrid(start_s=1717279200 - 20 * 86_400, slot_s=900, count=96)
    columns = {name: np.full(96, 0.5) for name in ("grid_w", "battery_w", "soc_frac")}
    data = day_costs(replace(SITE, folder=tmp_path), facts._prices, Frame(grid=grid, columns=columns), 30)
    assert data["days"] == []
    assert "price" in data["left_out"][0]["why"]


def test_without_battery_or_prices_there_is_a_reason(facts: Facts, tmp_path: Path) -> None:
    empty = Frame(grid=TimeGrid(start_s=1717279200, slot_s=900, count=96), columns={})
    assert day_costs(replace(SITE, battery=None), facts._prices, empty, 30)["problem"] == "the site has no battery"
    poor = Facts(replace(SITE, folder=tmp_path, tariff=Tariff()), tmp_path, paused_clock())
    assert "tariff.prices is missing" in poor.savings()["problem"]


def test_a_bundle_that_cannot_be_used_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    bundle = Bundle(path="bundle.zip", public_key="bundle.pub")
    (tmp_path / "bundle.pub").write_text("not a key")
    answer = installed(replace(SITE, folder=tmp_path, bundle=bundle))
    assert answer["bundle"] is None
    assert "not a public key" in answer["problem"]


def test_a_plan_of_another_release_is_left_out_of_yesterday() -> None:
    grid = TimeGrid(start_s=900, slot_s=900, count=4)
    measured = Frame(grid=grid, columns={"pv_w": np.zeros(4)})
    data = yesterday(measured, [{"issued_s": 1.0}, to_json(make_plan(battery_w=(1.0, 2.0, 3.0, 4.0)))])
    assert data["planned"]["battery_w"] == [1.0, 2.0, 3.0, 4.0]
    nothing = yesterday(measured, [])
    assert nothing["source"] == ""


def test_settings_show_no_secret() -> None:
    link = Link(profile="a/b", url="tcp://user:pw@10.0.0.1:502")
    text = json.dumps(to_json(shown(replace(SITE, links=(link,)))))
    assert "pw" not in text
    assert "tcp://10.0.0.1:502" in text
    assert without_user("http://[broken@x") == HIDDEN


def test_a_site_of_one_section_is_shown_as_it_is() -> None:
    bare = Site(name="t", latitude_deg=1.0, longitude_deg=2.0)
    sections = shown(bare)["sections"]
    assert sections["site"]["name"] == "t"
    assert "battery" not in sections
    battery = Battery(capacity_wh=1000.0, charge_w=500.0, discharge_w=500.0)
    assert "rated_w" not in shown(replace(bare, battery=battery))["sections"]["battery"]


def test_the_log_is_newest_first_and_bounded(facts: Facts) -> None:
    events = facts.log(1)["events"]
    assert [event["kind"] for event in events] == ["alarm"]
    assert NOW_S - 120.0 < events[0]["time_s"] <= time.time()
    assert [event["kind"] for event in facts.log(10**9, "command")["events"]] == ["command"]

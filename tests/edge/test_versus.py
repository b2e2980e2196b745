"""Two settings on recorded days: fairly dealt, alike where they are alike, and the worse one found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from energy import days_of, duck_eur_per_kwh, make_days, make_grid, make_site
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.records import Forecast
from edge.cli.versus import as_data, command, lines
from edge.config_supply import Tariff
from edge.errors import PlanError
from edge.ingest.table import write_csv
from edge.versus import Setting, Versus, deal, pairs_eur, versus

SITE = """
[site]
name = "t"
latitude_deg = 49.2
longitude_deg = 16.6
timezone = "Europe/Prague"
[battery]
capacity_wh = 10000
charge_w = {limit_w}
discharge_w = {limit_w}
replacement_eur_per_kwh = 200
"""


@given(st.integers(1, 8), st.integers(1, 7), st.integers(0, 2**32))
def test_whatever_is_dealt_each_weekday_of_a_fortnight_is_lived_once_each_way(fortnights, block_days, seed) -> None:
    dealt = deal(14 * fortnights, block_days, seed).reshape(-1, 2, 7)
    assert (dealt[:, 0] != dealt[:, 1]).all()
    blocks = [dealt[:, 0, first : first + block_days] for first in range(0, 7, block_days)]
    assert all((block == block[:, :1]).all() for block in blocks)
    assert (deal(14 * fortnights, block_days, seed) == dealt.reshape(-1)).all()


def test_both_ways_are_dealt_alike_often() -> None:
    first_weeks = np.array([deal(14, 1, seed)[:7] for seed in range(300)])
    assert first_weeks.mean() == pytest.approx(0.5, abs=0.05)


def test_a_pair_is_the_second_less_the_first_whichever_came_first() -> None:
    dealt = np.array([True] * 3 + [False] * 4 + [False] * 3 + [True] * 4)
    cost_eur = np.where(dealt, 1.5, 1.0)
    assert pairs_eur(cost_eur, dealt).tolist() == [0.5] * 7


class NoForecasts:
    """No plan comes of it, so that the house lives by the inverter's own rules."""

    def forecast(self, *_: object) -> dict[str, Forecast]:
        raise PlanError("no model")


def setting(**changes: float) -> Setting:
    site = make_site()
    assert site.battery is not None
    return Setting(site=replace(site, battery=replace(site.battery, **changes)), forecaster=NoForecasts())


@pytest.fixture(scope="module")
def crippled() -> Versus:
    return versus(setting(), setting(discharge_w=200.0), days_of(make_days(32), 3, 29), block_days=2, seed=1)


def test_a_crippled_battery_is_found_to_be_dearer_both_ways(crippled: Versus) -> None:
    assert len(crippled.days) == 28
    assert crippled.dealt.sum() == 14
    assert crippled.both_ways.verdict == "worse"
    assert crippled.randomised.verdict == "worse"
    assert (crippled.both_ways.days_count, crippled.randomised.days_count) == (28, 14)
    assert crippled.both_ways.mean_eur == pytest.approx(crippled.randomised.mean_eur, rel=0.5)


def test_two_that_are_alike_cost_the_same_each_day() -> None:
    alike = versus(setting(), setting(), days_of(make_days(18), 3, 15), block_days=1, seed=2)
    assert (alike.both_ways.mean_eur, alike.both_ways.verdict) == (0.0, "not known yet")


@pytest.mark.parametrize(
    ("tariffs", "days", "words"),
    [
        ((Tariff(), Tariff(import_fee_eur_per_kwh=0.1)), 15, "different tariffs"),
        ((Tariff(peak_eur_per_kw_month=3.0),) * 2, 15, "bills the month"),
        ((Tariff(), Tariff()), 9, "a fortnight is the least"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(tariffs, days, words) -> None:
    sites = [Setting(site=make_site(tariff=tariff), forecaster=NoForecasts()) for tariff in tariffs]
    with pytest.raises(PlanError, match=words):
        versus(*sites, days_of(make_days(18), 3, days), block_days=1, seed=0)


def test_the_result_is_told_in_three_lines_and_as_json(crippled: Versus) -> None:
    rows = lines(crippled)
    assert rows[0] == "28 days, 2024-06-05 to 2024-07-02; the second setting against the first:"
    assert rows[1].startswith("  dealt at random, in pairs of days: worse (14 days), +")
    assert rows[2].startswith("  each day both ways:                worse (28 days), +")
    found = json.loads(json.dumps(as_data(crippled)))
    assert found["both_ways"]["verdict"] == "worse"
    assert [day["second"] for day in found["days"]] == crippled.dealt.tolist()


def test_the_command_line_reads_both_sites_and_refuses_what_is_too_short(tmp_path: Path) -> None:
    for name, limit_w in (("a", 5000), ("b", 200)):
        (tmp_path / f"{name}.toml").write_text(SITE.format(limit_w=limit_w))
    measured = make_days(9)
    write_csv(tmp_path / "house.csv", measured.grid.starts_s(), measured.columns)
    hours = make_grid(24 * 11, measured.grid.start_s - 86_400, 3600)
    write_csv(tmp_path / "prices.csv", hours.starts_s(), {"price_eur_mwh": 1000.0 * duck_eur_per_kwh(hours)})
    words = [f"--{name}={tmp_path / file}" for name, file in (
        ("site", "a.toml"), ("other", "b.toml"), ("table", "house.csv"), ("prices", "prices.csv"),
    )]  # fmt: skip
    refused = CliRunner().invoke(command, [*words, "--json"]).exception
    assert "a fortnight is the least" in str(refused)

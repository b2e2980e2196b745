import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from energy import duck_eur_per_kwh, make_days, make_grid

from edge.cli.replay import command
from edge.errors import BundleError, ConfigError, PlanError, StoreError
from edge.ingest.table import read_table, write_csv
from edge.timetext import parse_time_s

SITE = """
[site]
name = "t"
latitude_deg = 49.2
longitude_deg = 16.6
timezone = "Europe/Prague"
[[array]]
dc_w = 6000
tilt_deg = 35
azimuth_deg = 180
inverter_w = 6000
[battery]
capacity_wh = 10000
charge_w = 5000
discharge_w = 5000
[tariff]
import_fee_eur_per_kwh = 0.08
export_fee_eur_per_kwh = 0.01
"""


@pytest.fixture
def folder(tmp_path):
    """A site, ten measured days and their prices."""
    (tmp_path / "site.toml").write_text(SITE)
    measured = make_days(10)
    write_csv(tmp_path / "house.csv", measured.grid.starts_s(), measured.columns)
    hours = make_grid(24 * 12, measured.grid.start_s - 86_400, 3600)
    write_csv(tmp_path / "prices.csv", hours.starts_s(), {"price_eur_mwh": 1000.0 * duck_eur_per_kwh(hours)})
    return tmp_path


def run(folder, *arguments, prices="prices.csv", site="site.toml"):
    chosen = ["--prices", str(folder / prices)] if prices else []
    return CliRunner().invoke(
        command,
        ["--site", str(folder / site), "--table", str(folder / "house.csv"), *chosen, *arguments],
        catch_exceptions=True,
    )


LAST_DAY = ("--from", "2024-06-10T00:00:00Z")


def test_json_holds_the_four_costs_the_share_and_the_speed(folder):
    result = run(folder, *LAST_DAY, "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.output)
    assert set(data["costs_eur"]) == {"no_battery", "rules", "ours", "perfect_foresight"}
    assert data["from_utc"] == "2024-06-10T00:00:00Z"
    assert data["until_utc"] == "2024-06-11T00:00:00Z"
    assert data["days"] == 1.0
    assert data["speed_ratio"] > 1000.0
    costs = data["costs_eur"]
    share = (costs["rules"] - costs["ours"]) / (costs["rules"] - costs["perfect_foresight"])
    assert data["share_frac"] == pytest.approx(share)
    for way, cost in costs.items():
        parts = data["bills_eur"][way] + data["wear_eur"][way] - data["stored_eur"][way]
        assert cost == pytest.approx(parts)


def test_a_person_gets_a_table_and_the_trajectory_is_written(folder):
    result = run(folder, *LAST_DAY, "--until", "2024-06-10T06:00", "--out", str(folder / "way.csv"))
    assert result.exit_code == 0, result.output
    assert "PEMS Edge" in result.output
    assert "times faster than the days themselves" in result.output
    assert "forecasts: PV by " in result.output
    assert "billed by the month" not in result.output
    written = read_table(folder / "way.csv")
    assert written.times_s.size == 24
    assert np.isfinite(written.columns["battery_w"]).all()


def test_a_months_peak_on_a_day_is_said(folder):
    site = folder / "site.toml"
    site.write_text(site.read_text().replace("[tariff]", "[tariff]\npeak_eur_per_kw_month = 4.0"))
    result = run(folder, *LAST_DAY)
    assert "The peaks are billed by the month: this span of 1 d bears the whole of it." in result.output


def test_the_gap_to_foresight_is_split_into_causes_that_add_up(folder):
    span = (*LAST_DAY, "--until", "2024-06-10T06:00", "--regret")
    data = json.loads(run(folder, *span, "--json").output)
    causes = data["regret"]["causes_eur"]
    assert round(sum(causes.values()), 2) == data["regret"]["total_eur"]
    assert data["regret"]["total_eur"] == pytest.approx(
        data["costs_eur"]["ours"] - data["costs_eur"]["perfect_foresight"], abs=0.011
    )
    shown = run(folder, *span).output
    assert "Beyond perfect foresight" in shown
    assert all(cause in shown for cause in causes)


def test_another_tariff_is_tried_on_the_same_days(folder):
    (folder / "other").mkdir()
    hours = make_grid(24 * 12, make_days(1).grid.start_s - 86_400, 3600)
    write_csv(folder / "other" / "flat.csv", hours.starts_s(), {"price_eur_mwh": np.full(hours.count, 100.0)})
    (folder / "other" / "t.toml").write_text('[tariff]\nprices = "flat.csv"\nimport_fee_eur_per_kwh = 0.2\n')
    quiet = (*LAST_DAY, "--until", "2024-06-10T01:00", "--json", "--tariff", str(folder / "other" / "t.toml"))
    bill = json.loads(run(folder, *quiet, prices=None).output)["bills_eur"]["no_battery"]
    load_wh = float(make_days(10).columns["load_w"][864:868].sum()) * 0.25
    assert bill == pytest.approx(load_wh / 1000.0 * 0.3)
    (folder / "bad.toml").write_text("[tariff]\ncolour = 1\n")
    refused = run(folder, *LAST_DAY, "--tariff", str(folder / "bad.toml"))
    assert isinstance(refused.exception, ConfigError)
    assert "tariff.colour" in str(refused.exception)


def test_prices_may_stand_in_the_site_or_in_the_table(folder):
    (folder / "own.toml").write_text(SITE + 'prices = "prices.csv"\n')
    assert run(folder, *LAST_DAY, "--until", "2024-06-10T01:00", prices=None, site="own.toml").exit_code == 0
    measured = make_days(10)
    columns = {**measured.columns, "price_import_eur_per_kwh": np.full(960, 0.3)}
    write_csv(folder / "house.csv", measured.grid.starts_s(), columns)
    result = run(folder, *LAST_DAY, "--until", "2024-06-10T01:00", prices=None)
    assert result.exit_code == 0, result.output


def test_nothing_to_save_is_said_not_divided_by(folder):
    flat = make_grid(24 * 12, make_days(1).grid.start_s - 86_400, 3600)
    constant = {"price_import_eur_per_kwh": np.full(flat.count, 0.3), "price_export_eur_per_kwh": np.zeros(flat.count)}
    write_csv(folder / "flat.csv", flat.starts_s(), constant)
    quiet = ("--until", "2024-06-10T00:15", "--soc-frac", "0.1")
    result = run(folder, *LAST_DAY, *quiet, prices="flat.csv")
    assert "too little to state a share" in result.output
    data = json.loads(run(folder, *LAST_DAY, *quiet, "--json", prices="flat.csv").output)
    assert data["share_frac"] is None


def test_gaps_and_failed_plans_are_reported(folder):
    measured = make_days(10)
    load_w = measured.columns["load_w"].copy()
    load_w[870:] = math.nan
    write_csv(folder / "house.csv", measured.grid.starts_s(), {**measured.columns, "load_w": load_w})
    result = run(folder, *LAST_DAY)
    assert result.exit_code == 0, result.output
    assert "90 quarter hours without measurements are left out of all four" in result.output


def lose_last_price(folder):
    """Prices that lack 2024-06-10T23:00Z."""
    hours = make_grid(24 * 11, make_days(1).grid.start_s - 86_400, 3600)
    values = np.full(hours.count, 100.0)
    values[-1] = math.nan
    write_csv(folder / "prices.csv", hours.starts_s(), {"price_eur_mwh": values})


def test_plans_that_failed_are_reported_with_the_first_reason(folder):
    lose_last_price(folder)
    result = run(folder, *LAST_DAY, "--until", "2024-06-10T23:00")
    assert result.exit_code == 0, result.output
    assert "3 plans failed, the first: 2024-06-10T22:15:00Z: nothing to plan from: import price" in result.output


def test_a_price_gap_after_the_span_stops_no_plan(folder):
    lose_last_price(folder)
    data = json.loads(run(folder, *LAST_DAY, "--until", "2024-06-10T20:00", "--json").output)
    assert data["failed_plans"] == 0
    within = run(folder, *LAST_DAY)
    assert isinstance(within.exception, StoreError)
    assert "no price at 2024-06-10T23:00:00Z" in str(within.exception)


def test_mostly_failed_plans_are_a_finding_after_the_answer(folder):
    lose_last_price(folder)
    result = run(folder, "--from", "2024-06-10T22:15", "--until", "2024-06-10T23:00", "--json")
    assert json.loads(result.output)["failed_plans"] == 3
    assert isinstance(result.exception, PlanError)
    assert result.exception.exit_code == 1
    assert str(result.exception).startswith("3 of 3 plans failed, the first: 2024-06-10T22:15:00Z")


def test_export_above_import_leaves_foresight_ahead_and_its_gap_told(folder):
    hours = make_grid(24 * 12, make_days(1).grid.start_s - 86_400, 3600)
    columns = {"price_import_eur_per_kwh": np.full(hours.count, 0.05), "price_export_eur_per_kwh": np.full(288, 0.5)}
    write_csv(folder / "prices.csv", hours.starts_s(), columns)
    span = (*LAST_DAY, "--until", "2024-06-10T18:00")
    data = json.loads(run(folder, *span, "--json").output)
    assert data["costs_eur"]["perfect_foresight"] <= min(data["costs_eur"]["ours"], data["costs_eur"]["rules"])
    assert data["foresight_gap_eur"] >= 0.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "yesterday"), "is not an ISO time"),
        (("--from", "9999-12-31T23:59:59-05:00"), "from 1970 to 9998"),
        (("--until", "1950-01-01"), "from 1970 to 9998"),
        (("--from", "2024-06-10", "--until", "2024-06-09"), "--until must be later than --from"),
        (("--soc-frac", "2"), "is not in the range"),
    ],
)
def test_wrong_usage_exits_with_2(folder, arguments, words):
    result = run(folder, *arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_what_is_wrong_with_the_files_is_an_error_of_ours(folder):
    (folder / "broken.toml").write_text(SITE + "colour = 1\n")
    assert isinstance(run(folder, site="broken.toml").exception, ConfigError)
    assert isinstance(run(folder, prices="nowhere.csv").exception, StoreError)
    unwritable = run(folder, *LAST_DAY, "--until", "2024-06-10T00:15", "--out", str(folder / "no" / "way.csv"))
    assert isinstance(unwritable.exception, StoreError)
    (folder / "bundled.toml").write_text(SITE + '[bundle]\npath = "no.zip"\npublic_key = "no.pub"\n')
    assert isinstance(run(folder, site="bundled.toml").exception, BundleError)


def test_better_forecasts_from_a_file_cost_less(folder):
    measured = make_days(10)
    starts_s, issued_s = measured.grid.starts_s(), parse_time_s("2024-06-10T00:00:00Z")
    later = starts_s >= issued_s
    for name, factor in (("true", 1.0), ("wrong", 0.0)):
        told = {"issued_s": np.full(later.sum(), issued_s)}
        for signal in ("pv", "load"):
            power_w = measured.column(f"{signal}_w")[later]
            other_w = power_w if factor else power_w[::-1] * 3.0
            told |= {f"{signal}_{level}_w": other_w for level in ("p10", "p50", "p90")}
        write_csv(folder / f"{name}.csv", starts_s[later], told)
    costs = {}
    for name in ("true", "wrong"):
        evening = ("--from", "2024-06-10T16:00:00Z", "--until", "2024-06-10T20:00:00Z")
        result = run(folder, *evening, "--forecasts", str(folder / f"{name}.csv"), "--json")
        assert result.exit_code == 0, result.output
        data = json.loads(result.output)
        assert data["forecasts"] == f"PV by {name}.csv, load by {name}.csv"
        costs[name] = data["costs_eur"]["ours"]
        assert costs[name] >= data["costs_eur"]["perfect_foresight"] - 1e-6
    assert costs["true"] < costs["wrong"]

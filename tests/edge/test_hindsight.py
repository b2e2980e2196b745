import dataclasses
import math

import numpy as np
import pytest
from energy import NaiveForecasts, PerfectForecasts, days_of, make_days, make_forecast, make_grid, make_site

from core_kernels.records import Frame
from edge.control.causes import ACTUATION, CAUSES, LOAD_ERROR, MODEL_MISMATCH, PRICE, PV_ERROR
from edge.errors import StoreError
from edge.hindsight import Truth, regret
from edge.replay import live

SITE = make_site()


def clouded(count_days: int) -> Frame:
    """Days of which every other one has a third of the sun, so that yesterday says little of today."""
    clear = make_days(count_days)
    cloud = np.repeat(np.where(np.arange(count_days) % 2, 1.0, 0.33), 96)
    return Frame(grid=clear.grid, columns={**clear.columns, "pv_w": cloud * clear.columns["pv_w"]})


def as_done(measured: Frame, days, *, effect_frac: float = 1.0, loss_frac: float = 0.0) -> Frame:
    """What a box that decides as ours leaves behind, where powers and charge fall short by a share."""
    lived = live(SITE, days, NaiveForecasts())
    span = slice(days.first, days.first + days.span.count)
    columns = {name: values.copy() for name, values in measured.columns.items()}
    for name, values in (("battery_w", effect_frac * lived.battery_w), ("soc_frac", lived.soc_frac[1:] - loss_frac)):
        columns[name] = np.full(measured.grid.count, math.nan)
        columns[name][span] = values
    columns["soc_frac"][days.first - 1] = 0.5
    return Frame(grid=measured.grid, columns=columns)


def test_wrong_pv_is_named_and_the_parts_add_up_to_what_was_lost():
    measured = clouded(10)
    found = regret(SITE, days_of(measured, 8, 1), NaiveForecasts())
    assert tuple(found.gap_eur) == CAUSES
    assert found.gap_eur[PV_ERROR] == max(found.gap_eur.values()) > 0.0
    assert found.gap_eur[MODEL_MISMATCH] == found.gap_eur[ACTUATION] == 0.0
    assert round(sum(found.gap_eur.values()), 2) == found.total_gap_eur
    assert found.total_gap_eur == pytest.approx(found.actual.total_eur - found.perfect_foresight.total_eur, abs=0.01)


def test_forecasts_that_were_right_cost_nothing():
    measured = clouded(10)
    found = regret(SITE, days_of(measured, 7, 1), PerfectForecasts(measured))
    assert found.gap_eur[PV_ERROR] == found.gap_eur[LOAD_ERROR] == 0.0


def test_prices_that_were_not_published_yet_are_told_apart():
    days = days_of(clouded(10), 7, 1)
    import_eur = days.prices.import_eur_per_kwh.copy()
    hour = (days.prices.grid.starts_s() % 86_400) // 3600
    dear = (days.prices.grid.starts_s() >= days.span.start_s + 86_400) & (hour >= 17) & (hour < 20)
    import_eur[dear] += 0.8
    days = dataclasses.replace(days, prices=dataclasses.replace(days.prices, import_eur_per_kwh=import_eur))
    assert regret(SITE, days, PerfectForecasts(days.measured)).gap_eur[PRICE] >= 0.0


def test_what_the_battery_did_not_do_and_lost_more_than_its_model_are_causes_of_their_own():
    measured = clouded(10)
    days = days_of(measured, 7, 1)
    faithful = regret(SITE, dataclasses.replace(days, measured=as_done(measured, days)), NaiveForecasts())
    assert faithful.gap_eur[MODEL_MISMATCH] == faithful.gap_eur[ACTUATION] == 0.0
    weak = dataclasses.replace(days, measured=as_done(measured, days, effect_frac=0.5))
    assert regret(SITE, weak, NaiveForecasts()).gap_eur[ACTUATION] > 0.0
    leaky = regret(SITE, dataclasses.replace(days, measured=as_done(measured, days, loss_frac=0.05)), NaiveForecasts())
    assert leaky.gap_eur[MODEL_MISMATCH] > 0.0
    assert leaky.gap_eur[ACTUATION] == faithful.gap_eur[ACTUATION]


def test_slots_in_which_the_battery_was_not_seen_are_left_out():
    measured = clouded(10)
    days = days_of(measured, 7, 1)
    done = as_done(measured, days)
    battery_w = done.columns["battery_w"].copy()
    battery_w[days.first + 40 : days.first + 60] = math.nan
    seen = Frame(grid=done.grid, columns={**done.columns, "battery_w": battery_w})
    found = regret(SITE, dataclasses.replace(days, measured=seen), NaiveForecasts())
    assert math.isfinite(found.actual.total_eur)
    whole = live(SITE, days, NaiveForecasts()).ways.cost(days.column("load_w"), np.zeros(96), np.full(97, 0.5))
    assert found.no_battery.bill_eur != whole.bill_eur
    unknown = Frame(grid=done.grid, columns={**done.columns, "soc_frac": np.full(done.grid.count, math.nan)})
    with pytest.raises(StoreError, match="soc_frac is never there"):
        regret(SITE, dataclasses.replace(days, measured=unknown), NaiveForecasts())


def test_truth_replaces_what_is_known_and_leaves_the_rest_to_the_forecaster():
    measured = make_days(1)
    load_w = measured.columns["load_w"].copy()
    load_w[90] = math.nan
    measured = Frame(grid=measured.grid, columns={**measured.columns, "load_w": load_w})

    class Guess:
        def forecast(self, issued_s, grid, history, weather):
            return {name: make_forecast(name, grid, 7.0) for name in ("pv_w", "load_w")}

    late = make_grid(8, measured.grid.end_s - 8 * 900)
    made = Truth(Guess(), measured, ("load_w",)).forecast(0.0, make_grid(16, late.start_s), measured, None)
    np.testing.assert_array_equal(made["pv_w"].mean, 7.0)
    np.testing.assert_array_equal(made["load_w"].mean[:2], load_w[88:90])
    assert made["load_w"].mean[2] == 7.0
    np.testing.assert_array_equal(made["load_w"].mean[8:], 7.0)

"""What a terminal says of relays: when they are on, and at what prices."""

from zoneinfo import ZoneInfo

import pytest
from fakes import make_plan

from edge.switchwords import reason_words, schedule_words, source_words, switched

UTC = ZoneInfo("UTC")
START_S = 1_704_067_200  # Monday, 2024-01-01


def relay_plan(**changes):
    rows = {"zone.a": (0.0, 900.0, 900.0, 0.0, 0.0, 900.0), "ev.car": (0.0, 1400.0, 2000.0, 0.0, 0.0, 0.0)}
    values = {
        "start_s": START_S,
        "slot_s": 900,
        "setpoint_w": rows,
        "expected_c": {"zone.a": (20.5, 20.3, 20.9, 21.4, 21.2, 21.0, 21.5)},
        "grid_w": (400.0, 400.0, 400.0, -300.0, 0.0, 0.0),
        "price_import_eur_per_kwh": (0.2, 0.12, 0.12, 0.2, 0.3, 0.1),
        "price_export_eur_per_kwh": (0.05,) * 6,
        "water_value_eur_per_kwh": 0.17,
    }
    return make_plan(6, **{**values, **changes})


def test_what_runs_at_part_of_its_power_is_no_switch():
    assert switched(relay_plan()) == {"zone.a": (False, True, True, False, False, True)}


def test_what_never_runs_has_no_times():
    assert schedule_words(relay_plan(setpoint_w={"zone.a": (0.0,) * 6}), UTC) == []


def test_a_schedule_names_each_run_with_its_times():
    [line] = schedule_words(relay_plan(), UTC)
    assert line == "zone.a on with 900 W: Mon 00:15-00:45, Mon 01:15-01:30"


def test_a_running_relay_is_explained_by_the_price_now_and_the_dearest_before_the_next_run():
    [line] = reason_words(relay_plan(), START_S + 1000.0, UTC)
    assert line == (
        "zone.a is on until Mon 00:45, from 20.3 to 21.4 degC: a kWh is imported at 12.0 ct/kWh, "
        "before the next run import costs up to 30.0 ct/kWh"
    )


def test_a_relay_at_the_dearest_price_is_explained_by_that_price_alone():
    prices = (0.2, 0.4, 0.4, 0.2, 0.3, 0.1)
    [line] = reason_words(relay_plan(price_import_eur_per_kwh=prices, expected_c={}), START_S + 1000.0, UTC)
    assert line == "zone.a is on until Mon 00:45: a kWh is imported at 40.0 ct/kWh"


def test_a_relay_that_is_off_says_when_it_runs_and_what_that_takes():
    [line] = reason_words(relay_plan(), START_S + 1.0, UTC)
    assert line == "zone.a is off until Mon 00:15, then a kWh is imported at 12.0 ct/kWh"


def test_a_relay_that_stays_off_and_a_time_outside_the_plan_need_no_words():
    rested = relay_plan(setpoint_w={"zone.a": (900.0, 0.0, 0.0, 0.0, 0.0, 0.0)})
    assert reason_words(rested, START_S + 1000.0, UTC) == []
    assert reason_words(relay_plan(), START_S - 1.0, UTC) == []


@pytest.mark.parametrize(
    ("slot", "words"),
    [
        (0, "a kWh is imported at 20.0 ct/kWh"),
        (3, "a kWh is not sold at 5.0 ct/kWh"),
        (4, "a kWh comes from the battery, where it is worth 17.0 ct/kWh"),
    ],
)
def test_a_kwh_comes_from_the_grid_from_sale_or_from_the_battery(slot, words):
    assert source_words(relay_plan(), slot) == words

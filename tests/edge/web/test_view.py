"""From control's status to words: nothing old is live, nothing missing is zero."""

import math
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from edge.messages import Command, House, Plan, Reading, WriteResult, to_json
from edge.web.flow import flow_svg
from edge.web.view import Live, Signal, override_words, value_words, view_of
from edge.wording import MINUS, action_words, age_words, next_words, percent_words, power_words, signed_words

PRAGUE = ZoneInfo("Europe/Prague")
NOW_S = 1717416720.0  # Mon 3 Jun 2024, 14:12 in Prague
HOUSE = House(
    time_s=NOW_S - 1.0, pv_w=3240.0, load_w=812.0, grid_w=-430.0, battery_w=-1998.0, soc_frac=0.64, residual_w=0.0,
    grid_import_wh=1.0, grid_export_wh=2.0, flags={},
)  # fmt: skip
CHARGE = Command(mode="power", battery_w=-2000.0, lease_s=900.0, reason="the surplus is worth more this evening")
ZEROS = (0.0,) * 8
PLAN = Plan(
    issued_s=NOW_S - 300.0, valid_until_s=NOW_S + 1500.0, start_s=1717416000, slot_s=900,
    source="mpc", reason="cheap noon", violations=(),
    water_value_eur_per_kwh=0.21, wear_eur_per_kwh=0.02, cost_eur=1.25,
    battery_w=(-2000.0, -1900.0, 0.0, 0.0, 1000.0, 2000.0, 0.0, 0.0), soc_frac=(0.5,) * 9, grid_w=ZEROS,
    pv_p10_w=ZEROS, pv_p50_w=ZEROS, pv_p90_w=ZEROS, load_p10_w=ZEROS, load_p50_w=ZEROS, load_p90_w=ZEROS,
    price_import_eur_per_kwh=(0.1, 0.1, 0.25, 0.25, 0.4, 0.4, 0.3, 0.3), price_export_eur_per_kwh=ZEROS,
)  # fmt: skip


def status(**changes: object) -> dict[str, object]:
    usual = {
        "time_s": NOW_S, "speed": 1.0, "site": {"name": "Home"}, "house": HOUSE, "wish": CHARGE, "command": CHARGE,
        "result": WriteResult(outcome="applied", writes=1), "plan": PLAN, "readings": [],
    }  # fmt: skip
    return to_json(usual | changes)


def test_a_fresh_status_is_shown_as_live():
    view = view_of(status(), PRAGUE)
    assert view.live == Live(pv_w=3240.0, load_w=812.0, grid_w=-430.0, battery_w=-1998.0, soc_frac=0.64)
    assert view.clock == "Mon 3 Jun 2024, 14:12:00"
    assert view.age_s == 1.0
    assert view.action == "Charging the battery with 2.00 kW"
    assert view.warnings == view.notes == ()
    assert view.plan_line == "Made at 14:07 by mpc, valid until 14:37. cheap noon"


@pytest.mark.parametrize("house", [None, replace(HOUSE, time_s=NOW_S - 11.0), replace(HOUSE, time_s=math.nan)])
def test_old_or_absent_measurements_are_never_live(house):
    view = view_of(status(house=house), PRAGUE)
    assert all(math.isnan(getattr(view.live, name)) for name in Live.__dataclass_fields__)
    assert view.action == "—"
    assert "no live numbers" in view.warnings[0]


def test_a_faster_clock_and_a_longer_period_allow_for_older_measurements():
    older = status(house=replace(HOUSE, time_s=NOW_S - 100.0))
    assert math.isnan(view_of(older, PRAGUE).live.pv_w)
    assert view_of(older | {"speed": 1440.0}, PRAGUE).live.pv_w == 3240.0
    assert view_of(older | {"period_s": 60.0}, PRAGUE).live.pv_w == 3240.0


def test_an_empty_status_is_all_dashes():
    view = view_of({}, PRAGUE)
    assert view.clock == view.action == "—"
    assert view.plan is None
    assert view.plan_line == "There is no plan yet: the planner has not finished its first one."


def test_of_many_findings_the_first_are_shown_and_the_rest_counted():
    findings = tuple(f"signal_{i}: not read in time" for i in range(7))
    view = view_of(status(house=replace(HOUSE, findings=findings)), PRAGUE)
    assert view.warnings == (*findings[:2], "and 5 signals more: see Devices")


def test_findings_of_the_house_become_warnings():
    view = view_of(status(house=replace(HOUSE, findings=("grid_w: the meter is silent",))), PRAGUE)
    assert view.warnings == ("grid_w: the meter is silent",)


def test_a_narrowed_wish_says_what_was_wanted_and_why_not():
    wish = replace(CHARGE, battery_w=-4000.0, reason="it is cheap")
    command = replace(CHARGE, vetoes=("charge power is limited to 2000 W",))
    notes = view_of(status(wish=wish, command=command), PRAGUE).notes
    assert notes == (
        "Guard: charge power is limited to 2000 W",
        "Wanted: Charging the battery with 4.00 kW. it is cheap",
    )


def test_a_refused_write_is_named():
    result = WriteResult(outcome="refused", writes=1, detail="illegal data value")
    assert view_of(status(result=result), PRAGUE).notes == ("The inverter: refused. illegal data value",)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (Command.native("no plan"), "The inverter follows its own rules"),
        (replace(CHARGE, battery_w=650.0), "Discharging the battery with 650 W"),
        (replace(CHARGE, battery_w=0.0), "The battery is held"),
        (replace(CHARGE, battery_w=math.nan), "—"),
    ],
)
def test_an_action_is_told_in_words(command, expected):
    assert action_words(to_json(command)) == expected


def test_the_next_change_of_mind_comes_with_time_power_and_price():
    assert next_words(PLAN, NOW_S, PRAGUE) == "Mon 14:30: hold (import 25.0 ct/kWh)"
    assert next_words(PLAN, NOW_S + 1499.0, PRAGUE) == "Mon 15:00: discharge with about 1.50 kW (import 40.0 ct/kWh)"


def test_a_plan_without_a_change_says_so():
    assert next_words(replace(PLAN, battery_w=ZEROS), NOW_S, PRAGUE) == "hold to the end of the plan"


def test_an_expired_plan_is_not_in_force():
    view = view_of(status(plan=replace(PLAN, valid_until_s=NOW_S - 60.0)), PRAGUE)
    assert view.next_action == "no plan in force"
    assert not view.in_force
    assert "its lease ended at 14:11" in view.plan_line


def test_a_plan_of_another_version_is_not_shown():
    assert view_of(status(plan={"issued_s": 1.0}), PRAGUE).plan is None
    assert view_of(status(plan={**to_json(PLAN), "battery_w": ["x"]}), PRAGUE).plan is None


def test_readings_become_rows_with_their_age_and_reason():
    good = Reading(signal="pv_w", value=3240.0, unit="W", measured_s=NOW_S - 1.0, state="good", device="growatt/sph")
    bad = Reading(
        signal="grid_w", value=math.nan, unit="W", measured_s=NOW_S - 300.0, state="invalid", reason="timeout"
    )
    assert view_of(status(readings=[good, bad]), PRAGUE).signals == (
        Signal(device="growatt/sph", signal="pv_w", value="3,240 W", age="1 s", state="good", reason=""),
        Signal(device="", signal="grid_w", value="—", age="5 min", state="invalid", reason="timeout"),
    )


@pytest.mark.parametrize(
    ("power_w", "expected"), [(0.0, "0 W"), (-999.4, "999 W"), (999.5, "1.00 kW"), (math.nan, "—")]
)
def test_powers_are_readable(power_w, expected):
    assert power_words(power_w) == expected


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [(-0.2, "0 s"), (119.0, "119 s"), (120.0, "2 min"), (7300.0, "2 h"), (2e5, "2 d"), (math.nan, "never")],
)
def test_ages_are_readable(age_s, expected):
    assert age_words(age_s) == expected


def test_a_share_is_a_whole_percentage():
    assert percent_words(0.635) == "64 %"
    assert percent_words(math.nan) == "—"


def test_arrows_follow_the_energy():
    svg = flow_svg(Live(pv_w=3000.0, load_w=500.0, grid_w=-1500.0, battery_w=-1000.0, soc_frac=0.5))
    assert svg.count('class="head') == 4
    assert {"export", "charge", "1.50 kW", "1.00 kW", "Battery 50 %"} <= set(svg.replace("<", ">").split(">"))
    assert 'class="head battery" d="M314.0,160.0' in svg


def test_the_battery_arrow_turns_when_it_discharges():
    svg = flow_svg(Live(pv_w=0.0, load_w=1000.0, grid_w=0.0, battery_w=1000.0, soc_frac=0.5))
    assert 'class="head battery" d="M224.0,160.0' in svg
    assert svg.count('class="wire still"') == 2


def test_unknown_powers_have_no_arrow():
    svg = flow_svg(Live())
    assert svg.count('class="wire unknown"') == 4
    assert "head" not in svg


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.8512, "frac", "85.1 %"), (4_331_700.0, "Wh", "4,331.7 kWh"), (-388.4, "W", f"{MINUS}388 W"),
        (227.84, "V", "227.8 V"),
        (50.017, "Hz", "50.02 Hz"), (24.84, "degC", "24.8 °C"), (3.0, "", "3.0"), (math.nan, "W", "—"),
        (-0.4, "W", "0 W"),
    ],
)  # fmt: skip
def test_values_carry_their_unit_and_no_more_digits_than_they_deserve(value, unit, expected):
    assert value_words(value, unit) == expected


@pytest.mark.parametrize(
    ("power_w", "expected"), [(1500.0, "+1.50 kW"), (-20.0, f"{MINUS}20 W"), (0.2, "0 W"), (math.nan, "—")]
)
def test_a_direction_is_a_sign(power_w, expected):
    assert signed_words(power_w) == expected


def test_an_override_is_told_with_its_end():
    override = {"mode": "charge", "battery_w": -2000.0, "until_s": NOW_S}
    assert override_words(override, PRAGUE) == "Charge with 2.00 kW until Mon 14:12"
    assert override_words({**override, "mode": "native"}, PRAGUE) == "The inverter's own rules until Mon 14:12"
    assert view_of(status(override=override), PRAGUE).override == "Charge with 2.00 kW until Mon 14:12"

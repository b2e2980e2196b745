"""From a command to register values: expressions, masks, scale factors, limits; what is not known is never written."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.devices.profile import Step, Write
from edge.devices.profile_file import load_profile
from edge.devices.translate import Facts, Target, Wish, groups, scale_points, way_of
from edge.errors import DeviceMismatch

SPH = load_profile("growatt/sph")
WISH = Wish(mode="charge", signed_frac=-0.5, lease_s=600.0, soc_min_frac=0.1, soc_max_frac=1.0, rated_w=6000.0)
POWER = Write(
    name="power",
    space="holding",
    address=5,
    type="s32",
    words=2,
    scale=1.0,
    sign=1,
    range=(-10_000, 10_000),
    wear="volatile",
    readback="power",
    source="test",
    confidence="A",
)


def target(value: int | str, wish: Wish, **changes: object) -> Target:
    profile = replace(SPH, writes=(replace(POWER, **changes),))
    return groups(profile, [Step(writes=("power",), values=(value,))], wish)[0].targets[0]


@pytest.mark.parametrize(
    ("expression", "charging_raw", "discharging_raw"),
    [
        ("charge_w", 3000, 0),
        ("discharge_w", 0, 3000),
        ("signed_w", -3000, 3000),
        ("grid_setpoint_w", 3700, -2300),  # the house takes 700 W from grid and battery together
        ("inverter_w", -1000, 5000),  # beside 2000 W of PV
    ],
)
def test_expressions_in_watts(expression, charging_raw, discharging_raw):
    facts = Facts(bus_w=700.0, pv_w=2000.0)
    charge, discharge = (replace(WISH, signed_frac=frac, facts=facts) for frac in (-0.5, 0.5))
    assert (target(expression, charge).raw, target(expression, discharge).raw) == (charging_raw, discharging_raw)
    assert target(expression, discharge, sign=-1).raw == -discharging_raw


@pytest.mark.parametrize("expression", ["signed_w", "charge_w", "grid_setpoint_w", "inverter_w"])
def test_a_value_that_hangs_on_something_unknown_is_not_written(expression):
    unknown = {"grid_setpoint_w": Facts(pv_w=1.0), "inverter_w": Facts(bus_w=1.0)}
    wish = replace(WISH, facts=unknown.get(expression, Facts()), rated_w=6000.0 if expression in unknown else math.nan)
    with pytest.raises(DeviceMismatch, match=f"power: {expression} is not known now"):
        target(expression, wish)


def test_a_fraction_counts_in_what_the_device_calls_all():
    own = replace(WISH, facts=Facts(own_rated_w=4000.0))
    assert target("charge_frac", own, scale=0.01).raw == 75  # 3000 of 4000 W
    assert target("signed_frac", replace(own, signed_frac=1.0), scale=0.01).raw == 100  # 6000 of 4000 W: all of it


@pytest.mark.parametrize(("exponent", "raw", "most_raw"), [(0, 50, 100), (-2, 5000, 10_000), (1, 5, 10)])
def test_a_scale_factor_holds_for_value_and_range(exponent, raw, most_raw):
    facts = Facts(exponents={"sf": exponent})
    wish = replace(WISH, signed_frac=0.5, facts=facts)
    percent = {"scale": 0.01, "scale_point": "sf", "range": (-100, 100)}
    assert target("signed_frac", wish, **percent).raw == raw
    most = target(2, wish, **percent)
    assert (most.raw, most.clamped) == (most_raw, True)


def test_without_its_scale_factor_nothing_is_written():
    with pytest.raises(DeviceMismatch, match="the scale factor sf is not known now"):
        target("signed_frac", WISH, scale_point="sf")


def test_what_the_register_cannot_hold_is_not_written():
    with pytest.raises(DeviceMismatch, match="power: 200000 does not fit into s32|does not fit"):
        target(200_000, WISH, type="s16", words=1, range=(-10_000_000, 10_000_000))


def test_steps_name_the_scale_factors_that_they_need():
    profile = replace(SPH, writes=(replace(POWER, scale_point="sf"), replace(POWER, name="other")))
    steps = [Step(writes=("power",), values=(1,)), Step(writes=("other",), values=(1,))]
    assert scale_points(profile, steps) == ("sf",)


@given(st.integers(0, 0xFFFF), st.integers(0, 15))
def test_a_masked_target_keeps_the_bits_of_others(held, number):
    masked = target(number, WISH, type="u16", words=1, mask=0x00F0, range=(0, 15))
    (word,) = masked.onto((held,), "big")
    assert (word & 0x00F0, word & ~0x00F0) == (number << 4, held & ~0x00F0)
    assert masked.shown_by((word,), "big")
    assert masked.shown_by((held,), "big") == (held & 0x00F0 == number << 4)


def test_a_register_has_its_own_word_order():
    assert target(0x10001, WISH, range=(0, 0x20000), word_order="little").words == (1, 1)
    assert target(0x10002, WISH, range=(0, 0x20000), word_order="little").words == (2, 1)


@pytest.mark.parametrize(
    ("facts", "frac", "limited"),
    [
        (Facts(), -0.5, -0.5),
        (Facts(charge_limit_w=1500.0), -0.5, -0.25),
        (Facts(charge_limit_w=1500.0), 0.5, 0.5),
        (Facts(discharge_limit_w=0.0), 0.5, 0.0),
        (Facts(discharge_limit_w=-20.0), 0.5, 0.0),
        (Facts(discharge_limit_w=6000.0, charge_limit_w=6000.0), 0.5, 0.5),
    ],
)
def test_the_batterys_own_limits_narrow_the_wish(facts, frac, limited):
    assert facts.limited(frac, 6000.0) == pytest.approx(limited)


def test_a_power_of_nothing_is_hold():
    assert [way_of(frac) for frac in (-0.5, 0.0, 0.004, 0.5)] == ["charge", "hold", "hold", "discharge"]

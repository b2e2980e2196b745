import math

import pytest
from energy import BATTERY, make_house, make_site
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.flags import Flag
from edge.config import Battery, Grid
from edge.control.guard import MAX_LEASE_S, narrow
from edge.messages import Command, House

NOW_S = 1000.0
SITE = make_site()


def power(battery_w: float, lease_s: float = 900.0, **changes) -> Command:
    return Command(mode="power", battery_w=battery_w, lease_s=lease_s, reason="wish", **changes)


def guarded(wish_w: float, site=SITE, **house) -> Command:
    return narrow(power(wish_w), make_house(NOW_S, **house), site, now_s=NOW_S)


def test_a_harmless_wish_goes_through_unchanged():
    assert guarded(-2000.0) == power(-2000.0)


def test_native_is_always_allowed():
    wish = Command.native("why", ("before",))
    assert narrow(wish, make_house(NOW_S, soc_frac=math.nan), SITE, now_s=NOW_S) == wish


@pytest.mark.parametrize("name", ["soc_frac", "grid_w", "battery_w"])
def test_what_must_be_known_and_is_not_leads_to_native(name):
    command = guarded(1000.0, **{name: math.nan})
    assert command.mode == "native"
    assert command.vetoes == (f"{name} is missing",)
    stale = guarded(1000.0, flags={name: int(Flag.STALE)})
    assert stale.mode == "native"
    assert stale.vetoes == (f"{name} is stale",)


@pytest.mark.parametrize("age_s", [181.0, -181.0, math.nan])
def test_an_old_picture_of_the_house_leads_to_native(age_s):
    command = narrow(power(1000.0), make_house(NOW_S - age_s), SITE, now_s=NOW_S)
    assert command.mode == "native"
    assert "s old" in command.vetoes[0]


def test_a_charge_that_cannot_be_leads_to_native():
    assert guarded(1000.0, soc_frac=1.3).vetoes == ("soc_frac is 1.3",)


def test_a_broken_balance_leads_to_native_and_a_small_one_does_not():
    assert guarded(1000.0, residual_w=1400.0).vetoes == ("the power balance is 1400 W off",)
    assert guarded(1000.0, residual_w=1200.0).mode == "power"
    assert guarded(1000.0, residual_w=math.nan).mode == "power"
    assert guarded(1000.0, residual_w=math.inf).mode == "native"


@pytest.mark.parametrize(
    ("battery_w", "lease_s"), [(math.nan, 900.0), (math.inf, 900.0), (100.0, 0.0), (100.0, math.nan)]
)
def test_a_wish_that_is_no_command_leads_to_native(battery_w, lease_s):
    command = narrow(power(battery_w, lease_s), make_house(NOW_S), SITE, now_s=NOW_S)
    assert command.mode == "native"
    assert "no command" in command.vetoes[0]


def test_a_site_without_battery_gets_no_command():
    assert guarded(1000.0, make_site(None)).vetoes == ("no battery",)


def test_every_veto_is_named_and_earlier_ones_are_kept():
    house = make_house(NOW_S, soc_frac=math.nan, grid_w=math.nan)
    command = narrow(power(1.0, vetoes=("earlier",)), house, SITE, now_s=NOW_S)
    assert command.vetoes == ("earlier", "soc_frac is missing", "grid_w is missing")


def test_the_floor_and_the_ceiling_stop_one_direction_each():
    assert guarded(1000.0, soc_frac=0.1).battery_w == 0.0
    assert guarded(1000.0, soc_frac=0.1).vetoes == ("SoC 10.0% at its floor",)
    assert guarded(-1000.0, soc_frac=0.1).battery_w == -1000.0
    assert guarded(-1000.0, soc_frac=1.0).battery_w == 0.0
    assert guarded(1000.0, soc_frac=1.0).battery_w == 1000.0


def test_the_batterys_own_limits_hold():
    assert guarded(9000.0).battery_w == 5000.0
    assert guarded(-9000.0).battery_w == -5000.0
    assert guarded(-9000.0).vetoes == ("battery power limit",)


def test_the_fuse_limits_charging_but_never_forces_discharge():
    site = make_site(grid=Grid(import_w=6000.0, export_w=3000.0))
    assert guarded(-5000.0, site, grid_w=4000.0, battery_w=0.0).battery_w == -2000.0
    assert guarded(-5000.0, site, grid_w=5000.0, battery_w=-3000.0).battery_w == -4000.0
    assert guarded(-5000.0, site, grid_w=9000.0).battery_w == 0.0
    assert guarded(5000.0, site, grid_w=-1000.0).battery_w == 2000.0
    assert guarded(5000.0, site, grid_w=-9000.0).battery_w == 0.0
    assert guarded(5000.0, site, grid_w=-9000.0).vetoes == ("export limit 3000 W",)


def test_a_lease_is_bounded_and_never_nothing():
    house = make_house(NOW_S)
    assert narrow(power(0.0, 1e9), house, SITE, now_s=NOW_S).lease_s == MAX_LEASE_S
    assert narrow(power(0.0, 1e-9), house, SITE, now_s=NOW_S).lease_s == 60.0


ANY = st.floats(allow_nan=True, allow_infinity=True)
WATTS = st.one_of(ANY, st.floats(-20_000.0, 20_000.0))
FRACTIONS = st.one_of(ANY, st.floats(0.0, 1.0))


@given(
    wish_w=WATTS,
    lease_s=st.one_of(ANY, st.floats(0.0, 2000.0)),
    powers=st.tuples(WATTS, WATTS, WATTS, WATTS),
    soc_frac=FRACTIONS,
    residual_w=st.one_of(ANY, st.just(0.0)),
    times=st.tuples(st.one_of(ANY, st.just(0.0)), st.one_of(ANY, st.just(0.0))),
    mask=st.integers(0, 4095),
    low_frac=st.floats(0.0, 0.5),
)
def test_whatever_comes_in_what_goes_out_is_native_or_within_every_limit(
    wish_w, lease_s, powers, soc_frac, residual_w, times, mask, low_frac
):
    pv_w, load_w, grid_w, battery_w = powers
    battery = Battery(capacity_wh=5000.0, charge_w=2500.0, discharge_w=3000.0, soc_min_frac=low_frac, soc_max_frac=0.9)
    site = make_site(battery, grid=Grid(import_w=6000.0, export_w=4000.0))
    house = House(
        time_s=times[0],
        pv_w=pv_w,
        load_w=load_w,
        grid_w=grid_w,
        battery_w=battery_w,
        soc_frac=soc_frac,
        residual_w=residual_w,
        grid_import_wh=math.nan,
        grid_export_wh=math.nan,
        flags={"soc_frac": mask},
    )
    command = narrow(power(wish_w, lease_s), house, site, now_s=times[1])
    if command.mode == "native":
        assert command.vetoes
        return
    assert math.isfinite(soc_frac)
    assert math.isfinite(grid_w)
    assert -2500.0 <= command.battery_w <= 3000.0
    assert 60.0 <= command.lease_s <= 900.0
    assert abs(command.battery_w) <= abs(wish_w)
    assert command.battery_w * wish_w >= 0.0
    if command.battery_w > 0.0:
        assert soc_frac > low_frac
        assert grid_w + battery_w - command.battery_w >= -4000.0 - 1e-6
    if command.battery_w < 0.0:
        assert soc_frac < 0.9
        assert grid_w + battery_w - command.battery_w <= 6000.0 + 1e-6
    assert (command.battery_w == wish_w) == (not command.vetoes)


def test_the_battery_of_the_tests_is_the_sites():
    assert SITE.battery is BATTERY

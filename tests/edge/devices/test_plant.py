"""The twin's physics: energy is conserved, limits hold, commands end by themselves."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.devices.plant import HousePlant, PlantParams, PriorityRule, Series, Snapshot
from edge.devices.plant_battery import PlantBattery

QUIET = PlantParams(hunting_w=0.0, clock_drift_s_per_day=0.0)
DAY_S = 86_400
WHOLE_DAY = ((0, 1440),)


def flat(pv_w: float = 0.0, load_w: float = 500.0) -> Series:
    return Series(start_s=0.0, slot_s=900.0, pv_w=[pv_w] * 96, load_w=[load_w] * 96)


def sunny() -> Series:
    pv_w = [max(0.0, 6000.0 * math.sin((i - 28) / 40 * math.pi)) if 28 <= i <= 68 else 0.0 for i in range(96)]
    return Series(start_s=0.0, slot_s=900.0, pv_w=pv_w, load_w=[300.0 + 2500.0 * (i % 9 == 0) for i in range(96)])


def plant(params: PlantParams = QUIET, series: Series | None = None, *, soc_frac: float = 0.5) -> HousePlant:
    return HousePlant(replace(params, soc_frac=soc_frac), series or flat(), start_s=0.0)


def after(house: HousePlant, seconds: float) -> Snapshot:
    house.advance(house.time_s + seconds)
    return house.snapshot()


orders = st.lists(
    st.tuples(
        st.integers(60, 6 * 3600),
        st.one_of(st.none(), st.floats(-6000.0, 6000.0)),
        st.floats(1.0, 7200.0),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=15, deadline=None)
@given(orders=orders, soc_frac=st.floats(0.0, 1.0), seed=st.integers(0, 9))
def test_energy_is_conserved_over_a_day_of_any_commands(
    orders: list[tuple[int, float | None, float, bool]], soc_frac: float, seed: int
) -> None:
    house = plant(PlantParams(step_s=10.0, seed=seed), sunny(), soc_frac=soc_frac)
    for wait_s, power_w, lease_s, ac_charge in orders:
        after(house, wait_s)
        if power_w is None:
            house.command_native()
        else:
            house.command_power(power_w, lease_s, ac_charge=ac_charge)
    end = after(house, DAY_S)
    bus_wh = end.grid_import_wh - end.grid_export_wh + end.pv_wh + end.battery_discharge_wh - end.battery_charge_wh
    assert bus_wh == pytest.approx(end.load_wh, abs=1e-6 * end.load_wh)
    cells_wh = soc_frac * 10_000.0 + end.battery_charge_wh - end.battery_discharge_wh - end.loss_wh
    assert cells_wh == pytest.approx(end.soc_frac * 10_000.0, abs=1e-3)
    assert end.soc_frac <= 1.0
    assert end.grid_w + end.pv_w + end.battery_w == pytest.approx(end.load_w)


@given(
    power_w=st.floats(0.0, 6000.0),
    soc_frac=st.floats(0.0, 0.1),
    mode=st.sampled_from(["native", "vpp", "grid_first"]),
)
@settings(max_examples=30, deadline=None)
def test_empty_battery_never_discharges(power_w: float, soc_frac: float, mode: str) -> None:
    house = plant(series=flat(load_w=3000.0), soc_frac=soc_frac)
    if mode == "vpp":
        house.command_power(power_w, 600.0)
    elif mode == "grid_first":
        rule = PriorityRule(power_frac=power_w / 6000.0, stop_frac=0.05, slots_min=WHOLE_DAY)
        house.command_priorities(battery_first=PriorityRule(), grid_first=rule)
    for _ in range(20):
        assert after(house, 5.0).battery_w <= 0.0


def test_floor_has_hysteresis() -> None:
    house = plant(series=flat(load_w=3000.0), soc_frac=0.11)
    assert after(house, 1800.0).battery_w == pytest.approx(0.0)
    assert house.snapshot().soc_frac == pytest.approx(0.10, abs=0.001)
    house.command_power(-1000.0, 60.0)
    after(house, 70.0)
    assert 0.10 < house.snapshot().soc_frac < 0.12
    assert after(house, 60.0).battery_w <= 0.0
    house.command_power(-5000.0, 180.0)
    after(house, 200.0)
    assert house.snapshot().soc_frac > 0.12
    assert after(house, 60.0).battery_w > 1000.0


def test_charge_tapers_above_ninety_percent() -> None:
    powers_w = []
    for soc_frac in (0.5, 0.95, 0.99, 1.0):
        house = plant(soc_frac=soc_frac)
        house.command_power(-5000.0, 600.0)
        powers_w.append(-after(house, 8.0).battery_w)
    assert powers_w[0] == pytest.approx(0.97 * 5000.0)
    assert powers_w[0] > powers_w[1] > powers_w[2] > powers_w[3]
    assert powers_w[3] < 300.0


def test_full_cells_turn_surplus_into_heat_not_into_charge() -> None:
    battery = PlantBattery(PlantParams(soc_frac=1.0))
    assert battery.exchange(-100.0, 3600.0) == pytest.approx(100.0)
    assert battery.soc_frac == 1.0


def test_discharge_tapers_near_the_floor() -> None:
    house = plant(soc_frac=0.11)
    house.command_power(5000.0, 600.0)
    assert 0.0 < after(house, 8.0).battery_w < 0.5 * 5000.0


@pytest.mark.parametrize(
    ("power_w", "low_frac", "high_frac"), [(1400.0, 0.955, 0.97), (5000.0, 0.93, 0.955), (100.0, 0.5, 0.9)]
)
def test_leg_efficiency_depends_on_the_load(power_w: float, low_frac: float, high_frac: float) -> None:
    params = replace(QUIET, self_discharge_frac_per_month=0.0)
    loss_wh = PlantBattery(params).exchange(power_w, 360.0)
    assert low_frac < power_w * 0.1 / (power_w * 0.1 + loss_wh) < high_frac


def test_idle_battery_loses_its_standby_and_a_low_one_is_kept_alive_by_the_house() -> None:
    house = plant(series=flat(load_w=0.0), soc_frac=0.5)
    house.command_power(0.0, 2 * DAY_S)
    assert after(house, 3600.0).soc_frac == pytest.approx(0.5 - 12.4 / 10_000.0, abs=1e-4)
    low = plant(replace(QUIET, step_s=10.0), flat(load_w=0.0), soc_frac=0.05)
    state = after(low, DAY_S)
    assert state.battery_w == pytest.approx(-12.0)
    assert state.soc_frac == pytest.approx(0.05, abs=0.003)


def test_power_follows_after_dead_time_and_ramp() -> None:
    house = plant(series=flat(load_w=0.0))
    house.command_power(3000.0, 600.0)
    assert after(house, 2.0).battery_w == 0.0
    assert after(house, 1.0).battery_w == pytest.approx(1500.0)
    assert after(house, 1.0).battery_w == pytest.approx(3000.0)
    house.command_power(1000.0, 600.0)
    assert after(house, 2.0).battery_w == pytest.approx(3000.0)


def test_orders_that_keep_coming_do_not_postpone_the_first() -> None:
    house = plant(series=flat(load_w=0.0))
    for power_w in (1000.0, 1100.0, 1200.0, 1300.0):
        house.command_power(power_w, 600.0)
        after(house, 1.0)
    assert house.snapshot().battery_w > 900.0


def test_lease_ends_by_itself() -> None:
    house = plant(series=flat(load_w=800.0))
    house.command_power(-2000.0, 300.0)
    assert after(house, 299.0).mode == "vpp"
    assert house.lease_left_s == pytest.approx(1.0)
    assert after(house, 1.0).mode == "native"
    assert house.lease_left_s == 0.0
    assert after(house, 10.0).battery_w == pytest.approx(800.0)


def test_native_command_ends_a_lease() -> None:
    house = plant()
    house.command_power(-2000.0, math.inf)
    assert house.lease_left_s == math.inf
    house.command_native()
    assert house.mode == "native"


@pytest.mark.parametrize(("power_w", "lease_s"), [(math.nan, 60.0), (100.0, 0.0), (100.0, math.nan)])
def test_senseless_power_command_is_refused(power_w: float, lease_s: float) -> None:
    with pytest.raises(ValueError, match="need a finite power"):
        plant().command_power(power_w, lease_s)


def test_native_covers_the_load_with_a_hunting_error() -> None:
    house = plant(PlantParams(), flat(load_w=1000.0))
    errors_w = [after(house, 1.0).grid_w for _ in range(1200)][20:]
    mean_w = sum(errors_w) / len(errors_w)
    spread_w = math.sqrt(sum((e - mean_w) ** 2 for e in errors_w) / len(errors_w))
    assert abs(mean_w) < 15.0
    assert 12.0 < spread_w < 30.0


def test_native_stores_a_surplus() -> None:
    assert after(plant(series=flat(pv_w=2500.0, load_w=500.0)), 30.0).battery_w == pytest.approx(-2000.0)


def test_slot_ends_by_itself_and_recurs_the_next_day() -> None:
    house = plant(series=flat(load_w=700.0))
    rule = PriorityRule(power_frac=0.4, stop_frac=1.0, ac_charge=True, slots_min=((10, 20),))
    house.command_priorities(battery_first=rule, grid_first=PriorityRule())
    assert after(house, 599.0).mode == "native"
    assert after(house, 11.0).battery_w == pytest.approx(-2000.0)
    assert after(house, 589.0).mode == "battery_first"
    assert after(house, 1.0).mode == "native"
    assert after(house, DAY_S - 300.0).mode == "battery_first"


def test_slot_obeys_the_inverters_own_clock() -> None:
    slow = replace(QUIET, clock_offset_s=-120.0, timezone="America/Denver")
    house = plant(slow, soc_frac=0.5)
    assert house.rtc_s == -7 * 3600.0 - 120.0
    rule = PriorityRule(slots_min=((17 * 60, 17 * 60 + 1),), ac_charge=True)
    house.command_priorities(battery_first=rule, grid_first=PriorityRule())
    assert after(house, 119.0).mode == "native"
    assert after(house, 1.0).mode == "battery_first"
    house.set_rtc(-6 * 3600.0)
    assert house.rtc_s == pytest.approx(-6 * 3600.0)
    assert house.mode == "native"


def test_inverter_clock_drifts() -> None:
    house = plant(replace(QUIET, clock_drift_s_per_day=30.0, step_s=60.0))
    house.advance(DAY_S)
    assert house.rtc_s - DAY_S == pytest.approx(30.0, abs=1e-3)


def test_battery_first_without_ac_charge_takes_only_surplus_and_never_discharges() -> None:
    rule = PriorityRule(slots_min=WHOLE_DAY)
    for pv_w, expected_w in ((0.0, 0.0), (1500.0, -1000.0)):
        house = plant(series=flat(pv_w=pv_w))
        house.command_priorities(battery_first=rule, grid_first=PriorityRule())
        assert after(house, 10.0).battery_w == pytest.approx(expected_w)


def test_battery_first_stops_at_its_state_of_charge() -> None:
    rule = PriorityRule(stop_frac=0.5, ac_charge=True, slots_min=WHOLE_DAY)
    house = plant(soc_frac=0.6)
    house.command_priorities(battery_first=rule, grid_first=PriorityRule())
    assert after(house, 10.0).battery_w == 0.0


def test_grid_first_discharges_down_to_its_stop() -> None:
    rule = PriorityRule(power_frac=0.5, stop_frac=0.45, slots_min=WHOLE_DAY)
    house = plant(soc_frac=0.6)
    house.command_priorities(battery_first=PriorityRule(), grid_first=rule)
    assert after(house, 10.0).battery_w == pytest.approx(2500.0)
    assert after(house, 3600.0).battery_w == 0.0
    assert house.snapshot().soc_frac == pytest.approx(0.45, abs=0.002)


def test_forced_charge_without_ac_charge_is_bounded_by_pv() -> None:
    house = plant(series=flat(pv_w=700.0))
    house.command_power(-3000.0, 600.0, ac_charge=False)
    assert after(house, 10.0).battery_w == pytest.approx(-700.0)


def test_time_does_not_run_backwards_nor_in_part_steps() -> None:
    house = plant()
    house.advance(10.7)
    assert house.time_s == 10.0
    house.advance(3.0)
    assert house.time_s == 10.0


def test_same_commands_give_the_same_house_whoever_looks() -> None:
    one, other = (plant(PlantParams(), sunny()) for _ in range(2))
    one.advance(3600.0)
    for second in range(3601):
        other.advance(float(second))
    assert one.snapshot() == other.snapshot()
    assert one.noise(3) == other.noise(3)


def test_coarser_steps_keep_the_energy_of_the_sun() -> None:
    houses = [plant(replace(QUIET, step_s=step_s), sunny()) for step_s in (1.0, 5.0, 60.0)]
    fine, *coarse = [after(house, DAY_S) for house in houses]
    for state in coarse:
        assert state.pv_wh == pytest.approx(fine.pv_wh, rel=1e-3)
        assert state.load_wh == pytest.approx(fine.load_wh, rel=1e-3)


def test_series_holds_its_edges_and_interpolates_pv_between_slot_centres() -> None:
    series = Series(start_s=900.0, slot_s=900.0, pv_w=[0.0, 900.0], load_w=[100.0, 200.0])
    assert series.at(0.0) == (0.0, 100.0)
    assert series.at(1800.0) == (450.0, 200.0)
    assert series.at(9000.0) == (900.0, 200.0)
    assert series.end_s == 2700.0


@pytest.mark.parametrize(
    ("slot_s", "pv_w", "load_w", "words"),
    [
        (0.0, [1.0], [1.0], "slot_s"),
        (900.0, [1.0], [], "need the same"),
        (900.0, [], [], "at least one"),
        (900.0, [1.0, math.nan], [1.0, 1.0], r"pv_w\[1\]"),
        (900.0, [1.0], [-1.0], r"load_w\[0\]"),
    ],
)
def test_series_with_holes_is_refused(slot_s: float, pv_w: list[float], load_w: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Series(start_s=0.0, slot_s=slot_s, pv_w=pv_w, load_w=load_w)


def test_state_of_charge_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="soc_frac"):
        plant(soc_frac=1.5)


def test_voltage_rises_with_charge_and_sags_under_load() -> None:
    volts = [PlantBattery(PlantParams(soc_frac=soc_frac)).voltage_v(0.0) for soc_frac in (0.05, 0.2, 0.5, 0.9, 1.0)]
    assert volts == sorted(volts)
    assert 48.0 < volts[0] < volts[-1] < 56.0
    battery = PlantBattery(PlantParams())
    assert battery.voltage_v(5000.0) < battery.voltage_v(0.0) < battery.voltage_v(-5000.0)

"""The effect of a command at the meter: found missing within two minutes, and never missed for a kettle's sake."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Battery
from edge.control.effect import (
    EVIDENCE_S,
    SETTLE_S,
    Effect,
    Instant,
    effect_of,
    evidence,
    excess_w,
    expected_change_w,
    own_w,
    spread_w,
    told_range,
    without_effect,
)
from edge.control.obedience import DISTRUST_S, Obedience
from edge.devices.plant import HousePlant, PlantParams, Series
from edge.messages import Command, CycleRecord, House, WriteResult

BATTERY = Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0)
SLOT_S = 10.0
PERIOD_S = 2.0


# --- the pure part ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told_w", "net_w", "change_w"),
    [
        (-3000.0, 500.0, 3500.0),  # by itself it would cover 500 W: the meter goes from 0 to 3500 W
        (2000.0, 500.0, -1500.0),
        (0.0, 800.0, 800.0),  # held: the deficit comes from the grid
        (0.0, -1200.0, -1200.0),  # held: the surplus goes out
        (1000.0, 9000.0, 4000.0),  # by itself 5 kW at most
    ],
)
def test_a_command_expects_what_the_inverter_would_not_have_done_by_itself(
    told_w: float, net_w: float, change_w: float
) -> None:
    assert expected_change_w(told_w, net_w, 5000.0) == change_w


def instant(time_s: float = 100.0, battery_w: float = 0.0, net_w: float = 1000.0, soc_frac: float = 0.5) -> Instant:
    return Instant(time_s=time_s, battery_w=battery_w, grid_w=net_w - battery_w, soc_frac=soc_frac, told_w=math.nan)


@given(battery_w=st.floats(-6000, 6000), net_w=st.floats(-20_000, 20_000), told_w=st.floats(-5000, 5000))
def test_seen_is_none_of_it_by_itself_and_all_of_it_as_told(battery_w: float, net_w: float, told_w: float) -> None:
    own = own_w(net_w, 5000.0)
    for power_w in (own, told_w, battery_w):
        effect = effect_of(instant(battery_w=power_w, net_w=net_w), (told_w, told_w), BATTERY)
        if effect is None:
            assert told_w == pytest.approx(own, abs=1e-6)
            continue
        assert effect.seen_w == pytest.approx(own - power_w, abs=1e-6)
        assert effect.expected_w == pytest.approx(own - told_w, abs=1e-6)


@pytest.mark.parametrize(
    ("soc_frac", "told_w", "net_w", "judged"),
    [
        (0.97, -3000.0, 0.0, False),  # nearly full: it tapers
        (0.89, -3000.0, 0.0, True),
        (0.12, 3000.0, 0.0, False),  # nearly empty: it stops
        (0.12, -3000.0, 0.0, True),
        (0.97, 0.0, -3000.0, True),  # held while it would charge: nothing to refuse
        (math.nan, -3000.0, 0.0, False),
    ],
)
def test_near_full_or_empty_a_battery_may_refuse(soc_frac: float, told_w: float, net_w: float, judged: bool) -> None:
    assert (effect_of(instant(soc_frac=soc_frac, net_w=net_w), (told_w, told_w), BATTERY) is not None) == judged


def test_an_unknown_power_proves_nothing() -> None:
    assert effect_of(instant(battery_w=math.nan), (-3000.0, -3000.0), BATTERY) is None


def test_what_was_told_in_the_settling_time_counts_as_told() -> None:
    told = [(0.0, math.nan), (100.0, -1000.0), (120.0, -3000.0), (200.0, math.nan)]
    assert told_range(told, 110.0) is None, "it was free 30 s ago"
    assert told_range(told, 131.0) == (-3000.0, -1000.0)
    assert told_range(told, 160.0) == (-3000.0, -3000.0)
    assert told_range(told, 205.0) is None
    assert told_range([], 0.0) is None


def effects(seen_w: Callable[[int], float], expected_w: float = -3000.0, count: int = 40) -> list[Effect]:
    return [Effect(time_s=2.0 * k, expected_w=expected_w, seen_w=seen_w(k), net_w=800.0) for k in range(count)]


def test_evidence_is_the_newest_minute_and_five_cycles_at_least() -> None:
    rows = effects(lambda k: 0.0)
    assert rows[-1].time_s - evidence(rows)[0].time_s == EVIDENCE_S
    assert evidence(rows[:30]) == ()
    slow = [Effect(time_s=60.0 * k, expected_w=1.0, seen_w=0.0, net_w=0.0) for k in range(9)]
    assert len(evidence(slow)) == 5
    assert evidence(slow[:4]) == ()
    assert evidence([*rows[:30], *(Effect(time_s=500.0, expected_w=1.0, seen_w=0.0, net_w=0.0),)]) == (), "a gap"
    assert evidence([]) == ()


def test_no_effect_is_named_with_its_size_and_time() -> None:
    words = without_effect(effects(lambda k: 20.0 * (-1) ** k))
    assert words == "-3000 W were expected at the meter, 20 W of it came in 90 s"


@pytest.mark.parametrize("seen_w", [-3000.0, -1500.0, -400.0])
def test_a_part_of_the_effect_is_an_effect(seen_w: float) -> None:
    """A BMS in the cold, a taper, a phase limit: less than told is no fault of the command."""
    assert without_effect(effects(lambda k: seen_w)) == ""


def test_a_small_expectation_is_not_judged() -> None:
    assert without_effect(effects(lambda k: 0.0, expected_w=450.0)) == ""


def test_a_wild_house_is_not_judged() -> None:
    rows = [Effect(time_s=2.0 * k, expected_w=900.0, seen_w=0.0, net_w=800.0 * (k % 3)) for k in range(40)]
    assert spread_w([row.net_w for row in rows]) > 900.0 / 4.0
    assert without_effect(rows) == ""


@given(st.floats(-6000, 6000), st.floats(-5000, 5000), st.floats(-5000, 5000))
def test_less_than_told_is_never_an_excess(battery_w: float, one_w: float, other_w: float) -> None:
    low_w, high_w = min(one_w, other_w), max(one_w, other_w)
    beyond_w = excess_w(battery_w, (low_w, high_w))
    assert (beyond_w == 0.0) == (min(low_w, 0.0) <= battery_w <= max(high_w, 0.0))
    assert beyond_w >= 0.0


# --- on a house -------------------------------------------------------------------------------------------------------


class House10:
    """A plant with kettles and clouds, commanded every quarter of an hour, with a fault between command and battery."""

    def __init__(self, pv_w: list[float], load_w: list[float], seed: int, fault: str = "") -> None:
        series = Series(start_s=0.0, slot_s=SLOT_S, pv_w=pv_w, load_w=load_w)
        self.plant = HousePlant(PlantParams(), series, start_s=0.0)
        self.watch = Obedience(BATTERY)
        self.random, self.fault = random.Random(seed), fault
        self.told_w = math.nan
        self.wish_w = math.nan
        self.first_power_s = math.nan

    def run(self, hours: float, wishes: tuple[float, ...]) -> list[tuple[float, str]]:
        """The alarms, with the time since the first command of a power."""
        alarms: list[tuple[float, str]] = []
        for cycle in range(int(hours * 3600.0 / PERIOD_S)):
            now_s = cycle * PERIOD_S
            self.plant.advance(now_s)
            if cycle % int(900.0 / PERIOD_S) == 0:
                self.wish_w = self.random.choice(wishes)
            distrust = self.watch.distrust(now_s)
            if distrust and (not alarms or alarms[-1][1] != distrust):
                alarms.append((now_s - self.first_power_s, distrust))
            self._command(math.nan if distrust else self.wish_w, now_s)
        return alarms

    def _command(self, told_w: float, now_s: float) -> None:
        soc_frac = self.plant.snapshot().soc_frac
        if not math.isnan(told_w):  # the guard's part
            told_w = min(told_w, 0.0) if soc_frac <= BATTERY.soc_min_frac else told_w
            told_w = max(told_w, 0.0) if soc_frac >= BATTERY.soc_max_frac else told_w
            self.first_power_s = now_s if math.isnan(self.first_power_s) else self.first_power_s
        if told_w != self.told_w and not (math.isnan(told_w) and math.isnan(self.told_w)):
            self.told_w = told_w
            self._obey(told_w)
        command = Command.native("rest")
        if not math.isnan(told_w):
            command = Command(mode="power", battery_w=told_w, lease_s=900.0, reason="test")
        self.watch.observe(self._record(command, now_s))

    def _obey(self, told_w: float) -> None:
        if math.isnan(told_w):
            self.plant.command_native()
        elif self.fault not in ("ignores", "echoes"):
            factor = {"turned": -1.0, "another rating": 4.0}.get(self.fault, 1.0)
            self.plant.command_power(min(max(factor * told_w, -5000.0), 5000.0), math.inf)

    def _record(self, command: Command, now_s: float) -> CycleRecord:
        state = self.plant.snapshot()
        battery_w = state.battery_w * (1.0 + 0.005 * self.plant.noise(2))
        if self.fault == "echoes" and command.mode == "power":
            battery_w = command.battery_w
        grid_w = state.grid_w * (1.0 + 0.0025 * self.plant.noise(11)) * (-1.0 if self.fault == "meter turned" else 1.0)
        house = House(
            time_s=now_s,
            pv_w=state.pv_w,
            load_w=state.load_w,
            grid_w=grid_w,
            battery_w=battery_w,
            soc_frac=state.soc_frac,
            residual_w=0.0,
            grid_import_wh=math.nan,
            grid_export_wh=math.nan,
            flags={},
        )
        return CycleRecord(
            house=house,
            wish=command,
            command=command,
            result=WriteResult(outcome="applied", writes=0),
            plan_source="test",
            plan_age_s=0.0,
            duration_s=0.0,
        )


def with_kettles(load_w: list[float], seed: int) -> list[float]:
    """Every quarter of an hour or so, 0.8 to 3 kW for one to seven minutes."""
    source, place, out = random.Random(seed), 0, list(load_w)
    while (place := place + int(source.expovariate(1.0 / 90.0)) + 1) < len(out):
        power_w, length = source.choice([800.0, 2000.0, 2000.0, 3000.0]), source.randint(6, 40)
        out[place : place + length] = [value + power_w for value in out[place : place + length]]
        place += length
    return out


def cloudy(peak_w: float, hours: float, seed: int) -> list[float]:
    """A half sine a day under clouds that come and go within minutes."""
    source, share, out = random.Random(seed), 1.0, []
    for k in range(int(hours * 3600.0 / SLOT_S)):
        share = source.choice([1.0, 1.0, 0.3, 0.6]) if source.random() < 1.0 / 60.0 else share
        out.append(max(peak_w * math.sin(math.pi * (k * SLOT_S / 3600.0 % 24.0 - 6.0) / 12.0), 0.0) * share)
    return out


def house(hours: float, seed: int, fault: str = "") -> House10:
    pv_w = cloudy(4000.0, hours, seed)
    return House10(pv_w, with_kettles([450.0] * len(pv_w), seed), seed, fault)


POWERS_W = (-5000.0, -3000.0, -1000.0, 0.0, 500.0, 2000.0)


@pytest.mark.parametrize("seed", range(2))
def test_an_obeying_battery_is_trusted_all_day_whatever_the_kettles_and_clouds_do(seed: int) -> None:
    assert house(24.0, seed).run(24.0, (math.nan, *POWERS_W)) == []


@pytest.mark.parametrize("told_w", [-3000.0, -5000.0, 4000.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_command_without_effect_is_found_within_two_minutes_in_spite_of_kettles(told_w: float, seed: int) -> None:
    (found,) = house(1.0, seed, "ignores").run(1.0, (told_w,))
    assert SETTLE_S + EVIDENCE_S <= found[0] <= 120.0
    assert "of it came in" in found[1]


@pytest.mark.parametrize("seed", range(3))
def test_a_turned_sign_is_found_within_a_minute(seed: int) -> None:
    (found,) = house(1.0, seed, "turned").run(1.0, (3000.0,))
    assert found[0] <= 60.0
    assert "does not obey (+3000 W commanded" in found[1]


def test_a_percent_of_another_rating_is_found_within_a_minute() -> None:
    (found,) = house(1.0, 1, "another rating").run(1.0, (-1000.0,))
    assert found[0] <= 60.0


@pytest.mark.parametrize("fault", ["echoes", "meter turned"])
@pytest.mark.parametrize("seed", range(2))
def test_what_only_the_batterys_register_claims_is_found_after_some_steps(fault: str, seed: int) -> None:
    alarms = house(6.0, seed, fault).run(6.0, (-3000.0, 2000.0, 0.0))
    assert any("the meter does not see the battery" in words for _, words in alarms)


def test_after_an_hour_it_may_try_again() -> None:
    alarms = house(2.5, 1, "ignores").run(2.5, (-3000.0,))
    assert len(alarms) >= 2
    assert all(later - earlier >= DISTRUST_S for (earlier, _), (later, _) in pairwise(alarms))


@pytest.mark.training
@pytest.mark.data
@pytest.mark.parametrize("first_day", [60, 130, 200])
def test_measured_days_raise_no_false_alarm(shared_data: Path, first_day: int) -> None:
    """EMHASS author's home, measured load and PV, with kettles and clouds on top, commands of all kinds."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path = shared_data / "home_emhass" / "emhass_30min.parquet"
    table = parquet.read_table(path, columns=["power_load_no_var_loads", "power_photovoltaics"])
    columns = [table.column(k).to_pylist()[48 * first_day : 48 * (first_day + 2)] for k in (0, 1)]
    steps = int(1800.0 / SLOT_S)
    load_w, pv_w = ([max(value or 0.0, 0.0) for value in column for _ in range(steps)] for column in columns)
    load_w = [0.0 if math.isnan(value) else value for value in load_w]
    pv_w = [0.0 if math.isnan(value) else value for value in pv_w]
    box = House10(pv_w, with_kettles(load_w, first_day), first_day)
    assert box.run(48.0, (math.nan, *POWERS_W)) == []

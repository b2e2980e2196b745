"""The tables of ``site.toml`` beyond battery and PV: cars, programs, rooms, heat pump, hot water, reserve, goals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core_kernels.signals import is_signal, signal

HeatBy = Literal["electric", "heatpump", "relay"]

MAX_ZONES = 17
HEATER = "heat_w"
TANK_ROOM_C = 20.0
NETWORK = ("air_wh_per_k", "mass_wh_per_k", "air_mass_k_per_w", "mass_out_k_per_w")
_MOST = {"ev": 8, "load": 16, "store": 4, "zone": MAX_ZONES}  # what is planned within a quarter hour's first seconds
_QUARTER_S, _DAY_S = 900, 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Ev:
    """A car that comes and leaves by the clock of the site and needs this energy in its battery each time.

    Below ``min_w`` it cannot charge (6 A a phase); ``phase`` is the one a single-phase car hangs on, from 1. With
    ``capacity_wh`` its charge, where it is told, says what it needs.
    """

    name: str
    energy_wh: float
    charge_w: float
    arrival: str = "17:00"
    departure: str = "07:00"
    min_w: float = 0.0
    efficiency_frac: float = 0.92
    phases: int = 3
    phase: int = 1
    capacity_wh: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherBattery:
    """A battery beside the one that the box drives; ``efficiency_frac`` is the AC-AC round trip."""

    name: str
    capacity_wh: float
    charge_w: float
    discharge_w: float
    efficiency_frac: float = 0.90
    soc_min_frac: float = 0.1
    soc_max_frac: float = 1.0
    replacement_eur_per_kwh: float = 400.0
    phase: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A load that may run at any power up to ``power_w`` between two times of the day, until its energy has flowed.

    One that is ``uninterrupted`` runs through at ``power_w`` once begun.
    """

    name: str
    energy_wh: float
    power_w: float
    earliest: str = "00:00"
    latest: str = "00:00"
    uninterrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A heated room: its heater, its two capacities and resistances (as identified), its comfort band.

    ``sensor`` is the signal of its air temperature; without one ``room_<name>_c``. Where the file names neither
    capacities nor resistances, the bundle's room of this name gives them, and ``heat_w`` where that is absent, too.
    A heater ``by = "relay"`` runs and rests for ``min_on_s`` and ``min_off_s`` at least, and each start is worth
    ``start_eur``.
    """

    name: str
    heat_w: float = math.nan
    air_wh_per_k: float = math.nan
    mass_wh_per_k: float = math.nan
    air_mass_k_per_w: float = math.nan
    mass_out_k_per_w: float = math.nan
    solar_m2: float = 0.0
    least_c: float = 20.0
    most_c: float = 23.0
    by: Literal["electric", "heatpump", "relay"] = "electric"
    sensor: str = ""
    min_on_s: float = 900.0
    min_off_s: float = 900.0
    start_eur: float = 0.002

    @property
    def signal(self) -> str:
        """The signal of the air temperature."""
        return self.sensor or f"room_{self.name}_c"

    @property
    def absent(self) -> tuple[str, ...]:
        """The numbers that are not known."""
        return tuple(name for name in (HEATER, *NETWORK) if math.isnan(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatPumpUnit:
    """The heat pump of the zones (and tank) that are heated ``by = "heatpump"``; heat at -7 degC outdoors, flow 52."""

    heating_w: float
    kind: Literal["air_regulated", "brine_regulated", "air_on_off", "brine_on_off", "water_on_off"] = "air_regulated"
    flow_c: float = 35.0
    input_w: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class HotWater:
    """The hot-water tank; ``draw_wh`` is what a day takes out, evenly between 6 and 22 o'clock."""

    litres_count: float
    heat_w: float
    draw_wh: float
    loss_w: float = 60.0
    least_c: float = 45.0
    most_c: float = 60.0
    cold_c: float = 12.0
    by: Literal["electric", "heatpump", "relay"] = "electric"
    sensor: str = "room_tank_c"
    min_on_s: float = 900.0
    min_off_s: float = 900.0
    start_eur: float = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Energy that the battery shall keep for an outage, and what a missing kWh is worth for an hour."""

    energy_wh: float
    eur_per_kwh: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """Prices on what no bill shows: CO2, export, comfort, restlessness."""

    co2_eur_per_kg: float = 0.0
    co2_kg_per_kwh: float = 0.4
    self_consumption_eur_per_kwh: float = 0.0
    comfort_eur_per_h: float = 0.2
    ramp_eur: float = 0.0


def day_s(text: str) -> int:
    """Seconds since midnight of ``HH:MM``; raises ``ValueError``."""
    hours, colon, minutes = text.partition(":")
    if not colon or not (hours.isdigit() and minutes.isdigit() and len(minutes) == len("00")):
        raise ValueError(f"{text!r} is not HH:MM")
    if not (int(hours) < 24 and int(minutes) < 60):
        raise ValueError(f"{text!r} is not a time of the day")
    return 3600 * int(hours) + 60 * int(minutes)


def house_problems(values: dict[str, Any]) -> list[str]:
    """What is wrong between the tables and within them, each with its path."""
    problems = [*_battery(values.get("battery")), *_times(values), *_names(values), *_counts(values), *_sensors(values)]
    zones: Sequence[Zone] = [zone for zone in values.get("zones", ()) if zone is not None]
    problems += [
        f"zone[{i}].least_c must be below most_c" for i, zone in enumerate(zones) if zone.least_c >= zone.most_c
    ]
    problems += [f"zone[{i}].{zone.absent[0]} is missing" for i, zone in enumerate(zones) if _is_lacking(zone, values)]
    stores: Sequence[FurtherBattery] = [row for row in values.get("stores", ()) if row is not None]
    problems += [
        f"store[{i}].soc_min_frac must be below soc_max_frac"
        for i, row in enumerate(stores)
        if row.soc_min_frac >= row.soc_max_frac
    ]
    heated = [*zones, *([values["hotwater"]] if values.get("hotwater") else [])]
    tank = values.get("hotwater")
    if tank is not None and not tank.cold_c < tank.least_c < tank.most_c:
        problems.append("hotwater: cold_c, least_c and most_c must rise in this order")
    if tank is not None and tank.most_c <= TANK_ROOM_C:
        problems.append(f"hotwater.most_c must be above {TANK_ROOM_C:g}, the air around the tank")
    if values.get("heatpump") is None and any(item.by == "heatpump" for item in heated):
        problems.append('by = "heatpump" needs a [heatpump] table')
    return problems


def _is_lacking(zone: Zone, values: dict[str, Any]) -> bool:
    """Claims that a room lacks a number that no bundle can give: half of a network is none."""
    rest = set(zone.absent) - {HEATER}
    given_by_bundle = values.get("bundle") is not None and rest == set(NETWORK)
    return bool(zone.absent) and not given_by_bundle


def _battery(battery: Any) -> list[str]:
    """Limits of the battery, where it was understood, that contradict each other."""
    problems = []
    if battery is not None and battery.soc_min_frac >= battery.soc_max_frac:
        problems.append("battery.soc_min_frac must be below battery.soc_max_frac")
    if battery is not None and battery.register_w < max(battery.charge_w, battery.discharge_w):
        problems.append(f"battery.rated_w must be >= charge_w and discharge_w, got {battery.rated_w:g}")
    return problems


def _times(values: dict[str, Any]) -> list[str]:
    """Times that are none, and a window in which a program's energy cannot flow; a car has what it can get."""
    problems = []
    for i, ev in _rows(values, "evs"):
        problems += _no_times(f"ev[{i}]", arrival=ev.arrival, departure=ev.departure)
        if ev.min_w > ev.charge_w:
            problems.append(f"ev[{i}].min_w is above charge_w: it could never charge")
    for i, load in _rows(values, "loads"):
        wrong = _no_times(f"load[{i}]", earliest=load.earliest, latest=load.latest)
        problems += wrong or _too_short(f"load[{i}]", load)
    return problems


def _no_times(path: str, **times: str) -> list[str]:
    problems = []
    for key, text in times.items():
        try:
            day_s(text)
        except ValueError as error:
            problems.append(f"{path}.{key} {error}")
    return problems


def _too_short(path: str, load: Load) -> list[str]:
    begin_s, end_s = day_s(load.earliest), day_s(load.latest)
    length_s = (end_s - begin_s) % _DAY_S or _DAY_S
    open_count = sum((start_s - begin_s) % _DAY_S < length_s for start_s in range(0, _DAY_S, _QUARTER_S))
    most_wh = load.power_w * open_count * _QUARTER_S / 3600
    if load.energy_wh <= most_wh:
        return []
    told = (
        f"{path}: between {load.earliest} and {load.latest} at most {most_wh:.0f} Wh can flow, not {load.energy_wh:g}"
    )
    return [f"{told}: widen the window (earliest, latest), or look at power_w"]


def _counts(values: dict[str, Any]) -> list[str]:
    """More of a kind than can be planned in time."""
    found = {table: len(values.get(f"{table}s", ())) for table in _MOST}
    return [f"{table}: there are {found[table]}, at most {most} are planned" for table, most in _MOST.items()
            if found[table] > most]  # fmt: skip


def _sensors(values: dict[str, Any]) -> list[str]:
    """Sensors that are no temperature of the table of signals."""
    named = {f"zone[{i}].sensor": zone.sensor for i, zone in _rows(values, "zones") if zone.sensor}
    if values.get("hotwater") is not None:
        named["hotwater.sensor"] = values["hotwater"].sensor
    return [f"{path} {text!r} is no temperature: a signal like room_living_c" for path, text in named.items()
            if not (is_signal(text) and signal(text).unit == "degC")]  # fmt: skip


def _rows(values: dict[str, Any], key: str) -> list[tuple[int, Any]]:
    """The rows of a list that were understood, by their place in the file."""
    return [(i, row) for i, row in enumerate(values.get(key, ())) if row is not None]


def _names(values: dict[str, Any]) -> list[str]:
    """Names tie tables, signals and setpoints together: plain, and only one of each kind."""
    problems = []
    for table in ("ev", "load", "zone", "store"):
        names = [row.name for row in values.get(f"{table}s", ()) if row is not None]
        plain = all(name.replace("_", "").isalnum() and name.isascii() and name == name.lower() for name in names)
        if not plain:
            problems.append(f"{table}.name must be of lower-case letters, digits and _")
        if len(set(names)) < len(names):
            problems.append(f"{table}.name must be different for each")
    return problems

"""What rooms and processes say to each other: frozen records and their JSON form (NaN travels as null)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any, Literal

State = Literal["good", "stale", "invalid"]
Mode = Literal["native", "power"]
# refused: nobody took it; failed: no answer; ignored: acknowledged, but the register shows something else; reverted:
# somebody else changed it afterwards; unverifiable: acknowledged, but it cannot be read back.
Outcome = Literal["applied", "unchanged", "refused", "ignored", "failed", "reverted", "unverifiable"]
IN_FORCE: tuple[Outcome, ...] = ("applied", "unchanged", "unverifiable")
NEEDS_PERMISSION = "only with allow_control in the site file"  # ends the detail of a way of control that is barred
WORTH_COUNT = 21
IntentState = Literal["open", "held", "released"]
# Why a reading is not good, for machines; a good one has none, or says whom it stands in for.
Cause = Literal[
    "",
    "unread",  # its turn has not come
    "late",  # it was read once, too long ago
    "unreachable",  # no link or no answer
    "mute",  # the link opens, but nothing answers: often another client holds a single-client device
    "gateway",  # a gateway answers, the device behind it does not
    "asleep",  # an inverter without sun
    "mismatch",  # answers that belong to no question
    "busy",  # the device said "later"
    "refused",  # the device has no such register; kept out of the other reads
    "absent",  # the device has no such model
    "sentinel",  # the device says that there is no value
    "torn",  # the halves of a value do not fit together
    "implausible",  # outside what a home, or this device's rating, can have
    "reset",  # a counter ran backwards or leapt
    "no_device",  # every register reads the same
    "stand_in",  # good, from the inverter, in place of a meter
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A signal of a device. ``value`` is NaN when the state is invalid; ``reason`` says why, ``cause`` in one word."""

    signal: str
    value: float
    unit: str
    measured_s: float
    state: State
    reason: str = ""
    device: str = ""
    cause: Cause = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The judged process image of one cycle; NaN where unknown. Signs as in ``core_kernels.units``."""

    time_s: float
    pv_w: float
    load_w: float
    grid_w: float
    battery_w: float
    soc_frac: float
    residual_w: float
    grid_import_wh: float
    grid_export_wh: float
    flags: Mapping[str, int]
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What the battery shall do: follow its native rules, or hold a power (positive discharge) for a lease."""

    mode: Mode
    battery_w: float
    lease_s: float
    reason: str
    vetoes: tuple[str, ...] = ()

    @classmethod
    def native(cls, reason: str, vetoes: tuple[str, ...] = ()) -> Command:
        """Back to the inverter's own rules; always allowed."""
        return cls(mode="native", battery_w=math.nan, lease_s=0.0, reason=reason, vetoes=vetoes)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What became of a command on the wire; ``writes`` counts register writes sent.

    ``battery_w`` is the power that the inverter was really told, after every limit; NaN where it was told none.
    """

    outcome: Outcome
    writes: int
    detail: str = ""
    battery_w: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterWrite:
    """A register write as it is journalled before its first byte; ``register`` is ``profile#unit holding address``."""

    register: str
    raw: int
    wear: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A sequence of register writes, journalled before its first byte.

    ``open`` while it is written, ``held`` once it is read back and the inverter follows it, ``released`` when the
    inverter has been seen on its own rules since. ``done_count`` steps were acknowledged.
    """

    sequence: int = 0
    device: str
    control: str
    mode: str
    reason: str
    steps: tuple[str, ...]
    done_count: int = 0
    state: IntentState = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterCount:
    """How often a register was written: today, for life, and in the last ``recent_days``."""

    register: str
    wear: str
    today_count: int
    lifetime_count: int
    recent_count: int
    recent_days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """48 h of intentions with a lease: after ``valid_until_s`` nobody acts on it.

    Tuples of powers hold one value a slot, ``soc_frac`` one an edge (n + 1). ``peak_w`` is the import that no quarter
    hour of the running month shall exceed, where a capacity tariff bills it (``peak_eur_per_kw``); else NaN.
    ``setpoint_w`` is what cars, programs, rooms and tank shall draw, by name (``ev.car``, ``zone.living``), a value a
    slot; ``expected_c`` the temperatures that follow, one an edge; ``room_p50_c`` those of the bundle's rooms, a slot's
    mean. ``worth_eur_per_kwh``: of a stored kWh at each twentieth of the charge, or empty. ``verdicts``: what pays.
    """

    issued_s: float
    valid_until_s: float
    start_s: int
    slot_s: int
    source: str
    reason: str
    violations: tuple[str, ...]
    water_value_eur_per_kwh: float
    wear_eur_per_kwh: float
    cost_eur: float
    battery_w: tuple[float, ...]
    soc_frac: tuple[float, ...]
    grid_w: tuple[float, ...]
    pv_p10_w: tuple[float, ...]
    pv_p50_w: tuple[float, ...]
    pv_p90_w: tuple[float, ...]
    load_p10_w: tuple[float, ...]
    load_p50_w: tuple[float, ...]
    load_p90_w: tuple[float, ...]
    price_import_eur_per_kwh: tuple[float, ...]
    price_export_eur_per_kwh: tuple[float, ...]
    peak_w: float = math.nan
    peak_eur_per_kw: float = 0.0
    setpoint_w: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    expected_c: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    room_p10_c: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    room_p50_c: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    room_p90_c: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    worth_eur_per_kwh: tuple[float, ...] = ()
    verdicts: tuple[str, ...] = ()

    def worth_at(self, soc_frac: float) -> float:
        """What a stored kWh is worth at a charge; the water value where only that is known [EUR/kWh]."""
        if not self.worth_eur_per_kwh or not 0.0 <= soc_frac <= 1.0:
            return self.water_value_eur_per_kwh
        place = soc_frac * (WORTH_COUNT - 1)
        below = min(int(place), WORTH_COUNT - 2)
        low, high = self.worth_eur_per_kwh[below : below + 2]
        return low + (place - below) * (high - low)

    def slot(self, time_s: float) -> int | None:
        """Index of the slot in force, ``None`` outside the plan."""
        index = int((time_s - self.start_s) // self.slot_s)
        return index if 0 <= index < len(self.battery_w) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRecord:
    """All that one control cycle saw, wanted and did."""

    house: House
    wish: Command
    command: Command
    result: WriteResult
    plan_source: str
    plan_age_s: float
    duration_s: float


def to_json(value: Any) -> Any:
    """Records, enums, tuples and NaN as plain JSON types."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return value


_MAX_POWER_W, _MAX_PRICE_EUR_PER_KWH, _MAX_PEAK_EUR_PER_KW = 1e6, 100.0, 1e6
_PLAN_SLOT_S, _MAX_SLOTS, _MAX_NAMES = 900, 7 * 96, 64
MAPPINGS = {"setpoint_w": 0, "expected_c": 1, "room_p10_c": 0, "room_p50_c": 0, "room_p90_c": 0}  # values beyond slots
_TEXTS, _SENTENCES, _COUNTS = ("source", "reason"), ("violations", "verdicts"), ("start_s", "slot_s")


def plan_from_json(data: Mapping[str, Any]) -> Plan:
    """A plan from its JSON form; raises ``ValueError`` where it is not one that control could follow blindly.

    Checked are the fields, their types and lengths, the slot length, and that no number is beyond reason.
    """
    known = {item.name for item in fields(Plan)}
    if set(data) != known:
        raise ValueError(f"not a plan: missing {sorted(known - set(data))}, unknown {sorted(set(data) - known)}")
    plan = Plan(**{name: _field(name, value) for name, value in data.items()})
    count = len(plan.battery_w)
    if plan.slot_s != _PLAN_SLOT_S or not 1 <= count <= _MAX_SLOTS or not 0 <= plan.start_s < 1 << 40:
        raise ValueError(f"not a plan: {count} slots of {plan.slot_s} s from {plan.start_s}")
    for name in known:
        column = getattr(plan, name)
        if isinstance(column, tuple) and name not in (*_SENTENCES, "worth_eur_per_kwh"):
            _check_column(name, column, count + (name == "soc_frac"))
    if plan.worth_eur_per_kwh:
        _check_column("worth_eur_per_kwh", plan.worth_eur_per_kwh, WORTH_COUNT)
    for name, edges in MAPPINGS.items():
        for key, column in getattr(plan, name).items():
            _check_column(f"{name} of {key:.40}", column, count + edges)
    if not all(map(math.isfinite, (plan.issued_s, plan.valid_until_s, *plan.battery_w, plan.water_value_eur_per_kwh))):
        raise ValueError("not a plan: an instant, a battery power or the water value is missing")
    if abs(plan.water_value_eur_per_kwh) > _MAX_PRICE_EUR_PER_KWH:
        raise ValueError(f"not a plan: a water value of {plan.water_value_eur_per_kwh:g} EUR/kWh")
    if plan.peak_w < 0.0 or not 0.0 <= plan.peak_eur_per_kw <= _MAX_PEAK_EUR_PER_KW:
        raise ValueError(f"not a plan: a peak of {plan.peak_w:g} W at {plan.peak_eur_per_kw:g} EUR/kW")
    return plan


def _field(name: str, value: object) -> Any:
    """One field of a plan, typed."""
    if name in _TEXTS and isinstance(value, str):
        return value
    if name in _SENTENCES and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if name in _COUNTS and isinstance(value, int) and not isinstance(value, bool):
        return value
    is_column = isinstance(_PLAN_TYPES[name], str) and _PLAN_TYPES[name].startswith("tuple[float")
    if is_column and isinstance(value, list):
        return tuple(_number(name, item) for item in value)
    if _PLAN_TYPES[name].startswith("Mapping") and isinstance(value, dict) and len(value) <= _MAX_NAMES:
        return {str(key): tuple(_number(name, item) for item in column) for key, column in value.items()}
    if _PLAN_TYPES[name] == "float":
        return _number(name, value)
    raise ValueError(f"not a plan: {name} is {value!r:.40}")


def _number(name: str, value: object) -> float:
    """A JSON number; null is missing."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e300:
        raise ValueError(f"not a plan: {name} holds {value!r:.40}")
    return float(value)


def _check_column(name: str, column: tuple[float, ...], count: int) -> None:
    """A value a slot (the charge: an edge), and none beyond reason."""
    if len(column) != count:
        raise ValueError(f"not a plan: {name} has {len(column)} values instead of {count}")
    bound = _MAX_PRICE_EUR_PER_KWH if name.endswith("_eur_per_kwh") else _MAX_POWER_W
    worst = max((abs(value) for value in column if not math.isnan(value)), default=0.0)
    if worst > bound:
        raise ValueError(f"not a plan: {name} reaches {worst:g}")


_PLAN_TYPES = {item.name: str(item.type) for item in fields(Plan)}

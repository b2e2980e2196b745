"""A firmware profile: what a device family measures, what may be written, and how it is commanded. Data only.

The schema is explained in ``firmware_profiles/README.md``; reading and checking are in ``profile_file``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.devices.bonds import atoms

Space = Literal["input", "holding"]
Type = Literal["u16", "s16", "u32", "s32", "u64", "s64", "f32", "str"]
WordOrder = Literal["big", "little"]
Poll = Literal["fast", "slow"]
Confidence = Literal["A", "B", "C"]
Wear = Literal["volatile", "stored", "unknown"]
Role = Literal["inverter", "meter"]
OnSilence = Literal["reverts_after_s", "slot_ends", "persists"]
BatteryMode = Literal["native", "charge", "discharge", "hold"]
Test = Literal["equals", "above", "below"]

EXPRESSIONS = frozenset(
    {
        "charge_w",  # charge power, never negative
        "discharge_w",  # discharge power, never negative
        "signed_w",  # either of them, positive discharge
        "grid_setpoint_w",  # the grid power that brings the wanted battery power: grid_w + battery_w now, less the wish
        "inverter_w",  # the inverter's AC power that brings it, positive to the house: pv_w now and the wish
        "charge_frac",  # charge power as a part of the inverter's rating (battery.rated_w)
        "discharge_frac",  # discharge power, the same
        "signed_frac",  # either of them, positive discharge
        "lease_s",  # the lease, rounded down to the register's step but never to 0
        "slot_start",  # hour * 256 + minute of the device's own clock
        "slot_end",  # the same, a lease later, cut at 23:59
        "soc_min_frac",
        "soc_max_frac",
    }
)
WORDS = {"u16": 1, "s16": 1, "u32": 2, "s32": 2, "u64": 4, "s64": 4, "f32": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Who the device is, and where the facts come from."""

    vendor: str
    family: str
    title: str
    role: Role
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """How the device talks. Reads never leave a window, nor (``gap_words`` > 0) cross more undeclared registers.

    ``sunspec_bases``: where the map of a SunSpec device may begin; it is walked, so its models need no windows.
    """

    default_unit: int
    baud: int
    parity: Literal["N", "E", "O"]
    stopbits: int
    word_order: WordOrder
    max_read_words: int
    min_command_period_s: float
    read_windows: Mapping[str, tuple[tuple[int, int], ...]]
    align_words: int = 1
    gap_words: int = 0
    max_write_words: int = 123
    write_single: bool = True
    min_reply_pause_s: float = 0.0
    connect_pause_s: float = 0.0
    single_client: bool = False
    probe: str = ""
    sunspec_bases: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value that can be read: (raw * 10**exponent * scale + offset) * sign is its contribution to ``signal``.

    An internal point (identity, clock, read-back) has no signal. The exponent is that of ``scale_point``, 0 without
    one. ``sentinels`` and ``golden_raw`` are unsigned bit patterns, high word first (a text's ``golden_raw`` is its
    list of words). ``models``: the address counts from the ID word of the first of these SunSpec models that the
    device has. A split value has its low word at ``address`` and its high word at ``high_address``. ``needs``: no value
    while that point is 0. ``words`` follows from the type.
    """

    name: str
    space: Space
    address: int
    type: Type
    scale: float
    sign: int
    sentinels: tuple[int, ...]
    poll: Poll
    source: str
    confidence: Confidence
    golden_raw: int | tuple[int, ...]
    golden_value: float | str
    signal: str = ""
    words: int = 0
    offset: float = 0.0
    mask: int = 0
    word_order: WordOrder | None = None
    scale_point: str = ""
    models: tuple[int, ...] = ()
    high_address: int | None = None
    together: str = ""
    apart: str = ""
    instead_of: str = ""
    same_as: str = ""
    needs: str = ""

    def order(self, default: WordOrder) -> WordOrder:
        """Which word comes first: the point's own order or else the link's; of a split value always the low one."""
        return self.word_order or default if self.high_address is None else "little"

    @property
    def addresses(self) -> tuple[int, ...]:
        """Where its words lie, in the order in which they are joined."""
        if self.high_address is not None:
            return (self.address, self.high_address)
        return tuple(range(self.address, self.address + self.words))

    @property
    def first(self) -> int:
        """The point's lowest address."""
        return self.address if self.high_address is None else min(self.address, self.high_address)

    @property
    def last(self) -> int:
        """The point's highest address."""
        return self.address + self.words - 1 if self.high_address is None else max(self.address, self.high_address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One register that may be written: number = (value / sign - offset) / scale, kept inside ``range``.

    The number is raw, or with a ``scale_point`` raw * 10**exponent. ``write_only``: the device never shows it again.
    """

    name: str
    space: Space
    address: int
    type: Type
    scale: float
    sign: int
    range: tuple[int, int]
    wear: Wear
    readback: str
    source: str
    confidence: Confidence
    words: int = 0
    offset: float = 0.0
    mask: int = 0
    word_order: WordOrder | None = None
    scale_point: str = ""
    models: tuple[int, ...] = ()
    write_only: bool = False

    def order(self, default: WordOrder) -> WordOrder:
        """Which word comes first: the register's own order, or else the link's."""
        return self.word_order or default


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What this family answers: one of the raw values, or a text that begins so."""

    point: str
    equals: tuple[int, ...] = ()
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Registers written together (FC16 when more than one): names and their values or expressions.

    ``refresh``: written again to extend a running lease, even when nothing differs.
    """

    writes: tuple[str, ...]
    values: tuple[int | str, ...]
    refresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A read-back point compared with a number (in the point's scaled, signed value)."""

    point: str
    test: Test
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRule:
    """The device is in ``mode`` when every condition holds and its clock is inside the slot (start, end points)."""

    mode: BatteryMode
    when: tuple[Condition, ...]
    slot: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One way to command the battery; the first whose ``requires`` answers non-zero, in ``probe_range``, is used.

    ``silence_s``: after so long without a write the device goes back by itself, where no register counts the lease.
    ``enter``: steps sent once when a forced mode starts; ``keep_s``: refresh steps are not repeated sooner.
    ``compensation`` makes it safe again from any prefix (empty: the native action does). ``restore``: writes whose
    value before ours is put back on native. ``limit_points``: what the battery allows now [W], by charge and
    discharge. ``rated_point``: what the device itself calls 100 % [W].
    """

    name: str
    requires: str
    on_silence: OnSilence
    power_step_frac: float
    max_lease_s: float
    actions: Mapping[str, tuple[Step, ...]]
    states: tuple[StateRule, ...]
    probe_range: tuple[int, int] | None = None
    confidence: Confidence = "A"
    silence_s: float = math.nan
    keep_s: float = 0.0
    enter: tuple[Step, ...] = ()
    compensation: tuple[Step, ...] = ()
    restore: tuple[str, ...] = ()
    limit_points: Mapping[str, str] = field(default_factory=dict)
    rated_point: str = ""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step that this way of control may send."""
        return (*(step for steps in self.actions.values() for step in steps), *self.enter, *self.compensation)

    @property
    def why_opt_in(self) -> str:
        """Why this way of control is used only where the site names it; empty where it needs no permission."""
        if self.confidence == "C":
            return f"{self.name}: what is known of it is inferred or disputed (confidence C)"
        return f"{self.name}: the mode stays for ever if this box dies" if self.on_silence == "persists" else ""

    @property
    def points(self) -> tuple[str, ...]:
        """The points that it looks at, without the read-back of its writes."""
        listed = [name for rule in self.states for name in (*(one.point for one in rule.when), *(rule.slot or ()))]
        listed += [self.requires, self.rated_point, *self.limit_points.values()]
        return tuple(name for name in dict.fromkeys(listed) if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A whole profile file. ``clock`` names the points year, month, day, hour, minute, second, where they exist.

    ``absent``: signals that this very device does not have, with the reason (SunSpec models).
    """

    name: str
    header: Header
    link: LinkFacts
    points: tuple[Point, ...]
    writes: tuple[Write, ...] = ()
    controls: tuple[Control, ...] = ()
    clock: tuple[str, ...] = ()
    identify: tuple[Identity, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    by_name: Mapping[str, Point] = field(init=False, repr=False, compare=False)
    write_by_name: Mapping[str, Write] = field(init=False, repr=False, compare=False)
    _atoms: Mapping[str, tuple[Point, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {point.name: point for point in self.points})
        object.__setattr__(self, "write_by_name", {write.name: write for write in self.writes})
        object.__setattr__(self, "_atoms", {point.name: atom for atom in atoms(self.points) for point in atom})

    @property
    def probe(self) -> Point | None:
        """A point whose value never changes, where one is known."""
        return self.by_name.get(self.link.probe or "serial_number")

    def signals(self) -> dict[str, tuple[Point, ...]]:
        """The points of each signal, in the order of the file."""
        found: dict[str, tuple[Point, ...]] = {}
        for point in self.points:
            if point.signal:
                found[point.signal] = (*found.get(point.signal, ()), point)
        return found

    def with_partners(self, points: Iterable[Point]) -> tuple[Point, ...]:
        """The points and all that must be read in the same request with them."""
        return tuple({one.name: one for point in points for one in self._atoms[point.name]}.values())

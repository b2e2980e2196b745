"""A firmware profile: what a device family measures, what may be written, and how it is commanded. Data only.

The schema is explained in ``firmware_profiles/README.md``; reading and checking are in ``profile_file``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Space = Literal["input", "holding"]
Type = Literal["u16", "s16", "u32", "s32", "f32", "str"]
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
WORDS = {"u16": 1, "s16": 1, "u32": 2, "s32": 2, "f32": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Who the device is; ``sources`` lists where the facts come from."""

    vendor: str
    family: str
    title: str
    role: Role
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """How the device talks. Reads never leave a window; addresses and counts are multiples of ``align_words``."""

    default_unit: int
    baud: int
    parity: Literal["N", "E", "O"]
    stopbits: int
    word_order: WordOrder
    max_read_words: int
    min_command_period_s: float
    read_windows: Mapping[str, tuple[tuple[int, int], ...]]
    align_words: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value on the wire: raw * scale * sign is its contribution to ``signal`` in our units and our sign.

    An internal point (identity, clock, read-back) has no signal. ``sentinels`` and ``golden_raw`` are unsigned
    bit patterns, high word first (a text's ``golden_raw`` is its list of words). ``words`` follows from the type.
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

    @property
    def last(self) -> int:
        """The point's last address."""
        return self.address + self.words - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One register that may be written: raw = value / (scale * sign), kept inside ``range`` (raw)."""

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
    """One way to command the battery; the first whose ``requires`` answers non-zero, in ``probe_range``, is used."""

    name: str
    requires: str
    on_silence: OnSilence
    power_step_frac: float
    max_lease_s: float
    actions: Mapping[str, tuple[Step, ...]]
    states: tuple[StateRule, ...]
    probe_range: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A whole profile file. ``clock`` names the points year, month, day, hour, minute, second, where they exist."""

    name: str
    header: Header
    link: LinkFacts
    points: tuple[Point, ...]
    writes: tuple[Write, ...] = ()
    controls: tuple[Control, ...] = ()
    clock: tuple[str, ...] = ()
    by_name: Mapping[str, Point] = field(init=False, repr=False, compare=False)
    write_by_name: Mapping[str, Write] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {point.name: point for point in self.points})
        object.__setattr__(self, "write_by_name", {write.name: write for write in self.writes})

    def signals(self) -> dict[str, tuple[Point, ...]]:
        """The points of each signal, in the order of the file."""
        found: dict[str, tuple[Point, ...]] = {}
        for point in self.points:
            if point.signal:
                found[point.signal] = (*found.get(point.signal, ()), point)
        return found

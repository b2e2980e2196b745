"""What writing costs a register, and the ledger in which every write is noted before its first byte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from core_kernels.units import SECONDS_PER_DAY
from edge.clock import Clock
from edge.devices.profile import Wear, Write
from edge.messages import Intent, IntentState, RegisterCount, RegisterWrite

# Writes that a flash or EEPROM cell survives: SolaX's "often 100k", the order that vendors of EEPROMs guarantee
# (shared/hardware/devices.md, "Flash/EEPROM wear"). At 20 a day they last 13 years.
CYCLES_COUNT = 100_000
DAILY_BUDGET_COUNT = 20
_DAYS_PER_YEAR = 365.25


class WriteLedger(Protocol):
    """Where writes are journalled and counted; every method may raise :class:`StoreError`.

    ``register`` is ``profile#unit holding address``, ``device`` its first word.
    """

    def count_today(self, register: str) -> int:
        """Writes of this register noted since midnight."""

    def note(self, writes: Sequence[RegisterWrite], sequence: int | None) -> None:
        """The registers of one step of a sequence, all or none, before they are sent."""

    def begin(self, intent: Intent) -> int:
        """A sequence, before its first byte; returns its number."""

    def finish(self, sequence: int, state: IntentState) -> None:
        """What became of a sequence; a released one releases all before it on its device."""

    def unreleased(self, device: str) -> list[Intent]:
        """Sequences after which the device has not been seen on its own rules."""

    def keep(self, device: str, name: str, raw: int) -> None:
        """What a setting held before our first write; later calls change nothing."""

    def kept(self, device: str) -> dict[str, int]:
        """Settings that are still to be put back."""

    def drop(self, device: str) -> None:
        """All of them are back."""


@dataclass(slots=True)
class MemoryLedger:
    """A ledger that forgets when the process ends: for the command line and tests."""

    clock: Clock
    rows: list[tuple[float, RegisterWrite]] = field(default_factory=list)
    intents: dict[int, Intent] = field(default_factory=dict)
    settings: dict[tuple[str, str], int] = field(default_factory=dict)

    def count_today(self, register: str) -> int:
        """Writes noted since midnight UTC."""
        midnight_s = self.clock.now_s() // SECONDS_PER_DAY * SECONDS_PER_DAY
        return sum(1 for time_s, write in self.rows if write.register == register and time_s >= midnight_s)

    def note(self, writes: Sequence[RegisterWrite], sequence: int | None) -> None:  # noqa: ARG002 -- keeps no steps
        """Remember the registers of one step."""
        self.rows += [(self.clock.now_s(), write) for write in writes]

    def begin(self, intent: Intent) -> int:
        """Remember a sequence."""
        sequence = len(self.intents) + 1
        self.intents[sequence] = replace(intent, sequence=sequence)
        return sequence

    def finish(self, sequence: int, state: IntentState) -> None:
        """Remember what became of it."""
        device = self.intents[sequence].device
        for number, intent in self.intents.items():
            if number == sequence or (state == "released" and number < sequence and intent.device == device):
                self.intents[number] = replace(intent, state=state)

    def unreleased(self, device: str) -> list[Intent]:
        """Sequences after which the device has not been seen on its own rules."""
        return [intent for intent in self.intents.values() if intent.device == device and intent.state != "released"]

    def keep(self, device: str, name: str, raw: int) -> None:
        """Remember a setting, once."""
        self.settings.setdefault((device, name), raw)

    def kept(self, device: str) -> dict[str, int]:
        """Settings that are still to be put back."""
        return {name: raw for (owner, name), raw in self.settings.items() if owner == device}

    def drop(self, device: str) -> None:
        """Forget the settings of a device."""
        self.settings = {key: raw for key, raw in self.settings.items() if key[0] != device}


def register_name(device: str, write: Write) -> str:
    """The ledger's name of a register."""
    return f"{device} {write.space} {write.address}"


def wears(wear: Wear | str) -> bool:
    """What is not known to be volatile is treated as stored."""
    return wear != "volatile"


def exhausted(ledger: WriteLedger, device: str, writes: Sequence[Write], budget_count: int) -> str:
    """Which register has no budget left today, in words; empty when all may be written."""
    for write in writes:
        if wears(write.wear):
            count = ledger.count_today(register_name(device, write))
            if count >= budget_count:
                return f"wear budget: {write.name} ({write.space} {write.address}) was written {count} times today"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterWear:
    """How worn a register is. ``left_years`` at the present rate: infinite while it is not written, or volatile."""

    register: str
    wear: str
    today_count: int
    budget_count: int | None
    lifetime_count: int
    writes_per_day: float
    left_years: float


def wear_of(count: RegisterCount) -> RegisterWear:
    """What a register's counts mean for its life."""
    costs = wears(count.wear)
    writes_per_day = count.recent_count / count.recent_days
    left_count = max(CYCLES_COUNT - count.lifetime_count, 0)
    return RegisterWear(
        register=count.register,
        wear=count.wear,
        today_count=count.today_count,
        budget_count=DAILY_BUDGET_COUNT if costs else None,
        lifetime_count=count.lifetime_count,
        writes_per_day=writes_per_day,
        left_years=left_count / writes_per_day / _DAYS_PER_YEAR if costs and writes_per_day > 0.0 else math.inf,
    )

"""How often registers that may be worn out by writing were written: the ledger and its daily budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core_kernels.units import SECONDS_PER_DAY
from edge.clock import Clock
from edge.devices.profile import Wear, Write

DAILY_BUDGET_COUNT = 20  # 100 000 cycles of an EEPROM cell last 13 years at 20 a day (shared/hardware/devices.md)


class WriteLedger(Protocol):
    """Where register writes are counted. ``register`` is ``profile#unit holding address``."""

    def count_today(self, register: str) -> int:
        """Writes of this register noted on the running (UTC) day; may raise :class:`StoreError`."""

    def note(self, register: str, raw: int, wear: str, reason: str) -> None:
        """One register write, noted before it is sent; may raise :class:`StoreError`."""


@dataclass(slots=True)
class MemoryLedger:
    """A ledger that forgets when the process ends: for the command line and tests."""

    clock: Clock
    rows: list[tuple[float, str, int, str, str]] = field(default_factory=list)

    def count_today(self, register: str) -> int:
        """Writes noted since midnight UTC."""
        midnight_s = self.clock.now_s() // SECONDS_PER_DAY * SECONDS_PER_DAY
        return sum(1 for time_s, name, *_ in self.rows if name == register and time_s >= midnight_s)

    def note(self, register: str, raw: int, wear: str, reason: str) -> None:
        """Remember one register write."""
        self.rows.append((self.clock.now_s(), register, raw, wear, reason))


def register_name(device: str, write: Write) -> str:
    """The ledger's name of a register."""
    return f"{device} {write.space} {write.address}"


def wears(wear: Wear) -> bool:
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

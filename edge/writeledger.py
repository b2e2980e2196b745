"""The write ledger in the box's store, and what it says about wear: where ``devices`` and ``ingest`` meet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.clock import Clock
from edge.config import Site
from edge.devices.wear import RegisterWear, wear_of
from edge.ingest.store import Store, StoreReader
from edge.messages import Intent, IntentState, RegisterWrite


class StoreLedger:
    """The write pipeline's ledger, kept in the store; a day is the site's local day."""

    def __init__(self, store: Store, clock: Clock, site: Site) -> None:
        self._journal, self._clock, self._zone = store.journal, clock, site.zone

    def count_today(self, register: str) -> int:
        """Writes to a register since local midnight."""
        now_s = self._clock.now_s()
        return self._journal.count_writes(register, midnight_s(now_s, self._zone), now_s)

    def note(self, writes: Sequence[RegisterWrite], sequence: int | None) -> None:
        """Journal registers that go out together, before their first byte."""
        self._journal.note(self._clock.now_s(), writes, sequence)

    def begin(self, intent: Intent) -> int:
        """Journal a sequence before its first byte."""
        return self._journal.begin(self._clock.now_s(), intent)

    def finish(self, sequence: int, state: IntentState) -> None:
        """What became of a sequence."""
        self._journal.finish(sequence, state)

    def unreleased(self, device: str) -> list[Intent]:
        """Sequences after which the device has not been seen on its own rules."""
        return self._journal.unreleased(device)

    def keep(self, device: str, name: str, raw: int) -> None:
        """What a setting held before our first write."""
        self._journal.keep(self._clock.now_s(), device, name, raw)

    def kept(self, device: str) -> dict[str, int]:
        """Settings to put back."""
        return self._journal.kept(device)

    def drop(self, device: str) -> None:
        """All of them are back."""
        self._journal.drop(device)


def midnight_s(now_s: float, zone: ZoneInfo) -> float:
    """When the site's local day began."""
    return datetime.fromtimestamp(now_s, zone).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def wear_table(path: Path, site: Site, now_s: float) -> list[RegisterWear]:
    """How worn each register is that was ever written; raises :class:`StoreError`."""
    reader = StoreReader(path)
    try:
        counts = reader.register_counts(day_s=midnight_s(now_s, site.zone), now_s=now_s)
    finally:
        reader.close()
    return [wear_of(count) for count in counts]

"""What the control process writes, under the power-cut proof: telemetry, and the journal of register writes."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.bench_appliance.powercut import Verdict
from edge.bench_appliance.recorded import EXT4, Disk
from edge.files import STORE_NAME
from edge.ingest.schema import translated
from edge.ingest.store import COMMIT_S, MINUTE_S, SLOT_S, Store, StoreReader
from edge.messages import Intent, RegisterWrite

_START_S = 1_763_856_000  # 2025-11-23 00:00 UTC, the start of a quarter hour
_CYCLE_S = 20
_ROOMS = tuple(f"room_r{number}_c" for number in range(12))
_SEQUENCE_MINUTES = 5
_DEVICE, _SETTING, _SETTING_RAW = "inverter", "discharge_stop_soc", 20
_QUARTER_MINUTES = SLOT_S // MINUTE_S


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Cycles, a sequence of register writes every five minutes, and a setting that must be put back."""

    minutes_count: int = 40
    name: str = "telemetry and journal"
    disk: Disk = EXT4

    def prepare(self, root: Path) -> None:
        """A store that has been in use."""
        Store(root / STORE_NAME).close()

    def work(self, root: Path, done: Callable[[], None]) -> None:
        """A step is a minute of cycles and what was journalled in it; the last one is the end of the process."""
        store = Store(root / STORE_NAME)
        store.journal.keep(_START_S, _DEVICE, _SETTING, _SETTING_RAW)
        for minute in range(self.minutes_count):
            start_s = _START_S + MINUTE_S * minute
            for second in range(0, MINUTE_S, _CYCLE_S):
                store.add(start_s + second, dict.fromkeys(_ROOMS, _told_c(minute)), {})
            if minute % _SEQUENCE_MINUTES == 0:
                _send(store, start_s)
            done()
        store.close()
        done()

    def judge(self, root: Path, done_count: int) -> Verdict:
        """The next start of control: whole, every acknowledged journal row there, at most five minutes lost."""
        path = root / STORE_NAME
        minutes = min(done_count, self.minutes_count)
        lost_s = MINUTE_S * minutes - _kept_s(path)
        findings = [*_damage(path), *_missing_sequences(path, -(-minutes // _SEQUENCE_MINUTES))]
        if lost_s > COMMIT_S:
            findings.append(f"{lost_s:g} s of telemetry lost")
        with _reopened(path) as store:
            if minutes and store.journal.kept(_DEVICE) != {_SETTING: _SETTING_RAW}:
                findings.append(f"{_SETTING} of the owner forgotten")
        findings.extend(_wrong_quarters(path, max(minutes - 1, 0)))
        return Verdict(findings=tuple(findings), lost_s=max(lost_s, 0.0) if minutes else math.nan)


def _told_c(minute: int) -> float:
    """What all rooms say in a minute."""
    return 18.0 + minute / 8.0


def _send(store: Store, time_s: float) -> None:
    """Journal a register write as the write pipeline does."""
    intent = Intent(device=_DEVICE, control="battery", mode="power", reason="bench", steps=("power",))
    number = store.journal.begin(time_s, intent)
    store.journal.note(time_s, [RegisterWrite(register="power", raw=1, wear="volatile", reason="bench")], number)
    store.journal.finish(number, "held")


@contextlib.contextmanager
def _reopened(path: Path) -> Iterator[Store]:
    """The store of the process after the cut, once its first cycle of the next day has closed what was left open."""
    store = Store(path)
    try:
        store.add(_START_S + 86_400, {_ROOMS[0]: 20.0}, {})
        yield store
    finally:
        store.close()


def _damage(path: Path) -> list[str]:
    """What SQLite itself finds wrong."""
    with contextlib.closing(sqlite3.connect(path)) as database, translated(str(path)):
        said = [text for (text,) in database.execute("PRAGMA integrity_check")]
    return [] if said == ["ok"] else said


def _kept_s(path: Path) -> int:
    """Until when minutes are there [s since the start of the work]."""
    with contextlib.closing(sqlite3.connect(path)) as database, translated(str(path)):
        (last_s,) = database.execute("SELECT max(time_s) FROM minute").fetchone()
    return 0 if last_s is None else int(last_s) + MINUTE_S - _START_S


def _missing_sequences(path: Path, count: int) -> list[str]:
    """Acknowledged sequences and register writes that are not in the journal."""
    with contextlib.closing(StoreReader(path)) as reader:
        held = [intent for intent in reader.intents(0.0) if intent.state == "held"]
        writes = reader.writes(0.0, math.inf)
        lifetime = sum(row.lifetime_count for row in reader.register_counts(day_s=0.0, now_s=math.inf))
    told = {"sequences": len(held), "register writes": len(writes), "writes counted for life": lifetime}
    return [f"{found} of {count} acknowledged {name}" for name, found in told.items() if found < count]


def _wrong_quarters(path: Path, minutes: int) -> list[str]:
    """Whole quarter hours of so many kept minutes that are missing or have another value than was told."""
    end_s = _START_S + minutes // _QUARTER_MINUTES * SLOT_S
    if end_s == _START_S:
        return []
    with contextlib.closing(StoreReader(path)) as reader:
        frame = reader.window(end_s, 1)
    shown = frame.columns.get(_ROOMS[0], ())[-(minutes // _QUARTER_MINUTES) :]
    middle = _QUARTER_MINUTES // 2  # whose value is a quarter's mean, for what is told rises evenly
    told = [_told_c(quarter * _QUARTER_MINUTES + middle) for quarter in range(minutes // _QUARTER_MINUTES)]
    return [] if list(shown) == told else [f"quarter hours hold {list(shown)}, told were {told}"]

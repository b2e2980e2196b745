"""What was written to hardware: every register write before its first byte, sequences, and settings to put back."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from core_kernels.units import SECONDS_PER_DAY
from edge.ingest.schema import translated
from edge.messages import Intent, IntentState, RegisterCount, RegisterWrite

RECENT_DAYS = 30  # the present rate of wear is that of the last so many days
_KEEP_S = 400 * SECONDS_PER_DAY  # single writes and released sequences; the counts for life stay
_COUNT_FOR_LIFE = """
INSERT INTO register_wear VALUES (:register, :wear, :time_s, :time_s, 1)
ON CONFLICT (register) DO UPDATE SET wear = :wear, last_s = :time_s, writes = writes + 1
"""
_COUNTS = """
SELECT register, wear, first_s, writes,
    (SELECT count(*) FROM device_write w WHERE w.register = r.register AND w.time_s BETWEEN :day_s AND :now_s),
    (SELECT count(*) FROM device_write w WHERE w.register = r.register AND w.time_s BETWEEN :recent_s AND :now_s)
FROM register_wear r ORDER BY register
"""
_INTENT = "SELECT sequence, device, control, mode, reason, steps, done, state FROM intent"


class WriteJournal:
    """The writing side, on the store's own connection; raises :class:`StoreError`."""

    def __init__(self, database: sqlite3.Connection, where: str) -> None:
        self._db, self._where = database, where

    def note(self, time_s: float, writes: Sequence[RegisterWrite], sequence: int | None = None) -> None:
        """Journal registers that go out together; all or none. Of their sequence, all steps before them are done."""
        with self._transaction():
            for write in writes:
                row = (time_s, write.register, write.raw, write.wear, write.reason)
                self._db.execute("INSERT INTO device_write VALUES (?,?,?,?,?)", row)
                count = {"register": write.register, "wear": write.wear, "time_s": time_s}
                self._db.execute(_COUNT_FOR_LIFE, count)
            self._db.execute("UPDATE intent SET done = done + 1 WHERE sequence = ?", (sequence,))

    def count_writes(self, register: str, since_s: float, until_s: float = math.inf) -> int:
        """Writes to one register in a span; what a clock that ran ahead noted lies after it."""
        with translated(self._where):
            row = self._db.execute(
                "SELECT count(*) FROM device_write WHERE register = ? AND time_s BETWEEN ? AND ?",
                (register, since_s, until_s),
            ).fetchone()
        return int(row[0])

    def begin(self, time_s: float, intent: Intent) -> int:
        """Journal a sequence before its first byte; returns its number."""
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO intent VALUES (NULL,?,?,?,?,?,?,-1,'open')",
                (time_s, intent.device, intent.control, intent.mode, intent.reason, json.dumps(intent.steps)),
            )
        return int(cursor.lastrowid or 0)

    def finish(self, sequence: int, state: IntentState) -> None:
        """What became of a sequence; once one is released, so is everything before it on its device."""
        with self._transaction():
            self._db.execute("UPDATE intent SET state = ?, done = done + 1 WHERE sequence = ?", (state, sequence))
            if state == "released":
                self._db.execute(
                    "UPDATE intent SET state = 'released' WHERE sequence < ? AND state <> 'released'"
                    " AND device = (SELECT device FROM intent WHERE sequence = ?)",
                    (sequence, sequence),
                )

    def unreleased(self, device: str) -> list[Intent]:
        """Sequences after which the inverter has not been seen on its own rules, oldest first."""
        with translated(self._where):
            rows = self._db.execute(
                f"{_INTENT} WHERE device = ? AND state <> 'released' ORDER BY sequence", (device,)
            ).fetchall()
        return [_intent(row) for row in rows]

    def keep(self, time_s: float, device: str, name: str, raw: int) -> None:
        """What a setting held before our first write; a second call changes nothing."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO kept_setting VALUES (?,?,?,?)", (device, name, raw, time_s))

    def kept(self, device: str) -> dict[str, int]:
        """Settings that are still to be put back."""
        with translated(self._where):
            rows = self._db.execute("SELECT name, raw FROM kept_setting WHERE device = ?", (device,)).fetchall()
        return dict(rows)

    def drop(self, device: str) -> None:
        """All settings are as the owner had them."""
        with self._transaction():
            self._db.execute("DELETE FROM kept_setting WHERE device = ?", (device,))

    def prune(self, now_s: float) -> None:
        """Forget single writes and released sequences of more than a year; inside the caller's transaction."""
        self._db.execute("DELETE FROM device_write WHERE time_s < ?", (now_s - _KEEP_S,))
        self._db.execute("DELETE FROM intent WHERE time_s < ? AND state = 'released'", (now_s - _KEEP_S,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with translated(self._where):
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:
                yield


def register_counts(database: sqlite3.Connection, *, day_s: float, now_s: float) -> list[RegisterCount]:
    """How often each register was written: since ``day_s``, lately, and for life."""
    recent_s = now_s - RECENT_DAYS * SECONDS_PER_DAY
    rows = database.execute(_COUNTS, {"day_s": day_s, "recent_s": recent_s, "now_s": now_s}).fetchall()
    return [
        RegisterCount(
            register=register,
            wear=wear,
            today_count=today,
            lifetime_count=writes,
            recent_count=recent,
            recent_days=min(max((now_s - first_s) / SECONDS_PER_DAY, 1.0), float(RECENT_DAYS)),
        )
        for register, wear, first_s, writes, today, recent in rows
    ]


def intents_since(database: sqlite3.Connection, since_s: float) -> list[Intent]:
    """Sequences journalled since an instant, oldest first."""
    return [_intent(row) for row in database.execute(f"{_INTENT} WHERE time_s >= ? ORDER BY sequence", (since_s,))]


def _intent(row: tuple[int, str, str, str, str, str, int, IntentState]) -> Intent:
    sequence, device, control, mode, reason, steps, done, state = row
    return Intent(
        sequence=sequence,
        device=device,
        control=control,
        mode=mode,
        reason=reason,
        steps=_steps(steps),
        done_count=max(done, 0),
        state=state,
    )


def _steps(text: str) -> tuple[str, ...]:
    """The steps of a sequence; a text that is no list as it stands: that there was a sequence is what counts."""
    try:
        steps = json.loads(text)
    except ValueError:
        return (text,)
    return tuple(map(str, steps)) if isinstance(steps, list) else (text,)

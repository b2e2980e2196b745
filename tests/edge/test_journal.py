"""The journal of hardware writes: counts for life, sequences, kept settings, and files of older releases."""

from __future__ import annotations

import math
import sqlite3
import time
from pathlib import Path

import pytest

from edge.clock import Clock
from edge.config import Site
from edge.devices.wear import CYCLES_COUNT, DAILY_BUDGET_COUNT, wear_of
from edge.errors import StoreError
from edge.files import STORE_NAME
from edge.ingest.journal import WriteJournal
from edge.ingest.store import Store, StoreReader
from edge.messages import Intent, RegisterCount, RegisterWrite
from edge.writeledger import StoreLedger, midnight_s, wear_table

DATA = Path(__file__).parents[1] / "data"
DAY_S = 86_400.0
NOON_S = 1_717_243_200.0  # 2024-06-01 12:00 UTC: the day of the old store in tests/data
SLOT = "growatt/sph#1 holding 1100"
VPP = "growatt/sph#1 holding 30407"
SITE = Site(name="t", latitude_deg=49.0, longitude_deg=16.0, timezone="Europe/Prague")


def write(register: str = SLOT, raw: int = 1, wear: str = "unknown") -> RegisterWrite:
    return RegisterWrite(register=register, raw=raw, wear=wear, reason="test")


def intent(mode: str = "charge", device: str = "growatt/sph#1") -> Intent:
    return Intent(device=device, control="vpp", mode=mode, reason="cheap", steps=("power=40", "enable=1"))


@pytest.fixture
def journal(tmp_path: Path) -> WriteJournal:
    return Store(tmp_path / STORE_NAME).journal


def old_store(folder: Path) -> Path:
    """A file as release 0.1 left it: ten days of slots, a plan, an event, a closed quarter."""
    path = folder / STORE_NAME
    database = sqlite3.connect(path)
    database.executescript((DATA / "store_v1.sql").read_text(encoding="utf-8"))
    database.close()
    return path


def test_an_old_file_is_brought_up_to_date_and_loses_nothing(tmp_path: Path) -> None:
    path = old_store(tmp_path)
    store = Store(path)
    assert store.journal.count_writes(SLOT, 0.0) == 30
    assert store.newest_plan() is not None
    counts = {row.register: row for row in StoreReader(path).register_counts(day_s=NOON_S, now_s=NOON_S + 3600.0)}
    assert (counts[SLOT].lifetime_count, counts[SLOT].today_count, counts[SLOT].wear) == (30, 3, "unknown")
    assert (counts[VPP].lifetime_count, counts[VPP].wear) == (2, "volatile")
    store.journal.note(NOON_S + 60.0, [write()])
    store.close()
    again = Store(path)
    assert again.journal.count_writes(SLOT, 0.0) == 31, "a second opening must not migrate a second time"
    (slot,) = [row for row in StoreReader(path).register_counts(day_s=0.0, now_s=NOON_S) if row.register == SLOT]
    assert slot.lifetime_count == 31
    assert StoreReader(path).window(NOON_S + 900.0, 1).column("pv_w")[-1] == pytest.approx(107.0)
    again.close()


def test_a_migration_that_fails_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    path = old_store(tmp_path)
    database = sqlite3.connect(path)
    database.execute("ALTER TABLE device_write RENAME COLUMN wear TO worn")
    database.close()
    with pytest.raises(StoreError, match="wear"):
        Store(path)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (1,)
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert "intent" not in tables
    database.close()


def test_an_old_file_that_nobody_opened_for_writing_has_no_wear_ledger(tmp_path: Path) -> None:
    old_store(tmp_path)
    with pytest.raises(StoreError, match="wear ledger"):
        wear_table(tmp_path / STORE_NAME, SITE, NOON_S)


def test_writes_are_counted_since_an_instant_and_for_life(journal: WriteJournal) -> None:
    journal.note(10.0, [write(), write(VPP, 1, "volatile")])
    journal.note(20.0, [write()])
    assert [journal.count_writes(SLOT, since_s) for since_s in (0.0, 11.0, 21.0)] == [2, 1, 0]
    assert journal.count_writes("other", 0.0) == 0


def test_registers_of_one_step_are_noted_all_or_none(tmp_path: Path) -> None:
    store = Store(tmp_path / STORE_NAME)
    broken = RegisterWrite(register=VPP, raw=1, wear=None, reason="x")  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="NOT NULL"):
        store.journal.note(1.0, [write(), broken])
    assert store.journal.count_writes(SLOT, 0.0) == 0
    store.close()


def test_a_sequence_is_open_until_it_is_held_or_released(journal: WriteJournal) -> None:
    number = journal.begin(1.0, intent())
    assert [(row.state, row.done_count) for row in journal.unreleased("growatt/sph#1")] == [("open", 0)]
    journal.note(1.0, [write()], number)
    journal.note(2.0, [write()], number)
    assert journal.unreleased("growatt/sph#1")[0].done_count == 1, "the second was begun, not done"
    journal.finish(number, "held")
    (held,) = journal.unreleased("growatt/sph#1")
    assert (held.state, held.done_count, held.steps) == ("held", 2, ("power=40", "enable=1"))
    other = journal.begin(3.0, intent(device="growatt/sph#2"))
    native = journal.begin(3.0, intent("native"))
    journal.finish(native, "released")
    assert journal.unreleased("growatt/sph#1") == []
    assert [row.sequence for row in journal.unreleased("growatt/sph#2")] == [other]


def test_a_setting_is_kept_as_the_owner_had_it(journal: WriteJournal) -> None:
    journal.keep(1.0, "a#1", "grid_charge", 1)
    journal.keep(2.0, "a#1", "grid_charge", 0)
    journal.keep(2.0, "b#1", "grid_charge", 7)
    assert journal.kept("a#1") == {"grid_charge": 1}
    journal.drop("a#1")
    assert journal.kept("a#1") == {}
    assert journal.kept("b#1") == {"grid_charge": 7}


def test_the_ledger_survives_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / STORE_NAME)
    number = store.journal.begin(1.0, intent())
    store.journal.note(1.0, [write()], number)
    store.journal.keep(1.0, "growatt/sph#1", "x", 3)
    store.close()
    journal = Store(tmp_path / STORE_NAME).journal
    assert journal.count_writes(SLOT, 0.0) == 1
    assert [row.sequence for row in journal.unreleased("growatt/sph#1")] == [number]
    assert journal.kept("growatt/sph#1") == {"x": 3}


def test_after_a_year_single_writes_go_and_counts_stay(tmp_path: Path) -> None:
    store = Store(tmp_path / STORE_NAME)
    released = store.journal.begin(NOON_S, intent("native"))
    store.journal.note(NOON_S, [write()], released)
    store.journal.finish(released, "released")
    held = store.journal.begin(NOON_S, intent())
    later_s = NOON_S + 500 * DAY_S
    for minute in range(16):
        store.add(later_s + 60.0 * minute, {"pv_w": 1.0}, {})
    reader = StoreReader(tmp_path / STORE_NAME)
    assert reader.writes(0.0, later_s) == []
    assert [row.sequence for row in reader.intents(0.0)] == [held]
    assert reader.register_counts(day_s=later_s, now_s=later_s)[0].lifetime_count == 1
    store.close()


def test_twenty_writes_a_day_last_thirteen_years() -> None:
    """100 000 cycles / (20 a day * 365.25) = 13.7 years (shared/hardware/devices.md: a write a minute: 10 weeks)."""
    wear = wear_of(
        RegisterCount(register=SLOT, wear="stored", today_count=3, lifetime_count=0, recent_count=600, recent_days=30.0)
    )
    assert wear.left_years == pytest.approx(13.689, abs=1e-3)
    assert (wear.writes_per_day, wear.budget_count) == (20.0, DAILY_BUDGET_COUNT)
    per_minute = RegisterCount(
        register=SLOT, wear="unknown", today_count=0, lifetime_count=0, recent_count=43_200, recent_days=30.0
    )
    assert wear_of(per_minute).left_years * 52.18 == pytest.approx(9.9, abs=0.1)


@pytest.mark.parametrize(
    ("wear", "lifetime_count", "recent_count", "left_years"),
    [("volatile", 10**7, 900, math.inf), ("unknown", 10, 0, math.inf), ("stored", CYCLES_COUNT + 5, 30, 0.0)],
)
def test_volatile_and_resting_registers_do_not_wear_and_a_spent_one_has_nothing_left(
    wear: str, lifetime_count: int, recent_count: int, left_years: float
) -> None:
    count = RegisterCount(
        register=SLOT,
        wear=wear,
        today_count=0,
        lifetime_count=lifetime_count,
        recent_count=recent_count,
        recent_days=30.0,
    )
    assert wear_of(count).left_years == left_years


def test_the_wear_table_counts_the_sites_own_day(tmp_path: Path) -> None:
    """Midnight in Prague on 1 June 2024 is 22:00 UTC of the day before."""
    assert midnight_s(NOON_S + 0.25, SITE.zone) == NOON_S - 14 * 3600
    store = Store(tmp_path / STORE_NAME)
    for hours in (-15, -13, -1):
        store.journal.note(NOON_S + 3600.0 * hours, [write()])
    store.close()
    (row,) = wear_table(tmp_path / STORE_NAME, SITE, NOON_S)
    assert (row.register, row.today_count, row.lifetime_count, row.writes_per_day) == (SLOT, 2, 3, 3.0)


@pytest.mark.parametrize("steps", ['["a=1"', "5", "null", ""])
def test_a_sequence_with_unreadable_steps_is_still_unreleased(tmp_path: Path, steps: str) -> None:
    store = Store(tmp_path / STORE_NAME)
    sequence = store.journal.begin(NOON_S, intent())
    with sqlite3.connect(tmp_path / STORE_NAME) as database:
        database.execute("UPDATE intent SET steps = ?", (steps,))
    (found,) = store.journal.unreleased("growatt/sph#1")
    assert (found.sequence, found.steps) == (sequence, (steps,))
    store.close()


def test_writes_that_a_clock_running_ahead_noted_take_no_budget_of_today(tmp_path: Path) -> None:
    store = Store(tmp_path / STORE_NAME)
    clock = Clock(start_s=NOON_S, origin_s=time.monotonic(), speed=0.0)
    for time_s in (NOON_S - 60.0, NOON_S, NOON_S + 300 * DAY_S):
        store.journal.note(time_s, [write()])
    assert StoreLedger(store, clock, SITE).count_today(SLOT) == 2
    (row,) = StoreReader(tmp_path / STORE_NAME).register_counts(day_s=NOON_S - 3600.0, now_s=NOON_S)
    assert (row.today_count, row.recent_count, row.lifetime_count) == (2, 2, 3)
    store.close()

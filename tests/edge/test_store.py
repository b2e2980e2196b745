"""The store: what a restart, a gap or a full quarter leaves in it."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from fakes import make_plan

from core_kernels.flags import Flag
from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.errors import StoreError
from edge.ingest.store import SLOT_S, Store, StoreReader

START_S = 1_700_000_100 // SLOT_S * SLOT_S


def fill(store: Store, minutes: range, **values: float) -> None:
    for minute in minutes:
        store.add(START_S + 60 * minute + 1, values, {})


def test_a_quarter_is_the_mean_of_its_minutes_and_the_last_of_a_state(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    for minute in range(16):
        store.add(START_S + 60 * minute, {"pv_w": float(minute), "soc_frac": minute / 100}, {})
    window = StoreReader(tmp_path / "s.sqlite").window(START_S + SLOT_S, 1)
    assert window.column("pv_w")[-1] == pytest.approx(7.0)
    assert window.column("soc_frac")[-1] == pytest.approx(0.14)
    assert window.grid.end_s == START_S + SLOT_S
    store.close()


def test_many_samples_in_a_minute_weigh_equally(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    for second in range(901):
        store.add(START_S + second, {"load_w": float(second % 60)}, {})
    assert StoreReader(tmp_path / "s.sqlite").window(START_S + SLOT_S, 1).column("load_w")[-1] == pytest.approx(29.5)
    store.close()


def test_missing_is_not_zero_and_half_a_quarter_is_the_least(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    fill(store, range(7), pv_w=100.0, load_w=math.nan)
    fill(store, range(15, 23), pv_w=100.0)
    fill(store, range(30, 31), pv_w=100.0)
    window = StoreReader(tmp_path / "s.sqlite").window(START_S + 2 * SLOT_S, 1)
    assert np.isnan(window.column("pv_w")[-2])
    assert window.column("pv_w")[-1] == 100.0
    assert np.isnan(window.column("load_w")).all()
    store.close()


def test_a_restart_in_the_middle_of_a_quarter_loses_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    fill(store, range(8), pv_w=100.0)
    store.close()
    store = Store(tmp_path / "s.sqlite")
    fill(store, range(8, 16), pv_w=200.0)
    value = StoreReader(tmp_path / "s.sqlite").window(START_S + SLOT_S, 1).column("pv_w")[-1]
    assert value == pytest.approx((8 * 100 + 7 * 200) / 15)
    store.close()


def test_a_quarter_left_open_by_a_crash_is_closed_later(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    fill(store, range(15), pv_w=100.0)
    store.flush()
    del store
    store = Store(tmp_path / "s.sqlite")
    fill(store, range(60, 61), pv_w=1.0)
    assert StoreReader(tmp_path / "s.sqlite").window(START_S + SLOT_S, 1).column("pv_w")[-1] == 100.0
    store.close()


def test_flags_of_a_sample_reach_the_quarter(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    for minute in range(16):
        store.add(START_S + 60 * minute, {"pv_w": 1.0}, {"pv_w": int(Flag.STALE) if minute == 3 else 0})
    assert StoreReader(tmp_path / "s.sqlite").window(START_S + SLOT_S, 1).flags["pv_w"][-1] == Flag.STALE
    store.close()


def test_history_is_brought_along_but_never_overwrites(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    fill(store, range(16), pv_w=5.0)
    grid = TimeGrid(start_s=START_S - SLOT_S, slot_s=SLOT_S, count=2)
    assert (
        store.import_frame(Frame(grid=grid, columns={"pv_w": np.array([1.0, 2.0]), "load_w": np.array([np.nan, 3.0])}))
        == 3
    )
    window = StoreReader(tmp_path / "s.sqlite").window(START_S + SLOT_S, 1)
    assert window.column("pv_w")[-2:].tolist() == [1.0, 5.0]
    with pytest.raises(StoreError, match="900"):
        store.import_frame(Frame(grid=TimeGrid(start_s=0, slot_s=60, count=0), columns={}))
    store.close()


def test_plans_and_events_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    store.add_plan(make_plan(issued_s=100.0))
    store.add_plan(make_plan(issued_s=200.0))
    store.add_event(5.0, "command", "native: rest")
    reader = StoreReader(tmp_path / "s.sqlite")
    assert [plan["issued_s"] for plan in reader.plans(150.0)] == [200.0]
    assert reader.events(0.0, "command") == [(5.0, "command", "native: rest")]
    assert reader.events(0.0, "alarm") == []
    reader.close()
    store.close()


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_text("this is not a database, not at all, and long enough to be read as one")
    with pytest.raises(StoreError, match="s.sqlite"):
        Store(tmp_path / "s.sqlite")
    with pytest.raises(StoreError, match="none.sqlite"):
        StoreReader(tmp_path / "none.sqlite")


def test_a_store_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "s.sqlite")
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(StoreError, match="schema 99"):
        Store(tmp_path / "s.sqlite")


def test_a_disk_error_is_an_error_of_ours(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    other = sqlite3.connect(tmp_path / "s.sqlite")
    other.execute("DROP TABLE event")
    other.close()
    with pytest.raises(StoreError, match="event"):
        store.add_event(1.0, "x", "y")
    store.close()


def test_minutes_that_this_release_does_not_know_or_cannot_weigh_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as database:
        rows = [(START_S, "old_signal_w", 1.0, 1), (START_S, "load_w", 1.0, 0)]
        database.executemany("INSERT INTO minute VALUES (?,?,?,1,1,1,?,0)", rows)
    store = Store(path)
    fill(store, range(16), pv_w=100.0)
    window = StoreReader(path).window(START_S + SLOT_S, 1)
    assert set(window.columns) == {"pv_w"}
    assert window.column("pv_w")[-1] == 100.0
    store.close()


def test_minutes_are_committed_five_at_a_time_and_at_the_end(tmp_path: Path) -> None:
    def kept() -> int:
        with sqlite3.connect(tmp_path / "s.sqlite") as database:
            return int(database.execute("SELECT count(*) FROM minute").fetchone()[0])

    store = Store(tmp_path / "s.sqlite")
    fill(store, range(5), pv_w=1.0)
    assert kept() == 0
    fill(store, range(5, 7), pv_w=1.0)
    assert kept() == 5
    store.close()
    assert kept() == 7


def test_minutes_wait_for_a_disk_that_takes_nothing_but_not_all_of_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("edge.ingest.store._MOST_ROWS", 3)
    store = Store(tmp_path / "t.sqlite")

    def refuse(statement: str, rows: object) -> None:
        raise StoreError("the disk is full")

    real = store._many
    monkeypatch.setattr(store, "_many", refuse)
    refused = 0
    for minute in range(12):
        try:
            fill(store, range(minute, minute + 1), pv_w=float(minute))
        except StoreError:
            refused += 1
    assert refused == 3
    monkeypatch.setattr(store, "_many", real)
    store.close()
    with sqlite3.connect(tmp_path / "t.sqlite") as database:
        assert [row[0] for row in database.execute("SELECT mean FROM minute ORDER BY time_s")] == [9.0, 10.0, 11.0]

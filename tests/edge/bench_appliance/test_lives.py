"""The lives of a box: what is reported of them, the house it is given, and a real one."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from edge.bench_appliance import guest, lives
from edge.bench_appliance.lives import Life, Lives
from edge.config import load_site
from edge.errors import EdgeError
from edge.files import STORE_NAME
from edge.ingest.store import StoreReader
from edge.ingest.tariff import PriceBook
from edge.preflight import check_site

NOW_S = 1_795_417_315.0  # 2026-11-23 07:01:55 UTC
MEASURED = Lives(
    first=Life(setpoint_s=90.0, held_s=0.0),
    after_crash=Life(setpoint_s=100.0, held_s=60.0),
    after_plug=Life(setpoint_s=110.0, held_s=50.0),
    reset_s=20.0,
    watchdog=True,
)


def test_every_life_is_held_against_its_limit():
    rows = list(lives._rows(MEASURED))
    assert [row.value for row in rows] == [90.0, 20.0, 60.0, 100.0, 50.0, 110.0]
    assert all(row.ok for row in rows)
    late = replace(MEASURED, after_plug=Life(setpoint_s=121.0, held_s=901.0))
    assert [row.ok for row in lives._rows(late)] == [True, True, True, True, False, False]


def test_a_reset_that_was_not_the_watchdog_s_does_not_count():
    rows = list(lives._rows(replace(MEASURED, watchdog=False)))
    assert [row.ok for row in rows] == [True, False, True, True, True, True]


def test_the_house_has_a_history_and_prices_that_rise_within_three_hours(tmp_path):
    site_path, state = guest.house(tmp_path / "house", NOW_S)
    site = load_site(site_path)
    assert check_site(site) == []
    book = PriceBook.load(site_path.with_name("prices.csv"), site)
    reader = StoreReader(state / STORE_NAME)
    try:
        frame = reader.window(NOW_S, 14)
    finally:
        reader.close()
    assert set(frame.columns["load_w"]) == {800.0}
    known = book.actual(replace(frame.grid, start_s=frame.grid.end_s, count=96)).import_eur_per_kwh
    assert (known[0], known[4 * 3]) == (0.05, 0.5)


def test_only_root_makes_a_box(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EdgeError, match="by root"):
        guest.make(tmp_path / "box")


@pytest.mark.appliance
@pytest.mark.timeout(3600)
@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("qemu-system-x86_64") is None or shutil.which("mmdebstrap") is None,
    reason="needs root, qemu-system-x86_64 and mmdebstrap (scripts/debian-packages)",
)
def test_a_box_commands_after_power_on_crash_and_pulled_plug_without_a_human_step(tmp_path):
    with lives._house(tmp_path) as (box, line):
        found = lives.live(box, line, tmp_path)
        answers = {row.answer for row in line.said() if row.function != "mode"}
    assert found.watchdog
    assert answers == {"ok"}
    for life in (found.after_crash, found.after_plug):
        assert life.held_s <= 900.0

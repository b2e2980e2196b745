"""The flight recorder: what goes in comes out, small and bounded, and a decision that differs is named."""

from __future__ import annotations

import json
import math
import random
import sqlite3
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commandline import pems
from energy import BATTERY, make_forecast, make_grid, make_prices, make_site
from fakes import FakePorts, good_readings, make_plan

from edge.control.mpc import Memory
from edge.control.override import override_of
from edge.control.surroundings import Surroundings
from edge.cycle import control_cycle
from edge.errors import PlanError, StoreError
from edge.log import Log
from edge.messages import Plan, Reading
from edge.recording import plain, question, tape
from edge.recording.again import compare, decide_again
from edge.recording.control import RecordingPorts, cycles
from edge.recording.planning import RecordingPlanner
from edge.recording.tape import Block, Tape, days, read

MIDNIGHT_S = 1_717_200_000.0  # 2024-06-01
TOML = """
[site]
name = "t"
latitude_deg = 49.2
longitude_deg = 16.6
timezone = "Europe/Prague"
[battery]
capacity_wh = 10000
charge_w = 5000
discharge_w = 5000
replacement_eur_per_kwh = 200
[grid]
import_w = 17000
export_w = 10000
[tariff]
import_fee_eur_per_kwh = 0.08
export_fee_eur_per_kwh = 0.01
"""
SITE = make_site()


class MovingPorts(FakePorts):
    """A house whose load wanders, a second a cycle."""

    def __init__(self, start_s: float, plan: Plan | None) -> None:
        super().__init__([], plan, now_s=start_s)
        self._draw = random.Random(5)
        self.step()

    def step(self) -> None:
        self.time_s += 1.0
        load_w = 800.0 + self._draw.randrange(0, 40) * 50.0
        self.readings = good_readings(self.time_s - self._draw.random(), load_w=load_w, grid_w=load_w - 1000.0)

    def imported_wh(self, now_s: float, grid_w: float) -> float:
        return max(grid_w, 0.0) / 3600.0


def plan_at(time_s: float, **changes: object) -> Plan:
    return make_plan(8, issued_s=time_s, valid_until_s=time_s + 1800.0, start_s=int(time_s) // 900 * 900, **changes)


def record_cycles(folder: Path, start_s: float, count: int) -> MovingPorts:
    ports = MovingPorts(start_s, plan_at(start_s, battery_w=(1500.0,) * 8))
    recording = RecordingPorts(ports, Tape(folder, TOML))
    for number in range(count):
        if number == count // 2:
            ports.current = plan_at(ports.time_s, water_value_eur_per_kwh=0.5)
        control_cycle(recording, SITE)
        ports.step()
    recording.close()
    return ports


@pytest.fixture
def tape_file(tmp_path: Path) -> Path:
    record_cycles(tmp_path / "recorder", MIDNIGHT_S, 150)
    (found,) = days(tmp_path / "recorder")
    return found


def test_every_cycle_comes_out_again_to_the_last_bit(tape_file: Path) -> None:
    blocks = read(tape_file)
    assert [block.kind for block in blocks] == ["site", "plan", "control", "plan", "control", "control"]
    assert len(list(cycles(blocks))) == 150
    found = compare(blocks)
    assert found.differences == ()
    assert (found.cycle_count, found.same) == (150, True)


def test_a_cycle_on_tape_is_small(tape_file: Path) -> None:
    body = sum(len(json.dumps(block.data)) for block in read(tape_file) if block.kind == "control")
    assert tape_file.stat().st_size / 150 < 400, "bytes a cycle on disk"
    assert body / 150 < 3000


def test_a_decision_that_comes_out_otherwise_is_named(tape_file: Path) -> None:
    blocks = read(tape_file)
    other = [
        replace(block, data=[dict(cycle) for cycle in block.data]) if block.kind == "control" else block
        for block in blocks
    ]
    first = next(block for block in other if block.kind == "control")
    first.data[3]["command"] = {**list(cycles(blocks))[3]["command"], "battery_w": 123.0, "mode": "power"}
    found = compare(other)
    assert not found.same
    assert "2024-06-01T00:00:0" in found.differences[0]
    assert '"battery_w":123.0' in found.differences[0]


def test_overrides_failed_readings_and_distrust_are_on_tape_too(tmp_path: Path) -> None:
    ports = MovingPorts(MIDNIGHT_S, plan_at(MIDNIGHT_S))
    asked = override_of({"mode": "charge", "power_w": 2000.0, "duration_s": 600.0}, MIDNIGHT_S)
    ports.override = lambda: asked  # type: ignore[method-assign]
    recording = RecordingPorts(ports, Tape(tmp_path, TOML))
    for _ in range(5):
        control_cycle(recording, SITE)
        ports.step()
    ports.readings = good_readings(ports.time_s, grid_w=math.nan)[:-1]
    ports.distrusted = "it did not do what it was told"
    control_cycle(recording, SITE)
    recording.close()
    blocks = read(days(tmp_path)[0])
    assert compare(blocks).same
    last = list(cycles(blocks))[-1]
    assert len(last["readings"]) == 4, "a reading that went away is not carried on"
    assert last["command"]["mode"] == "native"
    assert next(cycles(blocks))["command"]["battery_w"] == -2000.0


def test_a_new_day_has_a_file_of_its_own_that_is_whole_by_itself(tmp_path: Path) -> None:
    record_cycles(tmp_path, MIDNIGHT_S + 86_400 - 70, 150)
    first, second = days(tmp_path)
    assert (first.name, second.name) == ("2024-06-01.sqlite", "2024-06-02.sqlite")
    found = [compare(read(file)) for file in (first, second)]
    assert all(item.same for item in found)
    assert sum(item.cycle_count for item in found) == 150


def test_old_days_and_too_many_bytes_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Tape(tmp_path, TOML)
    for day in range(12):
        writer.turn(MIDNIGHT_S + 86_400 * day)
    writer.close()
    assert [file.name for file in days(tmp_path)] == [f"2024-06-{day:02d}.sqlite" for day in range(5, 13)]
    monkeypatch.setattr(tape, "MOST_BYTES", 20_000)
    tape.prune(tmp_path)
    assert 1 <= len(days(tmp_path)) < 8
    assert days(tmp_path)[-1].name == "2024-06-12.sqlite", "the newest stays"
    monkeypatch.setattr(tape, "MOST_BYTES", 1)
    tape.prune(tmp_path)
    assert [file.name for file in days(tmp_path)] == ["2024-06-12.sqlite"]


def test_a_broken_tape_never_stops_the_cycle(tmp_path: Path) -> None:
    (tmp_path / "recorder").write_text("a file where the folder should be")
    ports = MovingPorts(MIDNIGHT_S, None)
    recording = RecordingPorts(ports, Tape(tmp_path / "recorder", TOML))
    for _ in range(3):
        control_cycle(recording, SITE)
    recording.close()
    assert len(ports.records) == 3
    assert len(ports.commands) == 3
    assert "recorder" in ports.alarms[0]


def test_a_tape_that_breaks_at_the_end_is_an_alarm(tmp_path: Path) -> None:
    ports = MovingPorts(MIDNIGHT_S, None)
    writer = Tape(tmp_path, TOML)
    recording = RecordingPorts(ports, writer)
    control_cycle(recording, SITE)
    with sqlite3.connect(days(tmp_path)[0]) as database:
        database.execute("DROP TABLE block")
    recording.close()
    assert "the flight recorder" in ports.alarms[0]


def question_at(issued_s: float, soc_frac: float = 0.5) -> dict[str, object]:
    grid = make_grid(96, start_s=int(issued_s) // 900 * 900)
    hour = (grid.starts_s() % 86_400) / 3600.0
    return {
        "issued_s": issued_s,
        "grid": grid,
        "soc_frac": soc_frac,
        "pv": make_forecast("pv_w", grid, 3000.0 * np.maximum(np.sin((hour - 6.0) / 12.0 * math.pi), 0.0)),
        "load": make_forecast("load_w", grid, 500.0 + 300.0 * np.sin(hour)),
        "prices": make_prices(grid, 0.2 + 0.1 * np.cos(hour / 24.0 * 2 * math.pi), 0.08),
    }


def test_plans_come_out_again_from_any_days_beginning(tmp_path: Path) -> None:
    planner = RecordingPlanner(SITE, Tape(tmp_path, TOML), Log("planner"))
    for k in range(6):
        planner.plan(**question_at(MIDNIGHT_S + 86_400 - 2700 + 900 * k, 0.4 + 0.02 * k), around=Surroundings())  # type: ignore[arg-type]
    with pytest.raises(PlanError):
        planner.plan(**question_at(MIDNIGHT_S + 86_400 + 2700, soc_frac=math.nan))  # type: ignore[arg-type]
    planner.plan(**question_at(MIDNIGHT_S + 86_400 + 3600))  # type: ignore[arg-type]
    first, second = (read(file) for file in days(tmp_path))
    for blocks, count in ((first, 3), (second, 5)):
        found = compare(blocks)
        assert found.differences == ()
        assert (found.plan_count, found.skipped_count) == (count, 0)
    fresh = [block.data["memory"] is not None for block in (*first, *second) if block.kind == "planning"]
    assert fresh == [True, False, False, True, False, False, False, False]
    brought = next(block.data["memory"] for block in second if block.kind == "planning")
    assert math.isfinite(brought["tail_eur_per_kwh"]) or brought["told"] is not None, "it remembers the day before"


def test_a_plan_that_comes_out_otherwise_or_not_at_all_is_named(tmp_path: Path) -> None:
    planner = RecordingPlanner(SITE, Tape(tmp_path, TOML), Log("planner"))
    planner.plan(**question_at(MIDNIGHT_S))  # type: ignore[arg-type]
    blocks = read(days(tmp_path)[0])
    data = blocks[-1].data
    dearer = {**data, "plan": {**data["plan"], "cost_eur": 99.0}}
    assert compare([*blocks[:-1], replace(blocks[-1], data=dearer)]).differences == (
        "2024-06-01T00:00:00Z plan: other cost_eur",
    )
    failed = {**data, "plan": None, "error": "it was so"}
    assert "failed then (it was so)" in compare([*blocks[:-1], replace(blocks[-1], data=failed)]).differences[0]
    unknown = {**data, "question": {**data["question"], "soc_frac": math.nan}}
    assert "was a plan, fails now" in compare([*blocks[:-1], replace(blocks[-1], data=unknown)]).differences[0]
    headless = {**data, "memory": None}
    assert compare([*blocks[:-1], replace(blocks[-1], data=headless)]).skipped_count == 1


def test_a_tape_that_cannot_be_written_costs_no_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recorder").write_text("a file")
    planner = RecordingPlanner(SITE, Tape(tmp_path / "recorder", TOML), Log("planner"))
    assert planner.plan(**question_at(MIDNIGHT_S)).battery_w  # type: ignore[arg-type]
    assert "the flight recorder" in capsys.readouterr().out


def test_another_site_file_begins_another_part(tmp_path: Path) -> None:
    record_cycles(tmp_path, MIDNIGHT_S, 5)
    ports = MovingPorts(MIDNIGHT_S + 100, plan_at(MIDNIGHT_S + 100))
    recording = RecordingPorts(ports, Tape(tmp_path, TOML.replace("5000", "2000")))
    small = replace(SITE, battery=replace(BATTERY, charge_w=2000.0, discharge_w=2000.0))
    control_cycle(recording, small)
    recording.close()
    found = compare(read(days(tmp_path)[0]))
    assert found.differences == ()
    assert found.cycle_count == 6


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (zlib.compress(b"[" * 100_000), "recursion"),
        (zlib.compress(bytes(65 << 20)), "more than 64 MB"),
        (zlib.compress(b"{}")[:-3], "cut off"),
    ],
    ids=["nested", "swells", "cut"],
)
def test_a_block_that_would_hurt_its_reader_is_one_line(tmp_path: Path, data: bytes, words: str) -> None:
    with sqlite3.connect(tmp_path / "bad.sqlite") as database:
        database.execute("CREATE TABLE block (time_s REAL, kind TEXT, body BLOB)")
        database.execute("INSERT INTO block VALUES (0, 'site', ?)", (data,))
    database.close()
    with pytest.raises(StoreError, match=f"bad.sqlite: a block cannot be read: .*{words}"):
        read(tmp_path / "bad.sqlite")


def test_a_damaged_text_in_a_recording_is_one_line(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "bad.sqlite") as database:
        database.execute("CREATE TABLE block (time_s REAL, kind TEXT, body BLOB)")
        database.execute("INSERT INTO block VALUES (0, CAST(x'ff41' AS TEXT), x'00')")
    database.close()
    with pytest.raises(StoreError, match="bad.sqlite: .*UTF-8"):
        read(tmp_path / "bad.sqlite")


def test_what_is_no_recording_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such recording"):
        read(tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("no database" * 100)
    with pytest.raises(StoreError, match=r"text\.sqlite"):
        read(tmp_path / "text.sqlite")
    with pytest.raises(StoreError, match="does not say of which site"):
        compare([])
    with pytest.raises(StoreError, match="is not TOML"):
        compare([Block(time_s=0.0, kind="site", data={"version": "1", "site": "]["})])
    with pytest.raises(StoreError, match="is not TOML: maximum recursion"):
        compare([Block(time_s=0.0, kind="site", data={"version": "1", "site": "a = " + "[" * 100_000})])
    with sqlite3.connect(tmp_path / "bad.sqlite") as database:
        database.execute("CREATE TABLE block (time_s REAL, kind TEXT, body BLOB)")
        database.execute("INSERT INTO block VALUES (0, 'site', x'00')")
    with pytest.raises(StoreError, match="a block cannot be read"):
        read(tmp_path / "bad.sqlite")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(StoreError, match="holds no recording"):
        decide_again(tmp_path / "empty.zip")


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.0, 5e-324, 0.1 + 0.2, 1e22])
def test_a_float_is_kept_to_the_last_bit(value: float) -> None:
    reading = Reading(signal="pv_w", value=value, unit="W", measured_s=1.0, state="good")
    back = plain.reading(json.loads(plain.text(plain.plain(reading))))
    assert np.float64(back.value).tobytes() == np.float64(value).tobytes()


def test_records_come_back_as_they_were() -> None:
    plan = replace(make_plan(), peak_w=5000.0, setpoint_w={"ev.car": (1.0,) * 4}, expected_c={"zone.a": (20.0,) * 5})
    assert plain.plan(json.loads(plain.text(plain.plain(plan)))) == plan
    memory = Memory(tail_eur_per_kwh=0.1, told=(make_grid(4), {"ev.car": np.ones(4)}), given_wh={"ev.car": 5.0})
    back = question.memory(json.loads(plain.text(plain.plain(memory))))
    assert plain.text(plain.plain(back)) == plain.text(plain.plain(memory))
    around = Surroundings(outdoor_c=np.ones(3), temperature_c={"room_a_c": 20.0})
    again = question.surroundings(json.loads(plain.text(plain.plain(around))))
    assert plain.text(plain.plain(again)) == plain.text(plain.plain(around))
    assert question.surroundings(None) is None


def test_pems_replay_decides_a_recording_again(tape_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pems("replay", "--recording", str(tape_file)) == 0
    assert "150 cycles and 0 plans decided again\nAll the same, to the last bit." in capsys.readouterr().out
    assert pems("replay", "--recording", str(tape_file), "--json") == 0
    assert json.loads(capsys.readouterr().out)["same"]
    other = read(tape_file)
    other[0].data["version"] = "0.0.1"
    first = next(block for block in other if block.kind == "control")
    first.data[0]["wish"]["reason"] = "a whim"
    headless = {"question": {}, "memory": None, "plan": None, "error": ""}
    with sqlite3.connect(tape_file) as database:
        database.execute("DELETE FROM block")
    writer = Tape(tape_file.parent, TOML)
    writer.turn(MIDNIGHT_S)
    with sqlite3.connect(tape_file) as database:
        database.execute("DELETE FROM block")
    for block in other:
        writer.write(block.time_s, block.kind, block.data)
    writer.write(MIDNIGHT_S, "planning", headless)
    writer.close()
    assert pems("replay", "--recording", str(tape_file)) == 1
    text = capsys.readouterr().out
    assert "Recorded by release 0.0.1" in text
    assert "1 plans before the planner's first start of the day are left out" in text
    assert "decisions differ" in text
    assert "a whim" in text
    with sqlite3.connect(tape_file) as database:
        database.execute("DELETE FROM block WHERE kind <> 'site'")
    assert pems("replay", "--recording", str(tape_file)) == 1, "nothing decided is nothing proven"
    assert pems("replay", "--site", "site.toml") == 2
    assert pems("replay", "--recording", "nowhere.sqlite") == 1

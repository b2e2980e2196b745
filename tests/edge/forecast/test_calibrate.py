"""Calibration at work: a forecaster that errs, weeks of outcomes, restarts, and what must not be learned from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core_kernels.calibration import COUNT, fresh
from core_kernels.records import Forecast, Frame
from core_kernels.timegrid import TimeGrid
from edge.config import Site, parse_site
from edge.errors import StoreError
from edge.files import CALIBRATION_NAME
from edge.forecast.calibrate import Calibrated, hours, outcomes_w
from edge.forecast.calibration_file import CalibrationFile, Track, shown
from edge.log import Log

DAY = 96
START_S = 1_717_200_000
SITE = parse_site(
    {
        "site": {"name": "home", "latitude_deg": 49.2, "longitude_deg": 16.6, "timezone": "Europe/Prague"},
        "grid": {"export_w": 4000.0},
    },
    "site.toml",
    Path(),
)


class Flat:
    """1000 W of load +- 50 W, and PV by day: whatever happens."""

    rooms = None

    def __init__(self, source: str = "bundle 1") -> None:
        self.source = source

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:
        day = sun_w(grid) > 0.0
        return {
            "load_w": self.said("load_w", issued_s, grid, np.full(grid.count, 1000.0)),
            "pv_w": self.said("pv_w", issued_s, grid, np.where(day, 2000.0, 0.0)),
        }

    def said(self, signal: str, issued_s: float, grid: TimeGrid, p50: np.ndarray) -> Forecast:
        width_w = np.where(p50 > 0.0, 50.0, 0.0)
        return Forecast(
            signal=signal,
            issued_s=issued_s,
            grid=grid,
            p10=p50 - width_w,
            p50=p50,
            p90=p50 + width_w,
            source=self.source,
        )


def sun_w(grid: TimeGrid) -> np.ndarray:
    hour = grid.starts_s() % 86_400 / 3600.0
    return np.where((hour >= 6.0) & (hour < 18.0), 2000.0, 0.0)


def lived(days: int, load_off_w: float = 0.0, seed: int = 1) -> Frame:
    random = np.random.default_rng(seed)
    grid = TimeGrid(start_s=START_S, slot_s=900, count=days * DAY)
    pv_w = sun_w(grid) + np.where(sun_w(grid) > 0.0, random.normal(0.0, 300.0, grid.count), 0.0)
    load_w = 1000.0 + load_off_w + random.normal(0.0, 200.0, grid.count)
    return Frame(grid=grid, columns={"pv_w": np.maximum(pv_w, 0.0), "load_w": np.maximum(load_w, 0.0)})


def until(frame: Frame, slot: int) -> Frame:
    grid = TimeGrid(start_s=frame.grid.start_s, slot_s=900, count=slot)
    return Frame(grid=grid, columns={name: values[:slot] for name, values in frame.columns.items()})


def step(calibrated: Calibrated, frame: Frame, slot: int) -> dict[str, Forecast]:
    start_s = START_S + 900 * slot
    return calibrated.forecast(
        start_s + 5.0, TimeGrid(start_s=start_s, slot_s=900, count=192), until(frame, slot), None
    )


def live(folder: Path, frame: Frame, slots: range, source: str = "bundle 1", site: Site = SITE) -> dict[str, Forecast]:
    """A planner's issues at some slots, of one process."""
    calibrated = Calibrated(Flat(source), site, CalibrationFile(folder / CALIBRATION_NAME), Log("planner"))
    for slot in slots:
        last = step(calibrated, frame, slot)
    return last


def tracks(folder: Path) -> dict[str, Track]:
    return CalibrationFile(folder / CALIBRATION_NAME).read()


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Forecast]]:
    folder = tmp_path_factory.mktemp("month")
    return folder, live(folder, lived(40, load_off_w=400.0), range(DAY, 40 * DAY, 20))


def test_a_month_widens_the_band_and_finds_the_bias(month: tuple[Path, dict[str, Forecast]]) -> None:
    load = month[1]["load_w"]
    inside = [((load.p10 <= power) & (power <= load.p90)).mean() for power in lived(2, 400.0, seed=9).columns["load_w"]]
    assert np.mean(inside) == pytest.approx(0.8, abs=0.05)
    assert 1080.0 < load.mean.mean() < 1400.0, "as far as forty days make sure of it"
    assert shown(tracks(month[0]))["load_w"]["inside_frac"] > 0.7, "its first days included"


def test_at_night_pv_stays_zero_and_teaches_nothing(month: tuple[Path, dict[str, Forecast]]) -> None:
    pv = month[1]["pv_w"]
    night = sun_w(pv.grid) == 0.0
    assert (pv.p90[night] == 0.0).all()
    assert (pv.p90[~night] > 2100.0).all()
    count = tracks(month[0])["pv_w bundle 1"].state[:, COUNT].reshape(3, 24)
    assert (count[:, :6] == 0.0).all()
    assert (count[:, 6:18] > 15.0).all()


def test_a_new_process_goes_on_where_the_old_one_ended(tmp_path: Path) -> None:
    frame = lived(6)
    whole = live(tmp_path, frame, range(DAY, 6 * DAY, 20))
    parted = tmp_path / "parted"
    parted.mkdir()
    live(parted, frame, range(DAY, 6 * DAY, 20)[:10])
    again = live(parted, frame, range(DAY, 6 * DAY, 20)[10:])
    for name in ("p10", "p90", "mean"):  # what is kept for judging is rounded to 0.1 W
        assert getattr(again["load_w"], name) == pytest.approx(getattr(whole["load_w"], name), abs=1.0)
    assert np.array_equal(
        tracks(parted)["load_w bundle 1"].state[:, COUNT], tracks(tmp_path)["load_w bundle 1"].state[:, COUNT]
    )


def test_after_a_time_that_was_far_ahead_learning_goes_on(tmp_path: Path) -> None:
    frame = lived(6)
    live(tmp_path, frame, range(DAY, 3 * DAY, 20))
    file = CalibrationFile(tmp_path / CALIBRATION_NAME)
    years_s = 10 * 365 * 86_400
    ahead = {
        key: replace(
            track, judged_s=track.judged_s + years_s, used_s=track.used_s + years_s,
            issues=tuple(replace(said, start_s=said.start_s + years_s) for said in track.issues),
        )
        for key, track in tracks(tmp_path).items()
    }  # fmt: skip
    file.write(ahead)
    before = ahead["load_w bundle 1"].state[:, COUNT].sum()
    live(tmp_path, frame, range(3 * DAY, 6 * DAY, 20))
    track = tracks(tmp_path)["load_w bundle 1"]
    assert track.state[:, COUNT].sum() > before
    assert track.used_s == START_S + 900 * range(3 * DAY, 6 * DAY, 20)[-1]


def test_the_file_is_written_once_an_hour_and_a_restart_between_loses_no_lesson(tmp_path: Path) -> None:
    frame, slots = lived(4), range(DAY, 3 * DAY + 3)
    file = tmp_path / CALIBRATION_NAME
    calibrated = Calibrated(Flat("bundle 1"), SITE, CalibrationFile(file), Log("planner"))
    written = []
    for slot in slots:
        step(calibrated, frame, slot)
        written.append(file.stat().st_mtime_ns)
    assert len(slots) // 4 <= len(set(written)) <= len(slots) // 4 + 1
    again = live(tmp_path, frame, slots[-1:])
    on = step(calibrated, frame, slots[-1])
    for name in ("p10", "p90", "mean"):
        assert getattr(again["load_w"], name) == pytest.approx(getattr(on["load_w"], name), abs=1.0)


def test_only_issues_made_before_an_outcome_are_judged_by_it(tmp_path: Path) -> None:
    """What comes after the newest closed quarter hour changes nothing that is said now."""
    frame = lived(5)
    changed = {name: np.where(np.arange(5 * DAY) >= 4 * DAY, 9000.0, values) for name, values in frame.columns.items()}
    said = []
    for name, each in (("a", frame), ("b", Frame(grid=frame.grid, columns=changed))):
        (tmp_path / name).mkdir()
        said.append(live(tmp_path / name, each, range(DAY, 4 * DAY + 1, 24)))
    assert np.array_equal(said[0]["load_w"].p90, said[1]["load_w"].p90)


def test_a_new_model_begins_anew_and_the_old_ones_lessons_wait(tmp_path: Path) -> None:
    frame = lived(8, load_off_w=400.0)
    live(tmp_path, frame, range(DAY, 6 * DAY, 20))
    learned_w = tracks(tmp_path)["load_w bundle 1"].state
    said = live(tmp_path, frame, range(6 * DAY, 6 * DAY + 1), "baseline (no weather forecast)")
    assert (said["load_w"].p90 == 1050.0).all()
    assert set(tracks(tmp_path)) == {f"{name} {who}" for name in ("load_w", "pv_w") for who in ("bundle 1", "baseline")}
    assert np.array_equal(tracks(tmp_path)["load_w bundle 1"].state, learned_w)
    assert shown(tracks(tmp_path))["load_w"]["source"] == "baseline"


def test_negative_power_and_pv_at_the_export_limit_say_nothing() -> None:
    grid = TimeGrid(start_s=START_S, slot_s=900, count=3)
    columns = {"pv_w": [5000.0, 4000.0, 10.0], "grid_w": [-3990.0, -500.0, np.nan], "load_w": [-1.0, 0.0, np.nan]}
    history = Frame(grid=grid, columns={name: np.array(values) for name, values in columns.items()})
    assert outcomes_w("pv_w", history, SITE) == pytest.approx([np.nan, 4000.0, 10.0], nan_ok=True)
    assert outcomes_w("load_w", history, SITE) == pytest.approx([np.nan, 0.0, np.nan], nan_ok=True)


def test_missing_outcomes_freeze_what_was_learned(tmp_path: Path) -> None:
    frame = lived(4)
    gone = Frame(grid=frame.grid, columns={})
    live(tmp_path, gone, range(DAY, 4 * DAY, 20))
    assert np.array_equal(tracks(tmp_path)["load_w bundle 1"].state, fresh())


def test_the_bound_is_an_alarm_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = TimeGrid(start_s=START_S, slot_s=900, count=30 * DAY)
    load_w = np.full(grid.count, 100.0)  # 900 W less than was said; the bound is half of the largest power
    live(tmp_path, Frame(grid=grid, columns={"load_w": load_w}), range(DAY, 30 * DAY, 20))
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    alarms = [line["text"] for line in said if line["event"] == "alarm"]
    assert set(alarms) == {"load_w: the calibration of bundle 1 is at its bound: train it again"}
    row = shown(tracks(tmp_path))["load_w"]
    assert row["at_bound_count"] == 72
    assert row["bound_w"] == 50.0


def test_hours_are_the_walls_for_the_load_and_the_suns_for_pv() -> None:
    grid = TimeGrid(start_s=START_S, slot_s=900, count=1)  # 2024-06-01 00:00 UTC, 02:00 in Prague
    assert hours("load_w", grid, SITE).tolist() == [2]
    assert hours("pv_w", grid, SITE).tolist() == [0]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"schema":2,"tracks":{}}', b'{"schema":1,"tracks":{"a":{}}}'])
def test_a_damaged_file_is_an_alarm_and_a_new_beginning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / CALIBRATION_NAME).write_bytes(content)
    live(tmp_path, lived(3), range(DAY, DAY + 1))
    assert "the calibration begins anew" in capsys.readouterr().out
    assert tracks(tmp_path)["load_w bundle 1"].issues


def test_a_state_of_another_shape_is_refused(tmp_path: Path) -> None:
    live(tmp_path, lived(3), range(DAY, DAY + 1))
    document = json.loads((tmp_path / CALIBRATION_NAME).read_text())
    document["tracks"]["load_w bundle 1"]["state"][3][0] = None
    (tmp_path / CALIBRATION_NAME).write_text(json.dumps(document))
    with pytest.raises(StoreError, match="buckets are missing or not numbers"):
        tracks(tmp_path)
    document["tracks"]["load_w bundle 1"]["issues"][0]["rows_w"] = [[1.0]]
    (tmp_path / CALIBRATION_NAME).write_text(json.dumps(document))
    with pytest.raises(StoreError, match="a table of 3 columns"):
        tracks(tmp_path)


def test_a_full_disk_costs_the_lesson_and_not_the_forecast(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = live(tmp_path / "nowhere", lived(3), range(DAY, DAY + 1))
    assert (said["load_w"].p50 == 1000.0).all()
    assert "the calibration is not kept" in capsys.readouterr().out


def test_what_nobody_used_for_long_is_forgotten(tmp_path: Path) -> None:
    live(tmp_path, lived(3), range(DAY, DAY + 1))
    file = CalibrationFile(tmp_path / CALIBRATION_NAME)
    file.write({key: replace(track, used_s=0, source="old") for key, track in file.read().items()})
    live(tmp_path, lived(3), range(DAY, DAY + 1), "bundle 2")
    assert set(tracks(tmp_path)) == {"load_w bundle 2", "pv_w bundle 2"}

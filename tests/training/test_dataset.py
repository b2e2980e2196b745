from zoneinfo import ZoneInfo

import numpy as np
import pytest

from training.dataset import (
    PvSampler,
    Series,
    actual_w,
    before,
    collect,
    cut,
    horizon,
    issue_times_s,
    offsets_s,
)
from training.errors import SetupError, TrainingError
from training.read import read_series
from training.split import split_issues

pytestmark = pytest.mark.training

UTC = ZoneInfo("UTC")


def write(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_table_is_brought_to_quarter_hours(tmp_path):
    minutes = "\n".join(f"2024-01-01T00:{m:02d}:00Z,{m},x" for m in range(30))
    series = read_series(write(tmp_path, f"time_utc,load_w,note\n{minutes}\n"), UTC)
    assert list(series.frame.columns["load_w"]) == [7.0, 22.0]
    assert list(series.frame.columns) == ["load_w"]
    hours = read_series(
        write(tmp_path, "time_utc,pv_w\n2024-01-01,1\n2024-01-01T01:00:00,\n2024-01-01T02:00:00,3\n"), UTC
    )
    assert hours.table_slot_s == 3600
    assert hours.frame.columns["pv_w"][:4] == pytest.approx([1.0] * 4)
    assert np.isnan(hours.frame.columns["pv_w"][4:8]).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "has no column time_utc"),
        ("time_utc,pv_w\nmonday,2\ntuesday,3\n", "time_utc"),
        ("time_utc,pv_w\n2024-01-01,2\n", "at least two rows"),
        ("time_utc,pv_w\n2024-01-02,2\n2024-01-01,3\n", "goes backwards"),
        ("", "cannot be read"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(tmp_path, text, says):
    with pytest.raises(SetupError, match=says) as caught:
        read_series(write(tmp_path, text), UTC)
    assert "\n" not in str(caught.value)


def test_files_that_are_missing_or_no_parquet_are_refused(tmp_path):
    with pytest.raises(SetupError, match="no such file"):
        read_series(tmp_path / "none.csv", UTC)
    with pytest.raises(SetupError, match="cannot be read"):
        read_series(write(tmp_path, "text", "table.parquet"), UTC)


def test_offsets_follow_the_clock_change(made):
    grid = horizon(1364688000.0, 8)  # 2013-03-31 00:00 UTC; Prague changes at 01:00 UTC
    assert list(offsets_s(made.site.zone, grid)) == [3600.0] * 4 + [7200.0] * 4


def test_the_future_never_reaches_the_features(made):
    """Everything after the issue is replaced by nonsense; not one feature moves."""
    issued_s = float(made.series.frame.grid.start_s + 40 * 86400 + 7 * 900)
    first = made.series.frame.grid.index(issued_s)
    columns = {}
    for name, values in made.series.frame.columns.items():
        columns[name] = np.concatenate([values[:first], np.full(values.size - first, 1234.5)])
    frame = type(made.series.frame)(grid=made.series.frame.grid, columns=columns)
    wrong = Series(frame=frame, table_slot_s=900, zone=made.series.zone)
    for series_of in (PvSampler, lambda series, plant: __import__("training.dataset").dataset.LoadSampler(series)):
        true_rows, wrong_rows = (
            series_of(s, made.trained.plant).features(issued_s, horizon(issued_s)) for s in (made.series, wrong)
        )
        assert np.array_equal(true_rows.values, wrong_rows.values, equal_nan=True)
        assert np.array_equal(true_rows.scale_w, wrong_rows.scale_w)


def test_outcomes_outside_the_table_are_missing(made):
    grid = made.series.frame.grid
    found = actual_w(made.series, "pv_w", horizon(grid.end_s - 900.0, 4))
    assert np.isfinite(found[0])
    assert np.isnan(found[1:]).all()
    assert np.isnan(actual_w(made.series, "pv_w", horizon(grid.start_s - 1800.0, 2))).all()


def test_a_series_is_cut_at_an_instant(made):
    assert before(made.series, made.series.frame.grid.start_s + 1800.0).frame.grid.count == 2
    assert before(made.series, 0.0).frame.grid.count == 0
    assert made.series.weather(made.series.frame.grid) is None


def test_a_table_without_outcomes_cannot_be_trained_on(made):
    frame = cut(made.series.frame, 0, 5 * 96)
    empty = Series(frame=type(frame)(grid=frame.grid, columns={}), table_slot_s=900, zone=UTC)
    with pytest.raises(TrainingError, match="no usable rows of pv_w"):
        collect(empty, "pv_w", PvSampler(empty, made.trained.plant), np.array([frame.grid.start_s + 86400.0]), 1.0, 1)


def test_issue_times_end_with_their_horizon_inside():
    issues = issue_times_s(450.0, 10 * 86400.0, 29)
    assert issues[0] == 900.0
    assert issues[-1] <= 8 * 86400.0
    assert issue_times_s(0.0, 86400.0, 29).size == 0


def test_held_out_weeks_are_two_days_apart_from_all_that_is_fitted():
    issues = issue_times_s(0.0, 400 * 86400.0, 29)
    split = split_issues(issues)
    assert split.held_out_s[-1] == issues[-1]
    distance = np.abs(split.fit_s[:, None] - split.held_out_s[None, :]).min()
    assert distance >= 2 * 86400.0
    assert 0.15 < split.held_out_s.size / issues.size < 0.25


def test_short_spans_are_split_too():
    split = split_issues(issue_times_s(0.0, 8 * 86400.0, 4))
    assert split.fit_s.size > split.held_out_s.size > 0
    assert split_issues(np.empty(0)).fit_s.size == 0

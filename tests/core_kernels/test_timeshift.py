"""Clock shifts: known shifts, a published pair of shifted and fixed data, a logger that follows daylight saving."""

import math

import numpy as np
import pytest

from core_kernels.flags import Flag
from core_kernels.timeshift import clock_spans, day_shifts, flag_shifted


def clear_days(days, slot_s=900.0):
    times_s = slot_s * np.arange(days * 86400.0 / slot_s)
    return times_s, np.maximum(0.0, np.sin((times_s / 86400.0 - 0.25) * 2.0 * np.pi))


@pytest.mark.parametrize("late_s", [-7200.0, -3600.0, -500.0, 0.0, 1234.0, 5400.0])
def test_a_late_clock_is_measured_to_a_few_minutes(late_s):
    times_s, clear = clear_days(5)
    measured = 4000.0 * np.maximum(0.0, np.sin(((times_s - late_s) / 86400.0 - 0.25) * 2.0 * np.pi))
    shifts = day_shifts(times_s, measured, clear)
    assert shifts.shifts_s[1:-1] == pytest.approx(late_s, abs=60.0)
    assert shifts.days_s.tolist() == [0.0, 86400.0, 172800.0, 259200.0, 345600.0]


def test_cloudy_and_missing_days_say_nothing():
    times_s, clear = clear_days(4)
    measured = clear * np.where(np.arange(384) % 7 < 3, 0.2, 1.0)
    measured[96:192] = math.nan
    measured[192:288] = 0.0
    assert np.isnan(day_shifts(times_s, measured, clear).shifts_s).all()


def test_spans_need_four_days_that_agree():
    times_s, clear = clear_days(40)
    measured = clear.copy()
    measured[960:1920] = np.roll(clear, 4)[960:1920]
    measured[2400:2592] = np.roll(clear, -4)[2400:2592]
    spans = clock_spans(day_shifts(times_s, measured, clear))
    assert [round(span.shift_s / 900.0) for span in spans] == [0, 4, 0]
    assert [span.is_daylight_saving for span in spans] == [False, True, True]
    flags = flag_shifted(times_s, spans)
    assert np.array_equal(np.flatnonzero(flags), np.arange(960, 1920))
    assert set(flags.tolist()) == {0, int(Flag.TIME_SHIFT)}


@pytest.mark.training
@pytest.mark.data
def test_the_published_time_shift_is_found_to_the_day(shared_data):
    """solar-data-tools' two years with and without its shift: 547 days differ (shared data, quality_labels)."""
    pd = pytest.importorskip("pandas")
    table = pd.read_parquet(shared_data / "quality_labels" / "sdt_two_year_time_shift.parquet")
    have, fixed = (table[name].to_numpy().astype(np.float64) for name in ("with_shift", "fixed"))
    shifts = day_shifts(900.0 * np.arange(len(have)), have, fixed)
    differ = (have != fixed).reshape(-1, 96).any(axis=1)
    assert differ.sum() == 547
    assert shifts.shifts_s[differ] == pytest.approx(-3600.0, abs=30.0)
    assert np.nanmax(np.abs(shifts.shifts_s[~differ])) < 30.0
    first, second = clock_spans(shifts)
    assert (first.end_s / 86400.0, second.start_s / 86400.0) == (161.0, 162.0)
    assert second.is_daylight_saving


@pytest.mark.training
@pytest.mark.data
def test_a_logger_on_daylight_saving_time_is_recognised(shared_data):
    """NREL PVDAQ system 50: labelled -07:00, but its clock followed daylight saving (shared data, pv_nrel_pvdaq)."""
    pd = pytest.importorskip("pandas")
    power = pd.read_parquet(shared_data / "pv_nrel_pvdaq" / "system50_ac_power_15min.parquet")
    weather = pd.read_parquet(shared_data / "pv_nrel_pvdaq" / "system50_psm3_30min.parquet")
    clear = weather.set_index("t_utc")["ghi_clear"].astype(float).resample("15min").interpolate()
    have = power.drop_duplicates("t_utc_as_labelled").set_index("t_utc_as_labelled")["ac_power"].reindex(clear.index)
    times_s = clear.index.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.float64)
    columns = (np.ascontiguousarray(column, dtype=np.float64) for column in (have, clear))
    spans = clock_spans(day_shifts(times_s, *columns, utc_offset_s=-7 * 3600.0, min_likeness_frac=0.95))
    changes = [pd.Timestamp(span.start_s, unit="s") for span in spans if span.is_daylight_saving]
    assert len(changes) >= 2
    assert all(change.month in (3, 11) or change.month == 4 for change in changes)


@pytest.mark.parametrize(
    ("times_s", "problem"),
    [(np.array([0.0, 900.0, 2700.0]), "even steps"), (np.array([0.0, 7200.0, 14400.0]), "even steps")],
)
def test_unfit_times_are_refused_by_name(times_s, problem):
    with pytest.raises(ValueError, match=problem):
        day_shifts(times_s, np.zeros(3), np.zeros(3))


def test_no_rows_have_no_days():
    assert clock_spans(day_shifts(np.empty(0), np.empty(0), np.empty(0))) == ()

"""Limits, clear sky, QCRad, row distances and complete days: slow twins, pvanalytics as oracle, measured irradiance."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.limits import daily_completeness, regular_spacing, within_clear_sky, within_limits
from core_kernels.qcrad import BOUNDS, consistent_qcrad, within_qcrad

nan, inf = math.nan, math.inf
VALUES = st.lists(st.one_of(st.sampled_from([nan, inf, -inf, 0.0, 1.0]), st.floats(-3.0, 3.0)), max_size=40)
COMPONENTS = list(BOUNDS)


@pytest.fixture(scope="module")
def sky():
    """Three weeks of minutes with noise, holes, night and nonsense."""
    random = np.random.default_rng(8)
    times_s = 1.7e9 - 1.7e9 % 86400.0 + 60.0 * np.arange(30240)
    zenith_deg = np.clip(
        80.0 - 65.0 * np.sin(times_s / 86400.0 * 2.0 * np.pi) + random.normal(0.0, 2.0, 30240), 0.0, 180.0
    )
    extra = 1361.0 + 40.0 * random.normal(0.0, 1.0, 30240)
    ghi = np.maximum(0.0, 1100.0 * np.cos(np.radians(zenith_deg))) * random.uniform(0.2, 1.9, 30240) - 3.0
    dhi, dni = ghi * random.uniform(0.0, 1.3, 30240), random.uniform(-5.0, 1500.0, 30240)
    ghi[::71], dhi[::73], dni[::79], zenith_deg[::997], ghi[5] = nan, nan, nan, nan, inf
    return {"times_s": times_s, "zenith": zenith_deg, "extra": extra, "ghi": ghi, "dhi": dhi, "dni": dni}


@given(VALUES, st.booleans())
def test_only_what_lies_between_passes(values, inclusive):
    have = within_limits(np.array(values, dtype=np.float64), 0.0, 1.0, inclusive=inclusive).tolist()
    assert have == [(0.0 <= v <= 1.0) if inclusive else (0.0 < v < 1.0) for v in values]


def test_rows_one_slot_apart_are_regular():
    times_s = np.array([0.0, 60.0, 120.0, 181.0, nan, 300.0, 360.0])
    assert regular_spacing(times_s, 60.0).tolist() == [True, True, True, False, False, False, True]
    assert regular_spacing(np.empty(0), 60.0).tolist() == []


def test_a_day_is_as_complete_as_its_values_of_local_time():
    times_s = 1_699_920_000.0 + 3600.0 * np.arange(48)  # 2023-11-14 00:00 UTC
    values = np.ones(48)
    values[[3, 4, 30]] = nan
    days_s, complete_frac = daily_completeness(times_s, values, 3600.0)
    assert days_s.tolist() == [times_s[0], times_s[24]]
    assert complete_frac == pytest.approx([22.0 / 24.0, 23.0 / 24.0])
    days_s, complete_frac = daily_completeness(times_s, values, 3600.0, utc_offset_s=3600.0)
    assert complete_frac == pytest.approx([21.0 / 24.0, 23.0 / 24.0, 1.0 / 24.0])
    assert days_s[0] == times_s[0] - 3600.0


def test_a_day_without_rows_is_empty_and_no_rows_have_no_days():
    times_s = np.array([0.0, 3.0 * 86400.0])
    assert daily_completeness(times_s, np.ones(2), 86400.0)[1].tolist() == [1.0, 0.0, 0.0, 1.0]
    assert daily_completeness(np.empty(0), np.empty(0), 60.0)[1].shape == (0,)


@pytest.mark.training
@pytest.mark.filterwarnings("ignore")
def test_limits_and_times_are_those_of_pvanalytics(sky):
    pd = pytest.importorskip("pandas")
    irradiance = pytest.importorskip("pvanalytics.quality.irradiance")
    gaps = pytest.importorskip("pvanalytics.quality.gaps")
    index = pd.to_datetime(sky["times_s"], unit="s")
    ghi = pd.Series(sky["ghi"], index=index)
    clear = np.maximum(0.0, 1000.0 * np.cos(np.radians(sky["zenith"])))
    want = irradiance.clearsky_limits(ghi, pd.Series(clear, index=index))
    assert np.array_equal(within_clear_sky(sky["ghi"], clear), want)
    want = gaps.completeness_score(ghi, keep_index=False)
    assert daily_completeness(sky["times_s"], sky["ghi"], 60.0)[1] == pytest.approx(want.to_numpy(), abs=1e-15)


@pytest.mark.training
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("strictness", "component"), COMPONENTS)
def test_qcrad_limits_are_those_of_pvanalytics(sky, strictness, component):
    pd = pytest.importorskip("pandas")
    irradiance = pytest.importorskip("pvanalytics.quality.irradiance")
    zenith, extra, values = (pd.Series(sky[name]) for name in ("zenith", "extra", component))
    want = getattr(irradiance, f"check_{component}_limits_qcrad")(values, zenith, extra, limits=strictness)
    have = within_qcrad(sky[component], sky["zenith"], sky["extra"], component, strictness)
    assert 0.05 < have.mean() < 0.999
    assert np.array_equal(have, want)


@pytest.mark.training
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("outside", [False, True])
def test_qcrad_consistency_is_that_of_pvanalytics(sky, outside):
    pd = pytest.importorskip("pandas")
    irradiance = pytest.importorskip("pvanalytics.quality.irradiance")
    names = ("zenith", "ghi", "dhi", "dni")
    want = irradiance.check_irradiance_consistency_qcrad(*(pd.Series(sky[n]) for n in names), outside_domain=outside)
    have = consistent_qcrad(*(sky[n] for n in names))
    assert np.array_equal(have.components | (~have.components_known & outside), want[0])
    assert np.array_equal(have.diffuse | (~have.diffuse_known & outside), want[1])


def test_the_bounds_are_those_of_the_paper():
    """Long and Shi (2008), table 1: at the zenith GHI stays below 1.5 S + 100 W/m2, DNI below S."""
    straight, extra = np.zeros(2), np.full(2, 1361.0)
    assert within_qcrad(np.array([2141.0, 2142.0]), straight, extra).tolist() == [True, False]
    assert within_qcrad(np.array([1360.0, 1362.0]), straight, extra, "dni").tolist() == [True, False]
    night = np.full(2, 120.0)
    assert within_qcrad(np.array([99.0, 101.0]), night, extra).tolist() == [True, False]


@pytest.mark.training
@pytest.mark.data
def test_a_good_station_passes_nearly_always(shared_data):
    """NREL RMIS, five-minute irradiance of good pyranometers (shared data, quality_labels)."""
    pd = pytest.importorskip("pandas")
    table = pd.read_parquet(shared_data / "quality_labels" / "irradiance_RMIS_NREL.parquet")
    ghi, zenith = table["irradiance_ghi__7981"].to_numpy().copy(), table["pvlib_zenith"].to_numpy().copy()
    known = ~np.isnan(ghi) & (zenith < 90.0)  # at night this sensor reads below -4 W/m2
    assert within_qcrad(ghi, zenith, np.full(len(ghi), 1390.0))[known].mean() > 0.99


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (lambda: within_clear_sky(np.zeros(2), np.zeros(3)), "clear_w_per_m2 must .*got 3"),
        (lambda: within_qcrad(np.zeros(2), np.zeros(2), np.zeros(2), "gni"), "gni"),
        (lambda: consistent_qcrad(np.zeros(2), np.zeros(2), np.zeros(1), np.zeros(2)), "dhi_w_per_m2 must .*got 1"),
        (lambda: daily_completeness(np.array([1.0, 0.0]), np.zeros(2), 60.0), "must not decrease"),
    ],
)
def test_unfit_input_is_refused_by_name(work, problem):
    with pytest.raises(ValueError, match=problem):
        work()

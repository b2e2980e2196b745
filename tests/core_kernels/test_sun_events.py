"""Sunrise, transit and sunset against pvlib's SPA, and at the poles."""

import numpy as np
import pytest

from core_kernels.solar import Location
from core_kernels.sun_events import sun_events

DAYS_S = 1704067200.0 + 86400.0 * np.arange(0.0, 366.0, 9.0)


@pytest.mark.training
@pytest.mark.parametrize("latitude_deg", [-45.0, 0.0, 49.2, 60.0])
def test_events_agree_with_pvlib_to_two_seconds(latitude_deg):
    pd = pytest.importorskip("pandas")
    pvlib = pytest.importorskip("pvlib")
    index = pd.DatetimeIndex((DAYS_S * 1e9).astype(np.int64), tz="UTC")
    want = pvlib.solarposition.sun_rise_set_transit_spa(index, latitude_deg, 16.6)
    have = sun_events(DAYS_S, Location(latitude_deg, 16.6, 0.0))
    for name, values in zip(("sunrise", "transit", "sunset"), have, strict=True):
        seconds = want[name].dt.as_unit("ns").astype("int64").to_numpy() / 1e9
        assert np.abs(values - seconds).max() < 2.0


def test_the_polar_sun_neither_rises_nor_sets():
    events = sun_events(np.array([1718928000.0, 1734739200.0]), Location(75.0, 20.0, 0.0))
    assert np.isnan(events.sunrise_s).all()
    assert np.isnan(events.sunset_s).all()
    assert np.isfinite(events.transit_s).all()


def test_the_transit_lies_between_rise_and_set():
    events = sun_events(DAYS_S, Location(49.2, -120.0, 0.0))
    assert (events.sunrise_s < events.transit_s).all()
    assert (events.transit_s < events.sunset_s).all()

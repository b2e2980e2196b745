"""Linke turbidity without a vector of the site: pvlib's grid in small."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.solar import Location
from core_kernels.turbidity import linke_of

PRAGUE = Location(50.08, 14.43, 200.0)
# pvlib 0.16.1, cell of 5 minutes: lookup_linke_turbidity(..., interp_turbidity=False)
PRAGUE_BY_PVLIB = (2.45, 3.0, 3.8, 3.7, 3.95, 4.25, 4.0, 4.25, 4.2, 3.65, 2.5, 2.0)
GOLDEN_BY_PVLIB = (2.55, 2.7, 3.05, 3.45, 4.15, 4.05, 3.95, 4.05, 3.85, 3.15, 2.9, 2.55)


@pytest.mark.parametrize(
    ("place", "want", "error"),
    [(PRAGUE, PRAGUE_BY_PVLIB, 0.2), (Location(39.742, -105.1727, 1830.0), GOLDEN_BY_PVLIB, 0.6)],
)
def test_known_places_have_their_haze(place, want, error):
    assert np.abs(np.subtract(linke_of(place), want)).max() < error


@given(st.floats(-90.0, 90.0), st.floats(-180.0, 180.0))
def test_every_place_on_earth_has_twelve_turbidities(latitude_deg, longitude_deg):
    months = linke_of(Location(latitude_deg, longitude_deg, 0.0))
    assert len(months) == 12
    assert all(1.0 <= month <= 8.0 for month in months)


@given(st.floats(-90.0, 90.0))
def test_the_world_closes_at_the_date_line(latitude_deg):
    assert linke_of(Location(latitude_deg, 180.0, 0.0)) == linke_of(Location(latitude_deg, -180.0, 0.0))
    near = [linke_of(Location(latitude_deg, longitude_deg, 0.0)) for longitude_deg in (179.999, -179.999)]
    assert near[0] == pytest.approx(near[1], abs=0.01)


@pytest.mark.parametrize("longitude_deg", [14.43, 14.43 - 360.0])
def test_between_middles_of_cells_a_place_is_between_their_values(longitude_deg):
    west, east = (linke_of(Location(50.25, degrees, 0.0)) for degrees in (14.25, 14.75))
    share = (longitude_deg % 360.0 - 14.25) / 0.5
    want = [(1.0 - share) * a + share * b for a, b in zip(west, east, strict=True)]
    assert linke_of(Location(50.25, longitude_deg, 0.0)) == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize(
    "place", [Location(91.0, 0.0, 0.0), Location(0.0, math.inf, 0.0), Location(math.nan, 0.0, 0.0)]
)
def test_a_place_that_is_nowhere_is_refused(place):
    with pytest.raises(ValueError, match="location must be finite"):
        linke_of(place)


@pytest.mark.training
@pytest.mark.parametrize(
    ("box", "mean", "high"), [((34.3, 71.7, -11.7, 44.7), 0.045, 0.16), ((-60, 33, -180, 180), 0.12, 0.45)]
)
def test_errors_against_the_fine_grid_are_those_documented(box, mean, high):
    pvlib, h5py = pytest.importorskip("pvlib"), pytest.importorskip("h5py")
    south, north, west, east = box
    random = np.random.default_rng(5)
    places = np.column_stack([random.uniform(south, north, 1500), random.uniform(west, east, 1500)])
    file = f"{pvlib.__path__[0]}/data/LinkeTurbidities.h5"
    with h5py.File(file) as source:
        fine = source["LinkeTurbidity"][:]
    rows, columns = ((90.0 - places[:, 0]) * 12).astype(int), ((places[:, 1] + 180.0) * 12).astype(int)
    want = np.maximum(fine[rows, columns] / 20.0, 1.0)
    error = np.abs([linke_of(Location(*place, 0.0)) for place in places.tolist()] - want)
    assert error.mean() < mean
    assert np.quantile(error, 0.95) < high

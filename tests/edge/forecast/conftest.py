"""The home whose bundles are made by hand (``workshop``)."""

import numpy as np
import pytest
from workshop import Workshop

from core_kernels.features import sky
from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.config import parse_site

ISSUED_S = 1_370_304_000  # 2013-06-04 00:00 UTC
SITE = {
    "site": {"name": "home", "latitude_deg": 49.2, "longitude_deg": 16.6, "timezone": "Europe/Prague"},
    "array": [{"dc_w": 5000.0, "tilt_deg": 35.0, "azimuth_deg": 180.0}],
}


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)


@pytest.fixture
def site(tmp_path):
    return parse_site(SITE, "site.toml", tmp_path)


@pytest.fixture
def week(workshop):
    """Eight days of a house: PV at half of the clear sky, load 300 W, 900 W in the evening of Prague."""
    return house_days(workshop.plant(), 8)


@pytest.fixture
def four_weeks(workshop):
    """The same for as long as it takes a home to forget the standard profile."""
    return house_days(workshop.plant(), 28)


def house_days(plant, days, end_s=ISSUED_S):
    grid = TimeGrid(start_s=end_s - days * 86400, slot_s=900, count=days * 96)
    local_hour = ((grid.starts_s() + 7200.0) // 3600) % 24
    return Frame(
        grid=grid,
        columns={
            "pv_w": 0.5 * sky(plant, grid).clear_w,
            "load_w": np.where((local_hour >= 18) & (local_hour < 21), 900.0, 300.0),
        },
    )

"""Rooms of a bundle on the box: proved, forecast under given heat, and refused when tampered with."""

import io

import numpy as np
import pytest
from made_rooms import made_rooms, room_days

from core_kernels.bundle_rooms import bundled_document, golden_rooms
from core_kernels.timegrid import TimeGrid
from edge.errors import BundleError
from edge.forecast.rooms import rooms_ahead
from edge.forecast.runtime import Baseline, Forecaster

DAYS = 5
NOW = 3 * 96


@pytest.fixture(scope="module")
def rooms():
    return made_rooms()


@pytest.fixture(scope="module")
def days():
    return room_days(DAYS)


def roomy(workshop, rooms, document=None, **changes):
    """A bundle with rooms; golden rows by the true ones."""
    days = room_days(3)
    golden = golden_rooms(rooms, days.part(0, 192), days.part(192, 288)) | changes
    with np.load(io.BytesIO(workshop.files()["golden.npz"])) as found:
        golden |= dict(found)
    buffer = io.BytesIO()
    np.savez(buffer, **golden)
    files = {**workshop.files(), "golden.npz": buffer.getvalue()}
    return workshop.bundle(files, rooms=bundled_document(rooms) if document is None else document)


def test_a_bundle_brings_its_rooms_to_the_box(workshop, site, rooms):
    forecaster = Forecaster.load(roomy(workshop, rooms), workshop.public, site)
    assert forecaster.rooms.model.names == ("hall", "bath")
    assert forecaster.parity_ratio < 1e-5


def test_a_bundle_without_rooms_and_the_baseline_know_none(workshop, site):
    assert Forecaster.load(workshop.bundle(), workshop.public, site).rooms is None
    assert Baseline(site).rooms is None


def test_rooms_that_answer_their_golden_rows_wrongly_are_refused(workshop, site, rooms):
    document = bundled_document(rooms)
    document["model"]["network"]["mass_out_k_per_w"][0] *= 1.5
    with pytest.raises(BundleError, match="the rooms answer their golden rows wrongly"):
        Forecaster.load(roomy(workshop, rooms, document), workshop.public, site)


def test_rooms_without_golden_rows_are_refused(workshop, site, rooms):
    with pytest.raises(BundleError, match="golden rows of the rooms are missing"):
        Forecaster.load(workshop.bundle(rooms=bundled_document(rooms)), workshop.public, site)


def test_golden_rows_of_other_rooms_are_refused(workshop, site, rooms):
    with pytest.raises(BundleError, match="golden rows of the rooms have the wrong shape"):
        Forecaster.load(roomy(workshop, rooms, rooms_ahead=np.zeros((96, 7))), workshop.public, site)


@pytest.mark.parametrize("field", ["air_j_per_k", "air_mass_k_per_w"])
def test_a_signed_network_that_cannot_be_is_refused(workshop, site, rooms, field):
    document = bundled_document(rooms)
    document["model"]["network"][field][0] = -1.0
    with pytest.raises(BundleError, match=field):
        Forecaster.load(roomy(workshop, rooms, document), workshop.public, site)


def ahead(days, first=NOW, count=96):
    return TimeGrid(start_s=days.frame.grid.start_s + 900 * first, slot_s=900, count=count)


def test_rooms_follow_the_heat_that_is_given(rooms, days):
    given_w = days.part(NOW, NOW + 96).column("heat_hall_w")
    found, reason = rooms_ahead(rooms, ahead(days), days.part(0, NOW), days.weather(0, 480), {"hall": given_w})
    assert reason == ""
    assert found["hall"][:, 1] == pytest.approx(days.part(NOW, NOW + 96).column("room_hall_c"), abs=0.6)
    cold, _ = rooms_ahead(rooms, ahead(days), days.part(0, NOW), days.weather(0, 480), {"hall": 0.0 * given_w})
    assert cold["hall"][-1, 1] < found["hall"][-1, 1] - 1.0


def test_rooms_that_nobody_plans_are_heated_as_last_week(rooms, days):
    given_w = days.part(NOW, NOW + 96).column("heat_hall_w")
    planned, _ = rooms_ahead(rooms, ahead(days), days.part(0, NOW), days.weather(0, 480), {"hall": given_w})
    free, reason = rooms_ahead(rooms, ahead(days), days.part(0, NOW), days.weather(0, 480), {})
    assert reason == ""
    assert free["hall"] == pytest.approx(planned["hall"])


def test_weather_that_nobody_measured_is_the_forecast_of_then(rooms, days):
    whole, _ = rooms_ahead(rooms, ahead(days), days.part(0, NOW), days.weather(0, 480), {})
    blind = days.part(0, NOW, temp_air_c=None, ghi_w_per_m2=None)
    found, reason = rooms_ahead(rooms, ahead(days), blind, days.weather(0, 480), {})
    assert reason == ""
    assert found["hall"] == pytest.approx(whole["hall"], abs=0.3)


def test_rooms_are_not_guessed_without_heat_weather_or_measurements(rooms, days):
    _, reason = rooms_ahead(rooms, ahead(days), days.part(0, NOW, heat_hall_w=None), days.weather(0, 480), {})
    assert reason == "heat_hall_w of the last days is not known"
    _, reason = rooms_ahead(rooms, ahead(days), days.part(0, NOW), None, {})
    assert "are not known" in reason
    unseen = days.part(0, NOW, room_hall_c=None)
    assert rooms_ahead(rooms, ahead(days), unseen, days.weather(0, 480), {})[0] == {}


def test_the_hours_are_those_that_the_weather_reaches(rooms, days):
    found, reason = rooms_ahead(rooms, ahead(days, count=192), days.part(0, NOW), days.weather(0, NOW + 96), {})
    assert reason == ""
    assert np.isfinite(found["hall"][:96]).all()
    assert np.isnan(found["hall"][100:]).all()

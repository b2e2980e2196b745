"""Public holidays: of the right country, and on their way to the box as plain dates."""

import dataclasses
import json
from datetime import UTC, date, datetime

import pytest

from core_kernels.manifest import parse
from training.cli.options import inputs
from training.errors import SetupError
from training.fit import load, save
from training.holiday_days import AHEAD_YEARS, holiday_days, iso_dates
from training.package import Release, build

pytestmark = pytest.mark.training
NEW_YEAR_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def number(text):
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def test_a_countrys_holidays_reach_years_beyond_the_data():
    days = holiday_days("CZ", "", NEW_YEAR_S, NEW_YEAR_S)
    assert number("2026-10-28") in days  # law 245/2000
    assert number("2026-04-06") in days  # Easter Monday
    assert number(f"{2026 + AHEAD_YEARS}-12-24") in days
    assert number("2026-07-14") not in days
    assert list(days) == sorted(set(days))


def test_a_subdivision_has_holidays_of_its_own():
    epiphany = number("2026-01-06")
    assert epiphany in holiday_days("DE", "BY", NEW_YEAR_S, NEW_YEAR_S)
    assert epiphany not in holiday_days("DE", "BE", NEW_YEAR_S, NEW_YEAR_S)


@pytest.mark.parametrize(("country", "subdivision"), [("XX", ""), ("DE", "ZZ")])
def test_a_country_that_does_not_exist_is_named(country, subdivision):
    with pytest.raises(SetupError, match=r"site\.country"):
        holiday_days(country, subdivision, NEW_YEAR_S, NEW_YEAR_S)


def test_without_a_country_there_are_no_holidays(made):
    assert holiday_days("", "", NEW_YEAR_S, NEW_YEAR_S) == ()
    assert inputs(made.folder / "site.toml", made.folder / "table.parquet")[0].holidays == ()


def test_a_site_with_a_country_brings_its_holidays_into_the_series(made, tmp_path):
    text = (made.folder / "site.toml").read_text().replace('name = "made"', 'name = "made"\ncountry = "CZ"')
    (tmp_path / "site.toml").write_text(text)
    series, site = inputs(tmp_path / "site.toml", made.folder / "table.parquet")
    assert site.country == "CZ"
    assert number("2013-05-08") in series.holidays


def test_holidays_ride_to_the_box_as_dates(made, tmp_path):
    days = holiday_days("CZ", "", made.series.frame.grid.start_s, NEW_YEAR_S)
    trained = dataclasses.replace(made.trained, holidays=tuple(iso_dates(days, NEW_YEAR_S)))
    save(trained, tmp_path)
    members, _ = build(load(tmp_path), Release(version="1-h", seq=1, created="2026-01-01T00:00:00Z"))
    manifest = parse(members["manifest.json"])
    assert json.loads(members["manifest.json"])["holidays"][0] == "2025-01-01"
    assert number("2026-10-28") in manifest.holidays
    assert number("2024-10-28") not in manifest.holidays

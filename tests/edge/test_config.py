"""site.toml: what is right is read, what is wrong is named, all at once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Link, load_site, parse_site
from edge.errors import ConfigError
from edge.ingest.store import Store

HEAD = {"name": "demo", "latitude_deg": 49.2, "longitude_deg": 16.6, "timezone": "Europe/Prague"}
BATTERY = {"capacity_wh": 10_000, "charge_w": 5000, "discharge_w": 5000}


def problems_of(data: dict[str, object]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_site(data, "site.toml", Path())
    assert caught.value.exit_code == 78
    return caught.value.problems


def test_only_the_site_section_is_required() -> None:
    site = parse_site({"site": HEAD}, "site.toml", Path("/etc/pems"))
    assert site.battery is None
    assert site.arrays == ()
    assert site.zone.key == "Europe/Prague"
    assert site.path("model.zip") == Path("/etc/pems/model.zip")


def test_an_array_without_orientation_is_to_be_identified() -> None:
    site = parse_site({"site": HEAD, "array": [{"dc_w": 10_000}]}, "site.toml", Path())
    assert math.isnan(site.arrays[0].tilt_deg)


def test_a_site_may_name_the_haze_of_its_months() -> None:
    assert parse_site({"site": HEAD}, "site.toml", Path()).linke_ratio == ()
    site = parse_site({"site": {**HEAD, "linke_ratio": [3, *[2.5] * 11]}}, "site.toml", Path())
    assert site.linke_ratio == (3.0, *[2.5] * 11)


def test_a_link_says_which_ways_of_control_are_allowed() -> None:
    link = {"profile": "deye/hybrid", "url": "tcp://a:502"}
    site = parse_site({"site": HEAD, "link": [link, {**link, "allow_control": ["slots"]}]}, "site.toml", Path())
    assert [one.allow_control for one in site.links] == [(), ("slots",)]
    (problem,) = problems_of({"site": HEAD, "link": [{**link, "allow_control": "slots"}]})
    assert problem == "link[0].allow_control must be a list of texts, got 'slots'"


def test_one_leg_of_the_battery_has_the_root_of_the_round_trip() -> None:
    site = parse_site({"site": HEAD, "battery": {**BATTERY, "efficiency_frac": 0.81}}, "site.toml", Path())
    assert site.battery is not None
    assert site.battery.leg_efficiency_frac == pytest.approx(0.9)


def test_all_problems_are_reported_at_once() -> None:
    found = problems_of(
        {
            "site": {**HEAD, "latitude_deg": 99, "colour": "red", "timezone": "Mars/Olympus"},
            "battery": {**BATTERY, "capacity_wh": -1},
            "link": [{"profile": "growatt/sph", "url": "tcp://a:1", "unit": 300}],
            "fridge": {},
        }
    )
    text = "\n".join(found)
    for word in ("site.latitude_deg", "site.colour", "battery.capacity_wh", "link[0].unit", "fridge"):
        assert word in text


@pytest.mark.parametrize(
    ("section", "word"),
    [
        ({"battery": {**BATTERY, "capacity_wh": "big"}}, "must be a number"),
        ({"battery": {**BATTERY, "capacity_wh": True}}, "must be a number"),
        ({"battery": {**BATTERY, "capacity_wh": math.nan}}, "finite"),
        ({"battery": {"capacity_wh": 1}}, "missing"),
        ({"battery": 5}, "must be a table"),
        ({"tariff": {"peak_eur_per_kw_month": 5e8}}, "tariff.peak_eur_per_kw_month must be 0..1000"),
        ({"battery": {**BATTERY, "soc_min_frac": 0.9, "soc_max_frac": 0.2}}, "below"),
        ({"battery": {**BATTERY, "chemistry": "lead"}}, "lfp"),
        ({"features": {"extra": [1]}}, "features.extra"),
        ({"grid": {"phases": 2}}, "1 or 3"),
        ({"site": {**HEAD, "linke_ratio": [3.0] * 11}}, "twelve numbers"),
        ({"site": {**HEAD, "linke_ratio": [*[3.0] * 11, 0.5]}}, "twelve numbers"),
        ({"site": {**HEAD, "linke_ratio": [*[3.0] * 11, "hazy"]}}, "site.linke_ratio[11] must be a number"),
        ({"web": {"port": 3.5}}, "whole number"),
    ],
)
def test_a_wrong_value_is_named(section: dict[str, object], word: str) -> None:
    assert any(word in problem for problem in problems_of({"site": HEAD, **section}))


def test_an_unknown_time_zone_is_a_problem() -> None:
    assert "Mars/Olympus" in problems_of({"site": {**HEAD, "timezone": "Mars/Olympus"}})[0]


def test_a_missing_file_and_broken_toml_are_configuration_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_site(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[site\n")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_site(tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_site(tmp_path / "bad.toml")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner), max_leaves=5
)


@given(st.dictionaries(st.sampled_from(["site", "battery", "array", "link", "grid", "x"]), VALUES, max_size=3))
def test_no_shape_of_file_gives_anything_but_a_configuration_error(data: dict[str, object]) -> None:
    try:
        parse_site(data, "site.toml", Path())
    except ConfigError as error:
        assert error.problems


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("tcp://box", "tcp://BOX.:502/", True),
        ("tcp://localhost:1", "tcp://127.0.0.1:1", True),
        ("tcp://box:1", "tcp://box:2", False),
        ("serial:///dev/x", "serial:///dev/../dev/x?baud=19200", True),
        ("serial:///dev/x", "serial:///dev/y", False),
        ("tcp://[", "tcp://[", True),
        ("serial:///dev/x", "tcp://[", False),
    ],
)
def test_a_link_is_known_by_any_spelling_of_its_url(one, other, same):
    link = Link(profile="growatt/sph", url=one, unit=3)
    assert link.is_named(Link(profile="growatt/sph", url=other, unit=3).name) is same
    assert not link.is_named(Link(profile="growatt/sph", url=one, unit=4).name)


def test_a_report_is_found_by_another_spelling_of_the_link(tmp_path):
    store = Store(tmp_path / "store.sqlite")
    store.reports.add(1.0, Link(profile="p", url="serial:///dev/x"), "ok", {"verdict": "ok"})
    store.reports.add(2.0, Link(profile="p", url="serial:///dev/x?baud=9600"), "refuse", {"verdict": "refuse"})
    assert store.reports.newest(Link(profile="p", url="serial:///dev/x")) == {"verdict": "refuse"}
    assert store.reports.newest(Link(profile="q", url="serial:///dev/x")) is None
    store.close()

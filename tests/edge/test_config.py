"""site.toml: what is right is read, what is wrong is named, all at once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import load_site, parse_site
from edge.config_links import Link
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


ROOM = {
    "name": "living", "heat_w": 2000, "air_wh_per_k": 300, "mass_wh_per_k": 3000, "air_mass_k_per_w": 0.005,
    "mass_out_k_per_w": 0.02,
}  # fmt: skip
WASHER = {"name": "washer", "energy_wh": 1500, "power_w": 2000}
CAR = {"name": "car", "energy_wh": 20_000, "charge_w": 11_000}
TANK = {"litres_count": 200, "heat_w": 2000, "draw_wh": 5000}


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"load": [{**WASHER, "earliest": "10:00", "latest": "10:30"}]},
         "load[0]: between 10:00 and 10:30 at most 1000 Wh can flow, not 1500: widen the window (earliest,"),
        ({"load": [{**WASHER, "earliest": "10:05", "latest": "10:10"}]}, "at most 0 Wh"),
        ({"ev": [{**CAR, "min_w": 12_000}]}, "ev[0].min_w is above charge_w: it could never charge"),
        ({"ev": [{**CAR, "name": f"car{i}"} for i in range(200)]}, "ev: there are 200, at most 8 are planned"),
        ({"load": [{**WASHER, "name": f"load{i}"} for i in range(17)]}, "load: there are 17, at most 16 are planned"),
        ({"zone": [{**ROOM, "air_wh_per_k": 1e-300}]},
         "zone[0].air_wh_per_k is 1e-300: smaller than anything in a home; write 0, or look at its unit"),
        ({"zone": [{**ROOM, "mass_wh_per_k": 0.001}]}, "zone[0].mass_wh_per_k must be 0.1..1e6 Wh/K"),
        ({"zone": [{**ROOM, "mass_out_k_per_w": 1e-7}]}, "zone[0].mass_out_k_per_w must be 1e-5..100 K/W"),
        ({"zone": [{**ROOM, "most_c": 2300}]}, "zone[0].most_c must be -50..100 degC"),
        ({"zone": [{**ROOM, "sensor": "living room"}]},
         "zone[0].sensor 'living room' is no temperature: a signal like room_living_c"),
        ({"zone": [{**ROOM, "sensor": "pv_w"}]}, "zone[0].sensor 'pv_w' is no temperature"),
        ({"hotwater": {**TANK, "sensor": "tank"}}, "hotwater.sensor 'tank' is no temperature"),
        ({"hotwater": {**TANK, "least_c": 70, "most_c": 60}}, "hotwater: cold_c, least_c and most_c must rise"),
        ({"hotwater": {**TANK, "least_c": 15, "most_c": 20}}, "hotwater.most_c must be above 20"),
        ({"battery": {**BATTERY, "capacity_wh": 0.01}}, "battery.capacity_wh must be >= 1 (W, Wh, litres: not kW)"),
    ],
)  # fmt: skip
def test_what_no_home_has_is_refused_with_what_would_help(tables: dict[str, object], words: str) -> None:
    (found,) = problems_of({"site": HEAD, **tables})
    assert words in found


@pytest.mark.parametrize(
    "tables",
    [
        {"load": [{**WASHER, "earliest": "10:00", "latest": "10:45"}]},
        {"load": [{**WASHER, "earliest": "22:00", "latest": "06:00"}, {**WASHER, "name": "dryer"}]},
        {"ev": [{**CAR, "arrival": "23:00", "departure": "00:00"}]},
        {"zone": [{**ROOM, "solar_m2": 0, "sensor": "temp_air_c"}], "hotwater": TANK},
    ],
)
def test_what_just_fits_is_taken(tables: dict[str, object]) -> None:
    parse_site({"site": HEAD, **tables}, "site.toml", Path())


def metered(measures: str, by: str = "electric", links: int = 1) -> dict[str, object]:
    room = {"name": "bath", "heat_w": 1000, "air_wh_per_k": 30, "mass_wh_per_k": 900, "air_mass_k_per_w": 0.01}
    link = {"profile": "eastron/sdm120", "url": "tcp://192.168.1.9", "measures": measures}
    return {
        "site": HEAD,
        "ev": [{"name": "car", "energy_wh": 9000, "charge_w": 11_000}],
        "zone": [{**room, "mass_out_k_per_w": 0.02, "by": by}],
        "heatpump": {"heating_w": 8000},
        "link": [link] * links,
    }


def test_a_site_knows_the_signals_of_what_its_plan_decides() -> None:
    by_current = parse_site(metered("ev.car"), "site.toml", Path())
    assert by_current.consumers == ("ev_car_w", "heat_bath_w", "heatpump_w")
    by_pump = parse_site(metered("heatpump", by="heatpump"), "site.toml", Path())
    assert by_pump.consumers == ("ev_car_w", "heatpump_w")
    assert by_pump.links[0].measures == "heatpump"


@pytest.mark.parametrize(("measures", "by"), [("ev.bus", "electric"), ("pool", "electric"), ("zone.bath", "heatpump")])
def test_a_meter_of_what_the_site_does_not_have_is_refused(measures: str, by: str) -> None:
    (problem,) = problems_of(metered(measures, by))
    assert problem.startswith(f"link[0].measures {measures!r} is nothing that draws current of its own")
    assert "the site has ev.car" in problem


def test_two_meters_of_one_car_are_refused() -> None:
    assert problems_of(metered("ev.car", links=2)) == ("link: ev.car is measured twice",)

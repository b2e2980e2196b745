"""Mappings: every mistake is named at once, units and signs are stated, the shipped files are right."""

from pathlib import Path

import pytest

import training
from training.errors import SetupError
from training.mapping import load_mapping, parse_mapping
from training.resolve import resolve
from training.source_units import conversion, is_same
from training.sources.base import SourceField

pytestmark = pytest.mark.training

SHIPPED = sorted((Path(training.__file__).parent / "mappings").glob("*.toml"))


def mapping(*rows, **more):
    return parse_mapping({"signal": list(rows), **more}, "m.toml")


def stores(*labels, unit=""):
    fields = []
    for label in labels:
        name, _, tags = label.rstrip("]").partition("[")
        pairs = tuple(tuple(tag.split("=")) for tag in tags.split(",") if tag)
        fields.append(SourceField(name=name, tags=pairs, unit=unit))
    return [("store", fields)]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_mappings_are_right(path):
    assert len(load_mapping(path).rows) >= 6


def test_the_seed_is_read_by_its_measurements():
    known = stores(
        *(
            f"solar.{name}"
            for name in ("InputPower", "ACPowerToUser", "ACPowerToGrid", "ChargePower", "DischargePower", "SOC")
        ),
        "temperature.temperature[room=kuchyne]",
        "relay.relay_state[room=obyvak,tag1=heating]",
        "relay.relay_state[room=obyvak,tag1=shading]",
        "weather_forecast.temperature_2m[room=loxone]",
        "electricity_prices.price_czk_kwh",
    )
    found = resolve(load_mapping(next(path for path in SHIPPED if path.stem == "pems-v2")), known)
    factors = {item.name: [leg.factor for leg in item.legs] for item in found.wanted}
    assert factors["grid_w"] == [1.0, -1.0]
    assert factors["battery_w"] == [1.0, -1.0]
    assert factors["soc_frac"] == [0.01]
    assert {"pv_w", "room_kuchyne_c", "heat_obyvak_w", "fc_temp_air_c", "price_import_eur_per_kwh"} <= set(factors)
    assert factors["price_import_eur_per_kwh"] == [pytest.approx(0.0398)]
    assert found.unmapped == ("store: relay.relay_state[room=obyvak,tag1=shading]",)
    assert found.ambiguous == ()


def test_all_mistakes_of_a_mapping_are_said_at_once():
    with pytest.raises(SetupError) as refused:
        parse_mapping(
            {
                "other": 1,
                "signal": [
                    {"name": "power", "field": "a", "unit": "W"},
                    {"name": "pv_w", "field": "a", "unit": "kWh", "colour": 1},
                    {"name": "load_w", "field": "a]", "unit": "parsec", "sign": 2},
                    {"name": "grid_w", "unit": "W"},
                    {"name": "temp_air_c", "field": "a", "unit": "degC", "scale": 0, "hold_s": -1, "missing": ["x"]},
                    {"name": "soc_frac", "terms": [{"field": "a", "unit": "%", "hold_s": 3}]},
                    {"name": "soc_frac", "field": "b", "unit": "%"},
                    "no table",
                ],
            },
            "m.toml",
        )
    said = str(refused.value)
    for words in (
        "unknown key 'other'",
        "'power' is not one of our signals",
        "kWh is no unit of W",
        "unknown key 'colour'",
        "must be like name or name[tag=value]",
        "unknown unit 'parsec'",
        "sign must be 1 or -1",
        "needs either field or terms",
        "scale must be a number",
        "hold_s must be a number of seconds",
        "missing must be a list of numbers",
        "unknown key 'hold_s' of a term",
        "soc_frac is mapped twice",
    ):
        assert words in said
    assert all(line.startswith("m.toml: ") for line in said.splitlines())


def test_a_mapping_that_is_no_toml_or_absent_or_empty_is_a_setup_error(tmp_path):
    (tmp_path / "broken.toml").write_text("[[signal")
    (tmp_path / "nested.toml").write_text("a = " + "[" * 100_000)
    for path, words in (
        (tmp_path / "broken.toml", "is not TOML"),
        (tmp_path / "nested.toml", "is not TOML: maximum recursion"),
        (tmp_path / "none.toml", "cannot be read"),
    ):
        with pytest.raises(SetupError, match=words):
            load_mapping(path)
    with pytest.raises(SetupError, match=r"has no \[\[signal\]\]"):
        parse_mapping({}, "m.toml")


@pytest.mark.parametrize(
    ("unit", "given", "expected"),
    [("kW", 1.5, 1500.0), ("degF", 212.0, 100.0), ("K", 273.15, 0.0), ("%", 55.0, 0.55), ("km/h", 36.0, 10.0),
     ("ct/kWh", 25.0, 0.25), ("EUR/MWh", 90.0, 0.09), ("CZK/MWh", 1000.0, 0.04),
     ("kWh", 2.0, 2000.0), ("W/m²", 5.0, 5.0)],
)  # fmt: skip
def test_units_of_others_become_ours(unit, given, expected):
    step = conversion(unit, {"CZK": 0.04})
    assert step.factor * given + step.offset == pytest.approx(expected, abs=1e-9)


def test_spellings_of_one_unit_are_the_same():
    assert is_same("°C", "degC")
    assert not is_same("kW", "W")


def test_a_store_that_states_another_quantity_is_refused():
    with pytest.raises(SetupError, match="is in kWh, which is no unit of W"):
        resolve(mapping({"name": "pv_w", "field": "a"}), stores("a", unit="kWh"))
    with pytest.raises(SetupError, match="is in 'parsec': give unit"):
        resolve(mapping({"name": "pv_w", "field": "a"}), stores("a", unit="parsec"))


def test_two_rooms_whose_names_become_one_are_refused():
    row = {"name": "room_*_c", "field": "t[room=*]", "unit": "degC"}
    with pytest.raises(SetupError, match="room_living_room_c"):
        resolve(mapping(row), stores("t[room=living room]", "t[room=Living-Room]"))


def test_a_star_without_any_name_is_absent():
    found = resolve(mapping({"name": "room_*_c", "field": "t[room=*]", "unit": "degC"}), stores("x"))
    assert found.absent == ("room_*_c: t[room=*] is in no store",)
    assert found.wanted == ()

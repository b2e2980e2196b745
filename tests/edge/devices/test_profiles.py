"""Every profile that ships decodes its own golden image; a wrong profile says everything that is wrong with it."""

from __future__ import annotations

import copy
import math
import tomllib
from pathlib import Path

import pytest

from edge.devices.profile import EXPRESSIONS, Point
from edge.devices.profile_file import FOLDER, load_profile, parse_profile, profile_names
from edge.devices.registers import decode, encode, split_words, text_from_words
from edge.errors import ProfileError

ALL_POINTS = [(name, point) for name in profile_names() for point in load_profile(name).points]


def data_of(name: str) -> dict:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def golden_words(point: Point, order: str) -> tuple[int, ...]:
    raw = point.golden_raw
    return raw if isinstance(raw, tuple) else split_words(raw, point.words, order)


def test_the_profiles_of_issue_2_are_there():
    assert {"growatt/sph", "eastron/sdm630"} <= set(profile_names())


@pytest.mark.parametrize(("name", "point"), ALL_POINTS, ids=lambda item: getattr(item, "name", item))
def test_golden_image_decodes_as_stated(name, point):
    profile = load_profile(name)
    order = profile.link.word_order
    words = golden_words(point, point.order(order))
    assert any(words)
    if point.type == "str":
        assert text_from_words(words) == point.golden_value
        return
    exponent = int(profile.by_name[point.scale_point].golden_value) if point.scale_point else 0
    assert decode(point, words, order, exponent) == pytest.approx(point.golden_value, rel=1e-9)
    assert encode(point, point.golden_value, order, exponent) == words


@pytest.mark.parametrize("name", profile_names())
def test_no_register_belongs_to_two_points(name):
    taken = [
        (point.models, point.space, address, point.mask)
        for point in load_profile(name).points
        for address in point.addresses
        if not point.same_as
    ]
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("name", profile_names())
def test_wire_facts_are_named_with_their_source(name):
    profile = load_profile(name)
    for item in (*profile.points, *profile.writes):
        assert item.source
        assert item.confidence in "ABC"


def test_sph_signs_follow_our_convention():
    # shared/hardware/devices.yaml: 1009 discharge, 1011 charge, 1021 import, 1029 export.
    signals = load_profile("growatt/sph").signals()
    assert [(p.address, p.sign) for p in signals["battery_w"]] == [(1009, 1), (1011, -1)]
    assert [(p.address, p.sign) for p in signals["grid_w"]] == [(1021, 1), (1029, -1)]


def test_sph_writes_to_slots_are_whole_triples():
    slots = next(control for control in load_profile("growatt/sph").controls if control.name == "slots")
    for steps in slots.actions.values():
        for step in steps:
            if any("_start" in name or "_end" in name or "_enable" in name for name in step.writes):
                assert len(step.writes) == 3


def test_volatile_registers_are_those_that_the_vendor_marks_so():
    volatile = {write.address for write in load_profile("growatt/sph").writes if write.wear == "volatile"}
    assert volatile == {30407, 30408, 30409}


def test_documented_expressions_are_the_known_ones():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in EXPRESSIONS)


def test_a_missing_profile_names_those_that_exist():
    with pytest.raises(ProfileError, match="growatt/nope: no such profile; .*known are .*growatt/sph"):
        load_profile("growatt/nope")
    assert ProfileError.exit_code == 78


def test_a_path_is_not_a_profile_name():
    with pytest.raises(ProfileError, match="no such profile"):
        load_profile("../../etc/passwd")


def test_broken_toml_is_one_line(tmp_path: Path):
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "box.toml").write_text("[profile\n", encoding="utf-8")
    with pytest.raises(ProfileError, match="acme/box: is not TOML"):
        load_profile("acme/box", tmp_path)


def test_an_unreadable_file_is_one_line(tmp_path: Path):
    (tmp_path / "acme" / "box.toml").mkdir(parents=True)
    with pytest.raises(ProfileError, match="acme/box: cannot be read: Is a directory"):
        load_profile("acme/box", tmp_path)


def test_all_problems_are_reported_at_once():
    data = data_of("eastron/sdm630")
    data["extra"] = {}
    data["link"]["baud"] = "fast"
    data["link"]["colour"] = 1
    del data["point"][0]["scale"]
    data["point"][1]["sentinels"] = [1.5]
    data["point"][2]["type"] = "u8"
    with pytest.raises(ProfileError) as caught:
        parse_profile("x/y", data)
    text = str(caught.value)
    for expected in (
        "x/y: extra is not a known section",
        "x/y: link.baud must be a whole number, got 'fast'",
        "x/y: link.colour is not a known key",
        "x/y: point[0] (voltage_l1).scale is missing",
        "x/y: point[1] (power_l1).sentinels must be tuple[int, ...], got [1.5]",
        "x/y: point[2] (power_l2).type must be one of u16, s16, u32, s32, u64, s64, f32, str, got 'u8'",
    ):
        assert expected in text


def edited(name: str, change) -> str:
    data = copy.deepcopy(data_of(name))
    change(data)
    with pytest.raises(ProfileError) as caught:
        parse_profile("x/y", data)
    return str(caught.value)


def point(data: dict, name: str) -> dict:
    return next(row for row in data["point"] if row["name"] == name)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d["point"].append(dict(d["point"][0])), "point pv_power is there twice"),
        (lambda d: point(d, "grid_frequency").update(address=38), "overlap at input 38"),
        (lambda d: point(d, "pv_power").update(signal="pv_kw"), "point pv_power: pv_kw is not a known signal"),
        (lambda d: point(d, "pv_power").update(address=124), "lies in no read window"),
        (lambda d: point(d, "pv_power").update(golden_raw=0), "golden values must not be zero"),
        (lambda d: point(d, "pv_power").update(golden_value="much"), "golden_value does not fit type u32"),
        (lambda d: point(d, "pv_power").update(sign=2), "sign must be 1 or -1"),
        (lambda d: point(d, "pv_power").update(scale=-0.1), "scale must be > 0"),
        (lambda d: point(d, "pv_power").update(address=70000), "address must be 0..65535"),
        (lambda d: point(d, "pv_power").update(words=3), "words does not fit type u32"),
        (lambda d: point(d, "firmware").update(words=200), "more than one read may hold"),
        (lambda d: d["write"][0].update(space="input"), "only holding registers can be written"),
        (lambda d: d["write"][0].update(range=[5, 1]), "range is upside down"),
        (lambda d: d["write"][0].update(readback="moon"), "readback moon is not a point"),
        (lambda d: d["write"][0].update(scale=1.0), "has another type, scale or sign"),
        (lambda d: d["control"][0].update(requires="moon"), "requires moon, which is not a point"),
        (lambda d: d["control"][0].update(power_step_frac=7.0), "power_step_frac must be 0..1"),
        (lambda d: d["control"][0].update(probe_range=[2, 1]), "probe_range is upside down"),
        (lambda d: d["control"][0]["actions"].pop("hold"), "actions must be native, charge, discharge, hold"),
        (lambda d: d["control"][0]["actions"]["native"][0].update(values=["moon"]), "moon is not an expression"),
        (lambda d: d["control"][0]["actions"]["native"][0].update(values=[]), "one value for each write"),
        (lambda d: d["control"][0]["actions"]["native"][0].update(writes=["moon"]), "moon is not a write"),
        (
            lambda d: d["control"][0]["actions"]["charge"][0].update(writes=["vpp_enable", "vpp_power"]),
            "must follow each other",
        ),
        (lambda d: d["control"][0]["states"][0]["when"][0].update(point="moon"), "moon is not a point"),
        (lambda d: d["control"][0]["states"][0]["when"][0].update(above=3), "must hold point and one of equals"),
        (lambda d: d.pop("clock"), "a slot needs a clock"),
        (lambda d: d["clock"]["points"].pop(), "clock needs six points"),
        (lambda d: d["clock"].update(points=["moon"] * 6), "clock names the unknown point moon"),
        (lambda d: d["clock"].update(points=3), "clock.points must be"),
        (lambda d: d.update(point=3), "point must be a list of tables"),
        (lambda d: d.update(control=[3]), "control[0] must be a table"),
        (lambda d: d["control"][0].update(states=[3]), "states[0] must be a table"),
        (lambda d: d["control"][0].update(colour=3), "colour is not a known key"),
        (lambda d: d.update(link=3), "link must be a table"),
        (lambda d: d["link"].update(parity="X"), "link.parity must be one of N, E, O"),
        (lambda d: d["link"].update(min_command_period_s=math.inf), "must be a finite number"),
    ],
)
def test_a_profile_that_contradicts_itself_is_refused(change, expected):
    assert expected in edited("growatt/sph", change)

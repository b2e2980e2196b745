"""A profile that contradicts itself is refused, with the reason in words; one that does not is taken as written."""

from __future__ import annotations

import copy

import pytest
from acme import ACME, row, written

from edge.devices.profile import Profile
from edge.devices.profile_file import parse_profile
from edge.devices.registers import decode_all
from edge.errors import ProfileError


def acme() -> dict:
    data = copy.deepcopy(ACME)
    data["point"] = [
        row("kind", 0),
        row("energy", 10, "u32", high_address=40, signal="grid_import_wh"),
        row("hertz", 11, scale=0.01, signal="grid_hz"),
        row("warm", 12, scale=0.1, offset=-100.0, signal="battery_c"),
        row("bit_one", 13, mask=0x0001),
        row("bits_two", 13, mask=0x00F0),
        row("plus", 20, "u32", signal="battery_w", together="battery"),
        row("minus", 24, "u32", sign=-1, signal="battery_w", together="battery"),
        row("power", 14, "s16", signal="pv_w", scale_point="power_sf", models=[103, 101]),
        row("power_sf", 15, "s16", models=[103, 101]),
        row("power_float", 22, "f32", signal="pv_w", models=[113], instead_of="power", golden_raw=0x40E00000),
        row("ac_load", 30, signal="load_w"),
        row("ac_pv", 30, signal="pv_energy_wh", same_as="ac_load"),
        row("timer", 50),
        row("mode", 51),
    ]
    data["write"] = [written("bit_one", 13, mask=0x0001, range=[0, 1]), written("timer", 50), written("mode", 51)]
    step = {"writes": ["mode"], "values": [1]}
    forced = [{"writes": ["timer"], "values": ["lease_s"], "refresh": True}, step]
    data["control"] = [
        {
            "name": "remote",
            "requires": "",
            "on_silence": "reverts_after_s",
            "power_step_frac": 0.02,
            "max_lease_s": 900.0,
            "compensation": [{"writes": ["mode"], "values": [0]}],
            "enter": [{"writes": ["bit_one"], "values": [1]}],
            "restore": ["bit_one"],
            "limit_points": {"charge": "plus", "discharge": "minus"},
            "actions": {"native": [step], "charge": forced, "discharge": forced, "hold": forced},
            "states": [{"mode": "native", "when": []}],
        }
    ]
    return data


def parsed(data: dict) -> Profile:
    return parse_profile("acme/box", data)


def test_a_profile_with_one_of_everything_is_taken_as_written():
    profile = parsed(acme())
    control = profile.controls[0]
    assert [len(steps) for steps in (control.steps, control.enter, control.compensation)] == [9, 1, 1]
    assert control.points == ("plus", "minus")
    assert not control.why_opt_in
    assert profile.identify[0].equals == (7, 8)
    assert profile.by_name["energy"].addresses == (10, 40)
    assert (profile.by_name["energy"].first, profile.by_name["energy"].last) == (10, 40)
    assert profile.probe is None


def test_what_must_be_read_together_comes_together():
    profile = parsed(acme())

    def partners(name):
        return {point.name for point in profile.with_partners([profile.by_name[name]])}

    assert partners("plus") == {"plus", "minus"}
    assert partners("power") == partners("power_sf") == {"power", "power_sf"}
    assert partners("ac_pv") == {"ac_load", "ac_pv"}
    assert partners("hertz") == {"hertz"}


def test_the_probe_is_the_named_point_or_the_serial_number():
    data = acme()
    data["link"]["probe"] = "kind"
    assert parsed(data).probe.name == "kind"
    del data["link"]["probe"]
    text = {"words": 2, "golden_raw": [0x4142, 0x4344], "golden_value": "ABCD"}
    data["point"].append(row("serial_number", 60, "str", **text))
    assert parsed(data).probe.name == "serial_number"


@pytest.mark.parametrize(
    ("change", "reason"), [({"on_silence": "persists"}, "for ever"), ({"confidence": "C"}, "disputed")]
)
def test_what_persists_or_is_doubtful_needs_permission(change, reason):
    data = acme()
    data["control"][0].update(change)
    assert reason in parsed(data).controls[0].why_opt_in


def find(data: dict, name: str) -> dict:
    return next(point for point in data["point"] if point["name"] == name)


POINTS = [
    ("energy", {"high_address": 11}, "energy and hertz overlap at holding 11"),
    ("energy", {"address": 11}, "energy and hertz overlap at holding 11"),
    ("bits_two", {"mask": 0x0003}, "bit_one and bits_two overlap at holding 13"),
    ("bits_two", {"mask": 0x10000}, "mask does not fit type u16"),
    ("bits_two", {"type": "s16"}, "mask does not fit type s16"),
    ("power_sf", {"address": 14}, "power and power_sf overlap at holding 14"),
    ("power", {"scale_point": "moon"}, "scale_point moon is not another point"),
    ("power", {"scale_point": "power"}, "scale_point power is not another point"),
    ("power_sf", {"type": "u16"}, "scale_point power_sf must be an s16 of scale 1"),
    ("power_sf", {"models": [103]}, "read together, but not of one space and the same models"),
    ("power_sf", {"address": 64}, "power, power_sf: no single read can hold them together"),
    ("minus", {"address": 100}, "plus, minus: no single read can hold them together"),
    ("minus", {"apart": "far"}, "it is either together or apart"),
    ("power_float", {"instead_of": "moon"}, "instead_of moon is not another point"),
    ("power_float", {"instead_of": "hertz"}, "must name a point of the same signal in another SunSpec model"),
    ("ac_pv", {"needs": "moon"}, "needs moon is not another point"),
    ("ac_pv", {"same_as": "moon"}, "same_as moon is not another point"),
    ("ac_pv", {"scale": 2.0}, "same_as ac_load is another register, type or scale"),
    ("energy", {"type": "f32"}, "only a u32 or s32 at fixed addresses can be split"),
    ("energy", {"high_address": 200}, "holding 200..200 lies in no read window"),
    ("energy", {"high_address": 70000}, "address must be 0..65535"),
    ("hertz", {"sentinels": [0x10000]}, "a bit pattern is wider than type u16"),
    ("hertz", {"sentinels": [7]}, "golden_raw is a sentinel"),
    ("hertz", {"golden_raw": [7]}, "golden_raw does not fit type u16"),
]


@pytest.mark.parametrize(("name", "change", "expected"), POINTS)
def test_a_point_that_contradicts_the_rest_is_refused(name, change, expected):
    data = acme()
    find(data, name).update(change)
    with pytest.raises(ProfileError) as caught:
        parsed(data)
    assert expected in str(caught.value)


def test_models_need_a_place_where_their_map_begins():
    data = acme()
    data["link"]["sunspec_bases"] = []
    with pytest.raises(ProfileError, match="point power: models need link.sunspec_bases"):
        parsed(data)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d["link"].update(max_read_words=126), "link.max_read_words must be 1..125"),
        (lambda d: d["link"].update(max_write_words=0), "link.max_write_words must be 1..123"),
        (lambda d: d["link"].update(gap_words=-1), "gap_words >= 0"),
        (lambda d: d["link"].update(min_reply_pause_s=-0.1), "a pause must be >= 0"),
        (lambda d: d["link"].update(probe="moon"), "link.probe moon is not a point"),
        (lambda d: d["link"].update(sunspec_bases=[70000]), "link.sunspec_bases must be 0..65535"),
        (lambda d: d["identify"][0].update(point="moon"), "identify moon: is not a point"),
        (lambda d: d["identify"][0].update(equals=[]), "needs either equals or prefix"),
        (lambda d: d["identify"].append({"point": "kind", "prefix": "A"}), "a text is known by its prefix"),
        (lambda d: d["write"][0].update(readback=""), "readback  is not a point"),
        (lambda d: d["write"][1].update(write_only=True), "what is write_only has neither readback nor mask"),
        (lambda d: d["write"][0].update(mask=0x0002), "readback bit_one has another type, scale or sign"),
        (lambda d: d["write"][0].update(range=[0, 2]), "write bit_one: range does not fit type u16"),
        (lambda d: d["write"][1].update(range=[0, 70000]), "write timer: range does not fit type u16"),
        (lambda d: d["write"][1].update(scale_point="moon"), "write timer: scale_point moon is not a point"),
        (lambda d: d["control"][0].update(restore=["moon"]), "restore moon is not a write that can be read"),
        (lambda d: d["control"][0].update(limit_points={"charge": "moon"}), "control remote: moon is not a point"),
        (lambda d: d["control"][0].update(limit_points={"sun": "plus"}), "limit_points has charge and discharge"),
        (lambda d: d["control"][0].update(rated_point="moon"), "control remote: moon is not a point"),
        (lambda d: d["control"][0].update(silence_s=0.0), "silence_s must be > 0"),
        (lambda d: d["control"][0].update(keep_s=-1.0), "keep_s >= 0"),
        (
            lambda d: d["control"][0].update(on_silence="persists", silence_s=5.0),
            "silence_s belongs to reverts_after_s",
        ),
        (lambda d: d["write"][2].update(confidence="C"), "confidence A, but what it writes is only C"),
        (lambda d: d["control"][0]["actions"].update(native=[]), "every action needs a step"),
        (lambda d: d["control"][0]["actions"].update(native=3), "actions.native must be a list of steps"),
        (lambda d: d["control"][0].update(actions=3), "actions must be a table"),
        (
            lambda d: d["control"][0].update(enter=[{"writes": ["moon"], "values": [1]}]),
            "remote.enter: moon is not a write",
        ),
        (lambda d: d["control"][0].update(compensation=[{"writes": []}]), "compensation[0].values is missing"),
        (lambda d: d["link"].update(max_write_words=1) or whole(d), "more words than one write may hold"),
    ],
)
def test_a_link_write_or_control_that_contradicts_the_rest_is_refused(change, expected):
    data = acme()
    change(data)
    with pytest.raises(ProfileError) as caught:
        parsed(data)
    assert expected in str(caught.value)


def whole(data: dict) -> None:
    """Both registers in one request."""
    data["control"][0]["actions"]["native"] = [{"writes": ["timer", "mode"], "values": [1, 0]}]


def test_a_lease_that_no_register_counts_needs_the_devices_own_silence():
    data = acme()
    for mode in ("charge", "discharge", "hold"):
        data["control"][0]["actions"][mode] = [{"writes": ["mode"], "values": [1]}]
    with pytest.raises(ProfileError, match="reverts_after_s needs silence_s where no register counts the lease"):
        parsed(data)
    data["control"][0]["silence_s"] = 600.0
    assert parsed(data).controls[0].silence_s == 600.0


def test_points_of_one_read_decode_with_their_partners():
    profile = parsed(acme())
    words = {14: 321, 15: 0xFFFF, 10: 0x1234, 40: 0x0002, 12: 1250, 13: 0x00A1, 30: 900}
    listed = [profile.by_name[name] for name in ("power", "power_sf", "energy", "warm", "bit_one", "bits_two", "ac_pv")]
    found = {name: decoded.value for name, decoded in decode_all(listed, words, "big").items()}
    assert found["power"] == pytest.approx(32.1)  # 321 * 10**-1
    assert found["energy"] == 0x21234
    assert found["warm"] == pytest.approx(25.0)  # Deye: raw 0.1 with -100
    assert (found["bit_one"], found["bits_two"], found["ac_pv"]) == (1.0, 10.0, 900.0)

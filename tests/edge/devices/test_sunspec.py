"""A SunSpec map is walked to its end or not believed; a profile takes its addresses from it and says what it lacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
from acme import ACME_SUN, chain
from hypothesis import given
from hypothesis import strategies as st

from edge.devices.profile import Profile
from edge.devices.profile_file import load_profile, parse_profile
from edge.devices.sunspec import Model, discover, resolve
from edge.errors import DeviceMismatch, DeviceRejected, DeviceUnreachable

BASES = (40000, 0, 50000)


def reader(registers: Mapping[int, int], asked: list[int] | None = None) -> Callable[[int, int], list[int]]:
    """A device with these registers; elsewhere exception 02."""

    def read(address: int, count: int) -> list[int]:
        if asked is not None:
            asked.append(address)
        try:
            return [registers[address + offset] for offset in range(count)]
        except KeyError:
            raise DeviceRejected("no such register", 2) from None

    return read


def models_of(*rows: tuple[int, int], base: int = 40000) -> tuple[Model, ...]:
    return discover(reader(chain(base, rows)), BASES)


@pytest.mark.parametrize("base", BASES)
def test_a_map_is_found_where_its_marker_stands(base):
    found = models_of((1, 66), (103, 50), (160, 88), (124, 24), base=base)
    assert [(model.number, model.address - base) for model in found] == [(1, 2), (103, 70), (160, 122), (124, 212)]
    assert found[1].last - base == 121


def test_fronius_int_and_sf_addresses_come_out_of_the_walk():
    # redpomodoro/fronius_modbus and evcc: 103 at 40069, 120 at 40121, 160 at 40253, 124 at 40343.
    rows = [(1, 65), (103, 50), (120, 26), (121, 30), (122, 44), (123, 24), (160, 88), (124, 24)]
    found = {model.number: model.address for model in models_of(*rows)}
    assert (found[103], found[120], found[160], found[124]) == (40069, 40121, 40253, 40343)


def test_a_map_may_stop_right_behind_its_end_number():
    registers = chain(0, [(1, 66), (103, 50)], end=(0xFFFF,))
    assert [model.number for model in discover(reader(registers), BASES)] == [1, 103]


def test_no_marker_is_no_map():
    with pytest.raises(DeviceMismatch, match="no SunSpec map begins at 40000, 0, 50000"):
        discover(reader({40000: 0x5375, 40001: 0x0000}), BASES)


def test_silence_is_no_answer_about_the_map():
    def silent(address: int, count: int) -> list[int]:
        raise DeviceUnreachable(f"{address} x {count}")

    with pytest.raises(DeviceUnreachable):
        discover(silent, BASES)


@pytest.mark.parametrize("at", [40000, 40070])
def test_a_busy_device_is_no_answer_about_the_map(at):
    plain = reader(chain(40000, [(1, 66), (103, 50)]))

    def busy(address: int, count: int) -> list[int]:
        if address == at:
            raise DeviceRejected("busy", 6)
        return plain(address, count)

    with pytest.raises(DeviceRejected):
        discover(busy, BASES)


@pytest.mark.parametrize(
    "registers",
    [
        chain(40000, [(103, 50)]),  # the identity is missing
        chain(40000, []),  # nothing but an end
        chain(40000, [(1, 66), (103, 50)], end=()),  # no end: refused
        chain(40000, [(1, 66), (103, 50)], end=(0xFFFF, 0xFFFF)),  # unset words are no end
        chain(40000, [(1, 66), (0, 0), (103, 50)]),
        chain(40000, [(1, 66), (0x4672, 20)]),  # text
        chain(40000, [(1, 66), *[(103, 0)] * 70]),  # a loop's worth of models
        chain(40000, [(1, 66)], end=(103, 0xFFF0)),  # longer than the address space
        {**chain(40000, [(1, 66), (103, 50), (124, 24)]), 40071: 30},  # a length that lies: too short
        {**chain(40000, [(1, 66), (103, 50), (124, 24)]), 40071: 60},  # too long
    ],
)
def test_a_map_that_leads_astray_is_not_believed(registers):
    with pytest.raises(DeviceMismatch, match="the SunSpec map goes astray at"):
        discover(reader(registers), BASES)


@given(st.dictionaries(st.integers(40000, 40200), st.integers(0, 0xFFFF)), st.lists(st.integers(0, 300), max_size=6))
def test_a_walk_ends_whatever_the_device_says(lies, lengths):
    asked: list[int] = []
    registers = chain(40000, [(1, 66), *((100 + n, length) for n, length in enumerate(lengths))]) | lies
    try:
        found = discover(reader(registers, asked), BASES)
    except DeviceMismatch:
        found = ()
    assert len(asked) <= 2 * 64 + len(BASES)
    assert all(one.last < other.address for one, other in pairwise(found))


ACME_PROFILE = parse_profile("acme/sun", ACME_SUN)


def places(profile: Profile) -> dict[str, int]:
    return {point.name: point.address for point in profile.points}


def test_a_profile_takes_its_addresses_from_the_map():
    profile = resolve(ACME_PROFILE, models_of((1, 66), (102, 50), (124, 40)))
    assert places(profile) == {
        "serial_number": 40052,
        "power": 40084,
        "power_sf": 40085,
        "soc": 40130,
        "soc_sf": 40144,
        "charge": 40135,
        "discharge": 40152,
        "mode": 40127,
        "own": 7,
    }
    assert not any(point.models for point in profile.points)
    assert [(write.name, write.address) for write in profile.writes] == [("mode", 40127), ("own", 7)]
    assert [control.name for control in profile.controls] == ["storage"]
    assert profile.link.read_windows["holding"] == ((0, 199), (40002, 40069), (40070, 40121), (40122, 40163))
    assert profile.absent == {}


def test_a_float_inverter_stands_in_for_an_integer_one():
    profile = resolve(ACME_PROFILE, models_of((1, 66), (113, 60), (124, 40)))
    assert [point.name for point in profile.signals()["pv_w"]] == ["power_float"]
    assert profile.absent == {}


def test_with_both_the_integer_one_counts():
    profile = resolve(ACME_PROFILE, models_of((1, 66), (113, 60), (103, 50), (124, 40)))
    assert [point.name for point in profile.signals()["pv_w"]] == ["power"]


def test_the_scale_factor_of_an_idle_substitute_is_not_read():
    both = resolve(load_profile("sunspec/inverter"), models_of((1, 66), (103, 50), (701, 153)))
    assert {name for name in both.by_name if name.startswith("der_")} == set()
    der = resolve(load_profile("sunspec/inverter"), models_of((1, 66), (701, 153)))
    assert {"der_power_sf", "der_energy_sf", "der_frequency_sf"} <= set(der.by_name)


def test_what_the_device_does_not_have_is_missing_with_its_reason():
    profile = resolve(ACME_PROFILE, models_of((1, 66), (160, 48)))
    assert places(profile) == {"serial_number": 40052, "own": 7}
    assert profile.absent == {
        "pv_w": "the device has no model 103 or 102 or 101",
        "soc_frac": "the device has no model 124",
        "battery_w": "the device has no model 124",
    }
    assert [write.name for write in profile.writes] == ["own"]
    assert profile.controls == ()


def test_a_short_model_loses_what_lies_beyond_it_and_its_partners():
    profile = resolve(ACME_PROFILE, models_of((1, 66), (103, 50), (124, 24)))
    assert profile.absent == {"battery_w": "the device's model 124 ends before it"}
    assert "soc" in profile.by_name
    short = resolve(ACME_PROFILE, models_of((1, 66), (103, 13), (124, 24)))
    assert short.absent["pv_w"] == "the device's model 103 ends before it"
    assert "power" not in short.by_name


def test_before_the_map_is_read_only_fixed_registers_are_known():
    profile = resolve(ACME_PROFILE, ())
    assert places(profile) == {"own": 7}
    assert set(profile.absent.values()) == {"the device's SunSpec map was not read yet"}


def test_the_first_of_two_like_models_counts():
    found = models_of((1, 66), (103, 50), (103, 50))
    assert resolve(ACME_PROFILE, found).by_name["power"].address == 40084


def test_a_map_over_the_profiles_own_registers_is_refused():
    found = [Model(number=1, address=7, length=66), Model(number=124, address=0, length=40)]
    fixed = replace(ACME_PROFILE, points=tuple(p for p in ACME_PROFILE.points if p.name in ("own", "charge", "soc_sf")))
    with pytest.raises(DeviceMismatch, match="the device's SunSpec map does not fit acme/sun: .* overlap at holding 7"):
        resolve(replace(fixed, writes=(), controls=()), [Model(number=124, address=-6, length=40), *found])


@given(st.permutations([(103, 50), (113, 60), (124, 40), (160, 48)]), st.integers(0, 4))
def test_whatever_models_a_device_has_its_profile_is_sound(order, count):
    profile = resolve(ACME_PROFILE, models_of((1, 66), *order[:count]))
    known = {name for name in ("pv_w", "soc_frac", "battery_w", "grid_hz") if name in profile.signals()}
    assert known | set(profile.absent) == {"pv_w", "soc_frac", "battery_w", "grid_hz"}
    assert not known & set(profile.absent)
    assert all(math.isfinite(point.address) for point in profile.points)

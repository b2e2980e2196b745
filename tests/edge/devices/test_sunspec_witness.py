"""The SunSpec Alliance's own client against our files and twins: it finds the same models and reads the same values."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from edge.clock import Clock
from edge.devices.image import ImageDevice
from edge.devices.profile import Point, Write
from edge.devices.profile_file import load_profile, profile_names
from edge.devices.sunspec_twin import served
from edge.devices.transport import parse_url
from edge.devices.twin import World
from edge.devices.twin_battery import BatteryDevice

pytestmark = pytest.mark.training

SUNSPEC = [name for name in profile_names() if load_profile(name).link.sunspec_bases]
# Our names for the standard's types of a value; an accumulator and an enumeration are unsigned numbers.
TYPES = {
    "u16": {"uint16", "enum16", "bitfield16", "count"},
    "s16": {"int16", "sunssf"},
    "u32": {"uint32", "acc32", "bitfield32"},
    "s32": {"int32"},
    "u64": {"uint64", "acc64"},
    "f32": {"float32"},
    "str": {"string"},
}


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def standard(number: int) -> dict[int, tuple[str, str, str, int]]:
    """Offset of each value of a model: name, type, scale factor, words; of a repeating group the first eight."""
    from sunspec2.device import get_model_def

    found: dict[int, tuple[str, str, str, int]] = {}
    _lay_out(get_model_def(number)["group"], 0, found)
    return found


def _lay_out(group: dict, offset: int, found: dict[int, tuple[str, str, str, int]]) -> int:
    for item in group.get("points", []):
        found[offset] = (item["name"], item["type"], str(item.get("sf", "")), item["size"])
        offset += item["size"]
    for part in group.get("groups", []):
        for _ in range(8 if part.get("count", 1) in (0, "NPrt") else 1):
            offset = _lay_out(part, offset, found)
    return offset


def registers() -> list[tuple[str, int, Point | Write]]:
    """Every register of ours in every model that it may stand in."""
    return [
        (name, number, item)
        for name in SUNSPEC
        for item in (*load_profile(name).points, *load_profile(name).writes)
        for number in item.models
    ]


@pytest.mark.parametrize("name", SUNSPEC)
def test_every_register_is_where_the_standard_has_it(name):
    for _, number, item in [row for row in registers() if row[0] == name]:
        listed, kind, factor, words = standard(number)[item.address]
        assert kind in TYPES[item.type], (number, item.name, listed)
        assert words == item.words, (number, item.name)
        scale = standard(number)[load_profile(name).by_name[item.scale_point].address][0] if item.scale_point else ""
        assert scale == factor, (number, item.name, listed)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        *((name, ()) for name in SUNSPEC),
        ("sunspec/inverter", (1, 111)),
        ("sunspec/inverter", (1, 701, 702)),
        ("sunspec/meter", (1, 213)),
        ("fronius/gen24", (1, 113, 160, 124)),
    ],
)
def test_pysunspec2_scans_our_twin_and_reads_the_golden_values(opened, name, numbers):
    from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

    file, profile = load_profile(name), served(load_profile(name), numbers)
    clock = Clock(start_s=1_717_200_000.0, origin_s=time.monotonic())
    twin = BatteryDevice(profile, {}, clock) if profile.writes else ImageDevice(profile, {})
    anywhere = replace(parse_url("tcp://127.0.0.1:502", file.link), port=0)
    line = World(clock, {"inverter": twin}, None).line("inverter", anywhere, file.link.default_unit)
    opened.callback(line.close)
    device = SunSpecModbusClientDeviceTCP(
        slave_id=file.link.default_unit, ipaddr="127.0.0.1", ipport=line.port, timeout=5
    )
    opened.callback(device.close)
    device.scan()
    heads = {one.address: int(float(one.golden_value)) >> 16 for one in profile.points if one.name.endswith("_head")}
    assert sorted(number for number in device.models if isinstance(number, int)) == sorted(heads.values())
    # A twin begins on its own rules, whatever the golden image shows of what can be written.
    told = [p for p in file.points if p.models and p.name in profile.by_name and p.name not in file.write_by_name]
    assert len(told) >= 9
    for point in told:
        address = profile.by_name[point.name].address
        head = max(at for at in heads if at <= address)
        found = value_of(device.models[heads[head]][0], standard(heads[head])[point.address][0], point.address)
        if isinstance(point.golden_value, str):
            assert found == point.golden_value
        else:
            number = (point.golden_value / point.sign - point.offset) / point.scale
            assert found == pytest.approx(number, rel=1e-9), point.name


def value_of(model, name: str, offset: int):
    """A value of a scanned model by its name, in the module of model 160 where it lies."""
    if name in model.points:
        return model.points[name].cvalue
    return model.groups["module"][(offset - 10) // 20].points[name].cvalue

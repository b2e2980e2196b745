"""Finding devices: every golden device is known among all families, ports have lasting names, nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from boxes import free_port
from liars import fast_clock, fronius_with_meter, serial_url, serve
from wires import RegisterBank, TcpServer

from edge.devices.finder import find, is_alive
from edge.devices.profile_file import load_profile, profile_names
from edge.devices.twin import open_device
from edge.errors import DeviceUnreachable
from edge.messages import Reading

# Maps of one vendor that differ in what only more strings of PV modules would show.
SAME_MAP = ({"goodwe/et", "goodwe/et_4mppt"}, {"sma/hybrid", "sma/hybrid_3mppt"})


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("name", profile_names())
def test_the_golden_device_of_every_family_is_known_among_all_families(opened, name):
    clock, url = fast_clock(20.0), f"tcp://127.0.0.1:{free_port()}"
    opened.callback(open_device(name, url, unit=load_profile(name).link.default_unit, clock=clock, state={}).close)
    best = find(url, profile_names(), None, clock, lambda _: None)[0]
    alike = next((names for names in SAME_MAP if name in names), {name})
    assert best.profile in alike
    assert best.unit == load_profile(name).link.default_unit
    assert best.certainty == ("certain" if load_profile(name).identify else "likely")


def test_an_inverter_on_a_serial_line_is_found_at_its_own_rate(opened, tmp_path):
    house = serve(serial_url(tmp_path), fast_clock(60.0))
    opened.callback(house.close)
    bare = house.url.partition("?")[0]
    told: list[str] = []
    (found, *_) = find(bare, profile_names(), None, house.clock, told.append)
    assert (found.profile, found.url, found.certainty) == ("growatt/sph", house.url, "certain")
    later = [text.split(": ")[1] for text in told[told.index(f"{bare}: growatt/sph") + 1 :]]
    links = [load_profile(name).link for name in later]
    assert {(link.baud, link.default_unit == 1) for link in links} == {(9600, False)}
    assert house.plant.take_mode_changes() == []


def test_a_meter_that_answers_through_its_inverter_is_found_with_it(opened):
    clock = fast_clock(20.0)
    server = opened.enter_context(fronius_with_meter(clock))
    found = find(server.url, profile_names(), None, clock, lambda _: None)
    assert [(each.profile, each.unit, each.certainty) for each in found if each.unit in (1, 200)] == [
        ("fronius/gen24", 1, "certain"),
        ("fronius/meter", 200, "certain"),
    ]


@pytest.mark.parametrize("word", [0, 0xFFFF])
def test_a_gateway_without_its_device_is_no_family(opened, word):
    class Same(dict):
        def get(self, key, default=None):
            return word

    bank = RegisterBank()
    bank.words = Same()
    server = opened.enter_context(TcpServer(bank.tcp))
    names = ("growatt/sph", "eastron/sdm630", "deye/hybrid_1p")
    assert find(server.url, names, None, fast_clock(50.0), lambda _: None) == []


def test_a_port_that_cannot_be_opened_says_why():
    with pytest.raises(DeviceUnreachable, match="serial:///dev/ttyNONE cannot be opened: No such file"):
        find("serial:///dev/ttyNONE", profile_names(), None, fast_clock(1.0), lambda _: None)


@pytest.mark.parametrize(
    ("signal", "unit", "value", "expected"),
    [
        ("grid_hz", "Hz", 50.0, True),
        ("grid_hz", "Hz", 0.0, False),
        ("battery_w", "W", -1200.0, True),
        ("battery_w", "W", 0.0, False),
        ("grid_import_wh", "Wh", 1e8, True),
        ("soc_frac", "frac", 0.0, False),
        ("room_a_c", "degC", 20.0, False),
    ],
)
def test_only_what_is_really_there_counts(signal, unit, value, expected):
    reading = Reading(signal=signal, value=value, unit=unit, measured_s=0.0, state="good")
    assert is_alive(reading) == expected

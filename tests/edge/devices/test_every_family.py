"""Box and twin over real TCP, for every profile that ships: the golden image is read, and what is commanded happens."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from pair import Pair

from edge.devices.profile_file import load_profile, profile_names
from edge.devices.twin_battery import RATED_W
from edge.messages import Command

CONTROLS = [(name, control.name) for name in profile_names() for control in load_profile(name).controls]
PERSISTENT = [(name, c.name) for name in profile_names() for c in load_profile(name).controls if c.why_opt_in]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def golden(name: str) -> dict[str, float]:
    """What the files say that each signal's golden registers mean together."""
    return {
        signal: math.fsum(float(point.golden_value) for point in points if not point.instead_of)
        for signal, points in load_profile(name).signals().items()
    }


@pytest.mark.parametrize("name", profile_names())
def test_every_signal_of_the_golden_image_is_read_as_stated(stack, name):
    readings = Pair(stack, name).read()
    assert {signal: (reading.value, reading.state) for signal, reading in readings.items()} == {
        signal: (pytest.approx(value, rel=1e-6), "good") for signal, value in golden(name).items()
    }


@pytest.mark.parametrize(("name", "control"), CONTROLS)
def test_battery_follows_a_command_and_comes_back(stack, name, control):
    names = [variant.name for variant in load_profile(name).controls]
    preferred = load_profile(name).controls[: names.index(control)]
    without = {variant.requires: 0.0 for variant in preferred}  # a probe that reads 0: the firmware has no such way
    pair = Pair(stack, name, allow=(control,), state=without)
    blind = all(write.write_only for write in pair.profile.writes)
    done, before = "unverifiable" if blind else "applied", pair.read()
    resolution_w = 0.01 * RATED_W
    for wish_w in (-2000.0, 1500.0, 0.0):
        result = pair.power(wish_w)
        assert result.outcome == done, result
        assert pair.device.battery_w == pytest.approx(wish_w, abs=resolution_w)
        after = pair.read()
        assert after["battery_w"].value == pytest.approx(wish_w, abs=resolution_w)
        if "grid_w" in before:
            balance_w = before["grid_w"].value + before["battery_w"].value
            watts = 3.0  # three phases of whole watts
            assert after["grid_w"].value == pytest.approx(balance_w - after["battery_w"].value, abs=watts)
        mode = "hold" if wish_w == 0.0 else "charge" if wish_w < 0.0 else "discharge"
        assert pair.devices.mode() == ("unknown" if blind else mode)
    result = pair.devices.write(Command.native("test"))
    assert result.outcome == "applied", result
    assert pair.read()["battery_w"].value == before["battery_w"].value
    assert pair.devices.mode() == ("unknown" if blind else "native")


@pytest.mark.parametrize(("name", "control"), PERSISTENT)
def test_a_mode_that_stays_for_ever_is_refused_without_the_owners_word(stack, name, control):
    pair = Pair(stack, name)
    pair.read()
    rest_w = pair.device.battery_w
    result = pair.power(-2000.0)
    assert result.outcome == "refused"
    assert control in result.detail
    assert pair.device.battery_w == rest_w


@pytest.mark.parametrize(
    ("name", "control", "moved"),
    [
        ("victron/gx", "grid_setpoint", {"grid_w": 704.0, "load_w": 6566.0}),  # the load rises by 2 kW
        ("solax/hybrid", "vpp_mode_1", {"pv_w": 1753.0, "grid_w": 2876.0}),  # PV falls by 2 kW
    ],
)
def test_setpoint_that_hangs_on_the_house_follows_it(stack, name, control, moved):
    pair = Pair(stack, name, allow=(control,))
    pair.read()
    assert pair.power(-1500.0).outcome == "applied"
    assert pair.device.battery_w == pytest.approx(-1500.0, abs=5.0)
    pair.device.tell(moved)
    assert pair.device.battery_w == pytest.approx(500.0, abs=5.0)  # the old setpoint means another power now
    pair.read()
    assert pair.power(-1500.0).outcome == "applied"
    assert pair.device.battery_w == pytest.approx(-1500.0, abs=5.0)


def test_meter_that_is_offline_has_no_values(stack):
    """Huawei: the last values stand in the registers for ever when the meter is gone (devices.yaml, 37100)."""
    readings = Pair(stack, "huawei/sun2000_luna", state={"meter_status": 0.0}).read()
    for signal in ("grid_w", "grid_import_wh", "grid_export_wh"):
        assert readings[signal].state == "invalid"
        assert "while meter_status is 0" in readings[signal].reason
    assert readings["battery_w"].value == 2345.0


def test_state_of_charge_that_reads_zero_is_no_value(stack):
    """SolaX: it does so for a moment now and then (devices.yaml)."""
    pair = Pair(stack, "solax/hybrid", state={"soc_frac": 0.0})
    assert pair.read()["soc_frac"].state == "invalid"

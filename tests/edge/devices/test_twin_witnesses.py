"""What other people's clients read from our twins: minimalmodbus on a serial line, mbpoll over TCP."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from edge.clock import Clock
from edge.devices.profile import Point, Profile
from edge.devices.profile_file import load_profile, profile_names
from edge.devices.twin import open_device

START_S = 1_717_200_000.0
FUNCTION = {"input": 4, "holding": 3}
WORD = re.compile(r"^\[(\d+)\]:\s+0x([0-9A-F]{4})\s*$", re.MULTILINE)
FIXED = [name for name in profile_names() if not load_profile(name).link.sunspec_bases]


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def serve(opened: ExitStack, name: str, url: str) -> Profile:
    """A twin at its golden values; the SPH has to be told, because it shows a plant of its own."""
    profile = load_profile(name)
    told = profile.points if name == "growatt/sph" else ()
    state = {point.name: point.golden_value for point in told if point.signal}
    clock = Clock(start_s=START_S, origin_s=time.monotonic(), speed=200.0)
    opened.callback(open_device(name, url, clock=clock, state=state).close)
    return profile


def measured(profile: Profile) -> list[Point]:
    return [point for point in profile.points if point.signal]


@pytest.mark.training
@pytest.mark.parametrize("name", FIXED)
def test_minimalmodbus_reads_every_signal_of_the_golden_image(opened: ExitStack, tmp_path: Path, name: str) -> None:
    import minimalmodbus

    profile = serve(opened, name, f"serial://{tmp_path}/line?baud=38400")
    link = profile.link
    client = minimalmodbus.Instrument(str(tmp_path / "line"), link.default_unit)
    opened.callback(client.serial.close)
    client.serial.baudrate, client.serial.timeout = 38400, 1.0
    order = {"big": minimalmodbus.BYTEORDER_BIG, "little": minimalmodbus.BYTEORDER_LITTLE_SWAP}

    def number(point: Point) -> float:
        function, signed = FUNCTION[point.space], point.type.startswith("s")
        if point.high_address is not None:
            low = client.read_register(point.address, 0, function)
            high = client.read_register(point.high_address, 0, function, signed=signed)
            return float(high * 65_536 + low)
        if point.type == "f32":
            return float(client.read_float(point.address, function, 2, order[point.order(link.word_order)]))
        if point.words == 1:
            return float(client.read_register(point.address, 0, function, signed=signed))
        byte_order = order[point.order(link.word_order)]
        return float(client.read_long(point.address, function, signed, byte_order, point.words))

    for point in measured(profile):
        value = (number(point) * point.scale + point.offset) * point.sign
        assert value == pytest.approx(point.golden_value, rel=1e-6), point.name
        time.sleep(link.min_command_period_s / 200.0)


@pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll (Debian) is not installed")
@pytest.mark.parametrize("name", FIXED)
def test_mbpoll_sees_the_golden_words_of_grid_and_battery(opened: ExitStack, name: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = int(probe.getsockname()[1])
    profile = serve(opened, name, f"tcp://127.0.0.1:{port}")
    for point in measured(profile):
        if point.signal not in ("grid_w", "battery_w") or point.high_address is not None:
            continue
        table = "3:hex" if point.space == "input" else "4:hex"
        where = ("-a", str(profile.link.default_unit), "-0", "-r", str(point.address), "-c", str(point.words))
        asked = ("mbpoll", "-m", "tcp", "-p", str(port), "-t", table, "-1", "-o", "2", *where, "127.0.0.1")
        result = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
        assert result.returncode == 0, result.stderr
        words = [int(text, 16) for _, text in WORD.findall(result.stdout)]
        high_first = words if point.order(profile.link.word_order) == "big" else words[::-1]
        assert int.from_bytes(b"".join(word.to_bytes(2, "big") for word in high_first), "big") == point.golden_raw

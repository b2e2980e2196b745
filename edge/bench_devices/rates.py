"""How fast the device layer reads: a paced serial inverter, a TCP meter beside raw pymodbus, and what idling costs."""

from __future__ import annotations

import asyncio
import math
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from pymodbus.client import AsyncModbusTcpClient, ModbusTcpClient

from core_kernels.figures import Row
from edge.clock import Clock
from edge.config import Site
from edge.config_links import Link
from edge.devices.driver import Devices
from edge.devices.wear import MemoryLedger
from edge.errors import DeviceUnreachable

SPH, METER = "growatt/sph", "eastron/sdm630"
CONTROL = ("battery_w", "grid_w", "load_w", "soc_frac")
_PERIOD_S = 0.85  # Growatt's, from command to command
_LANE_S, _IDLE_S = 20.0, 12.0
_POLLS, _ROUNDS, _REQUESTS = 4, 7, 300
_METER_WORDS = 76  # the one read that the meter needs
_BUDGET_S = 0.9  # what a control cycle of 1 s gives to reading


def rate_rows() -> tuple[Row, ...]:
    """All rows; about a minute and a quarter."""
    return (*serial_rows(), *tcp_rows(), idle_row())


@contextmanager
def twin(profile: str, url: str) -> Iterator[str]:
    """A twin in a process of its own."""
    command = [sys.executable, "-m", "edge.cli", "twin", "--profile", profile, "--url", url, "--unit", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "up\n":
                raise DeviceUnreachable(f"the twin of {profile} does not start")
            yield url
        finally:
            process.kill()


@contextmanager
def reading(*links: tuple[str, str]) -> Iterator[Devices]:
    """Devices on these wires, every one of their reads done once."""
    clock = Clock.real()
    listed = tuple(Link(profile=profile, url=url) for profile, url in links)
    devices = Devices(
        Site(name="bench", latitude_deg=49.2, longitude_deg=16.6, links=listed), clock, ledger=MemoryLedger(clock)
    )
    try:
        while not all(unit.complete for unit in devices.units):
            devices.read(10.0)
        yield devices
    finally:
        devices.close()


def free_url() -> str:
    """A TCP address of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def serial_rows() -> tuple[Row, Row]:
    """The SPH at true 9600 baud: how often its control values come, and how long all its fast values take."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        url = stack.enter_context(twin(SPH, f"serial://{Path(folder) / 'sph'}?baud=9600"))
        devices = stack.enter_context(reading((SPH, url)))
        lane_s, polls_s = _lane_intervals_s(devices), [_full_poll_s(devices) for _ in range(_POLLS)]
    lane, poll = statistics.median(lane_s), statistics.median(polls_s)
    return (
        _row(
            ("Growatt SPH at 9600 baud: battery, grid, load and SoC every", "s"),
            lane,
            ("its command period", _PERIOD_S),
            ("<= 1.0 s", lane <= 1.0),
        ),
        _row(
            ("Growatt SPH at 9600 baud: full poll", "s"),
            poll,
            ("two command periods", 2.0 * _PERIOD_S),
            ("<= 2.4 s", poll <= 2.4),
        ),
    )


def _lane_intervals_s(devices: Devices) -> list[float]:
    """Between two instants at which all control values were new."""
    instants_s: list[float] = []
    end_s = time.monotonic() + _LANE_S
    while time.monotonic() < end_s:
        found = {one.signal: one.measured_s for one in devices.read(_BUDGET_S) if one.state == "good"}
        newest_s = min(found.get(name, -math.inf) for name in CONTROL)
        if math.isfinite(newest_s) and (not instants_s or newest_s > instants_s[-1]):
            instants_s.append(newest_s)
    return [after - before for before, after in pairwise(instants_s)]


def _full_poll_s(devices: Devices) -> float:
    """From a standing start until every fast value is new."""
    time.sleep(1.0)
    begun_s, clock = time.monotonic(), Clock.real()
    since_s, wanted = clock.now_s(), {*CONTROL, "pv_w"}
    while wanted:
        wanted -= {one.signal for one in devices.read(2.4) if one.measured_s >= since_s and one.state == "good"}
    return time.monotonic() - begun_s


def tcp_rows() -> tuple[Row, Row]:
    """Reads a second through the whole stack, from request to readings, beside pymodbus' words alone; in turn."""
    with ExitStack() as stack:
        url = stack.enter_context(twin(METER, free_url()))
        devices = stack.enter_context(reading((METER, url)))
        port = int(url.rpartition(":")[2])
        rounds = [(_ours_per_s(devices), _async_per_s(port), _blocking_per_s(port)) for _ in range(_ROUNDS + 1)][1:]
    ours, concurrent, blocking = (statistics.median(column) for column in zip(*rounds, strict=True))
    beside = statistics.median(mine / theirs for mine, theirs, _ in rounds)
    name = (f"TCP meter: reads of {_METER_WORDS} words to readings", "1/s")
    first = _row(name, ours, ("raw pymodbus, asyncio client", concurrent), (">= 0.7 of raw pymodbus", beside >= 0.7))
    second = _row(name, ours, ("raw pymodbus, blocking client", blocking), ("shown beside", True))
    return replace(first, ratio=beside), second


def _ours_per_s(devices: Devices) -> float:
    begun_s = time.perf_counter()
    for _ in range(_REQUESTS):
        found = devices.read(_BUDGET_S)
        if any(one.state != "good" for one in found):
            raise DeviceUnreachable(f"the twin stopped answering: {found[0].reason}")
    return _REQUESTS / (time.perf_counter() - begun_s)


def _async_per_s(port: int) -> float:
    async def run() -> float:
        client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0)
        await client.connect()
        begun_s = time.perf_counter()
        for _ in range(_REQUESTS):
            reply = await client.read_input_registers(0, count=_METER_WORDS, device_id=1)
            _expect(reply.registers)
        spent_s = time.perf_counter() - begun_s
        client.close()
        return _REQUESTS / spent_s

    return asyncio.run(run())


def _blocking_per_s(port: int) -> float:
    client = ModbusTcpClient("127.0.0.1", port=port, retries=0)
    client.connect()  # type: ignore[no-untyped-call]  # pymodbus leaves it bare
    begun_s = time.perf_counter()
    for _ in range(_REQUESTS):
        _expect(client.read_input_registers(0, count=_METER_WORDS, device_id=1).registers)
    spent_s = time.perf_counter() - begun_s
    client.close()  # type: ignore[no-untyped-call]
    return _REQUESTS / spent_s


def _expect(words: Sequence[int]) -> None:
    if len(words) != _METER_WORDS:
        raise DeviceUnreachable(f"the twin answered pymodbus with {len(words)} words")


def idle_row() -> Row:
    """Processor time of reading three devices once a second."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        serial = stack.enter_context(twin(SPH, f"serial://{Path(folder) / 'sph'}?baud=9600"))
        meters = [stack.enter_context(twin(METER, free_url())) for _ in range(2)]
        devices = stack.enter_context(reading((SPH, serial), *((METER, url) for url in meters)))
        begun_s, spent_s = time.monotonic(), time.process_time()
        due_s = begun_s
        while due_s < begun_s + _IDLE_S:
            devices.read(_BUDGET_S)
            due_s += 1.0
            time.sleep(max(due_s - time.monotonic(), 0.0))
        percent = 100.0 * (time.process_time() - spent_s) / (time.monotonic() - begun_s)
    name = ("three devices read at 1 Hz: processor time", "%")
    return _row(name, percent, ("one core", 100.0), ("< 3 %", percent < 3.0))


def _row(name: tuple[str, str], value: float, reference: tuple[str, float], target: tuple[str, bool]) -> Row:
    """A figure with its unit, beside its reference, and whether it is what it should be."""
    return Row(
        name=name[0],
        value=value,
        unit=name[1],
        reference=reference[0],
        reference_value=reference[1],
        ratio=value / reference[1],
        target=target[0],
        ok=target[1],
    )

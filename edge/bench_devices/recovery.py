"""How soon a fresh value is there again after a server was restarted, and after an adapter was out and in."""

from __future__ import annotations

import math
import socket
import tempfile
import time
from contextlib import ExitStack
from importlib.metadata import version

from core_kernels.figures import Row
from edge.bench_devices.faults import Theirs
from edge.clock import Clock
from edge.config import Site
from edge.config_links import Link
from edge.devices.driver import Devices
from edge.devices.twin import Twin, open_device
from edge.devices.wear import MemoryLedger

NOON_S = 1_717_243_200.0
PROFILE = "growatt/sph"
AWAY_WALL_S = 3.0
PATIENCE_WALL_S = 20.0
CYCLE_WALL_S = 0.25


class Ours:
    """The whole device layer, as the control cycle uses it."""

    def __init__(self, url: str) -> None:
        clock = _noon()
        site = Site(name="bench", latitude_deg=0.0, longitude_deg=0.0, links=(Link(profile=PROFILE, url=url),))
        self._clock = clock
        self._devices = Devices(site, clock, ledger=MemoryLedger(clock))

    def is_fresh(self) -> bool:
        """Whether this cycle brought a good value."""
        began_s = self._clock.now_s()
        readings = self._devices.read(CYCLE_WALL_S)
        return any(reading.state == "good" and reading.measured_s >= began_s for reading in readings)

    def close(self) -> None:
        """Let go of the ports."""
        self._devices.close()


class Reference:
    """Raw pymodbus, one block a cycle."""

    def __init__(self, url: str) -> None:
        self._client = Theirs(url)

    def is_fresh(self) -> bool:
        """Whether a read succeeded."""
        return self._client(1009, 8) is not None

    def close(self) -> None:
        """Let go of the port."""
        self._client.close()


def recovery_s(url: str, reader: type[Ours | Reference]) -> float:
    """From the device's return to the first fresh value [s]; infinite when none comes in time."""
    with ExitStack() as stack:
        twin = _twin(url)
        client = reader(url)
        stack.callback(client.close)
        until_fresh_s(client)
        twin.close()
        gone_until_s = time.monotonic() + AWAY_WALL_S
        while time.monotonic() < gone_until_s:
            client.is_fresh()
            time.sleep(CYCLE_WALL_S)
        stack.callback(_twin(url).close)
        return until_fresh_s(client)


def _twin(url: str) -> Twin:
    return open_device(PROFILE, url, unit=1, clock=_noon(), state={"pv_w": 3000.0, "load_w": 800.0, "soc_frac": 0.5})


def _noon() -> Clock:
    """A day's clock, at true speed: an inverter that falls silent at night is left to its sleep."""
    return Clock(start_s=NOON_S, origin_s=time.monotonic())


def until_fresh_s(client: Ours | Reference) -> float:
    """How long it takes until a cycle brings a good value [s]; infinite when none does in time."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < PATIENCE_WALL_S:
        if client.is_fresh():
            return time.monotonic() - began_s
        time.sleep(CYCLE_WALL_S)
    return math.inf


def recovery_rows() -> tuple[Row, ...]:
    """A TCP server and a serial adapter that go for three seconds and come back."""
    with tempfile.TemporaryDirectory(prefix="pems-bench-") as folder:
        return (
            _row("fresh value after a TCP server's restart", f"tcp://127.0.0.1:{quiet_port()}", 2.0),
            _row("fresh value after the adapter is in again", f"serial://{folder}/tty?baud=9600", 3.0),
        )


def quiet_port() -> int:
    """A free port below those that the system gives to clients."""
    for port in range(20_000, 30_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise OSError("no free port between 20000 and 30000")


def _row(name: str, url: str, limit_s: float) -> Row:
    ours_s, theirs_s = recovery_s(url, Ours), recovery_s(url, Reference)
    return Row(
        name=name,
        value=ours_s,
        unit="s",
        reference=f"pymodbus {version('pymodbus')}",
        reference_value=theirs_s,
        ratio=ours_s / theirs_s,
        target=f"<= {limit_s:g} s",
        ok=ours_s <= limit_s,
    )

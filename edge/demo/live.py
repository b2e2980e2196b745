"""The days themselves: twin and box as processes that share nothing but the wire, and a line an hour."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.clock import Clock
from edge.daemon import PROCESSES
from edge.demo.prepare import INITIAL_SOC_FRAC, DemoError, House
from edge.files import SOCKET_NAME
from edge.ipc import Client, IpcError
from edge.process import Run

HOUR_S = 3600
_LEAD_S = 8.0  # wall seconds in which twin and box start before the first simulated second
_UP_WITHIN_S = 30.0
_STOP_WITHIN_S = 20.0
# A control cycle needs some tens of milliseconds of a small machine; at high speed it comes once a simulated minute.
_CYCLE_WALL_S = 0.04


def period_s(speed: float) -> float:
    """The control period [simulated s]: 1 s in real time, thinned out to at most a minute when time runs fast."""
    return min(max(1.0, round(speed * _CYCLE_WALL_S)), 60.0)


def box_command(house: House, clock: Clock) -> list[str]:
    """The command line of the box."""
    run = Run(site_path=house.site_path, state=house.state, clock=clock, period_s=period_s(clock.speed))
    return run.command()


def twin_command(house: House, clock: Clock) -> list[str]:
    """The command line of the twin."""
    battery = house.battery
    return [
        *(sys.executable, "-m", "edge.cli", "twin", "--house", str(house.out / "house.csv")),
        *("--inverter", f"serial://{house.serial}?baud=9600", "--meter", f"tcp://127.0.0.1:{house.meter_port}"),
        *("--clock", clock.describe(), "--timezone", house.site.timezone),
        *("--capacity-wh", str(battery.capacity_wh), "--charge-w", str(battery.charge_w)),
        *("--discharge-w", str(battery.discharge_w), "--soc-frac", str(INITIAL_SOC_FRAC)),
        *("--state", f"vpp={int(house.firmware == 'vpp')}", "--journal", str(house.out / "journal")),
    ]


@contextlib.contextmanager
def process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its output in a file; ended politely, and if it must be, not.

    It has a session of its own: a Ctrl-C reaches the demo alone, which ends the box before the twin.
    """
    with log.open("wb") as out:
        running = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def run_days(house: House, speed: float, say: Callable[[str], None]) -> None:
    """Let the days pass; raises :class:`DemoError` when twin or box end before them."""
    clock = Clock(start_s=float(house.start_s), origin_s=time.monotonic() + _LEAD_S, speed=speed)
    with process(twin_command(house, clock), house.out / "twin.log") as twin:
        _wait_until_up(house.out / "twin.log", twin)
        with process(box_command(house, clock), house.out / "box.log") as box:
            say(f"twin {twin.pid}, box {box.pid} ({', '.join(PROCESSES)}), {speed:g} times real time")
            _watch(house, clock, {"twin": twin, "box": box}, say)


def _wait_until_up(log: Path, twin: subprocess.Popen[bytes]) -> None:
    """The twin says ``up`` once both of its wires are served."""
    until = time.monotonic() + _UP_WITHIN_S
    while "up" not in log.read_text(encoding="utf-8").split():
        if twin.poll() is not None or time.monotonic() > until:
            raise DemoError(f"the twin did not start: {log.read_text(encoding='utf-8').strip()}")
        time.sleep(0.05)


def _watch(house: House, clock: Clock, running: dict[str, subprocess.Popen[bytes]], say: Callable[[str], None]) -> None:
    """Print a line every simulated hour until the days are over."""
    client = Client(house.state / SOCKET_NAME)
    for hour_s in range(house.start_s + HOUR_S, house.end_s + 1, HOUR_S):
        while clock.now_s() < hour_s:
            for name, child in running.items():
                if child.poll() is not None:
                    raise DemoError(f"{name} ended with {child.returncode}; see {house.out / name}.log")
            time.sleep(max(0.0, min(0.2, clock.wall_s(hour_s - clock.now_s()))))
        say(hour_line(_ask(client), hour_s, house))


def _ask(client: Client) -> dict[str, Any] | None:
    try:
        return dict(client.ask("status"))
    except IpcError:
        return None


def hour_line(status: dict[str, Any] | None, hour_s: float, house: House) -> str:
    """One line for a person: the house's powers, the battery and why."""
    moment = datetime.fromtimestamp(hour_s, house.site.zone).strftime("%a %d %b %H:%M")
    if status is None or status["house"] is None:
        return f"{moment}  the box does not answer"
    now, command, plan = status["house"], status["command"], status["plan"]
    powers = "  ".join(
        f"{name} {_kilo(now[key])}"
        for name, key in (("pv", "pv_w"), ("load", "load_w"), ("grid", "grid_w"), ("battery", "battery_w"))
    )
    soc = "--" if now["soc_frac"] is None else f"{100 * now['soc_frac']:.0f}"
    price = f"{100 * plan['price_import_eur_per_kwh'][0]:5.1f} ct" if plan else "   -- ct"
    power = "" if command["mode"] == "native" else f" {command['battery_w'] / 1000:+.1f} kW"
    return f"{moment}  {powers}  SoC {soc:>3} %  {price}  {command['mode']}{power}: {command['reason']}"


def _kilo(power_w: float | None) -> str:
    return "   --" if power_w is None else f"{power_w / 1000:+5.2f}"

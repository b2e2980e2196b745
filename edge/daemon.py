"""The box's processes: control, planner and web, and the parent that keeps them alive.

They share nothing but the control process' Unix socket and its store. ``pems run`` is the parent; on an appliance each
runs as its own unit with ``pems run --only NAME``.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from core_kernels.timegrid import floor_s
from edge import notify
from edge.clock import Clock
from edge.config import Web, load_site
from edge.cycle import control_cycle
from edge.errors import ConfigError, EdgeError
from edge.log import Log
from edge.planning import SLOT_S, Decided, Planner, planning_cycle
from edge.process import Run, Stop, is_set_anew, off_s

if TYPE_CHECKING:
    from edge.lookback import Lookback
    from edge.planner_ports import PlannerPorts
    from edge.recording.planning import RecordingPlanner

PROCESSES = ("control", "planner", "web")
_RESTART_AFTER_S = (0.2, 1.0, 5.0, 15.0)  # wall seconds, by the number of quick deaths in a row
_QUICK_DEATH_S = 30.0
_STOP_WITHIN_S = 15.0  # longer than control may need to be sure of its inverter and leave it
_POLL_S = 0.1
_WEB_NICENESS = 5
_WITHOUT_COMPILER = ("control", "web")
KEYS_FOLDER = "keys"


def run_control(run: Run) -> None:
    """The field bus, the guard and the store, once a period, until told to stop."""
    from edge.box import ControlPorts
    from edge.files import SOCKET_NAME
    from edge.ipc import Service, claim
    from edge.recording.control import RecordingPorts

    site = load_site(run.site_path)
    stop = Stop.of(run)
    with claim(run.state):
        ports = ControlPorts(site, run.state, run.clock, period_s=run.period_s)
        recording = RecordingPorts(ports, run.tape())
        try:
            service = Service(run.state / SOCKET_NAME, ports.handlers())
            try:
                stop.wait_until(run.clock, run.clock.start_s)
                while not stop.asked():
                    control_cycle(recording, site)
                    notify.alive()
                    stop.wait_until(run.clock, (run.clock.now_s() // run.period_s + 1.0) * run.period_s)
            finally:
                notify.stopping()
                service.close()
                recording.close()
        finally:
            ports.release()


def run_planner(run: Run) -> None:
    """A plan at every quarter hour; when one fails, the next try comes a minute later."""
    from edge.control.dayplan import SLICE_S
    from edge.control.problem import decides
    from edge.files import STORE_NAME
    from edge.foresight import with_rooms
    from edge.lookback import Lookback
    from edge.planner_ports import PlannerPorts, calibrated, forecaster_of, shadow_planner
    from edge.recording.planning import RecordingPlanner
    from edge.shadowdays import Shadows

    site, log, stop = load_site(run.site_path), Log("planner"), Stop.of(run)
    if not decides(site):
        idle(run, stop, log)
        return
    optimiser = RecordingPlanner(site, run.tape(), log, SLICE_S / run.clock.speed)
    forecaster = forecaster_of(site, log)
    while not (run.state / STORE_NAME).exists() and not stop.asked():
        stop.wait_until(run.clock, run.clock.now_s() + run.period_s)
    notify.ready()
    ports = PlannerPorts(site, run.state, run.clock)
    planner = Planner(
        forecaster=calibrated(forecaster, site, run.state, log),
        solve=optimiser.plan,
        look=partial(ports.surroundings, forecaster.rooms),
        foresee=partial(with_rooms, site, forecaster.rooms),
        consumers=site.consumers,
    )
    lookback = Lookback(site=site, ports=ports, forecaster=forecaster, asked_to_stop=stop.asked_while_busy)
    make = shadow_planner(site, run.state, ports, log, SLICE_S / run.clock.speed)
    shadows = Shadows(site, run.state, ports, make, log, stop.asked_while_busy)
    after_s = 2.0 * run.period_s + 3.0  # control needs a cycle to close the quarter that just ended
    stop.wait_until(run.clock, run.clock.start_s + after_s, beat=notify.watchdog)
    while not stop.asked():
        next_s = floor_s(run.clock.now_s() - after_s, SLOT_S) + SLOT_S + after_s
        decided = plan_once(ports, planner, optimiser, log)
        if decided is None:
            next_s = min(next_s, run.clock.now_s() + 60.0)
        else:
            shadows.follow(decided, run.clock.wall_s(next_s - run.clock.now_s()))
            look_back(lookback, run.clock, next_s, log)
            shadows.value(run.clock.now_s(), run.clock.wall_s(next_s - run.clock.now_s()))
        if shadows.are_outdated():
            break  # who started this process starts it anew, with the other bundle
        stop.wait_until(run.clock, next_s, beat=notify.watchdog)
    shadows.close()


def plan_once(ports: PlannerPorts, planner: Planner, optimiser: RecordingPlanner, log: Log) -> Decided | None:
    """One plan and what it took; where there is none, control is told why."""
    from edge.ipc import IpcError

    started = time.perf_counter()
    try:
        decided = planning_cycle(ports, planner)
    except EdgeError as error:
        log.event("alarm", f"no plan: {error}")
        with suppress(IpcError):  # control is away: it will ask nobody why
            ports.excuse(str(error))
        return None
    wall_s = time.perf_counter() - started
    log.event("plan", decided.plan.reason, issued_s=decided.plan.issued_s, wall_ms=1000.0 * wall_s)
    with suppress(IpcError):
        ports.report(wall_s, optimiser.effort)
    return decided


def idle(run: Run, stop: Stop, log: Log) -> None:
    """The planner of a site with nothing to decide: it stands by, so that a box without a site of its own is whole."""
    log.event("idle", "the site has no battery, car, program or room: there is nothing to plan")
    notify.ready()
    while not stop.asked():
        stop.wait_until(run.clock, run.clock.now_s() + SLOT_S, beat=notify.watchdog)


def look_back(lookback: Lookback, clock: Clock, next_s: float, log: Log) -> None:
    """Look back on yesterday while there is time; the next quarter hour tries again where it could not be kept."""
    now_s = clock.now_s()
    try:
        found = lookback.look(now_s, clock.wall_s(next_s - now_s))
    except EdgeError as error:
        log.event("alarm", f"yesterday is not looked back upon: {error}")
    else:
        if found is not None:
            log.event("lookback", found["problem"] or f"{found['day']}: {found['total_gap_eur']:.2f} EUR were missed")


def run_web(run: Run) -> None:
    """The dashboard, the API, the metrics, and what comes from outside; of lower priority than control."""
    from edge import outside
    from edge.facts import Facts
    from edge.files import SOCKET_NAME
    from edge.ipc import Client
    from edge.web.app import Front, create_app
    from edge.web.keys import Keys
    from edge.web.serving import serve

    site, log, stop = load_site(run.site_path), Log("web"), Stop.of(run)
    os.nice(_WEB_NICENESS)
    web, keys = site.web or Web(), Keys(run.state / KEYS_FOLDER)
    front = Front(site_name=site.name, zone=site.zone, open_reads=web.open_reads, names=web.names)
    app = create_app(Client(run.state / SOCKET_NAME), Facts(site, run.state, run.clock), keys, front, log)

    def announce(address: str) -> None:
        log.event("listening", address)
        if not keys.has_password:
            log.event("setup", f"no password yet: open {address}setup, the code is {keys.setup_code()}")

    outside.start(site, run.state, run.clock, log, stop.asked)
    serve(app, web.host, web.port, stop=stop.asked, announce=announce, beat=notify.alive)


_ENTRIES: dict[str, Callable[[Run], None]] = {"control": run_control, "planner": run_planner, "web": run_web}


def run_one(name: str, run: Run) -> None:
    """Be one of the processes."""
    _ENTRIES[name](run)


def run_all(run: Run) -> int:
    """Start all three, keep each alive, stop all on SIGTERM or SIGINT; the exit code.

    A process that cannot run as configured ends the box, except web: its port may become free. When this machine's time
    is set (a box without a clock that finds its time server), all three start anew on the right time.
    """
    log, stop = Log("box"), Stop()
    children = {name: _Child(run.command(name)) for name in PROCESSES}
    try:
        while not stop.asked():
            for name, child in children.items():
                if (code := child.revive()) is None:
                    continue
                if code == ConfigError.exit_code and name != "web":
                    return code
                log.event("restart", f"{name} ended with {code}; it is started again")
            if run.keeps_wall_time and is_set_anew(run.clock):
                log.event("clock", f"the time was set by {off_s(run.clock):+.0f} s: all processes start anew")
                run = replace(run, clock=Clock.real())
                for name in reversed(PROCESSES):
                    children[name].stop()
                children = {name: _Child(run.command(name)) for name in PROCESSES}
            time.sleep(_POLL_S)
    finally:
        for name in reversed(PROCESSES):
            children[name].stop()
    return 0


class _Child:
    """One supervised process; quick deaths in a row make the next start wait longer."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._quick_deaths = 0
        self._not_before = 0.0
        self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        environment = {**os.environ, "PEMS_JIT": "0"} if {*_WITHOUT_COMPILER} & {*self._command} else None
        self._process: subprocess.Popen[bytes] | None = subprocess.Popen(self._command, env=environment)

    def revive(self) -> int | None:
        """Start it again when it is due; the exit code on noticing a death, else ``None``."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._not_before:
                self._start()
            return None
        code = self._process.poll()
        if code is None:
            return None
        quick = now - self._started < _QUICK_DEATH_S
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        self._not_before = now + _RESTART_AFTER_S[min(self._quick_deaths, len(_RESTART_AFTER_S) - 1)]
        self._process = None
        return code

    def stop(self) -> None:
        """Ask it to end, and end it when it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

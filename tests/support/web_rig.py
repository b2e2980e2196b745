"""The dashboard's server on a real socket, with a store of its own and a control that says what it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import numpy as np
from fakes import make_plan
from starlette.applications import Starlette

from core_kernels.calibration import Rule, fresh, learned
from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.clock import Clock
from edge.config import Array, Battery, Site, Tariff
from edge.config_links import Link
from edge.control.causes import CAUSES, day_without
from edge.control.override import override_of
from edge.errors import EdgeError
from edge.facts import Facts
from edge.files import CALIBRATION_NAME, STORE_NAME
from edge.forecast.calibration_file import CalibrationFile, Track
from edge.ingest.store import Store
from edge.ipc import IpcError
from edge.log import Log
from edge.messages import Command, House, Plan, Reading, RegisterWrite, WriteResult, to_json
from edge.web.app import Front, create_app
from edge.web.keys import Keys
from edge.web.serving import serve

NOW_S = 1717416720.0  # Mon 3 Jun 2024, 14:12 in Prague
PRAGUE = ZoneInfo("Europe/Prague")
PASSWORD = "correct horse battery"
HOUSE = House(
    time_s=NOW_S - 1.0, pv_w=3240.0, load_w=812.0, grid_w=-430.0, battery_w=-1998.0, soc_frac=0.64, residual_w=12.0,
    grid_import_wh=1.0, grid_export_wh=2.0, flags={},
)  # fmt: skip
SITE = Site(
    name="Home", latitude_deg=49.2, longitude_deg=16.6, timezone="Europe/Prague",
    arrays=(Array(dc_w=10_000.0, tilt_deg=35.0),),
    battery=Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0), tariff=Tariff(prices="prices.csv"),
    links=(Link(profile="growatt/sph", url="serial:///dev/ttyUSB0?baud=9600"),),
)  # fmt: skip


@dataclass
class Control:
    """Answers ``status`` with a quiet house and ``changes``; raises ``away`` where it is set; notes what it is told."""

    changes: dict[str, object] = field(default_factory=dict)
    away: EdgeError | None = None
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked_count: int = 0

    def ask(self, verb: str, **payload: Any) -> Any:
        if self.away is not None:
            raise self.away
        if verb != "status":
            self.told.append((verb, payload))
            return {"ended": True} if verb == "end_override" else self._take(payload)
        self.asked_count += 1
        command = Command(mode="power", battery_w=-2000.0, lease_s=900.0, reason="the surplus is worth more later")
        usual = {
            "time_s": NOW_S, "speed": 1.0, "site": {"name": "Home", "timezone": "Europe/Prague"}, "house": HOUSE,
            "wish": command, "command": command, "result": WriteResult(outcome="applied", writes=1), "plan": day_plan(),
            "no_plan": "", "cycle_s": 0.08, "readings": readings(), "alarms": [], "override": None,
            "link_errors": {"growatt/sph": {"unreachable": 3}, "eastron/sdm630": {}},
        }  # fmt: skip
        return to_json(usual | self.changes)

    def _take(self, payload: dict[str, Any]) -> Any:
        try:
            return to_json(override_of(payload, NOW_S))
        except ValueError as error:
            raise IpcError(str(error)) from error


def readings() -> list[Reading]:
    good = Reading(signal="pv_w", value=3240.0, unit="W", measured_s=NOW_S - 1.0, state="good", device="growatt/sph")
    late = replace(good, signal="grid_w", state="stale", cause="late", reason="not read in time")
    return [good, late]


def day_plan(**changes: object) -> Plan:
    """48 h with a sunny noon."""
    count, start_s = 192, 1717416000
    hour = ((start_s + 900 * np.arange(count)) % 86_400) / 3600.0
    sun = 4000.0 * np.maximum(np.sin((hour - 4.0) / 15.0 * np.pi), 0.0) * (hour < 19.0)
    columns = {
        "pv_p10_w": 0.6 * sun, "pv_p50_w": sun, "pv_p90_w": 1.3 * sun, "load_p10_w": np.full(count, 300.0),
        "load_p50_w": np.full(count, 600.0), "load_p90_w": np.full(count, 1500.0), "grid_w": 600.0 - sun,
        "battery_w": np.where(hour > 16.0, 1500.0, -1000.0), "price_import_eur_per_kwh": 0.2 + 0.01 * hour,
        "price_export_eur_per_kwh": 0.05 + 0.01 * hour, "soc_frac": np.linspace(0.3, 0.9, count + 1),
    }  # fmt: skip
    values: dict[str, object] = {name: tuple(column.tolist()) for name, column in columns.items()}
    fixed = {"issued_s": NOW_S - 300.0, "valid_until_s": NOW_S + 1500.0, "start_s": start_s, "violations": ()}
    return make_plan(count, **{**values, **fixed, **changes})


def calibrated_track(end_s: int) -> Track:
    """A load of 600 W that was said to be 400 W to 500 W at noon for forty days: P90 is moved up, P10 too."""
    where, rows = np.full(40, 24 + 12), np.tile([600.0, 450.0, 400.0, 500.0], (40, 1))
    state = learned(fresh(), where, rows, Rule(bound_w=1200.0))
    return Track(
        signal="load_w", source="baseline", since_s=end_s - 40 * 86_400, judged_s=end_s, used_s=end_s, cap_w=2400.0,
        state=state,
    )  # fmt: skip


def fill(folder: Path) -> None:
    """Three days of quarter hours, prices, plans, events and writes."""
    end_s, count = 1717416000, 3 * 96
    grid = TimeGrid(start_s=end_s - count * 900, slot_s=900, count=count)
    hour = (grid.starts_s() % 86_400) / 3600.0
    pv_w = 4000.0 * np.maximum(np.sin((hour - 4.0) / 15.0 * np.pi), 0.0) * (hour < 19.0)
    battery_w = np.where(hour > 17.0, 500.0, np.where(hour > 8.0, -400.0, 0.0))
    columns = {
        "pv_w": pv_w, "load_w": np.full(count, 600.0), "battery_w": battery_w, "grid_w": 600.0 - pv_w - battery_w,
        "soc_frac": 0.5 + 0.2 * np.sin(hour),
    }  # fmt: skip
    store = Store(folder / STORE_NAME)
    store.import_frame(Frame(grid=grid, columns=columns))
    for start_s in (end_s - 2 * 86_400, end_s - 86_400):
        store.add_plan(day_plan(issued_s=float(start_s - 300), start_s=start_s))
    store.add_regret("2024-06-01", day_without("2024-06-01", "only 58% of its quarter hours were measured"))
    store.add_regret("2024-06-02", looked_back())
    store.add_event(NOW_S - 3600.0, "command", "power -2000 W: cheap")
    store.add_event(NOW_S - 60.0, "alarm", "the inverter: <reverted>")
    write = RegisterWrite(register="growatt/sph#1 holding 1090", raw=3, wear="stored", reason="charge")
    store.journal.note(NOW_S - 3600.0, [write])
    store.close()
    CalibrationFile(folder / CALIBRATION_NAME).write({"load_w baseline": calibrated_track(end_s)})
    rows = [f"{hour}" for hour in range(6 * 24)]
    lines = [f"{_utc(end_s - 4 * 86_400 + 3600 * int(row))},0.30,0.08" for row in rows]
    (folder / "prices.csv").write_text(
        "time_utc,price_import_eur_per_kwh,price_export_eur_per_kwh\n" + "\n".join(lines) + "\n"
    )


def looked_back() -> dict[str, Any]:
    """A day of which forecasts cost most, and the prices that were not known happened to earn."""
    gap_eur = dict(zip(CAUSES, (0.04, 0.11, 0.62, 0.23, -0.08, 0.02), strict=True))
    amounts = {"actual_eur": 1.75, "no_battery_eur": 3.37, "rules_eur": 2.21, "perfect_foresight_eur": 0.81}
    failed = {"failed_count": 1, "failures": ["2024-06-02T10:00:00Z: <the solver's> answer"], "wall_s": 4.2}
    return day_without("2024-06-02", "") | amounts | {"total_gap_eur": 0.94, "gap_eur": gap_eur} | failed


def _utc(time_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))


def paused_clock() -> Clock:
    """As good as standing still at the rig's moment."""
    return Clock(start_s=NOW_S, origin_s=time.monotonic(), speed=1e-6)


@dataclass
class Rig:
    url: str
    control: Control
    keys: Keys
    folder: Path

    def client(self, **more: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=20.0, trust_env=False, **more)

    @contextmanager
    def logged_in(self) -> Iterator[tuple[httpx.Client, str]]:
        """A client with a session, and its CSRF token."""
        with self.client() as client:
            answer = client.post("/api/v1/login", json={"password": PASSWORD})
            assert answer.status_code == 200, answer.text
            yield client, answer.json()["csrf"]


def make_app(folder: Path, control: Control, keys: Keys, *, open_reads: bool, live_s: float = 0.0) -> Starlette:
    """The application on a filled store."""
    fill(folder)
    site = replace(SITE, folder=folder)
    front = Front(site_name="Home", zone=PRAGUE, open_reads=open_reads, live_s=live_s, facts_s=live_s)
    return create_app(control, Facts(site, folder, paused_clock()), keys, front, Log("web"))


@contextmanager
def web_rig(folder: Path, *, open_reads: bool, password: str = PASSWORD, live_s: float = 0.0) -> Iterator[Rig]:
    """A running server; every answer is asked anew unless ``live_s`` says otherwise."""
    control, keys = Control(), Keys(folder / "keys")
    if password:
        keys.set_password(password)
    app = make_app(folder, control, keys, open_reads=open_reads, live_s=live_s)
    done, ready, address = threading.Event(), threading.Event(), []

    def announce(url: str) -> None:
        address.append(url)
        ready.set()

    options = {"stop": done.is_set, "announce": announce}
    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", 0), kwargs=options, daemon=True)
    thread.start()
    try:
        assert ready.wait(30.0)
        yield Rig(address[0], control, keys, folder)
    finally:
        done.set()
        thread.join(30.0)
    assert not thread.is_alive()

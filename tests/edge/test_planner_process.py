"""The planner as a process, against a control that listens: what it cannot compute is told, then it goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from energy import START_S, duck_eur_per_kwh, evening_w, make_days, make_forecast, make_grid, sunny_w

from core_kernels.records import Forecast, Frame
from core_kernels.timegrid import TimeGrid
from edge.clock import Clock
from edge.daemon import Run, run_planner
from edge.files import SOCKET_NAME, STORE_NAME
from edge.ingest.store import Store
from edge.ipc import Service
from edge.messages import plan_from_json

NOW_S = START_S + 9 * 86_400
SITE = """
[site]
name = "t"
latitude_deg = 49.2
longitude_deg = 16.6
timezone = "Europe/Prague"
[battery]
capacity_wh = 10000
charge_w = 5000
discharge_w = 5000
[tariff]
prices = "prices.csv"
import_fee_eur_per_kwh = 0.08
export_fee_eur_per_kwh = 0.01
"""


class FailsFirst:
    """Forecasts only from the second time on; the first time its numbers overflow."""

    rooms = None

    def __init__(self) -> None:
        self.asked_count = 0

    def forecast(self, _issued_s: float, grid: TimeGrid, *_: Frame | None) -> Mapping[str, Forecast]:
        self.asked_count += 1
        if self.asked_count == 1:
            raise FloatingPointError("overflow encountered in exp")
        return {
            "pv_w": make_forecast("pv_w", grid, sunny_w(grid)),
            "load_w": make_forecast("load_w", grid, evening_w(grid)),
        }


class Control:
    """Control's end of the socket: remembers what it was told, in order, and ends the planner after its first plan."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def handlers(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        return {
            "status": lambda _: {"house": {"soc_frac": 0.5}},
            "no_plan": lambda payload: self.told.append(("no_plan", payload["reason"])),
            "publish_plan": self.take,
            "planned": lambda payload: self.told.append(("planned", payload)),
            "regret": lambda payload: self.told.append(("regret", payload["day"])),
        }

    def take(self, payload: Mapping[str, Any]) -> None:
        self.told.append(("plan", plan_from_json(payload["plan"])))
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def own_signals() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stuck = threading.Timer(120.0, os.kill, (os.getpid(), signal.SIGTERM))
    stuck.start()
    yield
    stuck.cancel()
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A state folder with nine measured days, the site's prices beside it."""
    store = Store(tmp_path / STORE_NAME)
    store.import_frame(make_days(9))
    store.close()
    hours = make_grid(24 * 13, START_S - 86_400, 3600)
    rows = [
        f"{datetime.fromtimestamp(time_s, UTC).isoformat()},{1000.0 * eur}"
        for time_s, eur in zip(hours.starts_s(), duck_eur_per_kwh(hours), strict=True)
    ]
    (tmp_path / "prices.csv").write_text("\n".join(["time_utc,price_eur_mwh", *rows]) + "\n")
    (tmp_path / "site.toml").write_text(SITE)
    return tmp_path


@pytest.mark.usefixtures("own_signals")
def test_a_house_with_a_car_and_no_battery_gets_its_plan(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head, _, tail = SITE.partition("[battery]")
    car = '[[ev]]\nname = "car"\nenergy_wh = 8000\ncharge_w = 7000\n'
    (box / "site.toml").write_text(f"{head}{car}[tariff]{tail.partition('[tariff]')[2]}")
    forecaster, control = FailsFirst(), Control()
    forecaster.asked_count = 1
    monkeypatch.setattr("edge.planner_ports.forecaster_of", lambda _site, _log: forecaster)
    service = Service(box / SOCKET_NAME, control.handlers())
    try:
        run_planner(
            Run(
                site_path=box / "site.toml",
                state=box,
                clock=Clock(start_s=float(NOW_S), origin_s=time.monotonic(), speed=100.0),
            )
        )
    finally:
        service.close()
    assert [kind for kind, _ in control.told][:1] == ["plan"]
    plan = control.told[0][1]
    assert max(plan.setpoint_w["ev.car"]) > 1000.0
    assert set(plan.battery_w) == {0.0}


@pytest.mark.usefixtures("own_signals")
def test_arithmetic_that_fails_is_told_to_control_and_the_next_try_makes_a_plan(
    box: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forecaster, control = FailsFirst(), Control()
    monkeypatch.setattr("edge.planner_ports.forecaster_of", lambda _site, _log: forecaster)
    service = Service(box / SOCKET_NAME, control.handlers())
    try:
        clock = Clock(start_s=float(NOW_S), origin_s=time.monotonic(), speed=100.0)
        run_planner(Run(site_path=box / "site.toml", state=box, clock=clock))
    finally:
        service.close()
    told = [kind for kind, _ in control.told]
    assert told[:2] == ["no_plan", "plan"]
    assert control.told[0][1] == "the forecast cannot be computed: overflow encountered in exp (FloatingPointError)"
    plan = control.told[1][1]
    assert np.isfinite(plan.battery_w).all()
    assert plan.valid_until_s > plan.issued_s >= NOW_S
    assert "no plan: the forecast cannot be computed" in capsys.readouterr().out

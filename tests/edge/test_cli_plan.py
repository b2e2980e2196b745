"""``pems plan`` of a house with a car and hot water, and its Pareto front."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commandline import pems
from energy import duck_eur_per_kwh, evening_w, make_forecast, make_grid, make_prices, sunny_w

from edge.config import load_site
from edge.control.mpc import Mpc
from edge.control.surroundings import Surroundings
from edge.ipc import Service
from edge.messages import to_json

SITE = """
[site]
name = "t"
latitude_deg = 49.2
longitude_deg = 16.6
[battery]
capacity_wh = 10000
charge_w = 5000
discharge_w = 5000
[[ev]]
name = "car"
energy_wh = 8000
charge_w = 7000
[hotwater]
litres_count = 150
heat_w = 2000
draw_wh = 5000
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A site whose box answers with a plan."""
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    grid = make_grid(96)
    spot = duck_eur_per_kwh(grid)
    plan = Mpc(load_site(path)).plan(
        issued_s=float(grid.start_s),
        grid=grid,
        soc_frac=0.5,
        pv=make_forecast("pv_w", grid, sunny_w(grid)),
        load=make_forecast("load_w", grid, evening_w(grid)),
        prices=make_prices(grid, spot + 0.08, spot - 0.01),
        around=Surroundings(temperature_c={"room_tank_c": 50.0}),
    )
    warm = {f"room_{level}_c": {"hall": (c,) * 96} for level, c in (("p10", 20.1), ("p50", 21.0), ("p90", 21.7))}
    plan = replace(plan, **warm)
    status = {"time_s": 0.0, "speed": 1.0, "site": {"timezone": "UTC"}, "plan": to_json(plan), "no_plan": ""}
    (tmp_path / "state").mkdir()
    service = Service(tmp_path / "state" / "control.sock", {"status": lambda _: status})
    yield str(path)
    service.close()


def test_the_plan_shows_what_car_and_tank_shall_draw(site: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pems("plan", "--site", site) == 0
    header, *rows = capsys.readouterr().out.splitlines()[2:]
    assert header.split("  ")[-3:] == ["ev.car W", "hotwater W", "hotwater degC"]
    assert len(rows) == 24
    assert float(rows[0].split()[-1]) > 44.0


def test_the_plan_as_json_carries_setpoints(site: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pems("plan", "--site", site, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert set(data["setpoint_w"]) == {"ev.car", "hotwater"}
    assert len(data["expected_c"]["hotwater"]) == 97


def test_the_front_goes_from_the_cheapest_to_the_least(site: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pems("plan", "--site", site, "--pareto", "cost,co2", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    values = [point["value"] for point in data["points"]]
    assert data["objective"] == "co2"
    assert (np.diff(values) < 0.0).all()
    assert pems("plan", "--site", site, "--pareto", "cost,co2") == 0
    assert "co2 kg" in capsys.readouterr().out


@pytest.mark.parametrize(("objectives", "code"), [("co2,cost", 2), ("cost,beauty", 1), ("cost", 1)])
def test_what_is_no_pair_of_objectives_is_refused(
    site: str, objectives: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pems("plan", "--site", site, "--pareto", objectives) == code
    assert "Traceback" not in capsys.readouterr().err


def test_the_forecast_shows_the_rooms_beside_pv_and_load(site: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pems("forecast", "--site", site) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split("  ")[-3:] == ["hall p10 degC", "hall p50 degC", "hall p90 degC"]
    assert len(rows) == 24
    assert rows[0].split()[-3:] == ["20.1", "21.0", "21.7"]


def test_the_forecast_as_json_carries_every_slot_of_the_rooms(site: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pems("forecast", "--site", site, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["room_p50_c"] == {"hall": [21.0] * 96}
    assert len(data["pv_p50_w"]) == len(data["time_utc"]) == 96

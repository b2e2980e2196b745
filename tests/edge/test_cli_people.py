"""Commands for people: what a running box answers, on a terminal, piped, and as JSON."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commandline import pems
from fakes import good_readings, make_plan
from web_rig import looked_back

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.cli import watch
from edge.cli.status import brief, lines, power_line
from edge.control.causes import day_without
from edge.cycle import judge
from edge.errors import StoreError
from edge.ingest.store import Store, StoreReader
from edge.ipc import Service
from edge.messages import Command, WriteResult, to_json
from edge.timetext import format_time
from edge.wording import MISSING, is_old

NOW_S = 1_717_236_000.0  # 2024-06-01 10:00 UTC
SITE = """
[site]
name = "home"
latitude_deg = 49.2
longitude_deg = 16.6
timezone = "Europe/Prague"
"""


def answer(**changes: Any) -> dict[str, Any]:
    """What control says of a sunny morning."""
    command = Command(mode="power", battery_w=-2000.0, lease_s=900.0, reason="store the surplus: export pays 5.0 ct")
    values = {
        "time_s": NOW_S,
        "speed": 1.0,
        "period_s": 1.0,
        "pid": 1,
        "site": {"name": "home", "timezone": "Europe/Prague"},
        "house": judge(good_readings(NOW_S - 1.0), NOW_S - 1.0),
        "wish": command,
        "command": command,
        "result": WriteResult(outcome="applied", writes=1),
        "mode": "charge",
        "cycle_s": 0.1,
        "plan": make_plan(8, issued_s=NOW_S - 60, valid_until_s=NOW_S + 900, start_s=int(NOW_S)),
        "no_plan": "",
        "readings": good_readings(NOW_S - 1.0),
        "alarms": [],
    }
    data: dict[str, Any] = to_json({**values, **changes})
    return data


class Box:
    """A control process that answers one question."""

    def __init__(self, folder: Path) -> None:
        (folder / "site.toml").write_text(SITE)
        (folder / "state").mkdir()
        self.site = str(folder / "site.toml")
        self.state = folder / "state"
        self.status = answer()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    found = Box(tmp_path)
    service = Service(found.state / "control.sock", {"status": lambda _: found.status})
    yield found
    service.close()


def test_status_says_nothing_of_the_charge_of_a_battery_that_is_not_there(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    box.status["house"] = {**box.status["house"], "battery_w": 0.0, "soc_frac": None}
    assert pems("status", "--site", box.site) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Battery"))
    assert row.split() == ["Battery", "0", "W"]


def test_status_says_powers_action_reason_and_what_is_next(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    assert pems("status", "--site", box.site) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text, "no colours in a pipe"
    for words in (
        "Sat 1 Jun 2024, 12:00:00",
        "PV         3.00 kW",
        "Grid         200 W  export",
        "Battery    2.00 kW  charging  50 % full",
        "Action   Charging the battery with 2.00 kW",
        "Because  store the surplus: export pays 5.0 ct",
        "Next     hold to the end of the plan",
        "Plan     by mpc, issued 11:59, valid until 12:15",
    ):
        assert words in text


def test_status_as_json_is_small_and_whole(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    assert pems("status", "--site", box.site, "--json") == 0
    text = capsys.readouterr().out
    data = json.loads(text)
    assert data["time_utc"] == "2024-06-01T10:00:00Z"
    assert data["house"]["pv_w"] == 3000.0
    assert data["plan"]["source"] == "mpc"
    assert not data["old"]
    assert len(text) < 4000


def test_an_alarm_or_an_old_cycle_ends_with_1(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    box.status = answer(alarms=["the disk is full"])
    assert pems("status", "--site", box.site) == 1
    assert "Alarm    the disk is full" in capsys.readouterr().out
    box.status = answer(time_s=NOW_S + 120.0)
    assert pems("status", "--site", box.site) == 1
    assert "Old      last cycle 2 min ago" in capsys.readouterr().out
    box.status = answer(house=None, command=None, plan=None, no_plan="load forecast missing")
    assert pems("status", "--site", box.site) == 1
    text = capsys.readouterr().out
    assert "has not finished its first cycle" in text
    assert "there is no plan yet: load forecast missing" in text


def test_a_way_back_that_the_inverter_has_not_taken_is_not_called_done(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    native = Command.native("no plan in force")
    box.status = answer(command=native, result=WriteResult(outcome="failed", writes=1, detail="no answer on the wire"))
    assert pems("status", "--site", box.site) == 0
    text = capsys.readouterr().out
    assert "Action   The inverter shall follow its own rules, but has not gone back to them yet" in text
    assert "Inverter failed: no answer on the wire" in text
    pems("why", "--site", box.site)
    assert "has not gone back to them yet; the inverter says charge" in capsys.readouterr().out
    box.status = answer(command=native, result=WriteResult(outcome="unchanged", writes=0))
    pems("status", "--site", box.site)
    text = capsys.readouterr().out
    assert "Action   The inverter follows its own rules" in text
    assert "Inverter " not in text


def test_a_fast_clock_and_a_slow_period_make_nothing_old() -> None:
    assert not is_old(answer(time_s=NOW_S + 120.0, speed=20.0))
    assert not is_old(answer(time_s=NOW_S + 120.0, period_s=60.0))
    assert any("20 times real time" in text for _, text in lines(answer(speed=20.0)))


def test_what_is_not_known_is_a_dash_and_never_zero() -> None:
    house = judge(good_readings(NOW_S, grid_w=math.nan), NOW_S)
    shown = dict(lines(answer(house=house)))
    assert shown["Grid"].strip() == MISSING
    assert "no answer" in shown["Unknown"]
    assert power_line("grid_w", 20.0).split() == ["20", "W"]
    assert brief(answer(house=house))["house"]["grid_w"] is None


def test_a_plan_that_ran_out_and_the_excuse_for_no_newer_are_said(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan(8, issued_s=NOW_S - 4000, valid_until_s=NOW_S - 100, start_s=int(NOW_S) - 3600)
    box.status = answer(plan=plan, no_plan="no price at noon")
    pems("status", "--site", box.site)
    text = capsys.readouterr().out
    assert "its lease ended at 11:58" in text
    assert "no newer one: no price at noon" in text
    for command in ("why", "plan"):
        assert pems(command, "--site", box.site) == 0
        assert "No newer plan: no price at noon" in capsys.readouterr().out


def test_why_speaks_in_kilowatts_and_cents(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    assert pems("why", "--site", box.site) == 0
    text = capsys.readouterr().out
    assert "Battery: Charging the battery with 2.00 kW; the inverter says charge" in text
    assert "Energy in the battery is worth 20.0 ct/kWh to the plan" in text


def test_watch_prints_a_line_each_time_where_it_is_piped(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    assert pems("watch", "--site", box.site, "--every", "0.2", "--count", "2") == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2
    assert rows[0].startswith("12:00:00  pv 3000 W  load 800 W")
    assert pems("watch", "--site", box.site, "--every", "0.2", "--count", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["house"]["load_w"] == 800.0


def test_the_live_picture_holds_powers_plan_and_alarms() -> None:
    from rich.console import Console

    past = {name: deque([math.nan, 500.0], maxlen=3) for name in ("pv_w", "load_w", "grid_w", "battery_w", "soc_frac")}
    status = answer(alarms=["the disk is full"])
    watch.remember(past, status)
    screen = Console(width=100, record=True, file=io.StringIO())
    screen.print(watch.picture(status, past))
    text = screen.export_text()
    assert "The next 2 h, by the hour" in text
    assert re.search(r"pv +3.00 kW +▁█", text)
    assert "the disk is full" in text
    assert watch.picture(answer(plan=None), past).renderables


def test_watch_draws_in_place_on_a_terminal_and_survives_an_absence(
    box: Box, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert pems("watch", "--site", box.site, "--every", "0.2", "--count", "1") == 0
    (box.state / "control.sock").unlink()
    assert pems("watch", "--site", box.site, "--every", "0.2", "--count", "1") == 0
    assert "the box is not running" in " ".join(capsys.readouterr().out.split())


def test_a_sparkline_shows_gaps_and_bounds() -> None:
    assert watch.sparkline([0.0, math.nan, 7.0]) == "▁ █"
    assert watch.sparkline([5.0, 5.0]) == "▁▁"
    assert watch.sparkline([0.5, 2.0], (0.0, 1.0)) == "▅█"
    assert watch.sparkline([math.nan]) == ""


def test_log_shows_decisions_oldest_first_in_local_time(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(box.state / "store.sqlite")
    store.add_event(NOW_S - 90_000, "command", "yesterday")
    store.add_event(NOW_S, "command", "native: rest")
    store.add_event(NOW_S + 1, "alarm", "the disk is full")
    store.close()
    assert pems("log", "--site", box.site) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Sat 01 Jun 12:00:00  command  native: rest",
        "Sat 01 Jun 12:00:01  alarm    the disk is full",
    ]
    assert pems("log", "--site", box.site, "--kind", "alarm", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "time_utc": "2024-06-01T10:00:01Z",
        "kind": "alarm",
        "text": "the disk is full",
    }
    assert pems("log", "--site", box.site, "--last", "1", "--hours", "48") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_log_follows_until_ctrl_c(
    box: Box, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(box.state / "store.sqlite")
    store.add_event(NOW_S, "command", "first")

    def sleep(_: float) -> None:
        if "first" not in heard:
            heard.append("first")
            store.add_event(NOW_S + 1, "command", "second")
            return
        raise KeyboardInterrupt

    heard: list[str] = []
    monkeypatch.setattr("edge.cli.log.time.sleep", sleep)
    assert pems("log", "--site", box.site, "--follow") == 0
    store.close()
    assert [row.split()[-1] for row in capsys.readouterr().out.splitlines()] == ["first", "second"]


def test_savings_shows_whole_days_and_what_was_left_out(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    assert pems("savings", "--site", box.site) == 1
    assert capsys.readouterr().err.count("\n") == 1
    folder = Path(box.site).parent
    table = "[battery]\ncapacity_wh = 10000\ncharge_w = 5000\ndischarge_w = 5000\n[tariff]\nprices = 'p.csv'\n"
    Path(box.site).write_text(SITE + table)
    first_s = int(NOW_S) // 86_400 * 86_400 - 2 * 86_400 - 7200  # midnight in Prague
    grid = TimeGrid(start_s=first_s, slot_s=900, count=96)
    flat = {"pv_w": 0.0, "load_w": 1000.0, "grid_w": 1000.0, "battery_w": 0.0, "soc_frac": 0.5}
    store = Store(box.state / "store.sqlite")
    store.import_frame(Frame(grid=grid, columns={name: np.full(96, value) for name, value in flat.items()}))
    store.close()
    rows = [f"{format_time(first_s + 3600 * hour)},0.3,0.1" for hour in range(72)]
    head = "time_utc,price_import_eur_per_kwh,price_export_eur_per_kwh"
    (folder / "p.csv").write_text("\n".join([head, *rows]) + "\n")
    assert pems("savings", "--site", box.site) == 0
    text = capsys.readouterr().out.splitlines()
    assert text[0].split() == ["day", "no", "battery", "rules", "ours", "saved", "EUR"]
    assert text[1].split()[:2] == ["2024-05-30", "7.20"], "24 kWh at 30 ct"
    assert text[1].split()[3] == "7.20", "a battery that rested cost as much"
    assert text[-1].split()[:2] == ["in", "all"] or "left out" in text[-1]
    store = Store(box.state / "store.sqlite")
    store.add_regret("2024-05-30", {**looked_back(), "day": "2024-05-30"})
    store.add_regret("2024-05-29", day_without("2024-05-29", "nothing was measured"))
    store.close()
    assert pems("savings", "--site", box.site) == 0
    rows = capsys.readouterr().out.splitlines()
    assert "Perfect foresight              0.81 EUR in 1 day" in rows
    assert "  PV error                     0.62" in rows
    assert "2024-05-29: not compared with perfect foresight, nothing was measured" in rows
    assert any("1 plan failed when it was lived again" in row for row in rows)
    assert pems("savings", "--site", box.site, "--json") == 0
    assert json.loads(capsys.readouterr().out)["days"][0]["no_battery_eur"] == pytest.approx(7.2)


def test_a_store_that_breaks_while_it_is_read_is_one_line(box: Box) -> None:
    Store(box.state / "store.sqlite").close()
    reader = StoreReader(box.state / "store.sqlite")
    other = sqlite3.connect(box.state / "store.sqlite")
    for table in ("slot", "event", "plan", "intent", "device_write"):
        other.execute(f"DROP TABLE {table}")
    other.commit()
    other.close()
    questions = (
        lambda: reader.window(NOW_S, 1),
        lambda: reader.events(0.0),
        lambda: reader.plans(0.0),
        lambda: reader.intents(0.0),
        lambda: reader.writes(0.0, NOW_S),
        reader.newest_event_s,
    )
    for question in questions:
        with pytest.raises(StoreError, match=r"store\.sqlite: no such table"):
            question()
    reader.close()


def test_a_plan_row_that_is_no_plan_is_named(box: Box) -> None:
    store = Store(box.state / "store.sqlite")
    store.add_plan(replace(make_plan(), issued_s=5.0))
    store._db.execute("UPDATE plan SET body = 'broken'")
    store.close()
    reader = StoreReader(box.state / "store.sqlite")
    with pytest.raises(StoreError, match="a plan cannot be read"):
        reader.plans(0.0)
    reader.close()


@pytest.mark.parametrize(
    ("shell", "words"), [("bash", "complete -o nosort"), ("zsh", "#compdef pems"), ("fish", "--arguments")]
)
def test_completion_prints_what_the_shell_needs(shell: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pems("completion", shell) == 0
    assert words in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_a_command_by_its_first_letters(tmp_path: Path) -> None:
    script = subprocess.run([sys.executable, "-m", "edge.cli", "completion", "bash"], capture_output=True, check=True)
    assert subprocess.run(["bash", "-n"], input=script.stdout, check=False).returncode == 0
    asked = {"_PEMS_COMPLETE": "bash_complete", "COMP_WORDS": "pems stat", "COMP_CWORD": "1"}
    program = f"import os; os.environ.update({asked!r}); from edge.cli import main; main([])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["plain,status"]

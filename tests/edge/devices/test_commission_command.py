"""``pems device commission`` as a user meets it: text, JSON, exit codes, the kept report, and who is refused by it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from liars import SITE, SPH, House, fast_clock, other_sign, serve

from edge.box import ControlPorts
from edge.cli import main
from edge.cli.device import group
from edge.config import load_site
from edge.files import STORE_NAME
from edge.ingest.store import Store
from edge.ipc import claim

SPEED = 100.0
WRONG_SIGN = other_sign("battery_discharge_power", "battery_charge_power")


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def house(opened: ExitStack, **lies) -> House:
    found = serve("tcp", fast_clock(SPEED), **lies)
    opened.callback(found.close)
    return found


def site_of(folder: Path, url: str) -> Path:
    path = folder / "site.toml"
    path.write_text(SITE.format(url=url))
    return path


def run(*arguments: str):
    return CliRunner().invoke(group, ["commission", *arguments], catch_exceptions=True)


def test_a_good_device_is_exit_0_and_the_report_says_what_was_asked(opened):
    device = house(opened)
    one = ("--profile", SPH.name, "--url", device.url, "--minutes", "2", "--clock", device.clock.describe())
    result = run(*one)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"growatt/sph unit 1 at {device.url}\n")
    assert "  ok       balance     PV + battery + grid = load within" in result.stdout
    assert result.stdout.endswith("  verdict: ok\n")
    assert "... the power balance, for 2 minutes" in result.stderr
    assert "..." not in result.stdout


def test_json_stands_alone_on_stdout(opened):
    device = house(opened, profile=WRONG_SIGN)
    one = ("--profile", SPH.name, "--url", device.url, "--minutes", "2", "--clock", device.clock.describe(), "--json")
    result = run(*one)
    (report,) = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["verdict"] == "refuse"
    balance = next(check for check in report["checks"] if check["name"] == "balance")
    assert "battery_w has the wrong sign" in balance["text"]
    assert report["time_utc"].startswith("2024-06-01T10:")


def test_a_refused_link_is_kept_and_control_lets_it_alone_until_it_passes(opened, tmp_path):
    bad, good = house(opened, profile=WRONG_SIGN), house(opened)
    path = site_of(tmp_path, bad.url)
    clock = bad.clock
    asked = ("--site", str(path), "--minutes", "2", "--clock", clock.describe())
    assert run(*asked).exit_code == 1
    ports = ControlPorts(load_site(path), tmp_path / "state", clock, period_s=1.0)
    words = ports.distrust(clock.now_s())
    ports.release()
    assert words.startswith(
        f"growatt/sph unit 1 at {bad.url} did not pass its commissioning of 2024-06-01: PV + battery"
    )
    assert "battery_w has the wrong sign" in words

    path.write_text(path.read_text().replace(bad.url, good.url))
    assert run("--site", str(path), "--minutes", "2", "--clock", good.clock.describe()).exit_code == 0
    ports = ControlPorts(load_site(path), tmp_path / "state", good.clock, period_s=1.0)
    assert ports.distrust(good.clock.now_s()) == ""
    ports.release()


def test_a_second_report_is_compared_with_the_first(opened, tmp_path):
    device = house(opened)
    path = site_of(tmp_path, device.url)
    store = Store(tmp_path / "state" / STORE_NAME)
    link = load_site(path).links[0]
    older = {"verdict": "ok", "time_s": 0.0, "checks": [], "serial_number": "TWN0123456", "firmware": "RA0.9"}
    store.reports.add(0.0, link, "ok", older)
    store.close()
    result = run("--site", str(path), "--minutes", "2", "--clock", device.clock.describe())
    assert "FINDING  identity    firmware was RA0.9, is RA1.0ZBDA005" in result.stdout
    store = Store(tmp_path / "state" / STORE_NAME)
    assert store.reports.newest(link)["verdict"] == "finding"
    store.close()


@pytest.mark.parametrize(
    ("verdict", "checks", "line"),
    [
        ("ok", [], "ok       commissioning  growatt/sph unit 1 at tcp://127.0.0.1:1: ok on 1970-01-01"),
        ("refuse", [{"state": "refuse", "text": "words swapped"}], "FINDING  commissioning  growatt/sph unit 1 at "),
        (None, [], "ok       commissioning  growatt/sph unit 1 at tcp://127.0.0.1:1: never done"),
    ],
)
def test_the_doctor_knows_the_last_report(tmp_path, capsys, verdict, checks, line):
    path = site_of(tmp_path, "tcp://127.0.0.1:1")
    store = Store(tmp_path / "state" / STORE_NAME)
    if verdict is not None:
        store.reports.add(0.0, load_site(path).links[0], verdict, {"verdict": verdict, "time_s": 0.0, "checks": checks})
    store.close()
    with pytest.raises(SystemExit):
        main(["doctor", "--site", str(path)])
    printed = capsys.readouterr().out
    assert line in printed
    assert ("refuse on 1970-01-01; words swapped" in printed) == (verdict == "refuse")


def test_reports_of_a_broken_store_are_a_finding_and_no_crash(tmp_path, capsys):
    path = site_of(tmp_path, "tcp://127.0.0.1:1")
    store = Store(tmp_path / "state" / STORE_NAME)
    store.close()
    with sqlite3.connect(tmp_path / "state" / STORE_NAME) as database:
        database.execute("DROP TABLE commissioning")
    with pytest.raises(SystemExit):
        main(["doctor", "--site", str(path)])
    assert "FINDING  commissioning  " in capsys.readouterr().out


def test_a_box_that_runs_keeps_its_links(opened, tmp_path, capsys):
    device = house(opened)
    path = site_of(tmp_path, device.url)
    with claim(tmp_path / "state"), pytest.raises(SystemExit) as caught:
        main(["device", "commission", "--site", str(path)])
    assert caught.value.code == 78
    assert "another box" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "give --profile and --url, or --site"),
        (("--profile", "growatt/sph"), "give --profile and --url, or --site"),
        (("--site", "s.toml", "--unit", "2", "--url", "tcp://x"), "--site says it all: leave out --url, --unit"),
        (("--profile", "growatt/sph", "--url", "tcp://x", "--pulse"), "--pulse needs a battery: give --rated-w"),
        (
            ("--profile", "growatt/sph", "--url", "tcp://x", "--pulse", "--rated-w", "5000"),
            "--pulse commands the battery: add --yes, or run it on a terminal to be asked",
        ),
        (
            ("--profile", "growatt/sph", "--url", "tcp://x", "--pulse", "--rated-w", "500", "--pulse-w", "600"),
            "--pulse-w 600 is more than the battery can",
        ),
        (("--profile", "growatt/sph", "--url", "tcp://x", "--minutes", "nan"), "'nan' is not a finite number"),
    ],
)
def test_odd_words_are_usage_errors(words, expected):
    result = run(*words)
    assert result.exit_code == 2
    assert expected in result.stderr


def test_what_the_pulses_will_do_is_said_before_anything_is_asked():
    result = run("--profile", "growatt/sph", "--url", "tcp://x", "--pulse", "--rated-w", "5000")
    assert "For 9 minutes the battery is told to charge 1500 W, charge 750 W, discharge 750 W" in result.stderr
    assert "ends by itself after 4 minutes" in result.stderr

"""``pems demo`` for a day, from training to the bill; the bill is added up again from the meter's own registers."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time
import urllib.request
from itertools import pairwise
from pathlib import Path

import pytest
from boxes import ENVIRONMENT, free_port, read_floats

from edge.timetext import parse_time_s

pytestmark = [pytest.mark.e2e, pytest.mark.training]

_LOOKS = 8
_LATE = re.compile(r"(\w+: \d+ s old: not read in time(; |$))+|last cycle [\d.]+ s ago")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.mark.timeout(1200)
def test_a_day_is_trained_controlled_and_billed_by_the_meter(tmp_path: Path) -> None:
    out, web_port = tmp_path / "demo", free_port()
    command = [sys.executable, "-m", "edge.cli", "demo", "--days", "1", "--speed", "720", "--out", str(out), "--json"]
    command += ["--web-port", str(web_port)]
    with (tmp_path / "log").open("wb") as log:
        demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=ENVIRONMENT)
        witness = watch(demo, out, web_port)
        answer, _ = demo.communicate(timeout=1000)
    assert demo.returncode == 0, (tmp_path / "log").read_text()[-3000:]
    result = json.loads(answer)
    assert_bill_adds_up(result, out)
    assert_registers_were_the_journals(witness, out)
    assert result["worst_balance_w"] < 200.0
    assert result["writes_count"] == writes_on_the_wire(out)
    assert result["stored_writes_count"] == 0
    assert Path(result["picture"]).read_text().startswith("<svg")
    assert_decisions_come_out_again(out)
    log_text = (out / "box.log").read_text()
    assert all(event in log_text for event in ('"plan"', '"release"'))
    assert '"alarm"' not in log_text


def watch(demo: subprocess.Popen[bytes], out: Path, web_port: int) -> list[tuple[float, float]]:
    """Read the meter's counters now and then by a client of our own, and the status page once."""
    seen: list[tuple[float, float]] = []
    page_ok = False
    while demo.poll() is None and not (page_ok and len(seen) > 4):
        time.sleep(2.0)
        site = out / "site.toml"
        if not site.exists() or "tcp://" not in site.read_text():
            continue
        port = int(site.read_text().split("tcp://127.0.0.1:")[1].split('"')[0])
        try:
            imported_kwh, exported_kwh = read_floats(port, 72, 2)
            with urllib.request.urlopen(f"http://127.0.0.1:{web_port}/", timeout=5) as answer:
                page_ok = page_ok or b"demo" in answer.read()
        except OSError:
            continue
        seen.append((1000.0 * imported_kwh, 1000.0 * exported_kwh))
        if page_ok and len(seen) == 4:
            ask_the_box(site)
    assert page_ok, "the status page was there"
    return seen


def ask_the_box(site: Path) -> None:
    """Every question of the command line gets its answer from the running box, for people and as JSON."""
    for name in ("status", "why", "plan", "forecast", "doctor"):
        for form in ([], ["--json"]):
            command = [sys.executable, "-m", "edge.cli", name, "--site", str(site), *form]
            for _ in range(_LOOKS):
                done = subprocess.run(command, check=False, capture_output=True, text=True, env=ENVIRONMENT)
                if done.returncode == 0 or (name == "doctor" and finds_lateness_only(done.stdout)):
                    break
                time.sleep(1.0)
            else:
                raise AssertionError(done.stdout + done.stderr)
            assert json.loads(done.stdout) if form else len(done.stdout.splitlines()) > 2


def finds_lateness_only(answer: str) -> bool:
    """Whether all that the doctor found is late: a second of a loaded machine is 24 minutes of this demo."""
    if answer.startswith("{"):
        found = [check["text"] for check in json.loads(answer)["checks"] if not check["ok"]]
    else:
        found = [line.split(maxsplit=2)[2] for line in answer.splitlines() if line.startswith("FINDING")]
    return bool(found) and all(_LATE.fullmatch(text) for text in found)


def assert_bill_adds_up(result: dict[str, dict[str, float]], out: Path) -> None:
    """Registers at the quarter hours times the prices of the table, by plain arithmetic."""
    prices = {
        parse_time_s(row["time_utc"]): (
            float(row["price_import_eur_per_kwh"]),
            float(row["price_export_eur_per_kwh"]),
        )
        for row in rows_of(out / "prices.csv")
    }
    quarters = rows_of(out / "journal" / "quarters.csv")[: 96 + 1]
    assert len(quarters) == 97
    bill_eur = 0.0
    for before, after in pairwise(quarters):
        import_eur, export_eur = prices[parse_time_s(before["time_utc"]) // 3600 * 3600]
        imported = (float(after["grid_import_wh"]) - float(before["grid_import_wh"])) / 1000.0 * import_eur
        exported = (float(after["grid_export_wh"]) - float(before["grid_export_wh"])) / 1000.0 * export_eur
        bill_eur += imported - exported
    assert result["bills_eur"]["ours"] == pytest.approx(bill_eur, rel=0.005, abs=1e-6)


def assert_registers_were_the_journals(witness: list[tuple[float, float]], out: Path) -> None:
    """What our client read on the wire lies between the journal's first and last row, and never falls."""
    quarters = rows_of(out / "journal" / "quarters.csv")
    assert len(witness) > 3
    for column, name in enumerate(("grid_import_wh", "grid_export_wh")):
        values = [pair[column] for pair in witness]
        assert values == sorted(values)
        assert float(quarters[0][name]) - 1.0 <= values[0] <= values[-1] <= float(quarters[-1][name]) + 1.0


def assert_decisions_come_out_again(out: Path) -> None:
    """The flight recorder's files of the day, decided again: every command and plan to the last bit."""
    cycle_count = plan_count = 0
    for file in sorted((out / "state" / "recorder").glob("*.sqlite")):
        command = [sys.executable, "-m", "edge.cli", "replay", "--recording", str(file), "--json"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=ENVIRONMENT)
        found = json.loads(done.stdout)
        assert found["differences"] == []
        assert found["skipped_count"] == 0
        assert done.returncode == 0
        cycle_count += found["cycle_count"]
        plan_count += found["plan_count"]
    assert plan_count > 48
    assert cycle_count > 400


def writes_on_the_wire(out: Path) -> int:
    """Registers written during the day, by the twin's journal of its wires."""
    quarters = rows_of(out / "journal" / "quarters.csv")
    rows = [row for row in rows_of(out / "journal" / "wire.csv") if row["function"] in ("6", "16")]
    inside = [row for row in rows if row["time_utc"] < quarters[96]["time_utc"]]
    return sum(len(row["values"].split()) for row in inside)

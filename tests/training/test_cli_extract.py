"""The command as a user types it: table, page, JSON and the four ways to end."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from training import cli

pytestmark = pytest.mark.training

START_S = 1_672_531_200
SPAN = ("--from", "2023-01-01", "--until", "2023-03-12")


def run(*arguments):
    """What the command does inside this process; our own errors come as they are."""
    result = CliRunner().invoke(cli.group, ["extract", *(str(argument) for argument in arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def code_of(*arguments):
    """Exit code and words of the console script."""
    command = [sys.executable, "-m", "training.cli", "extract", *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def place(tmp_path):
    slots = 70 * 96
    times = pd.to_datetime(START_S + 900 * np.arange(slots), unit="s", utc=True)
    load_w = 300.0 + np.random.default_rng(2).gamma(1.0, 200.0, slots)
    pd.DataFrame({"time_utc": times, "load_w": load_w}).to_csv(tmp_path / "house.csv", index=False)
    return tmp_path / "house.csv"


def test_good_data_end_with_0_and_leave_a_table_and_a_page(place, tmp_path):
    out, page = tmp_path / "out.parquet", tmp_path / "report.html"
    said = run("--source", place, *SPAN, "--out", out, "--report", page, "--cache", tmp_path / "cache", "--json")
    assert said.exit_code == 0
    assert json.loads(said.stdout)["ready"]["load"] is True
    assert pyarrow.parquet.read_table(out).num_rows == 70 * 96
    assert "<title>Data quality" in page.read_text()


def test_a_finding_ends_with_1_and_a_table_for_people(place, tmp_path):
    said = run("--source", place, "--from", "2023-01-01", "--until", "2024-01-01", "--cache", tmp_path / "cache")
    assert said.exit_code == 1
    assert "completeness too low (load_w)" in said.stdout


def test_the_slot_can_be_chosen(place, tmp_path):
    arguments = ("--source", place, *SPAN, "--slot", "3600", "--cache", tmp_path / "cache", "--json")
    assert json.loads(run(*arguments).stdout)["slot_s"] == 3600


def test_the_console_script_ends_with_the_agreed_codes(place, tmp_path):
    cache = ("--cache", tmp_path / "cache")
    code, words = code_of("--source", "influxdb://127.0.0.1:1/home", *SPAN, *cache)
    assert (code, words.count("\n")) == (1, 1)
    assert words.startswith("pems-train: influxdb://127.0.0.1:1/home: ConnectError")
    assert code_of("--source", place, "--from", "yesterday")[0] == 2
    assert code_of("--source", tmp_path / "none.csv", *SPAN, *cache)[0] == 78
    code, words = code_of("--source", place, *SPAN, *cache, "--slot", "700")
    assert (code, "whole number of slots" in words) == (78, True)


def test_a_terminal_sees_a_bar_and_nothing_else_does(monkeypatch, capsys):
    from training.cli.extract import _Bar

    with _Bar() as bar:
        bar.step(1, 2, "store")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with _Bar() as bar:
        bar.step(1, 2, "store")
    assert "1/2" in capsys.readouterr().err

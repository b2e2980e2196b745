"""A box forgets its house: the inverter first, then every file, and nothing that is not its own."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest
from commandline import pems

from edge import reset
from edge.config import load_site
from edge.errors import EdgeError
from edge.files import STORE_NAME
from edge.ingest.store import Store
from edge.reset import Reset, ResetError, overwrite, overwrite_free_space

BARE = '[site]\nname = "house"\nlatitude_deg = 49\nlongitude_deg = 16\n'
GONE = """
[battery]
capacity_wh = 10000
charge_w = 5000
discharge_w = 5000
[[link]]
profile = "growatt/sph"
url = "serial:///nowhere/tty"
"""


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands leave a word in the environment; here it is taken back."""
    monkeypatch.setenv("PEMS_JIT", "0")


@pytest.fixture
def house(tmp_path: Path) -> Reset:
    """A configured box that does not run, beside somebody else's file."""
    (tmp_path / "site.toml").write_text(BARE + '[tariff]\nprices = "prices.csv"\n')
    (tmp_path / "prices.csv").write_text("time_utc,price_eur_mwh\n")
    (tmp_path / "mine.txt").write_text("not of the box")
    state = tmp_path / "state"
    Store(state / STORE_NAME).close()
    (state / "keys").mkdir()
    (state / "keys" / "password").write_text("a hash")
    return Reset(site_path=tmp_path / "site.toml", state=state)


def test_a_new_box_starts_with_a_site_that_commands_nothing(house: Reset) -> None:
    arguments = ("factory-reset", "--yes", "--site", str(house.site_path), "--state", str(house.state))
    assert pems(*arguments) == 0
    site = load_site(house.site_path)
    assert (site.battery, site.links) == (None, ())
    assert list(house.state.iterdir()) == []
    assert sorted(path.name for path in house.site_path.parent.iterdir()) == ["mine.txt", "site.toml", "state"]


def test_a_box_that_goes_for_good_has_no_site(house: Reset, monkeypatch: pytest.MonkeyPatch) -> None:
    wiped: list[Path] = []
    monkeypatch.setattr(reset, "overwrite_free_space", lambda folder, each: wiped.append(folder))
    arguments = ("--yes", "--decommission", "--site", str(house.site_path), "--state", str(house.state))
    assert pems("factory-reset", *arguments) == 0
    assert not house.site_path.exists()
    assert wiped == [house.state]


def test_whoever_says_no_keeps_everything(house: Reset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    before = house.files()
    assert len(before) == 4
    assert pems("factory-reset", "--site", str(house.site_path), "--state", str(house.state)) == 1
    assert house.files() == before


def test_an_inverter_that_cannot_be_left_keeps_the_box_as_it_is(house: Reset, monkeypatch, capsys) -> None:
    monkeypatch.setattr("edge.box._RELEASE_TRIES", 1)
    house.site_path.write_text(BARE + GONE)
    arguments = ("factory-reset", "--yes", "--site", str(house.site_path), "--state", str(house.state))
    assert pems(*arguments) == 1
    assert "Nothing was removed" in capsys.readouterr().err
    assert (house.state / STORE_NAME).exists()
    with pytest.raises(ResetError, match="not on its own rules"):
        house.leave_inverter()
    assert pems(*arguments, "--without-inverter") == 0
    assert "Going on without the inverter" in capsys.readouterr().out
    assert not (house.state / STORE_NAME).exists()


def test_a_configuration_that_cannot_be_read_is_no_way_around_the_inverter(house: Reset) -> None:
    house.site_path.write_text("[sit")
    with pytest.raises(EdgeError):
        house.leave_inverter()
    assert (house.state / STORE_NAME).exists()
    arguments = ("--yes", "--without-inverter", "--site", str(house.site_path), "--state", str(house.state))
    assert pems("factory-reset", *arguments) == 0
    assert load_site(house.site_path).name == "new box"


def test_an_appliance_forgets_its_whole_folder_of_configuration(house: Reset, monkeypatch) -> None:
    monkeypatch.setattr(reset, "APPLIANCE_CONFIG", house.site_path.parent.resolve())
    assert house.site_path.parent / "mine.txt" in house.files()
    assert house.files()[-1] == house.site_path, "the site file is the last"


def test_a_link_is_removed_and_what_it_leads_to_is_not_touched(house: Reset, tmp_path: Path) -> None:
    (house.state / "link").symlink_to(tmp_path / "mine.txt")
    house.forget(lambda _: None)
    assert (tmp_path / "mine.txt").read_text() == "not of the box"
    assert not (house.state / "link").is_symlink()


def test_zeros_stand_where_a_file_was(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 3_000_000)
    (tmp_path / "other name").hardlink_to(secret)
    overwrite(secret)
    assert not secret.exists()
    assert (tmp_path / "other name").read_bytes() == bytes(3_000_000)


def test_a_state_that_cannot_be_removed_is_an_error_in_words(house: Reset, monkeypatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(reset, "overwrite", refuse)
    with pytest.raises(ResetError, match="Operation not permitted"):
        house.forget(lambda _: None)


def test_filling_the_disk_ends_when_it_is_full_and_gives_all_back(tmp_path: Path, monkeypatch) -> None:
    room = iter([1 << 20, 5000])
    real = reset._write_or_full

    def write(data: bytes) -> int:
        if (taken := next(room, None)) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return taken

    monkeypatch.setattr(reset, "_write_or_full", lambda _: real(write))
    steps: list[int] = []
    overwrite_free_space(tmp_path, steps.append)
    assert steps == [1 << 20, 5000]
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_is_an_error_in_words(tmp_path: Path, monkeypatch) -> None:
    def write(data: bytes) -> int:
        raise OSError(errno.EIO, "Input/output error")

    real = reset._write_or_full
    monkeypatch.setattr(reset, "_write_or_full", lambda _: real(write))
    with pytest.raises(ResetError, match="Input/output error"):
        overwrite_free_space(tmp_path, lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_a_box_that_runs_is_stopped_unit_by_unit_and_started_again(
    house: Reset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin" / "systemctl"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path / "said"}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    assert pems("factory-reset", "--yes", "--site", str(house.site_path), "--state", str(house.state)) == 0
    assert (tmp_path / "said").read_text().splitlines() == [
        "--quiet is-active pems.target",
        "--quiet stop pems.target pems-control.service pems-planner.service pems-web.service",
        "--quiet start --no-block pems.target",
    ]

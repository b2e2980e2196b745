"""``pems password`` on the box's console."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge.cli import group
from edge.daemon import KEYS_FOLDER
from edge.errors import ConfigError
from edge.web.keys import Keys


def pems(folder: Path, *arguments: str, stdin: str = "") -> Result:
    (folder / "site.toml").write_text('[site]\nname = "t"\nlatitude_deg = 49.2\nlongitude_deg = 16.6\n')
    return CliRunner().invoke(group, ["password", "--site", str(folder / "site.toml"), *arguments], input=stdin)


def test_a_piped_password_is_set_and_ends_the_setup(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "state" / KEYS_FOLDER)
    code = pems(tmp_path, "--code").output.strip()
    assert code == keys.setup_code()
    assert pems(tmp_path, stdin="long enough now\n").output == "The password is set.\n"
    assert keys.opens("long enough now")
    assert isinstance(pems(tmp_path, "--code").exception, ConfigError)


def test_a_short_password_is_refused(tmp_path: Path) -> None:
    result = pems(tmp_path, stdin="short\n")
    assert isinstance(result.exception, ConfigError)


def test_the_reading_token_is_printed(tmp_path: Path) -> None:
    assert pems(tmp_path, "--token").output.strip() == Keys(tmp_path / "state" / KEYS_FOLDER).read_token()


def test_on_a_terminal_it_is_asked_twice_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.cli.password._is_terminal", lambda: True)
    result = pems(tmp_path, stdin="long enough now\nlong enough now\n")
    assert "long enough" not in result.output
    assert Keys(tmp_path / "state" / KEYS_FOLDER).opens("long enough now")

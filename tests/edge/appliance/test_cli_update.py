"""``pems update`` as people and units type it."""

import json
import shutil

import pytest
from click.testing import CliRunner
from releases import packed_release

from edge.cli import group


@pytest.fixture
def update(tmp_path, keys):
    """The command on a box of its own."""
    shutil.copy(keys.public, tmp_path / "release.pub")
    options = ["--root", tmp_path / "opt", "--state", tmp_path / "var", "--key", tmp_path / "release.pub"]
    return lambda *words: CliRunner().invoke(group, [str(word) for word in ("update", *options, *words)])


def test_a_release_goes_from_installed_to_good_and_back(update, keys, tmp_path):
    assert "no release is installed" in update("status").output
    for seq in (1, 2):
        file = packed_release(tmp_path, keys, seq)
        assert f"{file}: good" in update("verify", file).output
        assert update("install", file, "--no-restart").exit_code == 0
    assert "in force: 2.0, on trial (start 0)\nto go back to: 1.0\n" in update("status").output
    assert "on trial (start 1)" in update("recover").output
    assert json.loads(update("failed", "--no-restart", "--json").output)["on_trial"]
    assert "in force: 2.0\nto go back to: 1.0\nlast: 2.0 is good\n" in update("good").output
    back = update("rollback", "--no-restart").output
    assert "in force: 1.0\nto go back to: nothing, redundancy is lost\nlast: 2.0 was rolled back: by hand" in back


def test_without_systemd_a_person_is_told_to_start_the_box_again(update, keys, tmp_path, monkeypatch):
    monkeypatch.setattr("edge.cli.update._SYSTEMD", tmp_path / "none")
    file = packed_release(tmp_path, keys, 1)
    assert "start the box again" in update("install", file).output


def test_systemd_starts_what_is_in_force(update, keys, tmp_path, monkeypatch):
    """A small systemctl on the PATH writes down what it is asked."""
    asked = tmp_path / "asked"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{asked}\n')
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr("edge.cli.update._SYSTEMD", tmp_path)
    for seq in (1, 2):
        update("install", packed_release(tmp_path, keys, seq), "--json")
    update("failed")
    update("rollback")
    assert (
        asked.read_text().splitlines()
        == [*("daemon-reload", "--no-block restart pems-update-recover.service pems.target")] * 4
    )


def test_a_release_that_was_touched_is_refused(update, keys, tmp_path):
    file = packed_release(tmp_path, keys, 1)
    raw = bytearray(file.read_bytes())
    raw[-1500] ^= 4
    file.write_bytes(raw)
    result = update("install", file)
    assert str(result.exception) == f"{file}: the payload is not as it was signed"


def test_the_facts_of_a_release_are_told_in_json(update, keys, tmp_path):
    facts = json.loads(update("verify", packed_release(tmp_path, keys, 1), "--json").output)
    assert (facts["version"], facts["seq"], facts["python"]) == ("1.0", 1, "3.11")


def test_a_release_is_built_in_a_checkout_only(update, tmp_path, monkeypatch):
    from edge.appliance import payload

    monkeypatch.setattr(payload, "LOCK", tmp_path / "device.lock")
    words = ("--arch", "x86_64", "--wheel", tmp_path / "w.whl", "--sign-with", tmp_path / "k")
    result = update("pack", tmp_path / "out.pems", *words)
    assert "built in a checkout" in str(result.exception)

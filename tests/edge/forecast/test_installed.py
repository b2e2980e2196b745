import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from edge.cli.bundle import group
from edge.config import Bundle
from edge.errors import BundleError, ConfigError
from edge.facts import models as facts
from edge.forecast import installed
from edge.forecast.bundle import read_bundle

SITE = """
[site]
name = "home"
latitude_deg = 49.2
longitude_deg = 16.6
[bundle]
path = "state/bundles"
public_key = "bundle.pub"
"""


def read(workshop, **replaced):
    return read_bundle(workshop.bundle(**replaced), workshop.public)


def test_the_facts_tell_models_calibration_and_stages_of_what_is_installed(workshop, site, tmp_path):
    folder = tmp_path / "bundles"
    for seq, version in ((5, "a"), (7, "b"), (8, "c")):
        installed.install(read(workshop, seq=seq, version=version), folder)
        installed.proved(folder)
    installed.rollback(folder)
    answer = facts.installed(replace(site, bundle=Bundle(path="bundles", public_key=str(workshop.public))))
    assert answer["problem"] == ""
    assert (answer["bundle"]["version"], answer["bundle"]["seq"]) == ("b", 7)
    assert [model["signal"] for model in answer["bundle"]["models"]] == ["pv_w", "load_w"]
    assert all(len(model["offsets_ratio"]) == 3 for model in answer["bundle"]["models"])
    assert [(row["version"], row["stage"]) for row in answer["installed"]] == [
        ("a", "previous"), ("b", "champion"), ("c", "withdrawn"),
    ]  # fmt: skip


def test_installing_moves_forward_only_and_rollback_goes_back_one(workshop, tmp_path):
    folder = tmp_path / "bundles"
    assert installed.entries(folder) == ()
    installed.install(read(workshop, seq=5, version="a"), folder)
    newest = installed.install(read(workshop, seq=7, version="b"), folder)
    assert installed.current_path(folder) == newest.path
    with pytest.raises(BundleError, match="seq 6, 7 was accepted before"):
        installed.install(read(workshop, seq=6, version="c"), folder)
    assert installed.rollback(folder).version == "a"
    assert [entry.is_current for entry in installed.entries(folder)] == [True, False]
    with pytest.raises(BundleError, match="no earlier bundle"):
        installed.rollback(folder)
    with pytest.raises(BundleError, match="7 was accepted before"):
        installed.install(read(workshop, seq=7, version="b"), folder)
    assert installed.install(read(workshop, seq=8, version="d"), folder).is_current


def test_a_path_means_a_file_or_what_is_in_force_in_a_folder(workshop, tmp_path):
    path = workshop.bundle()
    assert installed.current_path(path) == path
    (tmp_path / "bundles").mkdir()
    with pytest.raises(BundleError, match="no bundle is installed"):
        installed.current_path(tmp_path / "bundles")


def test_a_damaged_or_unwritable_folder_is_an_error_in_one_line(workshop, tmp_path):
    bundle = read(workshop)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(BundleError, match="cannot be"):
        installed.install(bundle, file / "bundles")
    folder = tmp_path / "bundles"
    folder.mkdir()
    (folder / installed.HIGHEST).write_text("seven")
    with pytest.raises(BundleError, match="highest_seq: cannot be read"):
        installed.install(bundle, folder)
    (folder / installed.HIGHEST).unlink()
    (folder / installed.CURRENT).mkdir()
    with pytest.raises(BundleError, match="cannot be written"):
        installed.install(bundle, folder)


def test_rollback_names_a_folder_that_cannot_be_written(workshop, tmp_path):
    folder = tmp_path / "bundles"
    for seq in (1, 2):
        installed.install(read(workshop, seq=seq, version=str(seq)), folder)
    (folder / ".current.new").mkdir()
    with pytest.raises(BundleError, match="cannot be written"):
        installed.rollback(folder)


def run(*arguments):
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


@pytest.fixture
def site_path(workshop, tmp_path):
    assert workshop.public.exists()
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    return path


def test_the_command_line_verifies_installs_lists_and_rolls_back(workshop, site_path):
    old, new = workshop.bundle(name="old.zip"), workshop.bundle(name="new.zip", seq=6, version="1-b")
    found = json.loads(run("verify", old, "--site", site_path, "--json").output)
    assert (found["seq"], found["parity_ratio"]) == (5, pytest.approx(0.0, abs=1e-6))
    assert "pv_w: pinball_w 1" in run("verify", old, "--site", site_path).output
    assert "no bundle" in run("list", "--site", site_path).output
    assert "in force: 1-a" in run("install", old, "--site", site_path).output
    assert run("install", new, "--site", site_path).exit_code == 0
    assert isinstance(run("install", old, "--site", site_path).exception, BundleError)
    assert "* " in run("list", "--site", site_path).output.splitlines()[1]
    assert "in force: 1-a (seq 5)" in run("rollback", "--site", site_path).output
    rows = json.loads(run("list", "--site", site_path, "--json").output)
    assert [(row["seq"], row["current"]) for row in rows] == [(5, True), (6, False)]


def test_the_key_comes_from_the_site_or_the_command_line(workshop, tmp_path):
    bare = tmp_path / "bare.toml"
    bare.write_text(SITE.split("[bundle]", maxsplit=1)[0])
    path = workshop.bundle()
    missing = run("verify", path, "--site", bare)
    assert isinstance(missing.exception, ConfigError)
    assert "bundle.public_key is missing" in str(missing.exception)
    assert run("verify", path, "--site", bare, "--key", workshop.public).exit_code == 0

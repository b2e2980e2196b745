"""``pems config``: a configuration is replaced whole after a full check, or not at all."""

import json

import pytest
from click.testing import CliRunner

from edge.cli import group
from edge.errors import ConfigError

SITE = '[site]\nname = "{name}"\nlatitude_deg = 49.2\nlongitude_deg = 16.6\n'
MODELS = "[bundle]\npath = 'models.zip'\npublic_key = 'models.pub'\n"


@pytest.fixture
def site_path(tmp_path):
    path = tmp_path / "etc" / "site.toml"
    path.parent.mkdir()
    path.write_text(SITE.format(name="old"))
    path.chmod(0o640)
    return path


def config(*words):
    return CliRunner().invoke(group, ["config", *map(str, words)])


def test_a_right_configuration_takes_the_place_and_the_old_one_is_kept(site_path, tmp_path):
    (tmp_path / "new.toml").write_text(SITE.format(name="new"))
    result = config("put", tmp_path / "new.toml", "--site", site_path)
    assert result.exit_code == 0
    assert "in force from the next start" in result.output
    assert site_path.read_text() == SITE.format(name="new")
    previous = site_path.with_name("site.toml.previous")
    assert previous.read_text() == SITE.format(name="old")
    assert {path.stat().st_mode & 0o777 for path in (site_path, previous)} == {0o640}
    again = config("put", previous, "--site", site_path, "--json")
    assert json.loads(again.output) == {"path": str(site_path), "previous": str(previous)}
    assert (site_path.read_text(), previous.read_text()) == (SITE.format(name="old"), SITE.format(name="new"))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[site", "is not TOML"),
        (SITE + "color = 1\n", "color"),
        (SITE + '[bundle]\npath = "none.zip"\npublic_key = "none.pub"\n', "none"),
        ("", "site"),
    ],
)
def test_a_wrong_configuration_changes_nothing(text, word, site_path, tmp_path):
    (tmp_path / "new.toml").write_text(text.replace("{name}", "new"))
    result = config("put", tmp_path / "new.toml", "--site", site_path)
    assert isinstance(result.exception, ConfigError)
    assert word in str(result.exception)
    assert [path.name for path in site_path.parent.iterdir()] == ["site.toml"]
    assert site_path.read_text() == SITE.format(name="old")


def test_relative_paths_are_those_of_the_place_not_of_the_draft(site_path, tmp_path):
    """The key lies beside the draft, but the box will look beside the configuration in force."""
    (tmp_path / "models.pub").write_text("a key")
    (tmp_path / "new.toml").write_text(SITE.format(name="new") + MODELS)
    result = config("put", tmp_path / "new.toml", "--site", site_path)
    assert f"{site_path.parent / 'models.pub'}: public key cannot be read" in str(result.exception)


def test_the_first_configuration_has_none_before_it(tmp_path):
    (tmp_path / "new.toml").write_text(SITE.format(name="new"))
    result = config("put", tmp_path / "new.toml", "--site", tmp_path / "site.toml")
    assert result.output.count("\n") == 1
    assert (tmp_path / "site.toml").stat().st_mode & 0o777 == 0o644


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path):
    absent = config("put", tmp_path / "none.toml", "--site", tmp_path / "site.toml")
    assert "none.toml: cannot be read" in str(absent.exception)
    (tmp_path / "new.toml").write_text(SITE.format(name="new"))
    unwritable = config("put", tmp_path / "new.toml", "--site", tmp_path / "none" / "site.toml")
    assert "site.toml: cannot be written" in str(unwritable.exception)


def test_the_configuration_is_shown_as_it_is_and_as_json(site_path):
    assert config("show", "--site", site_path).output == SITE.format(name="old")
    assert json.loads(config("show", "--site", site_path, "--json").output)["site"]["name"] == "old"
    site_path.write_text("[site]\n")
    assert isinstance(config("show", "--site", site_path).exception, ConfigError)

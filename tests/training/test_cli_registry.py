import json

import pytest
from click.testing import CliRunner

from training import cli
from training.boosters import Recipe
from training.errors import SetupError, TrainingError
from training.fit import fit_site
from training.registry import Registry

pytestmark = pytest.mark.training

TRAINED_UNTIL_S = 1_366_761_600.0  # 2013-04-24


@pytest.fixture(scope="module")
def strong(made, weathered, bundle_maker):
    """Bundles of models that know weather and weekends, trained before the days that judge them."""
    recipe = Recipe(rounds=25)
    trained = fit_site(weathered.series, made.site, TRAINED_UNTIL_S, recipe, "0" * 64, lambda _: None)
    return bundle_maker(trained)


@pytest.fixture
def desk(made, weathered, workbench, strong, tmp_path):
    """A registry with bundles, and a way to talk to it."""
    files = []
    for seq, version in enumerate(["1-a", "1-b", "1-c", "1-weak"]):
        until_s = TRAINED_UNTIL_S if version != "1-c" else TRAINED_UNTIL_S + 5 * 86400
        training = {"rows": {}, "from_s": 0, "to_s": until_s, "data_sha256": "", "seed": 1, "params": {}}
        files.append(tmp_path / f"{version}.zip")
        maker = workbench if version == "1-weak" else strong
        files[-1].write_bytes(maker(version, seq, training=training))

    def run(*arguments):
        result = CliRunner().invoke(cli.group, ["registry", *map(str, arguments), "--registry", str(tmp_path / "kept")])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output

    for file in files:
        run("add", file)
    held_out = ("--site", made.folder / "site.toml", "--table", weathered.table)
    return run, (*held_out, "--from", "2013-04-25", "--until", "2013-05-05"), tmp_path


def test_a_bundle_becomes_champion_by_its_merits_and_is_fetched(desk):
    run, held_out, folder = desk
    data = json.loads(run("promote", "1-a", *held_out, "--json"))
    assert data["stage"] == "champion"
    assert data["objections"] == []
    assert data["days"] == 9
    for scored in data["scores"].values():
        assert scored["ours"]["pinball"] < min(scored[who]["pinball"] for who in scored if who != "ours")
    assert "made 1-a, " in run("fetch", "champion", "--out", folder / "out.zip")
    assert (folder / "out.zip").read_bytes() == (folder / "1-a.zip").read_bytes()
    shown = json.loads(run("show", "1-a"))
    assert shown["judgements"][0]["scores"] == data["scores"]
    assert shown["manifest"]["version"] == "1-a"


def test_what_is_no_better_stays_out_unless_it_is_forced_and_that_is_logged(desk):
    run, held_out, _ = desk
    run("promote", "1-a", *held_out)
    with pytest.raises(TrainingError, match="not promoted: load_w: pinball .* does not beat climatology_28d"):
        run("promote", "1-weak", *held_out)
    with pytest.raises(TrainingError, match="not promoted: over all signals it is no better than the champion"):
        run("promote", "1-b", *held_out)
    said = run("promote", "1-b", *held_out, "--force", "same model, new key")
    assert said.startswith("in spite of: over all signals it is no better than the champion\nchampion   made 1-b")
    events = [(event["action"], event["detail"]) for event in json.loads(run("log", "--json"))][4:]
    assert [action for action, _ in events] == ["promote", "refuse", "refuse", "promote"]
    assert events[1][1].startswith("load_w: pinball")
    assert events[2][1] == "over all signals it is no better than the champion"
    assert events[3][1] == f"forced: same model, new key; in spite of: {events[2][1]}"
    assert "champion" in run("rollback", "--reason", "back to the old key")
    assert "rollback  made" in run("log")
    assert [entry["stage"] for entry in json.loads(run("list", "--json"))] == [
        "champion",
        "previous",
        *["candidate"] * 2,
    ]


def test_days_that_a_model_has_seen_do_not_judge_it(desk):
    run, held_out, folder = desk
    with pytest.raises(TrainingError, match="not held out: 1-c was trained on data of the days"):
        run("promote", "1-c", *held_out)
    with pytest.raises(TrainingError, match="no whole local day"):
        run("promote", "1-a", *held_out[:4], "--from", "2013-04-25", "--until", "2013-04-25T20:00:00Z")
    registry = Registry(folder / "kept")
    assert registry.alias("made", "champion") is None
    registry.close()


def test_shadow_gc_and_check_speak_for_people(desk):
    run, _, folder = desk
    assert run("shadow", "1-b").startswith("shadow     made 1-b")
    assert run("gc", "--keep", "0") == "3 files dropped\n"
    assert [line.split()[0] for line in run("list").splitlines()] == ["collected", "shadow", "collected", "collected"]
    assert "sound" in run("check")
    next((folder / "kept" / "objects").glob("??/*")).unlink()
    with pytest.raises(TrainingError, match="1-b: .* is gone or damaged"):
        run("check")
    with pytest.raises(SetupError, match="cannot be read"):
        run("add", folder / "none.zip")
    assert run("add", folder / "1-b.zip").startswith("shadow")
    with pytest.raises(SetupError, match="cannot be written"):
        run("fetch", "shadow", "--out", folder)

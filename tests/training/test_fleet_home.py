"""One home of a fleet: what is written, what is kept, what is refused, and whose fault it is."""

import json
from dataclasses import replace

import fleets
import numpy as np
import pytest

from training.boosters import Recipe
from training.fleet.home import facts, finished, judged_days, train_home
from training.fleet.outcome import Facts, Outcome, failed
from training.fleet.store import Store, StoreUnreachable
from training.package import Release
from training.read import read_series
from training.site import load_site

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    homes = fleets.write_homes(folder / "homes", ["one"])
    job = fleets.job_of(homes, folder / "out")
    return job, train_home("one", job), folder


def test_a_home_without_pv_gets_its_load_predictor_judged_on_days_it_has_not_seen(trained):
    _, outcome, folder = trained
    assert (outcome.state, outcome.has_bundle, outcome.site) == ("trained", False, "one")
    assert outcome.facts.judged_days == 7
    assert {path.name for path in (folder / "out" / "one" / "load").iterdir()} >= {"predictor.json", "load_w.json"}
    metadata = json.loads((folder / "out" / "one" / "load" / "predictor.json").read_text())["metadata"]
    last = read_series(folder / "homes" / "one" / "table.parquet", load_site_of(folder).zone)
    assert metadata["until_s"] <= last.frame.grid.end_s - 7 * 86400.0
    assert outcome.scores["load_w"]["ours"]["pinball"] > 0.0
    assert np.isfinite(outcome.skill("load_w"))


def load_site_of(folder):
    return load_site(folder / "homes" / "one" / "site.toml", needs_arrays=False)


def test_the_same_home_again_is_kept_and_changed_data_or_recipe_are_not(trained):
    job, outcome, folder = trained
    other_release = replace(job, release=Release(version="later", seq=2, created="later"))
    assert train_home("one", other_release) == replace(outcome, state="kept")
    deeper = train_home("one", replace(job, recipe=Recipe(rounds=5), out_url=str(folder / "elsewhere")))
    assert deeper.state == "trained"
    assert deeper.fingerprint != outcome.fingerprint


def test_a_result_that_was_cut_off_is_done_again(trained):
    job, outcome, folder = trained
    path = folder / "out" / "one" / "result.json"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert finished(Store(job.out_url), "one") is None
    path.write_bytes(b'{"home": "one", "extra": 1, "facts": null}')
    assert finished(Store(job.out_url), "one") is None
    path.write_bytes(b"[1]")
    assert finished(Store(job.out_url), "one") is None
    path.write_bytes(whole)
    assert finished(Store(job.out_url), "one") == outcome


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "has no site.toml"),
        ({"site.toml": fleets.SITE.format(name="x")}, "has no table.parquet or table.csv"),
        ({"site.toml": "[site", "table.csv": "time_utc,load_w\n"}, "site.toml"),
        ({"site.toml": fleets.SITE.format(name="x"), "table.csv": "time,x\n1,1\n2,1\n"}, "has no column time_utc"),
    ],
)
def test_a_home_that_cannot_be_read_is_its_own_failure(tmp_path, files, reason):
    (tmp_path / "homes" / "bad").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / "homes" / "bad" / name).write_text(text)
    outcome = train_home("bad", fleets.job_of(tmp_path / "homes", tmp_path / "out"))
    assert outcome.state == "failed"
    assert reason in outcome.reason
    assert "pems-fleet-" not in outcome.reason
    assert not (tmp_path / "out").exists()


def test_too_few_days_no_value_and_too_large_a_table_are_said(tmp_path, monkeypatch):
    job = fleets.job_of(fleets.write_homes(tmp_path, ["short"], days=8), tmp_path / "out")
    assert "8 days of data are too few" in train_home("short", job).reason
    table = fleets.home_table(1)
    table["load_w"] = np.nan
    table.to_parquet(tmp_path / "short" / "table.parquet")
    assert "neither load_w nor pv_w" in train_home("short", job).reason
    monkeypatch.setattr("training.fleet.home.MOST_TABLE_BYTES", 1)
    assert "larger than" in train_home("short", job).reason


def test_a_worker_of_another_release_refuses(tmp_path):
    outcome = train_home("one", fleets.job_of(tmp_path, tmp_path, program_sha256="0" * 64))
    assert "another release" in outcome.reason


def test_facts_say_what_is_missing_and_how_the_level_moved(tmp_path):
    table = fleets.home_table(1)
    table.loc[:95, "load_w"] = np.nan
    table.loc[table.index[-7 * 96 :], "load_w"] *= 2.0
    path = tmp_path / "table.parquet"
    table.to_parquet(path)
    (tmp_path / "site.toml").write_text(fleets.SITE.format(name="x"))
    series = read_series(path, load_site(tmp_path / "site.toml", needs_arrays=False).zone)
    days = judged_days(series, 7)
    found = facts(series, days, ("load_w",))
    assert found.level_ratio["load_w"] == pytest.approx(2.0, rel=0.1)
    assert found.known_frac["load_w"] == pytest.approx(1.0 - 1.0 / found.history_days)


def test_an_outcome_reads_back_as_it_was_written_with_what_is_unknown_as_nan():
    written = Outcome(
        home="h", state="trained", scores={"load_w": {"ours": {"pinball": 1.0, "r2": float("nan")}}},
        facts=Facts(history_days=3.0, judged_days=1, level_ratio={"load_w": float("nan")}),
    )  # fmt: skip
    read = Outcome.from_bytes(written.to_bytes())
    assert read.to_bytes() == written.to_bytes()
    assert np.isnan(read.cpu_s)
    assert np.isnan(read.skill("load_w"))
    assert Outcome.from_bytes(failed("h", "why").to_bytes()).facts is None


def test_a_store_names_its_folders_and_says_whose_fault_it_is(tmp_path):
    store = Store(f"memory://{tmp_path.name}")
    store.write("b/x", b"1")
    store.write("a/x", b"22")
    assert store.folders() == ["a", "b"]
    assert (store.read("a/x"), store.read("a/y"), store.size("a/x"), store.size("c")) == (b"22", None, 2, None)
    local = Store(f"file://{tmp_path}")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnreachable, match="file/below"):
        local.write("file/below", b"")
    with pytest.raises(StoreUnreachable):
        local.read("")


def test_an_object_store_without_credentials_is_told_in_a_line(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreUnreachable, match="Unable to locate credentials"):
        Store("s3://nobody/homes").folders()

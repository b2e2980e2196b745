"""Shadows in their folder: followed, bounded, promoted with a proof or a reason; what was in force is remembered."""

import json

import pytest
from click.testing import CliRunner

from edge.cli.bundle import group
from edge.errors import BundleError
from edge.files import SHADOWS_NAME
from edge.forecast import installed, shadowed
from edge.forecast.bundle import read_bundle
from edge.ingest.shadowstore import ShadowStore

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


@pytest.fixture
def folder(workshop, tmp_path):
    path = tmp_path / "state" / "bundles"
    installed.install(read(workshop, seq=5, version="a"), path)
    return path


@pytest.fixture
def site_path(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    return path


def run(*arguments):
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


def told_days(folder, cheaper_eur, days=20):
    """Days that seq 7 would have made cheaper than seq 5, by an amount that changes a little from day to day."""
    store = ShadowStore(folder.parent / SHADOWS_NAME, writable=True)
    rest = {"answered_frac": 1.0, "pv_loss_w": 80.0, "pv_usual_w": 100.0, "load_loss_w": 50.0, "load_usual_w": 100.0}
    for day in range(days):
        name = f"2024-06-{day + 1:02}"
        store.keep_day(name, "5-a", {"cost_eur": 3.0, **rest})
        store.keep_day(name, "7-b", {"cost_eur": 3.0 - cheaper_eur + 0.01 * (day % 3), **rest})
    store.close()


def test_what_was_in_force_before_is_a_shadow_by_itself(workshop, folder):
    assert shadowed.shadows(folder) == ()
    installed.install(read(workshop, seq=7, version="b"), folder)
    before = shadowed.shadows(folder)
    assert [(shadow.name, shadow.bundle) for shadow in before] == [("predecessor", "5-a")]
    installed.proved(folder)
    assert shadowed.shadows(folder) == before
    assert before[0].path.read_bytes()[:2] == b"PK"


def test_a_shadow_that_is_installed_as_well_is_not_followed_beside_itself(workshop, folder):
    new = read(workshop, seq=7, version="b")
    shadowed.put(new, folder, "spring")
    installed.install(new, folder)
    assert [shadow.bundle for shadow in shadowed.shadows(folder)] == ["5-a"]
    installed.rollback(folder)
    assert [shadow.bundle for shadow in shadowed.shadows(folder)] == ["7-b"]


def test_a_name_is_taken_once_and_one_too_many_is_refused_by_name(workshop, folder):
    for index in range(shadowed.MOST_COUNT):
        shadowed.put(read(workshop, seq=10 + index, version="x"), folder, f"s{index}")
    with pytest.raises(BundleError, match=r"more would be shadow 5, the box follows 4: drop one of s0, s1, s2, s3"):
        shadowed.put(read(workshop, seq=20, version="y"), folder, "more")
    replaced = shadowed.put(read(workshop, seq=21, version="z"), folder, "s1")
    assert shadowed.named(folder, "s1") == replaced
    assert len(shadowed.shadows(folder)) == shadowed.MOST_COUNT
    shadowed.drop(folder, "s1")
    with pytest.raises(BundleError, match="there is no shadow s1"):
        shadowed.named(folder, "s1")
    with pytest.raises(BundleError, match="there is no shadow s1"):
        shadowed.drop(folder, "s1")


@pytest.mark.parametrize("name", ["predecessor", "../evil", "A", "", "x" * 33, "a\n"])
def test_a_name_that_could_be_a_path_or_is_taken_is_refused(workshop, folder, name):
    with pytest.raises(BundleError, match="cannot be a shadow's name"):
        shadowed.put(read(workshop, seq=7, version="b"), folder, name)


def test_the_champion_is_not_its_own_shadow_and_a_folder_that_takes_nothing_is_named(workshop, folder):
    with pytest.raises(BundleError, match="5-a is in force"):
        shadowed.put(read(workshop, seq=5, version="a"), folder, "twin")
    (folder / "shadows").write_text("in the way")
    with pytest.raises(BundleError, match="cannot be written"):
        shadowed.put(read(workshop, seq=7, version="b"), folder, "b")


def test_the_command_line_follows_lists_and_drops(workshop, folder, site_path):
    new = workshop.bundle(name="new.zip", seq=7, version="b")
    found = json.loads(run("install", new, "--site", site_path, "--shadow", "spring", "--json").output)
    assert (found["name"], found["bundle"]) == ("spring", "7-b")
    assert installed.state(folder).current == "5-a.zip", "what is in force stays so"
    assert "followed as spring: 7-b" in run("list", "--site", site_path).output
    store = ShadowStore(folder.parent / SHADOWS_NAME, writable=True)
    store.set_aside("7-b", 1.0, "it failed")
    assert "followed: spring" in run("install", new, "--site", site_path, "--shadow", "spring").output
    assert store.aside() == {}, "put there again it has another chance"
    store.close()
    assert "dropped: spring, 7-b" in run("drop", "spring", "--site", site_path).output


def test_a_tampered_bundle_is_not_even_followed(workshop, folder, site_path):
    members = workshop.members(seq=7, version="b")
    spoilt = workshop.write({**members, "pv.onnx": b"x"}, "spoilt.zip")
    answer = run("install", spoilt, "--site", site_path, "--shadow", "spring")
    assert isinstance(answer.exception, BundleError)
    assert shadowed.shadows(folder) == ()


def test_promotion_waits_for_days_that_were_surely_cheaper(workshop, folder, site_path):
    shadowed.put(read(workshop, seq=7, version="b"), folder, "spring")
    answer = run("promote", "spring", "--site", site_path)
    assert str(answer.exception) == "7-b is not shown to be better than 5-a: not known yet (0 of 14 days)"
    told_days(folder, 0.0)
    answer = run("promote", "spring", "--site", site_path)
    assert "is not shown to be better than 5-a: worse (20 days), +0.009 EUR a day" in str(answer.exception)
    told_days(folder, 0.25)
    assert "in force: b (seq 7)" in run("promote", "spring", "--site", site_path).output
    state = installed.state(folder)
    assert (state.current, state.good, state.is_running) == ("7-b.zip", "5-a.zip", True)
    assert [shadow.name for shadow in shadowed.shadows(folder)] == ["predecessor"]
    assert "better (20 days), -0.2" in installed.history(folder)[-1]["told"]


def test_a_promotion_by_hand_wants_a_reason_and_keeps_it(workshop, folder, site_path):
    shadowed.put(read(workshop, seq=7, version="b"), folder, "spring")
    assert "--force wants a reason" in str(run("promote", "spring", "--site", site_path, "--force", " ").exception)
    assert run("promote", "spring", "--site", site_path, "--force", "new roof").exit_code == 0
    rows = installed.history(folder)
    assert [(row["current"], row["told"]) for row in rows] == [
        ("5-a.zip", "5-a.zip was installed"), ("7-b.zip", "7-b.zip was installed: by hand: new roof"),
    ]  # fmt: skip
    installed.proved(folder)
    assert run("promote", "predecessor", "--site", site_path, "--force", "it was better").exit_code == 0
    assert installed.state(folder).current == "5-a.zip"
    assert installed.history(folder)[-1]["told"] == "7-b.zip was rolled back: by hand: it was better"


def test_what_is_older_than_the_newest_ever_accepted_is_followed_but_never_promoted(workshop, folder, site_path):
    shadowed.put(read(workshop, seq=4, version="old"), folder, "old")
    answer = run("promote", "old", "--site", site_path, "--force", "why not")
    assert "has seq 4, 5 was accepted before" in str(answer.exception)
    assert installed.state(folder).current == "5-a.zip"


def test_a_history_that_a_power_cut_left_out_follows_and_a_damaged_one_is_kept_aside(workshop, folder):
    (folder / "history.json").unlink()
    installed.started(folder)
    assert [row["current"] for row in installed.history(folder)] == ["5-a.zip"]
    (folder / "history.json").write_text("[{}]")
    with pytest.raises(BundleError, match="is not the history of bundles"):
        installed.history(folder)
    installed.install(read(workshop, seq=7, version="b"), folder)
    assert [row["current"] for row in installed.history(folder)] == ["7-b.zip"]
    assert (folder / "history.json.damaged").read_text() == "[{}]"

"""Shadows at work, with real bundles: followed beside the champion, set aside, valued day by day, and the way back."""

import json
import math
import os
from dataclasses import replace

import numpy as np
import pytest
from energy import BATTERY, FEES, START_S, duck_book, evening_w, make_days, make_grid, make_prices, sunny_w

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.cli.models import shadow_lines
from edge.config import Bundle
from edge.control.mpc import Mpc
from edge.errors import PlanError, StoreError
from edge.facts.shadows import followed, setback
from edge.files import CALIBRATION_NAME, SHADOWS_NAME
from edge.following import BAD_COUNT, MARK_NAME, Following, issue_of, read_mark
from edge.forecast import installed, shadowed
from edge.forecast.bundle import read_bundle
from edge.forecast.calibration_file import CalibrationFile, learned_elsewhere
from edge.forecast.runtime import Forecaster
from edge.ingest.shadowstore import Issue, ShadowStore
from edge.log import Log
from edge.planner_ports import calibrated
from edge.planning import Known, Planner, decide
from edge.shadowdays import Recorded, Shadows, Valuer, comparable, given_back
from edge.web.looks import Looks

DAY_S = 86_400
NOW_S = START_S + 9 * DAY_S  # 02:00 in Prague, two hours after a local day's end
DAY = "2024-06-09"
FREE_WALL_S = 600.0


@pytest.fixture
def folder(workshop, tmp_path):
    """A good bundle with its predecessor, and a shadow that somebody put there."""
    path = tmp_path / "bundles"
    for seq, version in ((5, "a"), (7, "b")):
        installed.install(read_bundle(workshop.bundle(seq=seq, version=version), workshop.public), path)
        installed.proved(path)
    shadowed.put(read_bundle(workshop.bundle(seq=8, version="c"), workshop.public), path, "spring")
    return path


@pytest.fixture
def home(site, workshop, folder):
    """The bundles' home with a battery."""
    bundle = Bundle(path=str(folder), public_key=str(workshop.public))
    return replace(site, battery=BATTERY, tariff=FEES, bundle=bundle)


@pytest.fixture
def make(home):
    """Makes a shadow's planner as the box does, but for rooms and calibration."""

    def made(shadow):
        forecaster = Forecaster.load(shadow.path, home.path(home.bundle.public_key), home)
        return Planner(forecaster=forecaster, solve=Mpc(home).plan)

    return made


class House:
    """Ports of nine measured days with a battery that rested."""

    def __init__(self):
        days = make_days(9)
        quiet = {"battery_w": np.zeros(days.grid.count), "soc_frac": np.full(days.grid.count, 0.5)}
        grid_w = days.columns["load_w"] - days.columns["pv_w"]
        self.measured = Frame(grid=days.grid, columns={**days.columns, **quiet, "grid_w": grid_w})

    def window(self, until_s, days):
        count = (int(until_s) - self.measured.grid.start_s) // 900
        grid = TimeGrid(start_s=START_S, slot_s=900, count=count)
        return Frame(grid=grid, columns={name: values[:count] for name, values in self.measured.columns.items()})

    def known_weather(self, _now_s):
        return None

    def price_book(self):
        return duck_book(13)


def known(issued_s=float(NOW_S)):
    grid = make_grid(192, int(issued_s))
    house = House().window(issued_s, 9)
    prices = make_prices(grid, 0.3, 0.05)
    return Known(
        issued_s=issued_s, grid=grid, history=house, weather=None, soc_frac=0.5, prices=prices, reached_peak_w=0.0
    )


def decided(make, folder, issued_s=float(NOW_S)):
    """What the champion decides."""
    champion = shadowed.Shadow(name="champion", bundle="7-b", path=installed.current_path(folder))
    return decide(known(issued_s), make(champion))


@pytest.fixture
def following(folder, make, tmp_path):
    store = ShadowStore(tmp_path / SHADOWS_NAME, writable=True)
    return Following(folder, store, make, Log("planner"), tmp_path / MARK_NAME)


def test_each_shadow_says_and_plans_what_the_champion_was_asked_and_it_is_kept(following, make, folder, tmp_path):
    made = decided(make, folder)
    following.follow(made, FREE_WALL_S)
    following.close()
    kept = ShadowStore(tmp_path / SHADOWS_NAME).issues(0, 2**40)
    assert set(kept) == {"5-a", "7-b", "8-c"}, "the predecessor, the champion, and what was put there"
    own = kept["7-b"][NOW_S]
    assert own.said_w[0] == pytest.approx(made.forecasts["pv_w"].p10, abs=0.5)
    assert own.said_w[-1] == pytest.approx(np.array(made.plan.battery_w), abs=0.5)
    assert own.sources == tuple(made.forecasts[name].source for name in ("pv_w", "load_w"))
    again = Recorded(kept["8-c"]).forecast(float(NOW_S), known().grid, known().history, None)
    assert again["load_w"].mean == pytest.approx(made.forecasts["load_w"].mean, abs=0.5)
    assert not (tmp_path / MARK_NAME).exists()
    with pytest.raises(PlanError, match="no forecast was recorded"):
        Recorded(kept["8-c"]).forecast(0.0, make_grid(192, NOW_S + 900), known().history, None)


def test_a_shadow_that_fails_is_set_aside_with_its_reason_and_the_others_go_on(following, make, folder, capsys):
    spoilt = PlanError("its models overflow")

    def failing(shadow):
        planner = make(shadow)
        return replace(planner, forecaster=Failing(spoilt)) if shadow.name == "spring" else planner

    following.make = failing
    made = decided(make, folder)
    for _ in range(BAD_COUNT):
        assert following.store.aside() == {}
        following.follow(made, FREE_WALL_S)
    assert following.store.aside() == {"8-c": "3 failures in a row: its models overflow"}
    assert "shadow spring (8-c) is set aside" in capsys.readouterr().out
    following.follow(made, FREE_WALL_S)
    following.close()


class Failing:
    rooms = None

    def __init__(self, error):
        self.error = error

    def forecast(self, *_):
        raise self.error


def test_a_shadow_that_cannot_be_loaded_is_set_aside_at_once(following, make, folder):
    shadowed.named(folder, "spring").path.write_bytes(b"spoilt on the disk")
    following.follow(decided(make, folder), FREE_WALL_S)
    assert "it cannot be used" in following.store.aside()["8-c"]


def test_what_is_put_or_dropped_while_the_planner_runs_is_taken_up_at_the_next_plan(following, make, folder, workshop):
    following.follow(decided(make, folder, NOW_S - 900.0), FREE_WALL_S)
    shadowed.drop(folder, "spring")
    shadowed.put(read_bundle(workshop.bundle(seq=9, version="d"), workshop.public), folder, "summer")
    following.follow(decided(make, folder), FREE_WALL_S)
    following.close()
    kept = ShadowStore(following.mark.with_name(SHADOWS_NAME)).issues(0, 2**40)
    assert (list(kept["8-c"]), list(kept["9-d"])) == ([NOW_S - 900], [NOW_S])


def test_without_time_before_the_next_plan_nobody_but_the_champion_is_kept(following, make, folder):
    following.follow(decided(make, folder), 5.0)
    following.close()
    assert set(ShadowStore(following.mark.with_name(SHADOWS_NAME)).issues(0, 2**40)) == {"7-b"}


def test_a_shadow_that_takes_the_planner_with_it_twice_is_set_aside(following, make, folder, tmp_path):
    """The forecaster ends the process as a runtime that crashes does; each planner is a process of its own."""
    made = decided(make, folder)
    following.close()
    for _ in range(2):
        child = os.fork()
        if child == 0:
            store = ShadowStore(tmp_path / SHADOWS_NAME, writable=True)
            crashing = Following(folder, store, crashing_planner, Log("planner"), tmp_path / MARK_NAME)
            crashing.follow(made, FREE_WALL_S)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 70
    assert read_mark(tmp_path / MARK_NAME) == ("5-a", 2)
    store = ShadowStore(tmp_path / SHADOWS_NAME, writable=True)
    survivor = Following(folder, store, make, Log("planner"), tmp_path / MARK_NAME)
    assert store.aside() == {"5-a": "the planner died 2 times while it was at work"}
    survivor.follow(made, FREE_WALL_S)
    survivor.close()
    assert set(ShadowStore(tmp_path / SHADOWS_NAME).issues(0, 2**40)) == {"7-b", "8-c"}


def crashing_planner(_shadow):
    return Planner(forecaster=Crashing(), solve=Mpc)


class Crashing:
    rooms = None

    def forecast(self, *_):
        os._exit(70)


def said_by(bundle, pv_ratio, start_s=NOW_S - 26 * 3600, count=96):
    """A day of issues by a bundle that says a part of the PV that comes, and the load as it comes."""
    for start in range(start_s, start_s + count * 900, 900):
        grid = make_grid(192, start)
        rows = [pv_ratio * sunny_w(grid)] * 4 + [evening_w(grid)] * 4 + [np.zeros(192)]
        yield Issue(bundle=bundle, start_s=start, sources=("bundle x", "bundle x"), said_w=np.array(rows))


@pytest.fixture
def valuer(home, tmp_path):
    store = ShadowStore(tmp_path / SHADOWS_NAME, writable=True)
    return Valuer(site=home, ports=House(), store=store, asked_to_stop=lambda: False)


def test_a_day_costs_more_with_the_worse_forecasts_and_is_valued_once(valuer, home, tmp_path):
    assert valuer.value(NOW_S, FREE_WALL_S) == "", "nothing was recorded"
    for bundle, ratio in (("7-b", 1.0), ("8-c", 0.0)):
        valuer.store.keep(said_by(bundle, ratio))
    assert valuer.value(NOW_S, FREE_WALL_S) == DAY
    of = valuer.store.days()[DAY]
    assert of["8-c"]["cost_eur"] > of["7-b"]["cost_eur"] + 0.05
    assert of["7-b"]["answered_frac"] == 1.0
    assert of["7-b"]["pv_loss_w"] == pytest.approx(0.0, abs=50.0)
    assert of["8-c"]["pv_loss_w"] > 1000.0
    assert valuer.value(NOW_S, FREE_WALL_S) == ""
    shown = followed(home, tmp_path)
    row = next(row for row in shown["shadows"] if row["name"] == "spring")
    assert (row["days_count"], row["verdict"]) == (1, "not known yet")
    assert row["mean_eur"] == pytest.approx(of["8-c"]["cost_eur"] - of["7-b"]["cost_eur"])
    assert row["own_load_skill_ratio"] is not None
    assert math.isnan(row["champion_load_skill_ratio"]), "a load that repeats itself leaves no room for skill"
    assert row["words"] == "not known yet (1 of 14 days)"
    assert [entry["current"] for entry in shown["history"]][-1] == "7-b.zip"


def test_a_day_that_cannot_be_valued_is_kept_with_the_reason_and_not_tried_again(valuer):
    for bundle in ("7-b", "8-c"):
        valuer.store.keep(said_by(bundle, 1.0))
    house = valuer.ports
    house.measured = replace(house.measured, columns={**house.measured.columns, "grid_w": np.full(864, np.nan)})
    with pytest.raises(StoreError, match="nothing was measured"):
        valuer.value(NOW_S, FREE_WALL_S)
    assert valuer.store.days() == {DAY: {"": {"problem": "nothing was measured"}}}
    house.measured = None
    assert valuer.value(NOW_S, FREE_WALL_S) == "", "the weeks are not even read"


def test_page_and_command_line_show_the_shadows_and_what_was_in_force(valuer, home, tmp_path):
    for bundle, ratio in (("7-b", 1.0), ("8-c", 0.0)):
        valuer.store.keep(said_by(bundle, ratio))
    valuer.value(NOW_S, FREE_WALL_S)
    valuer.store.set_aside("5-a", 0.0, "it <failed>")
    shown = followed(home, tmp_path)
    rows = list(shadow_lines(shown))
    assert rows[0] == "shadow predecessor (5-a): not known yet (0 of 14 days)"
    assert rows[1] == "  set aside: it <failed>"
    assert "shadow spring (8-c): not known yet (1 of 14 days)" in rows
    assert rows[-1].endswith("7-b in force: 7-b.zip is good")
    quiet = {"problem": "", "bundle": None, "coverage": {}, "coverage_days": 30, "installed": []}
    data = {**quiet, "calibration": {"problem": "", "signals": {}}, "followed": shown}
    page = Looks("home", home.zone).text("models.html", {"data": data, "problem": "", "path": "/models", "csrf": ""})
    assert "<strong>set aside:</strong> it &lt;failed&gt;" in page
    assert "not known yet (1 of 14 days)" in page
    assert "<td>7-b.zip is good</td>" in page


def test_a_day_waits_for_time_and_ends_with_the_box(valuer):
    for bundle in ("7-b", "8-c"):
        valuer.store.keep(said_by(bundle, 1.0))
    assert valuer.value(NOW_S, 10.0) == ""
    assert replace(valuer, asked_to_stop=lambda: True).value(NOW_S, FREE_WALL_S) == ""
    assert valuer.store.days() == {}
    assert replace(valuer, site=replace(valuer.site, battery=None)).value(NOW_S, FREE_WALL_S) == ""


def test_only_quarter_hours_count_for_which_all_spoke_and_who_was_mostly_silent_is_left_out():
    whole = {issue.start_s: issue for issue in said_by("a", 1.0)}
    late = {start_s: issue for start_s, issue in whole.items() if start_s > min(whole) + 3600}
    few = dict(list(whole.items())[:20])
    found = comparable({"a": whole, "b": late, "c": few}, 96)
    assert set(found) == {"a", "b"}
    assert set(found["a"]) == set(found["b"]) == set(late)
    assert comparable({"c": few}, 96) == {}


def told_day(a_eur, b_eur, b_answered_frac=1.0):
    rest = {"pv_loss_w": 1.0, "pv_usual_w": 2.0, "load_loss_w": 1.0, "load_usual_w": 2.0}
    return {
        "5-a": {"cost_eur": a_eur, "answered_frac": 1.0, **rest},
        "7-b": {"cost_eur": b_eur, "answered_frac": b_answered_frac, **rest},
    }


def test_the_predecessor_comes_back_where_it_was_surely_better_and_says_why(folder, tmp_path):
    store = ShadowStore(tmp_path / SHADOWS_NAME, writable=True)
    for day in range(20):
        for bundle, body in told_day(3.0, 3.2 + 0.01 * (day % 5)).items():
            store.keep_day(f"2024-06-{day + 1:02}", bundle, body)
    said = given_back(folder, store)
    assert said.startswith("7-b.zip was rolled back: 5-a would have cost 0.22 EUR a day less over 20 days (99.9")
    assert installed.state(folder).current == "5-a.zip"
    assert installed.highest_seq(folder) == 7, "what was accepted once stays the least that is accepted"
    assert given_back(folder, store) == "", "there is nothing further to go back to"


def test_a_champion_whose_models_do_not_answer_goes_at_once_and_luck_alone_brings_nobody_back():
    sick = {"2024-06-01": told_day(3.0, 3.0, 0.2)}
    assert setback(sick, "7-b", "5-a") == "its models answered 20% of a day's forecasts, those of 5-a 100%"
    rng = np.random.default_rng(5)
    lucky = {f"2024-06-{day + 1:02}": told_day(3.0, 3.0 + 0.2 * rng.normal()) for day in range(28)}
    assert setback(lucky, "7-b", "5-a") == ""
    assert setback({}, "7-b", "5-a") == ""


def test_a_bundle_on_trial_is_left_to_its_trial(folder, workshop, tmp_path):
    installed.install(read_bundle(workshop.bundle(seq=9, version="d"), workshop.public), folder)
    store = ShadowStore(tmp_path / SHADOWS_NAME, writable=True)
    assert given_back(folder, store) == ""


def test_the_planners_work_with_shadows_survives_what_it_cannot_keep(home, make, folder, tmp_path, capsys):
    work = Shadows(home, tmp_path, House(), make, Log("planner"), lambda: False)
    assert not work.are_outdated()
    work.follow(decided(make, folder), FREE_WALL_S)
    work.value(NOW_S, FREE_WALL_S)
    (folder / "trial.json").write_text("{")
    work.follow(decided(make, folder), FREE_WALL_S)
    assert not work.are_outdated()
    said = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [row["event"] for row in said] == ["alarm", "alarm"]
    assert all("is not JSON" in row["text"] for row in said)
    work.close()


def test_a_planner_whose_bundle_was_replaced_is_outdated(home, make, folder, tmp_path):
    work = Shadows(home, tmp_path, House(), make, Log("planner"), lambda: False)
    installed.rollback(folder)
    assert work.are_outdated()
    work.close()


def test_without_a_folder_of_bundles_there_is_nothing_to_do(home, make, folder, tmp_path, capsys):
    work = Shadows(replace(home, bundle=None), tmp_path, House(), make, Log("planner"), lambda: False)
    work.follow(decided(make, folder), FREE_WALL_S)
    work.value(NOW_S, FREE_WALL_S)
    assert not work.are_outdated()
    work.close()
    assert followed(replace(home, bundle=None), tmp_path) == {"shadows": [], "history": [], "problem": ""}
    (tmp_path / SHADOWS_NAME).mkdir()
    Shadows(home, tmp_path, House(), make, Log("planner"), lambda: False).follow(decided(make, folder), FREE_WALL_S)
    assert "no shadows are followed" in capsys.readouterr().out
    assert SHADOWS_NAME in followed(home, tmp_path)["problem"]


def test_what_is_no_number_or_was_damaged_on_disk_is_never_a_forecast(make, folder, tmp_path):
    made = decided(make, folder)
    plan = replace(made.plan, battery_w=(math.nan, *made.plan.battery_w[1:]))
    with pytest.raises(PlanError, match="not all numbers"):
        issue_of("7-b", replace(made, plan=plan))
    store = ShadowStore(tmp_path / SHADOWS_NAME, writable=True)
    store.keep([issue_of("7-b", made)])
    store.keep([])
    store._db.execute("UPDATE issue SET said = x'00'")
    with pytest.raises(StoreError, match="what 7-b said cannot be read"):
        store.issues(0, 2**40)
    assert read_mark(tmp_path) == ("", 0)


def test_what_a_shadow_learned_it_goes_on_with_when_it_is_promoted(home, folder, tmp_path):
    """Its own file is found by the champion's calibration, whichever name it had as a shadow."""
    shadow = shadowed.named(folder, "spring")
    key = home.path(home.bundle.public_key)
    learning = calibrated(Forecaster.load(shadow.path, key, home), home, tmp_path, Log("planner"), "spring")
    before = known(NOW_S - 7200.0)
    learning.forecast(before.issued_s, before.grid, before.history, None)
    own = CalibrationFile(tmp_path / "calibration-spring.json").read()
    found = learned_elsewhere(tmp_path / CALIBRATION_NAME)
    assert set(found) == set(own)
    (tmp_path / "calibration-broken.json").write_text("{")
    assert set(learned_elsewhere(tmp_path / CALIBRATION_NAME)) == set(own)
    promoted = calibrated(Forecaster.load(shadow.path, key, home), home, tmp_path, Log("planner"))
    now = known()
    promoted.forecast(now.issued_s, now.grid, now.history, None)
    since_s = {key: track.since_s for key, track in CalibrationFile(tmp_path / CALIBRATION_NAME).read().items()}
    assert since_s == {key: track.since_s for key, track in own.items()}

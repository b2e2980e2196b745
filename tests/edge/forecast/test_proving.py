"""Models on trial: forecasts make them good, failures give them back."""

import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest

from edge.config import Bundle
from edge.errors import BundleError, PlanError
from edge.forecast import installed
from edge.forecast.bundle import read_bundle
from edge.forecast.proving import OnTrial, models_of
from edge.forecast.runtime import NO_NUMBERS, Forecaster
from edge.trial import Trial


@pytest.fixture
def folder(workshop, tmp_path):
    """A good bundle, and a newer one on trial."""
    path = tmp_path / "state" / "bundles"
    for seq, version in ((5, "a"), (7, "b")):
        bundle = read_bundle(workshop.bundle(seq=seq, version=version), workshop.public)
        installed.install(bundle, path)
    return path


@pytest.fixture
def configured(workshop, site, folder):
    return replace(site, bundle=Bundle(path=str(folder), public_key=str(workshop.public)))


class Answers:
    """A forecaster that answers as told, one answer a call: a source, or an error."""

    rooms = None

    def __init__(self, *answers):
        self.answers = list(answers)

    def forecast(self, issued_s, grid, history, weather):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"pv_w": SimpleNamespace(source="baseline"), "load_w": SimpleNamespace(source=answer)}


@pytest.fixture
def ended(monkeypatch):
    """What was asked to end, in place of this process."""
    found = []
    monkeypatch.setattr("edge.forecast.proving.os.kill", lambda pid, number: found.append(number))
    return found


def lived(folder, *answers):
    """The state and what was said after these answers."""
    said = []
    models = OnTrial(Answers(*answers), folder, said.append)
    for answer in answers:
        try:
            models.forecast(0.0, None, None, None)
        except (PlanError, ArithmeticError) as error:
            assert error is answer
    return installed.state(folder), said


def test_two_forecasts_by_the_models_make_a_bundle_good(folder, ended):
    state, said = lived(folder, "bundle b", "baseline: night", "bundle b", "bundle b")
    assert (state.current, state.good, state.previous) == ("7-b.zip", "7-b.zip", "5-a.zip")
    assert said == ["7-b.zip is good"]
    assert ended == []


def test_forecasts_that_the_averages_made_prove_nothing(folder, ended):
    state, _ = lived(folder, *["baseline: PV known in 3 of 80 slots"] * 6)
    assert state.is_running
    assert ended == []


@pytest.mark.parametrize("bad", [PlanError("no"), ZeroDivisionError("no"), f"baseline: {NO_NUMBERS}"])
def test_three_forecasts_that_fail_give_a_bundle_back_and_the_planner_starts_anew(bad, folder, ended):
    state, said = lived(folder, bad, "bundle b", bad, bad)
    assert (state.current, state.is_running) == ("5-a.zip", False)
    assert said[0].startswith("7-b.zip was rolled back: ")
    assert ended == [signal.SIGTERM]
    assert installed.current_path(folder).name == "5-a.zip"


def test_a_bundle_that_was_good_is_not_given_back_for_a_few_failures(folder, ended):
    state, _ = lived(folder, "bundle b", "bundle b", *[PlanError("no")] * 5)
    assert (state.good, ended) == ("7-b.zip", [])


def test_a_planner_loads_what_is_on_trial_and_counts_its_starts(configured, folder):
    assert isinstance(models_of(configured, configured.bundle, print), OnTrial)
    assert isinstance(models_of(configured, configured.bundle, print), OnTrial)
    third = models_of(configured, configured.bundle, print)
    assert isinstance(third, Forecaster)
    assert third.manifest.version == "a"
    assert installed.state(folder).told == "7-b.zip was rolled back: did not become good in 2 starts"


def test_a_bundle_that_cannot_be_loaded_is_given_back_at_once(configured, folder):
    (folder / "7-b.zip").write_bytes(b"spoilt on the disk")
    said = []
    models = models_of(configured, configured.bundle, said.append)
    assert isinstance(models, Forecaster)
    assert models.manifest.version == "a"
    assert "rolled back" in said[0]


def test_a_good_bundle_that_cannot_be_loaded_is_an_error(configured, folder):
    installed.proved(folder)
    (folder / "7-b.zip").write_bytes(b"spoilt on the disk")
    with pytest.raises(BundleError):
        models_of(configured, configured.bundle, print)


def test_a_bundle_that_is_a_file_is_never_on_trial(workshop, site):
    alone = replace(site, bundle=Bundle(path=str(workshop.bundle()), public_key=str(workshop.public)))
    assert isinstance(models_of(alone, alone.bundle, print), Forecaster)


def test_a_newer_bundle_takes_the_place_of_one_on_trial(workshop, folder):
    installed.install(read_bundle(workshop.bundle(seq=9, version="c"), workshop.public), folder)
    state = installed.state(folder)
    assert (state.current, state.good, state.is_running) == ("9-c.zip", "5-a.zip", True)


def test_a_folder_from_before_there_were_trials_is_taken_over(folder):
    """It has the link and the highest number, and no state."""
    (folder / "trial.json").unlink()
    (folder / "highest_seq").write_text("7")
    state = installed.state(folder)
    assert state == Trial(current="7-b.zip", good="7-b.zip", previous="5-a.zip", highest_seq=7)
    assert installed.rollback(folder).version == "a"
    assert installed.highest_seq(folder) == 7


def test_a_folder_whose_state_is_damaged_says_so(folder):
    (folder / "trial.json").write_text("{")
    with pytest.raises(BundleError, match=r"trial\.json: is not JSON"):
        installed.state(folder)
    with pytest.raises(BundleError, match=r"trial\.json: is not JSON"):
        installed.rollback(folder)

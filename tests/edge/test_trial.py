"""The one state machine of releases and models: what is in force has proved itself, or is given back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import trial
from edge.errors import UpdateError
from edge.trial import Trial

FIRST = trial.installed(Trial(), "1", 1)
SECOND = trial.installed(FIRST, "2", 2)


def test_the_first_of_all_is_good_because_there_is_nothing_to_go_back_to():
    assert (FIRST.current, FIRST.good, FIRST.previous, FIRST.is_running) == ("1", "1", "", False)
    with pytest.raises(UpdateError, match="nothing earlier"):
        trial.rolled_back(FIRST)


def test_what_is_installed_is_on_trial_until_it_is_good():
    assert SECOND.is_running
    assert SECOND.kept == {"1", "2"}
    good = trial.proved(trial.started(SECOND))
    assert (good.current, good.good, good.previous, good.is_running) == ("2", "2", "1", False)


def test_the_third_start_of_a_trial_brings_back_what_was_good():
    once = trial.started(SECOND)
    twice = trial.started(once)
    thrice = trial.started(twice)
    assert [state.current for state in (once, twice, thrice)] == ["2", "2", "1"]
    assert thrice.told == "2 was rolled back: did not become good in 2 starts"
    assert thrice.highest_seq == 2


def test_starts_of_what_is_good_are_not_counted():
    assert trial.started(FIRST) == trial.proved(FIRST) == trial.failed(FIRST, "any") == FIRST


def test_nothing_older_than_the_newest_ever_accepted_is_installed():
    back = trial.failed(SECOND, "ill")
    with pytest.raises(UpdateError, match="has seq 1, 2 was accepted before"):
        trial.installed(back, "1b", 1)


def test_what_was_rolled_back_may_be_tried_again():
    assert trial.installed(trial.failed(SECOND, "ill"), "2", 2).is_running


def test_what_is_in_force_is_not_installed_again():
    with pytest.raises(UpdateError, match="was accepted before"):
        trial.installed(FIRST, "1", 1)


def test_a_second_trial_waits_for_the_first():
    with pytest.raises(UpdateError, match="2 is on trial"):
        trial.installed(SECOND, "3", 3)


def test_going_back_by_hand_leads_to_the_one_before_once():
    back = trial.rolled_back(trial.proved(SECOND))
    assert (back.current, back.good, back.previous) == ("1", "1", "")
    assert trial.rolled_back(SECOND).current == "1"
    with pytest.raises(UpdateError, match="nothing earlier"):
        trial.rolled_back(back)


@given(st.lists(st.sampled_from(["install", "start", "good", "failed", "back"]), max_size=30))
def test_whatever_happens_something_that_proved_itself_is_kept(steps):
    state, seq, proven = FIRST, 1, {"1"}
    for step in steps:
        before = state
        try:
            if step == "install":
                seq += 1
                state = trial.installed(state, str(seq), seq)
            elif step == "back":
                state = trial.rolled_back(state)
            else:
                state = {"start": trial.started, "good": trial.proved}.get(step, lambda s: trial.failed(s, "x"))(state)
        except UpdateError:
            assert state == before
        if step == "good":
            proven.add(state.current)
        assert state.good in proven
        assert state.current in {*proven, str(seq), before.current}
        assert state.highest_seq >= before.highest_seq
        assert state.starts_count <= trial.STARTS_COUNT
        assert state.good in state.kept


def test_a_state_comes_back_from_its_file(tmp_path):
    trial.write(tmp_path / "state.json", SECOND)
    assert trial.read(tmp_path / "state.json") == SECOND
    assert trial.read(tmp_path / "other.json") == Trial()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"current": 1}), "null", "\x80"])
def test_a_file_that_is_no_state_is_named(text, tmp_path):
    (tmp_path / "state.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UpdateError, match=r"state\.json"):
        trial.read(tmp_path / "state.json")


def test_links_follow_the_state_and_are_left_alone_where_they_are_right(tmp_path):
    trial.settle(tmp_path, SECOND, inside="releases")
    links = {name: str((tmp_path / name).readlink()) for name in ("current", "good")}
    assert links == {"current": "releases/2", "good": "releases/1"}
    number = (tmp_path / "current").lstat().st_ino
    trial.settle(tmp_path, SECOND, inside="releases")
    assert (tmp_path / "current").lstat().st_ino == number


def test_a_link_that_cannot_be_written_is_an_error_of_ours(tmp_path):
    with pytest.raises(UpdateError, match="cannot be written"):
        trial.settle(tmp_path / "none", FIRST)
    with pytest.raises(UpdateError, match="cannot be written"):
        trial.write(tmp_path / "none" / "state.json", FIRST)


def test_two_commands_at_once_are_one_and_a_refusal(tmp_path):
    with trial.alone(tmp_path), pytest.raises(UpdateError, match="another installation"), trial.alone(tmp_path):
        pass
    with trial.alone(tmp_path):
        pass

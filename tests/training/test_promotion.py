import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import TrainingError
from training.promotion import objections, require_unseen

pytestmark = pytest.mark.training


def scored(pinball, rival=20.0, coverage=0.8):
    return {"ours": {"pinball": pinball, "coverage_80": coverage}, "climatology_28d": {"pinball": rival}}


def test_a_model_that_beats_champion_and_references_may_pass():
    assert objections({"pv_w": scored(10.0), "load_w": scored(15.0)}, None, 7) == ()
    assert objections({"pv_w": scored(10.0)}, {"pv_w": scored(11.0)}, 28) == ()
    assert (
        objections({"pv_w": scored(10.1), "load_w": scored(8.0)}, {"pv_w": scored(10.0), "load_w": scored(9.0)}, 9)
        == ()
    )


@pytest.mark.parametrize(
    ("candidate", "champion", "day_count", "reasons"),
    [
        ({"pv_w": scored(10.0)}, None, 6, ["judged on 6 days, at least 7 are needed"]),
        ({"pv_w": scored(20.0)}, None, 7, ["pv_w: pinball 20 does not beat climatology_28d (20)"]),
        ({"pv_w": scored(10.0, coverage=0.5)}, None, 7, ["pv_w: P10-P90 holds 50 % of what came, wanted 65% to 95%"]),
        ({"pv_w": {"ours": {}}}, None, 7, ["pv_w: nothing was measured on these days"]),
        ({"pv_w": scored(math.nan)}, None, 7, ["pv_w: nothing was measured on these days"]),
        (
            {"pv_w": scored(10.3), "load_w": scored(1.0)},
            {"pv_w": scored(10.0), "load_w": scored(9.0)},
            7,
            ["pv_w: pinball 10.3 is worse than the champion's 10"],
        ),
        ({"pv_w": scored(10.0)}, {"pv_w": scored(10.0)}, 7, ["over all signals it is no better than the champion"]),
        (
            {"pv_w": scored(9.0)},
            {"pv_w": scored(10.0), "load_w": scored(9.0)},
            7,
            ["load_w: the champion predicts it, the candidate does not"],
        ),
        ({"pv_w": scored(0.1)}, {"pv_w": scored(0.0)}, 7, ["pv_w: pinball 0.1 is worse than the champion's 0"]),
    ],
)
def test_each_reason_is_named(candidate, champion, day_count, reasons):
    assert list(objections(candidate, champion, day_count)) == reasons


@given(st.lists(st.tuples(st.floats(0.1, 100.0), st.floats(0.1, 100.0)), min_size=1, max_size=4))
def test_two_models_never_both_beat_each_other(pairs):
    one = {f"s{i}": scored(a, rival=1e3) for i, (a, _) in enumerate(pairs)}
    other = {f"s{i}": scored(b, rival=1e3) for i, (_, b) in enumerate(pairs)}
    assert objections(one, other, 30) or objections(other, one, 30)


def test_days_of_the_training_data_judge_nobody():
    require_unseen({"1-a": 100.0, "1-b": 200.0}, 200.0)
    with pytest.raises(TrainingError, match="not held out: 1-b was trained on data of the days"):
        require_unseen({"1-a": 100.0, "1-b": 200.1}, 200.0)

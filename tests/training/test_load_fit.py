"""Load: what the trees may add to the last weeks, and when they may not."""

import dataclasses

import numpy as np
import pytest

from core_kernels.quantiles import pinball
from training.anchor import Anchor
from training.boosters import columns, damped, read_boosters, write_boosters
from training.dataset import LoadSampler, local_midnights_s
from training.export import to_onnx
from training.load_fit import Choice, assemble, choose, learn, mixes
from training.parity import check, run_onnx
from training.samples import chosen_rows, gathered
from training.split import split_issues

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def load_model(made):
    return next(model for model in made.trained.models if model.signal == "load_w")


@pytest.fixture(scope="module")
def samples(made):
    return gathered(made.series, "load_w", LoadSampler(made.series), 1, 43, 0.1)


@pytest.fixture(scope="module")
def learned(made, samples):
    return learn(samples, made.recipe, 70.0)


def test_midnights_are_local_also_after_the_clock_changed(made):
    grid = made.series.frame.grid
    hours = (local_midnights_s(made.series, grid.start_s, grid.end_s) % 86400.0) / 3600.0
    assert hours.size == 70
    assert set(hours) == {23.0, 22.0}  # Prague in winter and from 2013-03-31 on in summer


def test_an_anchor_weighs_inputs_bounds_them_and_fills_what_is_missing():
    anchor = Anchor.of(({"a": 1.0}, {"a": 0.5, "b": 0.5}, {"b": 1.0}), {"a": 0.3, "b": 2.0})
    seen = np.array([[7.0, 1.0, 0.5], [7.0, np.nan, np.inf], [7.0, -1.0, np.nan]], dtype=np.float32)
    found = anchor.ratio(("other", "b", "a"), seen)
    assert found == pytest.approx(np.array([[0.5, 0.75, 1.0], [30.0, 16.0, 2.0], [0.3, 0.15, 0.0]]), abs=1e-6)


def test_quantiles_begin_with_shares_that_sum_to_one():
    for mean_frac in (0.0, 0.4, 1.0):
        assert [sum(mix.values()) for mix in mixes(mean_frac)] == pytest.approx([1.0, 1.0, 1.0])


def test_without_trust_the_model_is_the_climatology(learned, samples):
    model = assemble(learned, Choice(0.0, 0.0), 1e5)
    values = samples.values[:, [samples.names.index(name) for name in model.names]]
    wanted = samples.values[:, [samples.names.index(f"load_slot_{part}") for part in ("low", "median", "high")]]
    found = model.raw_ratio(np.ascontiguousarray(values))
    known = np.isfinite(wanted).all(axis=1)
    assert known.sum() > 5000
    assert found[known] == pytest.approx(wanted[known], abs=1e-6)


def test_trees_that_learned_another_house_are_not_trusted(learned, samples):
    random = np.random.default_rng(3)
    strange = dataclasses.replace(learned, boosters=tuple(damped(booster, -20.0) for booster in learned.boosters))
    assert choose(strange, samples, 0.5) == Choice(0.0, 0.0)
    held_out = dataclasses.replace(samples, actual_w=samples.actual_w * random.uniform(0.9, 1.1, samples.actual_w.size))
    assert choose(learned, held_out, 0.5).trust_frac > 0.0


def test_held_out_weeks_are_scored_better_than_by_the_climatology(made, samples):
    fit_s, held_out_s = split_issues(np.unique(samples.issued_s))
    train, held_out = (chosen_rows(samples, np.isin(samples.issued_s, part)) for part in (fit_s, held_out_s))
    learned = learn(train, made.recipe, 70.0)
    choice = choose(learned, held_out, 0.5)
    values, scale_w = columns(held_out, learned.names), held_out.scale_w
    loss = {
        option: np.mean(pinball(held_out.actual_w, assemble(learned, option, 1e5).quantiles_w(values, scale_w)))
        for option in (choice, Choice(0.0, 0.0))
    }
    assert choice.trust_frac > 0.0
    assert loss[choice] < 0.98 * loss[Choice(0.0, 0.0)]


def test_an_anchored_graph_fills_missing_inputs_as_the_model_does(load_model, made):
    rows = made.trained.rows["load_w"]
    holes = rows.values.copy()
    holes[:, [load_model.names.index(name) for name in load_model.anchor.names[:3]]] = np.nan
    graph = to_onnx(load_model)
    wanted = load_model.quantiles_w(holes, rows.scale_w)
    assert run_onnx(graph, holes, rows.scale_w) == pytest.approx(wanted, rel=1e-4, abs=0.05)
    assert check(load_model, graph, rows.values, rows.scale_w).onnx_ratio < 1e-5


def test_anchor_and_targets_survive_the_disk(load_model, made, tmp_path):
    write_boosters(load_model, tmp_path)
    again = read_boosters(tmp_path, "load_w")
    assert (again.anchor, again.targets) == (load_model.anchor, (0, 1, 2, 1))
    rows = made.trained.rows["load_w"]
    np.testing.assert_array_equal(
        again.quantiles_w(rows.values, rows.scale_w), load_model.quantiles_w(rows.values, rows.scale_w)
    )

"""The guard: boosters are believed near what they were fitted on, physics elsewhere, on the box as here."""

import dataclasses

import numpy as np
import pytest

from training.boosters import QuantileModel, Recipe, fitted
from training.export import to_onnx
from training.guard import PHYSICS, Guard
from training.parity import check, run_onnx

pytestmark = pytest.mark.training
NAMES = ("sun_elevation_deg", "fc_snow_mm", PHYSICS, "fc_wind_m_per_s")


def rows(count=2000):
    random = np.random.default_rng(5)
    columns = (random.uniform(0.0, 30.0, count), random.uniform(0.0, 10.0, count), random.uniform(0.0, 1.0, count),
               random.uniform(0.0, 9.0, count))  # fmt: skip
    return np.column_stack(columns).astype(np.float32)


@pytest.fixture(scope="module")
def values():
    return rows()


@pytest.fixture(scope="module")
def guard(values):
    shares = np.random.default_rng(6).uniform(0.5, 1.5, values.shape[0])
    return Guard.of(NAMES, values, values[:, 2] * shares)


def one(**changed):
    base = {"sun_elevation_deg": 15.0, "fc_snow_mm": 5.0, PHYSICS: 0.5, "fc_wind_m_per_s": 3.0} | changed
    return np.array([[base[name] for name in NAMES]], dtype=np.float32)


def test_a_row_like_the_training_rows_is_believed(guard):
    assert guard.trust_frac(NAMES, one())[0] == 1.0
    assert guard.trust_frac(NAMES, one(fc_wind_m_per_s=80.0))[0] == 1.0  # strange wind is no strange sky


def test_trust_falls_linearly_over_as_much_as_the_range_is_wide(guard):
    reach = guard.high[0] - guard.low[0]
    found = [guard.trust_frac(NAMES, one(sun_elevation_deg=guard.high[0] + share * reach))[0]
             for share in (0.0, 0.5, 1.0, 9.0)]  # fmt: skip
    assert found == pytest.approx([1.0, 0.5, 0.0, 0.0], abs=1e-5)


def test_unseen_snow_leaves_physics_alone(guard):
    deep = one(fc_snow_mm=300.0)
    assert guard.trust_frac(NAMES, deep)[0] == 0.0
    blend = guard.blended(NAMES, deep, np.array([[7.0, 8.0, 9.0]]))
    assert blend[0] == pytest.approx(0.5 * np.asarray(guard.physics_frac))


def test_physics_has_quantiles_of_its_own(guard):
    assert guard.physics_frac == pytest.approx((0.6, 1.0, 1.4), abs=0.02)


def test_what_is_missing_is_not_strange(guard):
    assert guard.trust_frac(NAMES, one(sun_elevation_deg=np.nan, fc_snow_mm=np.nan))[0] == 1.0


def test_without_physics_there_is_nothing_to_fall_back_on(guard, values):
    assert guard.trust_frac(NAMES, one(**{PHYSICS: np.nan, "sun_elevation_deg": 89.0}))[0] == 1.0
    assert Guard.of(NAMES[:2], values[:, :2], values[:, 2]) is None


def test_onnx_blends_as_training_does_even_on_infinite_rows(guard, values):
    booster = fitted(values, values[:, 3] / 10.0, np.ones(values.shape[0]), {"max_depth": 3}, 5)
    model = QuantileModel(
        signal="pv_w", names=NAMES, boosters=(booster,) * 3, offsets_ratio=(-0.1, 0.0, 0.1), cap_w=4000.0,
        rows=values.shape[0], metrics={}, guard=dataclasses.replace(guard, most_frac=0.75),
    )  # fmt: skip
    graph, scale_w = to_onnx(model), np.full(values.shape[0], 3000.0)
    assert check(model, graph, values, scale_w).onnx_ratio < 1e-5
    far = np.concatenate([one(sun_elevation_deg=x) for x in (np.inf, -np.inf, 33.0, 89.0)])
    np.testing.assert_allclose(run_onnx(graph, far, scale_w[:4]), model.quantiles_w(far, scale_w[:4]), rtol=1e-5)


def test_a_model_of_one_season_says_physics_in_the_next(weathered, made):
    from training.dataset import horizon
    from training.pv_predictor import PvPredictor

    predictor = PvPredictor(made.site, Recipe(rounds=4))
    predictor.fit(weathered.series, float(weathered.series.frame.grid.end_s))
    model = predictor.model
    issued_s = float(weathered.series.frame.grid.end_s) - 86_400.0
    features = predictor._sampler_of(weathered.series).features(issued_s, horizon(issued_s, 96))
    values = np.ascontiguousarray(features.values[:, [features.names.index(name) for name in model.names]])
    bright = values[:, model.names.index(PHYSICS)] > 0.3
    values = values[bright]
    values[:, model.names.index("sun_elevation_deg")] = 200.0  # farther than any range
    middle = model.raw_ratio(values)[:, 1]
    np.testing.assert_allclose(middle, values[:, model.names.index(PHYSICS)], rtol=1e-5)

import dataclasses
import json
import math

import numpy as np
import pytest

from core_kernels.features import sky
from core_kernels.folding import SLOTS_PER_DAY
from core_kernels.irradiance import clear_sky
from core_kernels.pv import PvArray, power_from_ghi_w
from core_kernels.quantiles import coverage_frac
from core_kernels.records import Frame
from core_kernels.trees import tree_sums
from training import evaluate
from training.boosters import QuantileModel, quiet
from training.censor import censored
from training.dataset import Series, actual_w, cut, horizon
from training.errors import SetupError, TrainingError
from training.export import to_onnx, tree_attributes
from training.fit import load, save
from training.parity import check, onnx_session, packed_trees, probe_rows, run_onnx
from training.pv_fit import identify
from training.site import ArrayHint, load_site

pytestmark = pytest.mark.training


def model_of(made, signal):
    return next(model for model in made.trained.models if model.signal == signal)


def test_the_orientation_is_found_from_clear_days(made):
    array = made.trained.plant.arrays[0]
    assert array.tilt_deg == pytest.approx(40.0, abs=3.0)
    assert array.azimuth_deg == pytest.approx(160.0, abs=3.0)
    assert array.dc_w == pytest.approx(4500.0, rel=0.05)


def test_an_orientation_that_is_known_is_kept(made):
    known = ArrayHint(dc_w=5000.0, tilt_deg=40.0, azimuth_deg=160.0, inverter_w=4000.0)
    site = dataclasses.replace(made.site, arrays=(known,))
    array = identify(censored(made.series, site.location, math.inf), site).arrays[0]
    assert (array.tilt_deg, array.azimuth_deg, array.inverter_w) == (40.0, 160.0, 4000.0)
    assert array.dc_w == pytest.approx(4500.0, rel=0.03)


def test_measured_irradiance_tells_the_orientation_without_a_clear_day(made):
    grid = made.series.frame.grid
    times_s = grid.starts_s() + 450.0
    clear = clear_sky(times_s, made.site.location, made.site.linke_ratio).ghi_w_per_m2
    ghi = clear * np.random.default_rng(9).uniform(0.3, 0.9, grid.count)
    roof = (PvArray(25.0, 200.0, 4200.0, 6000.0),)
    power_w = power_from_ghi_w(times_s, made.site.location, roof, ghi, np.full(grid.count, 15.0), np.ones(grid.count))
    series = dataclasses.replace(made.series, frame=Frame(grid=grid, columns={"pv_w": power_w, "ghi_w_per_m2": ghi}))
    array = identify(censored(series, made.site.location, math.inf), made.site).arrays[0]
    assert array.tilt_deg == pytest.approx(25.0, abs=3.0)
    assert array.azimuth_deg == pytest.approx(200.0, abs=3.0)
    assert array.dc_w == pytest.approx(4200.0, rel=0.03)


def test_too_few_sunny_days_are_said(made):
    frame = cut(made.series.frame, 0, 2 * SLOTS_PER_DAY)
    short = censored(Series(frame=frame, table_slot_s=900, zone=made.series.zone), made.site.location, math.inf)
    with pytest.raises(TrainingError, match="whole sunny days; at least 3"):
        identify(short, made.site)


def test_stages_are_told(made):
    assert len(made.said) == 8
    assert made.said[0].startswith("pv_w: slots censored")
    assert quiet("nothing") is None


def test_held_out_weeks_are_covered_and_quantiles_rise(made):
    for model in made.trained.models:
        assert model.metrics["coverage_80"] == pytest.approx(0.8, abs=0.02)
        rows = made.trained.rows[model.signal]
        found = model.quantiles_w(rows.values, rows.scale_w)
        assert (np.diff(found, axis=1) >= 0.0).all()
        assert found.min() >= 0.0
        assert found.max() <= model.cap_w


def test_a_clear_tomorrow_is_not_certain_and_the_night_is_dark(made):
    rows, model = made.trained.rows["pv_w"], model_of(made, "pv_w")
    found = model.quantiles_w(rows.values, rows.scale_w)
    assert (found[rows.scale_w == 0.0] == 0.0).all()
    assert found.max() > 1000.0


@pytest.mark.parametrize("signal", ["pv_w", "load_w"])
def test_xgboost_onnx_and_our_own_walker_agree(made, signal):
    model, rows = model_of(made, signal), made.trained.rows[signal]
    parity = check(model, to_onnx(model), rows.values, rows.scale_w)
    assert parity.onnx_ratio < 1e-5
    assert parity.trees_ratio < 1e-5
    assert parity.rows > 4000


def test_a_graph_with_its_targets_mixed_up_fails_the_gate(made):
    model, rows = model_of(made, "pv_w"), made.trained.rows["pv_w"]
    swapped = dataclasses.replace(model, targets=model.targets[::-1])
    with pytest.raises(TrainingError, match="pv_w: parity failed"):
        check(model, to_onnx(swapped), rows.values, rows.scale_w)


def test_missing_inputs_take_the_learned_branch(made):
    model = model_of(made, "load_w")
    nothing = np.full((3, len(model.names)), np.nan, dtype=np.float32)
    assert tree_sums(packed_trees(model), nothing) == pytest.approx(model.tree_ratio(nothing), rel=1e-5)


def test_thresholds_lie_between_the_values_that_they_separate(made):
    """One bit more in every feature moves almost no row: no threshold lies on a value of a feature."""
    model, rows = model_of(made, "load_w"), made.trained.rows["load_w"]
    up = np.nextafter(rows.values, np.float32(np.inf))
    assert np.mean(np.abs(model.raw_ratio(up) - model.raw_ratio(rows.values)).max(axis=1) > 1e-6) < 0.01
    nodes = tree_attributes(model)
    inner = np.asarray(nodes["nodes_modes"]) == "BRANCH_LT"
    clock = model.names.index("clock_h")
    picked = inner & (np.asarray(nodes["nodes_featureids"]) == clock)
    thresholds = np.asarray(nodes["nodes_values"])[picked]
    assert thresholds.size > 10
    assert np.abs(thresholds * 8.0 - np.rint(thresholds * 8.0)).max() < 1e-5
    assert (np.rint(thresholds * 8.0) % 2 == 1).all()


def test_offsets_can_be_fed_without_a_new_model(made):
    model, rows = model_of(made, "load_w"), made.trained.rows["load_w"]
    graph = to_onnx(model)
    feed = {
        "X": rows.values[:5],
        "scale_w": rows.scale_w[:5].astype(np.float32)[:, None],
        "offset": np.array([[-5.0, 0.0, 0.5]], dtype=np.float32),
    }
    session = onnx_session(graph)
    assert {item.name for item in session.get_overridable_initializers()} == {"offset"}
    wider = session.run(["q"], feed)[0]
    assert (wider[:, 0] == 0.0).all()
    assert (wider[:, 2] > run_onnx(graph, rows.values[:5], rows.scale_w[:5])[:, 2]).all()
    assert session.get_modelmeta().custom_metadata_map["unit"] == "W"


def test_probe_rows_hold_missing_infinite_and_threshold_values(made):
    model, rows = model_of(made, "pv_w"), made.trained.rows["pv_w"]
    probes = probe_rows(model, rows.values, 400)
    assert np.isnan(probes).all(axis=1).any()
    assert np.isposinf(probes).all(axis=1).any()
    assert probes.dtype == np.float32


def test_a_model_folder_comes_back_as_it_was(made, tmp_path):
    save(made.trained, tmp_path / "model")
    found = load(tmp_path / "model")
    assert found.plant == made.trained.plant
    rows = found.rows["load_w"]
    for one, other in zip(found.models, made.trained.models, strict=True):
        assert one.offsets_ratio == other.offsets_ratio
    assert np.array_equal(
        found.models[1].quantiles_w(rows.values, rows.scale_w),
        made.trained.models[1].quantiles_w(rows.values, rows.scale_w),
    )


@pytest.mark.parametrize("damage", ["missing", "not json", "other features", "no booster", "bad booster"])
def test_a_damaged_model_folder_is_refused(made, tmp_path, damage):
    folder = tmp_path / "model"
    save(made.trained, folder)
    document = json.loads((folder / "model.json").read_text())
    if damage == "missing":
        (folder / "model.json").unlink()
    elif damage == "not json":
        (folder / "model.json").write_text("{")
    elif damage == "other features":
        (folder / "model.json").write_text(json.dumps({**document, "feature_code_sha256": "0"}))
    elif damage == "no booster":
        (folder / "pv_w_0.json").unlink()
    else:
        (folder / "pv_w_0.json").write_text("{}")
    with pytest.raises(SetupError):
        load(folder)


def test_references_know_the_last_days(made):
    series, issued_s = made.series, float(made.series.frame.grid.end_s - 2 * 86400)
    grid = horizon(issued_s, 96)
    yesterday = actual_w(series, "load_w", horizon(issued_s - 86400.0, 96))
    assert evaluate.persistence("load_w", series, issued_s, grid)[:, 1] == pytest.approx(yesterday)
    came = actual_w(series, "load_w", grid)
    month = evaluate.climatology("load_w", series, issued_s, grid)
    assert coverage_frac(came, month[:, 0], month[:, 2]) == pytest.approx(0.8, abs=0.12)
    assert evaluate.mean_week("load_w", series, issued_s, grid)[:, 1].mean() == pytest.approx(came.mean(), rel=0.1)


def test_physics_follows_forecast_irradiance_where_there_is_some(made):
    plant, issued_s = made.trained.plant, float(made.series.frame.grid.end_s - 2 * 86400)
    grid = horizon(issued_s, 96)
    without = evaluate.physics(plant, made.series, issued_s, grid)
    clear = sky(plant, grid).clear_w
    assert (without[:, 1] <= clear * 1.001).all()
    columns = {**made.series.frame.columns, "fc_ghi_w_per_m2": np.full(made.series.frame.grid.count, 100.0)}
    frame = Frame(grid=made.series.frame.grid, columns=columns)
    weather = evaluate.physics(plant, Series(frame=frame, table_slot_s=900, zone=made.series.zone), issued_s, grid)
    assert 0.0 < weather.max() < 0.3 * clear.max()


def test_scores_of_nothing_are_empty():
    assert evaluate.scores(np.full(2, np.nan), np.zeros((2, 3))) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[site", "is not TOML"),
        ("a = " + "[" * 100_000, "is not TOML"),
        ("a = 1", "has no section"),
        (
            "[site]\nname = 'x'\nlatitude_deg = 'north'\nlongitude_deg = 1\ntimezone = 'Mars/Base'",
            "latitude_deg must be a number",
        ),
        ("[site]\nlatitude_deg = 1\nlongitude_deg = 1\n[[array]]\ndc_w = -1", "array\\[0\\].dc_w must be > 0"),
    ],
)
def test_a_site_that_cannot_be_trained_names_every_problem(tmp_path, text, says):
    path = tmp_path / "site.toml"
    path.write_text(text)
    with pytest.raises(SetupError, match=says) as caught:
        load_site(path)
    assert caught.value.exit_code == 78
    with pytest.raises(SetupError, match="cannot be read"):
        load_site(tmp_path / "none.toml")


def test_raw_answers_are_one_column_a_level(made):
    model = model_of(made, "pv_w")
    assert isinstance(model, QuantileModel)
    assert model.raw_ratio(made.trained.rows["pv_w"].values[:4]).shape == (4, 3)

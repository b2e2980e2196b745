import io
import os
import zipfile

import numpy as np
import pytest

from core_kernels.features import load_features, sky
from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.config import parse_site
from edge.errors import BundleError
from edge.forecast import model as model_module
from edge.forecast.bundle import read_bundle
from edge.forecast.installed import install
from edge.forecast.runtime import Baseline, Forecaster

ISSUED_S = 1_370_304_000  # 2013-06-04 00:00 UTC
TARGET = TimeGrid(start_s=ISSUED_S, slot_s=900, count=192)
FACTORS = (0.5, 0.8, 1.1)


@pytest.fixture
def forecaster(workshop, site):
    return Forecaster.load(workshop.bundle(), workshop.public, site)


def blanked(frame, name, first, last=None):
    values = frame.columns[name].copy()
    values[first:last] = np.nan
    return Frame(grid=frame.grid, columns={**frame.columns, name: values})


def last_days(frame, days):
    count = int(days * 96)
    grid = TimeGrid(start_s=frame.grid.end_s - count * 900, slot_s=900, count=count)
    return Frame(grid=grid, columns={name: values[-count:] for name, values in frame.columns.items()})


def test_the_models_answer_in_watts_with_their_quantiles_in_order(forecaster, workshop, week):
    found = forecaster.forecast(ISSUED_S + 2.0, TARGET, week, None)
    plant = workshop.plant()
    clear_w = sky(plant, TARGET).clear_w
    scale_w = np.where(clear_w > 0.0, clear_w + 0.25 * plant.capacity_w, 0.0)
    assert found["pv_w"].p50 == pytest.approx(0.8 * scale_w, abs=0.01)
    assert found["load_w"].p10 == pytest.approx(0.5 * (21 * 300.0 + 3 * 900.0) / 24)
    for forecast in found.values():
        assert forecast.source == "bundle 1-a"
        assert (forecast.p10 <= forecast.p50).all()
        assert (forecast.p50 <= forecast.p90).all()


def test_night_is_dark(forecaster, week):
    assert forecaster.forecast(ISSUED_S, TARGET, week, None)["pv_w"].p90[:8].max() == 0.0


def test_onnxruntime_does_not_phone_home():
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_a_short_history_is_said(forecaster, week):
    found = forecaster.forecast(ISSUED_S, TARGET, last_days(week, 4), None)
    assert found["pv_w"].source == "bundle 1-a (short history: 4.0 days)"


def test_too_little_history_falls_back_to_the_baseline_and_says_why(forecaster, week):
    found = forecaster.forecast(ISSUED_S, TARGET, last_days(week, 0.5), None)
    assert found["load_w"].source == "baseline (load known in 48 of 288 slots of 3 days, short history)"
    assert found["pv_w"].source.startswith("baseline (PV known in")
    assert np.isfinite(found["pv_w"].p50).all()


def test_each_signal_falls_back_by_itself(forecaster, week):
    found = forecaster.forecast(ISSUED_S, TARGET, blanked(week, "load_w", -288), None)
    assert found["pv_w"].source == "bundle 1-a"
    assert found["load_w"].source.startswith("baseline (load known in 0 of 288")


def test_pv_missing_at_night_only_is_no_reason_to_doubt(forecaster, workshop, week):
    dark = sky(workshop.plant(), week.grid).clear_w <= 0.0
    values = np.where(dark, np.nan, week.columns["pv_w"])
    found = forecaster.forecast(ISSUED_S, TARGET, Frame(grid=week.grid, columns={**week.columns, "pv_w": values}), None)
    assert found["pv_w"].source == "bundle 1-a"


def test_a_model_that_needs_weather_is_not_asked_without_it(workshop, site, week):
    models = workshop.document(workshop.files())["models"]
    models[0]["features"] = ["horizon_h", "fc_power_frac"]
    models[1]["features"] = ["horizon_h", "fc_temp_air_c"]
    forecaster = Forecaster.load(workshop.bundle(models=models), workshop.public, site)
    found = forecaster.forecast(ISSUED_S, TARGET, week, None)
    assert {forecast.source for forecast in found.values()} == {"baseline (no weather forecast)"}
    weather = Frame(grid=TARGET, columns={"fc_ghi_w_per_m2": np.full(192, 300.0), "fc_temp_air_c": np.full(192, 15.0)})
    assert forecaster.forecast(ISSUED_S, TARGET, week, weather)["pv_w"].source == "bundle 1-a"


def test_an_answer_that_is_not_finite_is_not_used(workshop, site, week, monkeypatch):
    forecaster = Forecaster.load(workshop.bundle(), workshop.public, site)
    nothing = np.full((192, 3), np.nan)
    monkeypatch.setattr(model_module.Model, "quantiles_w", lambda self, matrix: nothing)
    found = forecaster.forecast(ISSUED_S, TARGET, week, None)
    assert {forecast.source for forecast in found.values()} == {"baseline (the model gave no finite answer)"}


@pytest.mark.parametrize(
    "error",
    [BundleError("load.onnx: cannot be run"), FloatingPointError("overflow"), np.linalg.LinAlgError("singular")],
)
def test_a_model_that_fails_as_it_runs_falls_back_by_itself_and_says_why(forecaster, week, monkeypatch, error):
    usual = model_module.Model.quantiles_w

    def quantiles_w(self, matrix):
        if self.entry.signal == "load_w":
            raise error
        return usual(self, matrix)

    monkeypatch.setattr(model_module.Model, "quantiles_w", quantiles_w)
    found = forecaster.forecast(ISSUED_S, TARGET, week, None)
    assert found["pv_w"].source == "bundle 1-a"
    assert found["load_w"].source == f"baseline (the model failed: {error})"
    assert np.isfinite(found["load_w"].p50).all()


def test_a_folder_of_installed_bundles_is_a_bundle(workshop, site, tmp_path):
    install(read_bundle(workshop.bundle(seq=9, version="9-z"), workshop.public), tmp_path / "bundles")
    assert Forecaster.load(tmp_path / "bundles", workshop.public, site).manifest.version == "9-z"


@pytest.mark.parametrize(
    ("replaced", "says"),
    [
        ({"site": "other"}, "is for site 'other', this is 'home'"),
        ({"feature_code_sha256": "0" * 64}, "other features"),
    ],
)
def test_a_bundle_for_something_else_is_refused(workshop, site, replaced, says):
    with pytest.raises(BundleError, match=says):
        Forecaster.load(workshop.bundle(**replaced), workshop.public, site)


def test_a_model_that_wants_an_unknown_feature_is_refused(workshop, site):
    models = workshop.document(workshop.files())["models"]
    models[0]["features"] = ["horizon_h", "moon"]
    with pytest.raises(BundleError, match="unknown features: moon"):
        Forecaster.load(workshop.bundle(models=models), workshop.public, site)


def test_a_graph_that_does_not_fit_or_does_not_load_is_refused(workshop, site):
    models = workshop.document(workshop.files())["models"]
    models[0]["features"] = ["horizon_h"]
    with pytest.raises(BundleError, match="do not fit the manifest"):
        Forecaster.load(workshop.bundle(models=models), workshop.public, site)
    with pytest.raises(BundleError, match="is not a usable graph"):
        Forecaster.load(workshop.bundle(workshop.files(pv_dot_onnx=b"no graph")), workshop.public, site)


def golden(**replaced):
    scale_w = np.linspace(0.0, 1000.0, 8)
    arrays = {}
    for name in ("pv_w", "load_w"):
        arrays[f"{name}_X"] = np.zeros((8, 2), dtype=np.float32)
        arrays[f"{name}_scale_w"] = scale_w
        arrays[f"{name}_q"] = scale_w[:, None] * np.asarray(FACTORS)
    arrays.update(replaced)
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in arrays.items() if value is not None})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (golden(pv_w_q=np.ones((8, 3))), "answers its golden rows wrongly"),
        (golden(pv_w_q=np.full((8, 3), np.nan)), "answers its golden rows wrongly"),
        (golden(pv_w_q=None), "golden rows of pv_w are missing"),
        (golden(pv_w_q=np.ones((7, 3))), "wrong shape"),
        (golden(pv_w_X=np.zeros((8, 2))), "wrong shape"),
        (golden(pv_w_X=np.zeros((8, 1), dtype=np.float32)), "cannot be run"),
        (golden(pv_w_X=np.array([[object()]])), "cannot be read"),
        (b"no zip", "cannot be read"),
    ],
)
def test_golden_rows_that_are_wrong_or_wrongly_answered_are_refused(workshop, site, content, says):
    path = workshop.bundle(workshop.files(golden_dot_npz=content))
    with pytest.raises(BundleError, match=says):
        Forecaster.load(path, workshop.public, site)


def test_golden_rows_that_inflate_too_far_are_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\0" * (17 * 1024 * 1024))
    with pytest.raises(BundleError, match="golden rows are larger"):
        model_module.load_golden(buffer.getvalue())


def test_the_baseline_repeats_the_last_days(site, workshop, four_weeks):
    found = Baseline(site).forecast(ISSUED_S, TARGET, four_weeks, None)
    clear_w = sky(workshop.plant(), TARGET).clear_w
    assert found["pv_w"].p50 == pytest.approx(0.5 * clear_w, rel=0.05, abs=15.0)
    local_hour = ((TARGET.starts_s() + 7200.0) // 3600) % 24
    evening = (local_hour >= 18) & (local_hour < 21)
    assert found["load_w"].p50[evening] == pytest.approx(900.0)
    assert found["load_w"].p50[~evening] == pytest.approx(300.0)
    assert {forecast.source for forecast in found.values()} == {"baseline"}


def test_the_baseline_without_an_orientation_takes_the_power_itself(workshop, week, tmp_path):
    site = parse_site(
        {"site": {"name": "home", "latitude_deg": 49.2, "longitude_deg": 16.6}, "array": [{"dc_w": 5000.0}]},
        "site.toml",
        tmp_path,
    )
    found = Baseline(site).forecast(ISSUED_S, TARGET, week, None)["pv_w"]
    assert found.p50[:96] == pytest.approx(week.columns["pv_w"][-96:], abs=30.0)
    assert found.p90[:8].max() == 0.0


def test_the_baseline_without_history_knows_no_load_and_of_pv_a_wide_share_of_the_clear_sky(site):
    empty = Frame(grid=TimeGrid(start_s=ISSUED_S, slot_s=900, count=0), columns={})
    found = Baseline(site).forecast(ISSUED_S, TARGET, empty, None)
    assert np.isnan(found["load_w"].p50).all()
    pv = found["pv_w"]
    assert pv.p10[48] < 0.2 * pv.p90[48]
    assert pv.p10[48] < pv.p50[48] < pv.p90[48]
    assert pv.p50[0] == 0.0
    assert pv.source == "baseline (short history)"


def test_the_baseline_without_history_or_plant_is_missing_by_day_and_dark_at_night(site, tmp_path):
    nowhere = parse_site({"site": {"name": "h", "latitude_deg": 49.2, "longitude_deg": 16.6}}, "site.toml", tmp_path)
    empty = Frame(grid=TimeGrid(start_s=ISSUED_S, slot_s=900, count=0), columns={})
    found = Baseline(nowhere).forecast(ISSUED_S, TARGET, empty, None)["pv_w"]
    assert np.isnan(found.p50[48])
    assert found.p50[0] == 0.0


def test_the_baseline_begins_with_the_standard_profile_and_ends_with_the_homes_own_days(site):
    evenly = [Frame(grid=grid, columns={"load_w": np.full(grid.count, 400.0)}) for grid in map(days_before, (1, 7, 28))]
    said = [Baseline(site).load(ISSUED_S, TARGET, history) for history in evenly]
    swings = [float(np.ptp(forecast.p50[96:])) for forecast in said]
    assert swings[0] > swings[1] > 1.0
    assert swings[2] == pytest.approx(0.0, abs=1e-6)
    assert said[0].p50.mean() == pytest.approx(400.0, rel=0.1)
    assert said[0].p10.max() < 400.0 < said[0].p90.min()


def days_before(days):
    return TimeGrid(start_s=ISSUED_S - days * 86400, slot_s=900, count=days * 96)


def test_the_baselines_spread_holds_what_the_days_did(site, week):
    random = np.random.default_rng(3)
    noisy = random.gamma(2.0, 200.0, week.grid.count)
    found = Baseline(site).load(ISSUED_S, TARGET, Frame(grid=week.grid, columns={"load_w": noisy}))
    came = random.gamma(2.0, 200.0, 192)
    assert np.mean((came >= found.p10) & (came <= found.p90)) == pytest.approx(0.8, abs=0.08)


def test_a_load_above_its_mean_for_hours_stays_above_it_for_hours(site):
    grid = days_before(28)
    evenly = np.full(grid.count, 400.0)
    busy = np.where(np.arange(grid.count) < grid.count - 24, 400.0, 1000.0)
    usual, above = (
        Baseline(site).load(ISSUED_S, TARGET, Frame(grid=grid, columns={"load_w": load_w})).p50
        for load_w in (evenly, busy)
    )
    assert usual == pytest.approx(400.0)
    assert above[40] - usual[40] == pytest.approx(
        0.3 * 510.0 * np.exp(-41 / 48), rel=0.1
    )  # of the 600 W less its share
    assert above[190] - usual[190] < 10.0 + above[94] - usual[94]


def test_other_slots_are_refused(site, week):
    hours = TimeGrid(start_s=ISSUED_S, slot_s=3600, count=24)
    with pytest.raises(ValueError, match="slots of 900 s"):
        Baseline(site).forecast(ISSUED_S, hours, week, None)


def test_the_boxs_load_features_know_the_bundles_holidays(workshop, site, week, monkeypatch):
    seen = []

    def kept(*arguments, **named):
        seen.append(arguments[3].holidays)
        return load_features(*arguments, **named)

    monkeypatch.setattr("edge.forecast.runtime.load_features", kept)
    bundle = workshop.bundle(holidays=["2013-06-04", "2013-07-05"])
    target = TimeGrid(start_s=ISSUED_S, slot_s=900, count=96)
    Forecaster.load(bundle, workshop.public, site).forecast(ISSUED_S, target, week, None)
    assert seen == [(ISSUED_S // 86_400, ISSUED_S // 86_400 + 31)]

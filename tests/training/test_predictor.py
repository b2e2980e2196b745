import dataclasses
import json

import numpy as np
import pytest

from core_kernels.records import Frame
from training.dataset import horizon
from training.errors import SetupError, TrainingError
from training.predictor import PREDICTOR_FILE, fingerprint
from training.pv_predictor import PvPredictor

pytestmark = pytest.mark.training
UNTIL_DAYS = 60


@pytest.fixture(scope="module")
def until_s(made):
    return float(made.series.frame.grid.start_s + UNTIL_DAYS * 86400)


@pytest.fixture(scope="module")
def fitted(made, until_s):
    predictor = PvPredictor(made.site, made.recipe)
    predictor.fit(made.series, until_s)
    return predictor


def changed(series, from_s, add):
    """The series with ``add`` put on every measured column from an instant on."""
    grid = series.frame.grid
    later = grid.starts_s() >= from_s
    columns = {name: np.where(later, values + add, values) for name, values in series.frame.columns.items()}
    return dataclasses.replace(series, frame=Frame(grid=grid, columns=columns))


def days_after(until_s, count):
    return [(until_s + day * 86400.0, horizon(until_s + day * 86400.0, 96)) for day in range(count)]


def test_quantiles_rise_and_stay_within_the_plant(made, fitted, until_s):
    found = fitted.predict(made.series, until_s, horizon(until_s, 96))["pv_w"]
    assert found.shape == (96, 3)
    assert (np.diff(found, axis=1) >= 0.0).all()
    assert 500.0 < found.max() <= fitted.model.cap_w
    assert found.min() == 0.0


def test_nothing_that_came_after_the_issue_is_known(made, fitted, until_s):
    grid = horizon(until_s, 96)
    before = fitted.predict(made.series, until_s, grid)["pv_w"]
    after = fitted.predict(changed(made.series, until_s, 777.0), until_s, grid)["pv_w"]
    np.testing.assert_array_equal(before, after)
    assert not np.array_equal(
        before, fitted.predict(changed(made.series, until_s - 43200.0, 777.0), until_s, grid)["pv_w"]
    )


def test_nothing_that_came_after_the_training_is_fitted_on(made, fitted, until_s):
    again = PvPredictor(made.site, made.recipe)
    metadata = again.fit(changed(made.series, until_s, 777.0), until_s)
    assert metadata.version == fitted.metadata.version
    assert metadata.data_sha256 == fitted.metadata.data_sha256
    assert again.plant == fitted.plant


def test_other_data_make_another_version(made, fitted, until_s):
    metadata = PvPredictor(made.site, made.recipe).fit(changed(made.series, until_s - 86400.0, 1.0), until_s)
    assert metadata.version != fitted.metadata.version
    assert metadata.kind == "pv"
    assert metadata.row_count > 1000


def test_the_fingerprint_tells_names_times_and_values_apart(made):
    frame = made.series.frame
    half = {name: values[: frame.grid.count // 2] for name, values in frame.columns.items()}
    shorter = dataclasses.replace(frame.grid, count=frame.grid.count // 2)
    others = [
        Frame(grid=shorter, columns=half),
        Frame(grid=dataclasses.replace(shorter, start_s=shorter.start_s + 900), columns=half),
        Frame(grid=shorter, columns={name: values for name, values in half.items() if name != "temp_air_c"}),
        Frame(grid=shorter, columns={**half, "load_w": half["pv_w"], "pv_w": half["load_w"]}),
    ]
    assert len({fingerprint(other) for other in others}) == 4
    assert fingerprint(frame) == fingerprint(Frame(grid=frame.grid, columns=dict(frame.columns)))


def test_performance_is_kept_with_its_references(made, fitted, until_s):
    before = len(fitted.history)
    performance = fitted.evaluate(made.series, days_after(until_s, 3))
    assert set(performance.scores["pv_w"]) == {"ours", "persistence", "climatology_28d", "latest", "physics"}
    assert performance.scores["pv_w"]["ours"]["rows"] == 3 * 96
    assert performance.day_count == 3
    assert len(fitted.history) == before + 1
    assert fitted.history[-1] is performance


def test_importance_is_a_share_of_each_input(fitted):
    shares = fitted.importance()
    assert set(shares) == set(fitted.model.names)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_a_predictor_comes_back_as_it_was(made, fitted, until_s, tmp_path):
    fitted.evaluate(made.series, days_after(until_s, 1))
    fitted.save(tmp_path / "pv")
    back = PvPredictor.load(tmp_path / "pv", made.site)
    assert back.metadata == fitted.metadata
    assert back.recipe == fitted.recipe
    assert back.history == fitted.history
    grid = horizon(until_s, 96)
    np.testing.assert_array_equal(
        back.predict(made.series, until_s, grid)["pv_w"], fitted.predict(made.series, until_s, grid)["pv_w"]
    )


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("missing", "is not a predictor"),
        ("not json", "is damaged"),
        ("other site", "not pv of made"),
        ("other features", "fit again"),
        ("bad booster", "is damaged"),
        ("no plant", "is not a predictor"),
    ],
)
def test_a_damaged_predictor_is_refused(made, fitted, tmp_path, damage, says):
    fitted.save(tmp_path)
    document = json.loads((tmp_path / PREDICTOR_FILE).read_text())
    edits = {
        "other site": {"metadata": {**document["metadata"], "site": "another"}},
        "other features": {"metadata": {**document["metadata"], "feature_code_sha256": "0"}},
    }
    if damage in edits:
        (tmp_path / PREDICTOR_FILE).write_text(json.dumps({**document, **edits[damage]}))
    elif damage == "missing":
        (tmp_path / PREDICTOR_FILE).unlink()
    elif damage == "not json":
        (tmp_path / PREDICTOR_FILE).write_text("{")
    elif damage == "bad booster":
        (tmp_path / "pv_w_0.json").write_text("{}")
    else:
        (tmp_path / "pv_plant.json").unlink()
    with pytest.raises(SetupError, match=says):
        PvPredictor.load(tmp_path, made.site)


def test_what_is_not_fitted_says_so(made, tmp_path):
    predictor = PvPredictor(made.site, made.recipe)
    for ask in (lambda: predictor.metadata, lambda: predictor.plant, lambda: predictor.save(tmp_path)):
        with pytest.raises(TrainingError, match="not fitted yet"):
            ask()


def test_a_folder_that_cannot_be_written_is_an_error(fitted, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be written"):
        fitted.save(tmp_path / "file")

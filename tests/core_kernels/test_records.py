"""Records hold read-only copies and refuse what does not fit."""

import numpy as np
import pytest

from core_kernels.records import FeatureMatrix, Forecast, Frame, Prices, frozen_f64
from core_kernels.timegrid import TimeGrid

GRID = TimeGrid(start_s=0, slot_s=900, count=3)


def forecast(**changes):
    fields = {"signal": "pv_w", "issued_s": 0.0, "grid": GRID, "source": "test"}
    quantiles = {name: np.zeros(3) for name in ("p10", "p50", "p90")}
    return Forecast(**{**fields, **quantiles, **changes})


def test_a_frozen_array_is_a_copy_that_nobody_can_write():
    source = np.array([1, 2, 3])
    frozen = frozen_f64(source)
    source[0] = 9
    assert frozen.dtype == np.float64
    assert frozen[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        frozen[0] = 5.0


def test_a_frame_keeps_its_columns_from_its_caller():
    values = np.array([1.0, 2.0, 3.0])
    frame = Frame(grid=GRID, columns={"pv_w": values})
    values[:] = 0.0
    assert frame.column("pv_w").tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(TypeError):
        frame.columns["load_w"] = values


def test_an_absent_column_is_missing_not_zero():
    assert np.isnan(Frame(grid=GRID, columns={}).column("load_w")).all()


def test_a_frame_refuses_unknown_names_and_other_lengths():
    with pytest.raises(KeyError, match="unknown signal"):
        Frame(grid=GRID, columns={"power": np.zeros(3)})
    with pytest.raises(ValueError, match="pv_w has shape"):
        Frame(grid=GRID, columns={"pv_w": np.zeros(4)})


def test_a_forecast_refuses_another_length():
    assert not forecast().p50.flags.writeable
    with pytest.raises(ValueError, match="p90 has shape"):
        forecast(p90=np.zeros(2))


def test_a_feature_matrix_refuses_what_does_not_fit():
    values = np.zeros((2, 2), dtype=np.float32)
    matrix = FeatureMatrix(names=("a", "b"), values=values, scale_w=np.ones(2))
    assert not matrix.values.flags.writeable
    with pytest.raises(ValueError, match="feature names"):
        FeatureMatrix(names=("a",), values=values, scale_w=np.ones(2))
    with pytest.raises(ValueError, match="scale_w"):
        FeatureMatrix(names=("a", "b"), values=values, scale_w=np.ones(3))


def test_prices_remember_which_of_them_are_known():
    known = np.array([True, True, False])
    fields = {"grid": GRID, "import_eur_per_kwh": np.ones(3), "export_eur_per_kwh": np.zeros(3)}
    prices = Prices(**fields, known=known)
    known[:] = False
    assert prices.known.tolist() == [True, True, False]
    assert not prices.known.flags.writeable
    with pytest.raises(ValueError, match="known has shape"):
        Prices(**fields, known=known[:2])

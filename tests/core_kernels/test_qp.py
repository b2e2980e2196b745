import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels import qp, sparse


def dense(matrix: sparse.Csc) -> np.ndarray:
    """The slow obvious twin of a sparse matrix."""
    full = np.zeros(matrix.shape)
    for column in range(matrix.shape[1]):
        for place in range(matrix.indptr[column], matrix.indptr[column + 1]):
            full[matrix.indices[place], column] += matrix.data[place]
    return full


def slots(count: int, **changes) -> qp.Slots:
    def constant(value: float) -> np.ndarray:
        return np.full(count, value)

    values = {
        "net_load_kw": constant(1.0),
        "import_eur_per_kwh": constant(0.3),
        "export_eur_per_kwh": constant(0.1),
        "charge_max_kw": constant(5.0),
        "discharge_max_kw": constant(4.0),
        "import_max_kw": constant(17.0),
        "export_max_kw": constant(10.0),
        "curtail_max_kw": constant(0.0),
        "stored_min_kwh": constant(1.0),
        "stored_max_kwh": constant(9.0),
    }
    return qp.Slots(**{**values, **changes})


TERMS = qp.Terms(5000.0, 0.02, 0.15)


def test_two_steps_have_the_rows_of_the_page():
    rows = dense(qp.structure(2, 900.0, 0.9, 0.0).rows)
    assert rows.shape == (14, 10)
    np.testing.assert_allclose(rows[qp.BAL, :5], [-1.0, 1.0, 0.0, 1.0, -1.0])
    np.testing.assert_allclose(rows[qp.SOC, :5], [-0.225, 0.25 / 0.9, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(rows[7 + qp.SOC], [0, 0, -1, 0, 0, -0.225, 0.25 / 0.9, 1, 0, 0])
    np.testing.assert_allclose(rows[2:7, :5], np.eye(5))
    np.testing.assert_allclose(rows[9:14, 5:], np.eye(5))


@given(count=st.integers(1, 12), weight=st.floats(0.0, 1.0))
def test_the_quadratic_part_is_the_sum_of_squared_ramps(count, weight):
    upper = dense(qp.structure(count, 900.0, 0.95, weight).quadratic)
    full = upper + np.triu(upper, 1).T
    x = np.random.default_rng(count).normal(size=(count, qp.UNKNOWNS))
    ramps = np.diff(x[:, qp.PD] - x[:, qp.PC])
    np.testing.assert_allclose(0.5 * x.ravel() @ full @ x.ravel(), weight * np.sum(ramps**2), atol=1e-9)
    assert (np.tril(upper, -1) == 0.0).all()


def test_indices_are_sorted_within_each_column():
    for matrix in qp.structure(5, 900.0, 0.95, 1e-3)[3:5]:
        for low, high in zip(matrix.indptr, matrix.indptr[1:], strict=False):
            assert (np.diff(matrix.indices[low:high]) > 0).all()


def test_product_matches_the_dense_twin():
    matrix = qp.structure(7, 1800.0, 0.9, 0.0).rows
    x = np.random.default_rng(1).normal(size=matrix.shape[1])
    np.testing.assert_allclose(sparse.multiply(matrix, x), dense(matrix) @ x, atol=1e-12)


def test_the_cost_is_the_bill_the_wear_and_the_value_left():
    rng = np.random.default_rng(2)
    shape = qp.structure(6, 1800.0, 0.9, 0.0)
    chosen = slots(6, import_eur_per_kwh=rng.uniform(0.2, 0.4, 6), export_eur_per_kwh=rng.uniform(-0.1, 0.1, 6))
    bounds = qp.vectors(shape, chosen, TERMS)
    step = rng.uniform(0.0, 3.0, (6, qp.UNKNOWNS))
    exported = step[:, qp.GI] - step[:, qp.CU] - step[:, qp.PC] + step[:, qp.PD] - chosen.net_load_kw
    bill = 0.5 * (chosen.import_eur_per_kwh @ step[:, qp.GI] - chosen.export_eur_per_kwh @ exported)
    extra = 0.5 * (0.02 * step[:, qp.PD].sum() + qp.CURTAIL_EUR_PER_KWH * step[:, qp.CU].sum()) - 0.15 * step[-1, qp.S]
    assert bounds.q @ step.ravel() + bounds.constant_eur == pytest.approx(bill + extra)


def test_bounds_stand_in_their_rows():
    bounds = qp.vectors(qp.structure(3, 900.0, 0.9, 0.0), slots(3), TERMS)
    low, high = bounds.l.reshape(3, qp.ROWS), bounds.u.reshape(3, qp.ROWS)
    np.testing.assert_array_equal(low[:, qp.BAL], 1.0)
    np.testing.assert_array_equal(high[:, qp.BAL], 11.0)
    np.testing.assert_array_equal(low[:, qp.SOC], [5.0, 0.0, 0.0])
    np.testing.assert_array_equal(high[:, qp.SOC], [5.0, 0.0, 0.0])
    np.testing.assert_array_equal(low[1, 2:], [0.0, 0.0, 1.0, 0.0, 0.0])
    np.testing.assert_array_equal(high[1, 2:], [5.0, 4.0, 9.0, 17.0, 0.0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net_load_kw": np.zeros(2)}, "net_load_kw must be 3"),
        ({"import_eur_per_kwh": np.array([0.1, np.nan, 0.1])}, "import_eur_per_kwh must be 3 finite"),
        ({"stored_min_kwh": np.array([1.0, 9.5, 1.0])}, "step 1, row 4: lower bound 9.5 is above 9"),
    ],
)
def test_wrong_numbers_are_refused_by_name(changes, words):
    with pytest.raises(ValueError, match=words):
        qp.vectors(qp.structure(3, 900.0, 0.9, 0.0), slots(3, **changes), TERMS)


@pytest.mark.parametrize(
    "arguments", [(0, 900.0, 0.9, 0.0), (3, 0.0, 0.9, 0.0), (3, 900.0, 0.0, 0.0), (3, 900.0, 0.9, -1.0)]
)
def test_an_impossible_horizon_is_refused(arguments):
    with pytest.raises(ValueError, match="no horizon"):
        qp.structure(*arguments)


def test_a_shift_moves_stages_and_repeats_the_last():
    x, y = qp.shift(qp.structure(3, 900.0, 0.9, 0.0), np.arange(15.0), np.arange(21.0), 2)
    np.testing.assert_array_equal(x, [*range(10, 15)] * 3)
    np.testing.assert_array_equal(y, [*range(14, 21)] * 3)
    assert x.flags.c_contiguous


def test_violation_is_the_worst_row_and_nan_for_nan():
    shape = qp.structure(3, 900.0, 0.9, 0.0)
    bounds = qp.vectors(shape, slots(3), TERMS)
    feasible = np.tile([0.0, 0.0, 5.0, 1.0, 0.0], 3)
    assert qp.violation(shape, bounds, feasible) == pytest.approx(0.0)
    worse = feasible.copy()
    worse[3] = 0.4
    assert qp.violation(shape, bounds, worse) == pytest.approx(0.6)
    worse[0] = np.nan
    assert np.isnan(qp.violation(shape, bounds, worse))


def test_water_values_are_the_duals_of_the_soc_rows():
    shape = qp.structure(3, 900.0, 0.9, 0.0)
    np.testing.assert_array_equal(qp.water_values(shape, np.arange(21.0)), [1.0, 8.0, 15.0])

import numpy as np
import pytest

from core_kernels import qp, qp_parts, sparse
from core_kernels.qp_demand import demand_part
from core_kernels.qp_parts import Cell, Part, Ramp


def dense(matrix: sparse.Csc) -> np.ndarray:
    full = np.zeros(matrix.shape)
    for column in range(matrix.shape[1]):
        for place in range(matrix.indptr[column], matrix.indptr[column + 1]):
            full[matrix.indices[place], column] += matrix.data[place]
    return full


CAR = demand_part("ev.car", 0.25, 0.9, 0.0)


def test_a_car_stands_behind_the_battery_in_every_step():
    shape = qp.structure(2, 900.0, 0.9, 0.0, parts=[CAR])
    assert (shape.layout.width, shape.layout.height) == (8, 11)
    rows = dense(shape.rows)
    plain = dense(qp.structure(2, 900.0, 0.9, 0.0).rows)
    np.testing.assert_array_equal(rows[:7, :5], plain[:7, :5])
    np.testing.assert_array_equal(rows[11:18, 8:13], plain[7:14, 5:10])
    power, energy, short = (shape.layout.columns[f"ev.car.{name}"] for name in ("power", "energy", "short"))
    flow = shape.layout.lines["ev.car.flow"]
    assert rows[qp.BAL, power] == -1.0
    assert rows[flow, [power, energy, short]].tolist() == [-0.225, 1.0, -1.0]
    assert rows[11 + flow, [energy, 8 + power, 8 + energy]].tolist() == [-1.0, -0.225, 1.0]


def test_what_a_component_draws_is_not_exported():
    shape = qp.structure(3, 1800.0, 0.9, 0.0, parts=[CAR])
    one = np.ones(3)
    export = np.array([0.1, 0.2, -0.3])
    slots = qp.Slots(one, one, export, one, one, one, one, 0 * one, 0 * one, 9 * one)
    zero = qp_parts.Numbers({}, {}, {})
    q = shape.by_step(qp.vectors(shape, slots, qp.Terms(500.0, 0.0, 0.0), [zero]).q)
    np.testing.assert_allclose(q[:, shape.layout.columns["ev.car.power"]], 0.5 * export)


def test_a_name_is_there_once():
    with pytest.raises(ValueError, match=r"more than one component has ev\.car\.energy, ev\.car\.power"):
        qp.structure(2, 900.0, 0.9, 0.0, parts=[CAR, CAR])


def test_numbers_of_a_wrong_length_or_not_finite_are_refused_by_name():
    shape = qp.structure(3, 900.0, 0.9, 0.0, parts=[CAR])
    one = np.ones(3)
    slots = qp.Slots(one, one, one, one, one, one, one, 0 * one, 0 * one, 9 * one)
    for wrong in (np.ones(2), np.array([1.0, np.nan, 1.0])):
        with pytest.raises(ValueError, match="ev.car.power must be one or 3 finite"):
            qp.vectors(shape, slots, qp.Terms(500.0, 0.0, 0.0), [qp_parts.Numbers({}, {}, {"ev.car.power": wrong})])


@pytest.mark.parametrize("billed", [False, True])
def test_other_coefficients_go_to_the_places_of_the_old(billed):
    def pump(cop: float) -> Part:
        draw = np.linspace(1.0 / cop, 2.0 / cop, 4)
        return Part(("heat",), ("pump",), (Cell("balance", "heat", -draw), Cell("pump", "heat", draw)))

    peak_of = np.zeros(4, dtype=np.int64) if billed else None
    old, new = (qp.structure(4, 900.0, 0.9, 1e-4, peak_of, 0.1, [pump(cop)]) for cop in (3.0, 4.0))
    again = qp.refilled(old, [pump(4.0)])
    np.testing.assert_array_equal(again.rows.data, new.rows.data)
    np.testing.assert_array_equal(again.bus[0][1], new.bus[0][1])


def test_squares_and_ramps_of_one_unknown_add_up():
    part = Part(("x",), squares=(("x", 3.0),), ramps=(Ramp((("x", 1.0),), 0.5),))
    layout = qp_parts.lay_out([part])
    upper = dense(sparse.compress(*qp_parts.quadratic([part], layout, 3), (3, 3)))
    full = upper + np.triu(upper, 1).T
    x = np.array([1.0, -2.0, 4.0])
    assert 0.5 * x @ full @ x == pytest.approx(1.5 * x @ x + 0.5 * np.sum(np.diff(x) ** 2))


def test_nothing_quadratic_is_no_triplet():
    assert all(part.size == 0 for part in qp_parts.quadratic([Part(("x",))], qp_parts.lay_out([Part(("x",))]), 3))

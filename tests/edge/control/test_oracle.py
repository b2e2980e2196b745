import numpy as np
import pytest

from core_kernels import qp
from edge.control.oracle import foresee, solve_linear
from edge.errors import PlanError

SHAPE = qp.structure(24, 3600.0, 0.95, 0.0)
ONE = np.ones(24)


def slots(imports: np.ndarray, exports: np.ndarray, net_kw: float = 1.0) -> qp.Slots:
    return qp.Slots(net_kw * ONE, imports, exports, 5 * ONE, 5 * ONE, 17 * ONE, 10 * ONE, 0 * ONE, ONE, 10 * ONE)


def test_cheap_hours_charge_and_dear_hours_discharge():
    imports = np.where(np.arange(24) < 4, 0.05, 0.4)
    power_w = foresee(SHAPE, slots(imports, 0 * ONE), qp.Terms(1000.0, 0.0, 0.0))
    assert power_w[:4].sum() == pytest.approx(-9000.0 / 0.95)
    assert power_w[4:].sum() == pytest.approx(9000.0 * 0.95)
    assert (power_w[4:] >= -1e-6).all()


def test_an_empty_corridor_has_no_answer():
    stuck = slots(ONE, 0 * ONE)._replace(stored_min_kwh=10 * ONE, charge_max_kw=0 * ONE)
    with pytest.raises(PlanError, match="HiGHS found no optimum"):
        solve_linear(SHAPE, qp.vectors(SHAPE, stuck, qp.Terms(1000.0, 0.0, 0.0)))


def test_negative_prices_do_not_burn_energy_in_the_battery():
    imports = np.where((np.arange(24) > 9) & (np.arange(24) < 16), -0.3, 0.2)
    power_w = foresee(SHAPE, slots(imports, imports - 0.09), qp.Terms(5000.0, 0.0, 0.0))
    leg = 0.95
    stored = 5.0 + np.cumsum(-np.where(power_w > 0, power_w / leg, power_w * leg)) / 1000.0
    assert stored.min() > 1.0 - 1e-6
    assert stored.max() < 10.0 + 1e-6


def test_export_above_import_is_held_below_it():
    power_w = foresee(SHAPE, slots(0.1 * ONE, 0.3 * ONE), qp.Terms(5000.0, 0.02, 0.05))
    assert np.isfinite(power_w).all()

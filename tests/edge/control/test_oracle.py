import numpy as np
import pytest
from energy import BATTERY, make_site
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core_kernels import qp
from core_kernels.battery import step
from edge.config import Grid
from edge.control import oracle
from edge.control.ledger import Market
from edge.control.oracle import foresee, solve_linear
from edge.control.ways import Ways, parameters_of
from edge.errors import PlanError

SHAPE = qp.structure(24, 3600.0, 0.95, 0.0)
ONE = np.ones(24)


def slots(imports: np.ndarray, exports: np.ndarray, net_kw: float = 1.0) -> qp.Slots:
    return qp.Slots(net_kw * ONE, imports, exports, 5 * ONE, 5 * ONE, 17 * ONE, 10 * ONE, 0 * ONE, ONE, 10 * ONE)


def test_cheap_hours_charge_and_dear_hours_discharge():
    imports = np.where(np.arange(24) < 4, 0.05, 0.4)
    power_w, _ = foresee(SHAPE, slots(imports, 0 * ONE), qp.Terms(1000.0, 0.0, 0.0))
    assert power_w[:4].sum() == pytest.approx(-9000.0 / 0.95)
    assert power_w[4:].sum() == pytest.approx(9000.0 * 0.95)
    assert (power_w[4:] >= -1e-6).all()


def test_an_empty_corridor_has_no_answer():
    stuck = slots(ONE, 0 * ONE)._replace(stored_min_kwh=10 * ONE, charge_max_kw=0 * ONE)
    with pytest.raises(PlanError, match="HiGHS found no optimum"):
        solve_linear(SHAPE, qp.vectors(SHAPE, stuck, qp.Terms(1000.0, 0.0, 0.0)))


def test_negative_prices_do_not_burn_energy_in_the_battery():
    imports = np.where((np.arange(24) > 9) & (np.arange(24) < 16), -0.3, 0.2)
    power_w, _ = foresee(SHAPE, slots(imports, imports - 0.09), qp.Terms(5000.0, 0.0, 0.0))
    leg = 0.95
    stored = 5.0 + np.cumsum(-np.where(power_w > 0, power_w / leg, power_w * leg)) / 1000.0
    assert stored.min() > 1.0 - 1e-6
    assert stored.max() < 10.0 + 1e-6


def test_export_above_import_is_traded_through_the_battery_never_past_it():
    """Import at 0.1 and export at 0.3: buying full in one hour and selling in the next pays."""
    power_w, gap_eur = foresee(SHAPE, slots(0.1 * ONE, 0.3 * ONE), qp.Terms(5000.0, 0.02, 0.05))
    assert gap_eur == 0.0
    grid_kw = 1.0 - power_w / 1000.0
    cost_eur = np.where(grid_kw > 0.0, 0.1, 0.3) @ grid_kw + 0.02 * np.maximum(power_w, 0.0).sum() / 1000.0
    assert cost_eur < 2.4 - 5.0
    assert np.abs(power_w).max() <= 5000.0 + 1e-6


def test_hundreds_of_reversed_slots_are_nearly_solved_and_say_how_nearly(monkeypatch):
    monkeypatch.setattr(oracle, "MIP_LIMIT_S", 0.0)
    problem = slots(0.1 * ONE, 0.3 * ONE), qp.Terms(5000.0, 0.02, 0.05)
    power_w, gap_eur = foresee(SHAPE, *problem)
    assert 0.0 < gap_eur < 24 * 10.0 * 0.2
    monkeypatch.undo()
    exact_w, _ = foresee(SHAPE, *problem)
    assert cost(exact_w) <= cost(power_w) + 1e-6 <= cost(exact_w) + 0.05


def cost(power_w: np.ndarray) -> float:
    grid_kw, leg = 1.0 - power_w / 1000.0, 0.95
    stored_kwh = -np.where(power_w > 0.0, power_w / leg, power_w * leg).sum() / 1000.0
    wear_eur = 0.02 * np.maximum(power_w, 0.0).sum() / 1000.0
    return float(np.where(grid_kw > 0.0, 0.1, 0.3) @ grid_kw + wear_eur - 0.05 * stored_kwh)


HOURS = 8
PRICE = st.lists(st.floats(-0.5, 0.7).map(lambda v: round(v, 3)), min_size=HOURS, max_size=HOURS)
POWER = st.lists(st.floats(-12_000.0, 6000.0), min_size=HOURS, max_size=HOURS)


REST = HOURS * [0.0]


@settings(max_examples=60, deadline=None)
@example(REST, REST, [*REST[1:], -0.0002], REST, 0.0, True)  # far less PV than what counts as throttled
@given(PRICE, PRICE, POWER, POWER, st.sampled_from([0.0, 2000.0, 10_000.0]), st.booleans())
def test_nothing_possible_beats_perfect_foresight(imports, exports, net, wishes, export_w, grid_only):
    """Any way of a battery within its limits, rules among them, at any prices."""
    market = Market(import_eur_per_kwh=np.array(imports), export_eur_per_kwh=np.array(exports))
    site = make_site(grid=Grid(import_w=17_000.0, export_w=export_w))
    ways = Ways(site=site, battery=BATTERY, market=market, slot_s=3600, start_soc_frac=0.5)
    net_w, parameters = np.array(net), parameters_of(BATTERY)
    soc_frac, battery_w = [0.5], []
    for wish_w, need_w in zip(wishes, net, strict=True):
        # As the guard has it: a battery never gives more than the house and the export limit take.
        after_frac, power_w = step(soc_frac[-1], min(wish_w, max(need_w + export_w, 0.0)), 3600.0, parameters)
        soc_frac.append(after_frac)
        battery_w.append(power_w)
    if grid_only:
        oracle_way = _nearly_of(ways, net_w)
        assert oracle_way.gap_eur >= 0.0
    ledger = ways.ledger(net_w, np.array(battery_w), np.array(soc_frac))
    foresight_eur = ledger.perfect_foresight.total_eur
    assert ledger.foresight_gap_eur == 0.0
    assert foresight_eur <= ledger.ours.total_eur + 1e-6
    assert foresight_eur <= ledger.rules.total_eur + 1e-6
    if grid_only:
        assert foresight_eur <= oracle_way.cost.total_eur + 1e-6
        assert oracle_way.cost.total_eur - oracle_way.gap_eur <= foresight_eur + 1e-6


def _nearly_of(ways, net_w):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oracle, "MIP_LIMIT_S", 0.0)
        return ways.foresight(net_w)


def test_going_on_from_the_last_optimum_finds_what_a_fresh_start_does_and_survives_a_programme_without_one():
    linear = oracle.Linear()
    stuck = slots(ONE, 0 * ONE)._replace(stored_min_kwh=10 * ONE, charge_max_kw=0 * ONE)
    for shape, dear_eur in ((SHAPE, 0.2), (SHAPE, 0.5), (qp.structure(24, 3600.0, 0.9, 0.0), 0.5), (SHAPE, -0.1)):
        imports = np.where(np.arange(24) < 12, 0.1, dear_eur)
        bounds = qp.vectors(shape, slots(imports, imports - 0.09), qp.Terms(5000.0, 0.02, 0.05))
        fresh = bounds.q @ solve_linear(shape, bounds)
        assert bounds.q @ linear.solve(shape, bounds) == pytest.approx(fresh, abs=1e-9)
        with pytest.raises(PlanError, match="HiGHS found no optimum"):
            linear.solve(shape, qp.vectors(shape, stuck, qp.Terms(1000.0, 0.0, 0.0)))
        assert bounds.q @ linear.solve(shape, bounds) == pytest.approx(fresh, abs=1e-9)

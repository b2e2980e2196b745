import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_kernels.storedvalue import LEVELS_COUNT, Storage, cost_to_come

STORAGE = Storage(
    low_wh=1000.0,
    high_wh=10_000.0,
    charge_w=5000.0,
    discharge_w=5000.0,
    leg_efficiency_frac=0.9**0.5,
    export_limit_w=10_000.0,
    wear_eur_per_kwh=0.02,
    terminal_eur_per_kwh=0.1,
)
SURE = np.ones(1)


def twin(net_w, weight_frac, imports, exports, slot_s, storage):
    """The recursion read off its equation: level by level, net load by net load, power by power."""
    hours, leg = slot_s / 3600.0, storage.leg_efficiency_frac
    levels = [storage.low_wh + (storage.high_wh - storage.low_wh) * i / (LEVELS_COUNT - 1) for i in range(LEVELS_COUNT)]
    ahead = [-storage.terminal_eur_per_kwh * level / 1000.0 for level in levels]
    for k in reversed(range(net_w.shape[0])):
        now = []
        for level in levels:
            most = min(storage.discharge_w, (level - storage.low_wh) * leg / hours)
            least = -min(storage.charge_w, (storage.high_wh - level) / leg / hours)
            total = 0.0
            for net, weight in zip(net_w[k], weight_frac, strict=True):
                costs = []
                for power in (0.0, min(max(net, least), most), most, least):
                    grid = max(net - power, -storage.export_limit_w)
                    bill = grid * (imports[k] if grid > 0.0 else exports[k])
                    wear = storage.wear_eur_per_kwh * max(power, 0.0)
                    after = level - hours * (power / leg if power > 0.0 else power * leg)
                    costs.append(hours / 1000.0 * (bill + wear) + float(np.interp(after, levels, ahead)))
                total += weight * min(costs)
            now.append(total)
        ahead = now
    return ahead


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_recursion_is_its_equation(seed):
    noise = np.random.default_rng(seed)
    net_w, imports = noise.normal(0.0, 3000.0, (6, 3)), noise.normal(0.15, 0.15, 6)
    weight_frac = np.array([0.3, 0.4, 0.3])
    curve = cost_to_come(net_w, weight_frac, imports, imports - 0.09, 900.0, STORAGE)
    np.testing.assert_allclose(
        curve.cost_eur, twin(net_w, weight_frac, imports, imports - 0.09, 900.0, STORAGE), atol=1e-9
    )


def test_a_kwh_that_covers_a_sure_deficit_is_worth_its_import_less_loss_and_wear():
    net_w, prices = np.full((96, 1), 2000.0), np.full(96, 0.30)
    curve = cost_to_come(net_w, SURE, prices, prices - 0.25, 900.0, STORAGE)
    assert curve.worth_eur_per_kwh(5000.0) == pytest.approx(STORAGE.leg_efficiency_frac * (0.30 - 0.02))


def test_energy_that_nobody_needs_is_worth_what_is_paid_at_the_end():
    net_w, free = np.zeros((8, 1)), np.full(8, 0.12)
    curve = cost_to_come(net_w, SURE, free, free - 0.1, 900.0, STORAGE)
    assert curve.worth_eur_per_kwh(5000.0) == pytest.approx(0.1)
    assert curve.worth_eur_per_kwh(0.0) == pytest.approx(0.1)
    assert curve.worth_eur_per_kwh(10_500.0) == pytest.approx(0.1)


def test_a_spike_that_may_come_makes_stored_energy_worth_more_than_its_mean_does():
    mean_w, imports, exports = np.full((32, 1), -200.0), np.full(32, 0.4), np.full(32, 0.02)
    storage = STORAGE._replace(terminal_eur_per_kwh=0.0)
    sure = cost_to_come(mean_w, SURE, imports, exports, 900.0, storage)
    spiky_w = np.tile([3800.0, -1200.0], (32, 1))
    spiky = cost_to_come(spiky_w, np.array([0.2, 0.8]), imports, exports, 900.0, storage)
    assert spiky.worth_eur_per_kwh(3000.0) > sure.worth_eur_per_kwh(3000.0) + 0.05


def test_what_is_not_known_is_not_valued():
    net_w = np.full((4, 1), math.nan)
    curve = cost_to_come(net_w, SURE, np.full(4, 0.3), np.full(4, 0.1), 900.0, STORAGE)
    assert math.isnan(curve.worth_eur_per_kwh(5000.0))

"""Heat pumps against hplib itself, and the bounds of thermodynamics."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.heatpump import HeatPump, carnot_cop, carnot_share, operate, reference_power

FIXTURE = json.loads((Path(__file__).resolve().parents[1] / "data" / "hplib_heatpump.json").read_text())
KINDS = sorted(FIXTURE["cases"])


def test_the_fixture_says_what_made_it():
    assert FIXTURE["made_with"]["hplib"] == "1.9"


@pytest.mark.parametrize("kind", KINDS)
def test_operation_is_that_of_hplib(kind):
    case = {key: np.array(value) for key, value in FIXTURE["cases"][kind].items()}
    pump = HeatPump(kind, float(case["heating_w"]))
    assert reference_power(pump)[1] == pytest.approx(float(case["electric_w"]), rel=1e-12)
    found = operate(pump, case["source_c"], case["flow_c"], case["outdoor_c"])
    assert np.abs(found.cop - case["cop"]).max() <= 1e-10
    assert np.abs(found.input_w - case["input_w"]).max() <= 1e-8
    assert np.abs(found.output_w - case["output_w"]).max() <= 1e-8


def test_a_common_air_pump_by_hand():
    # (46.374629 - 46.220579) * 2 - 0.0875667 * 35 + 7.0454352 = 4.2887
    found = operate(HeatPump("air_regulated", 8000.0), np.array([2.0]), np.array([35.0]), np.array([2.0]))
    assert found.cop[0] == pytest.approx(4.2887, abs=1e-3)


@given(st.floats(-25.0, 25.0), st.floats(25.0, 65.0))
def test_no_pump_beats_carnot_and_energy_adds_up(source_c, flow_c):
    source, flow = np.array([source_c]), np.array([flow_c])
    ideal = carnot_cop(source, flow, 1.0)
    for kind in KINDS:
        found = operate(HeatPump(kind, 8000.0), source, flow, np.array([min(source_c, 10.0)]))
        assert found.cop[0] >= 1.0
        if flow_c - source_c > 15.0:
            assert found.cop[0] < ideal[0]
        assert found.output_w[0] == pytest.approx(found.cop[0] * found.input_w[0], rel=1e-9)


def test_in_deep_cold_the_rod_heats_alone():
    found = operate(HeatPump("air_regulated", 8000.0), np.array([-25.0]), np.array([70.0]), np.array([-25.0]))
    assert [float(x[0]) for x in found] == [1.0, 8000.0, 8000.0]


def test_carnot_by_hand_and_its_least_lift():
    # 308.15 K / 35 K
    assert carnot_cop(np.array([0.0]), np.array([35.0]), 1.0)[0] == pytest.approx(308.15 / 35.0, rel=1e-14)
    assert carnot_cop(np.array([40.0]), np.array([35.0]), 1.0, 5.0)[0] == pytest.approx(308.15 / 5.0, rel=1e-14)


def test_the_generic_air_pump_reaches_a_common_share_of_carnot():
    source, flow = np.linspace(-10.0, 12.0, 50), np.full(50, 40.0)
    found = operate(HeatPump("air_regulated", 8000.0), source, flow, source)
    assert 0.3 < carnot_share(found, source, flow) < 0.5


def test_missing_stays_missing():
    gap, full = np.array([math.nan, 5.0]), np.array([35.0, 35.0])
    for arguments in ((gap, full, full), (full - 30.0, gap, full)):
        found = operate(HeatPump("air_regulated", 8000.0), *arguments)
        assert all(np.isnan(part).tolist() == [True, False] for part in found)
    found = operate(HeatPump("brine_regulated", 8000.0), full - 35.0, full, gap)
    assert all(np.isnan(part).tolist() == [True, False] for part in found)
    assert np.isnan(carnot_cop(gap, full)).tolist() == [True, False]
    assert math.isnan(
        carnot_share(operate(HeatPump("air_on_off", 1.0), gap[:1], full[:1], full[:1]), gap[:1], full[:1])
    )


def test_wrong_arguments_are_named():
    one = np.ones(1)
    with pytest.raises(ValueError, match="kind"):
        operate(HeatPump("gas", 8000.0), one, one, one)
    with pytest.raises(ValueError, match="heating_w"):
        operate(HeatPump("air_on_off", -1.0), one, one, one)
    with pytest.raises(ValueError, match="flow_c"):
        operate(HeatPump("air_on_off", 1.0), one, np.ones(2), one)
    with pytest.raises(ValueError, match="carnot_frac"):
        carnot_cop(one, one, 1.2)

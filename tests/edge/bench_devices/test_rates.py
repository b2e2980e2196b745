"""The rates of ``pems bench devices``, measured shortly: rows with their references, and readings that are right."""

from __future__ import annotations

import pytest

from edge.bench_devices import rates

pytestmark = pytest.mark.realtime


def test_a_paced_inverter_brings_its_control_values_at_its_own_period(monkeypatch):
    monkeypatch.setattr(rates, "_LANE_S", 3.0)
    monkeypatch.setattr(rates, "_POLLS", 1)
    lane, poll = rates.serial_rows()
    assert 0.84 <= lane.value <= 1.8  # never sooner than Growatt's 850 ms
    assert poll.value <= 2.4
    assert (lane.target, poll.target) == ("<= 1.0 s", "<= 2.4 s")


def test_the_whole_stack_is_measured_beside_both_clients_of_pymodbus(monkeypatch):
    monkeypatch.setattr(rates, "_ROUNDS", 1)
    monkeypatch.setattr(rates, "_REQUESTS", 40)
    first, second = rates.tcp_rows()
    assert first.value == second.value > 20.0
    assert first.reference_value > 20.0
    assert first.ok is (first.ratio >= 0.7)
    assert second.reference == "raw pymodbus, blocking client"


def test_three_devices_cost_little_processor_time(monkeypatch):
    monkeypatch.setattr(rates, "_IDLE_S", 3.0)
    row = rates.idle_row()
    assert 0.0 < row.value < 10.0
    assert row.unit == "%"

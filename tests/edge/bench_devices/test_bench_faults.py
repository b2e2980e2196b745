"""The bench of the device layer believes what is true, and counts what others believe."""

from __future__ import annotations

import math

import pytest

from edge.bench_devices import recovery
from edge.bench_devices.faults import BLOCKS, Ours, Theirs, Witness, fault_rows, measure


def test_a_replaying_gateway_deceives_the_reference_and_not_us():
    per_fault, total = fault_rows(("gateway-replay",))
    assert (per_fault.value, per_fault.reference_value, per_fault.ok) == (0, 4, True)
    assert (total.value, total.reference_value) == (0, 1)
    assert per_fault.name.startswith("fault 3 gateway-replay, tcp")


def test_one_late_answer_costs_us_nothing_more_and_the_reference_everything():
    *_, late = fault_rows(("late-serial",))
    assert (late.value, late.ok) == (0, True)
    assert math.isnan(late.reference_value)


def test_without_a_real_fault_both_read_the_truth():
    for client in (Ours, Theirs):
        tally = measure("split-frame", "tcp", client)
        assert (tally.right_count, tally.wrong_count, tally.failed_count, tally.lost_count) == (10, 0, 0, 0)


def test_every_word_of_the_witness_tells_its_question():
    witness = Witness()
    first, second = (witness.answer(b"\x04\x03\xe8\x00\x02") for _ in range(2))
    assert first[2:] != second[2:]
    assert len({witness.truth[1000], witness.truth[1001]}) == 2
    assert len({count for _, count in BLOCKS}) == 1


@pytest.mark.parametrize("reader", [recovery.Ours, recovery.Reference])
def test_a_restarted_server_is_read_again(reader, monkeypatch):
    monkeypatch.setattr(recovery, "AWAY_WALL_S", 0.6)
    monkeypatch.setattr(recovery, "CYCLE_WALL_S", 0.2)
    assert recovery.recovery_s(f"tcp://127.0.0.1:{recovery.quiet_port()}", reader) < 10.0


def test_a_device_that_stays_away_is_never_fresh(monkeypatch):
    monkeypatch.setattr(recovery, "PATIENCE_WALL_S", 0.2)
    monkeypatch.setattr(recovery, "CYCLE_WALL_S", 0.1)
    client = recovery.Reference("tcp://127.0.0.1:9")
    assert math.isinf(recovery.until_fresh_s(client))
    client.close()

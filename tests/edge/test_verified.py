"""Which cycles count for the health gate."""

from __future__ import annotations

import math
from dataclasses import replace

from energy import make_house
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import NEEDS_PERMISSION, Command, CycleRecord, Reading, WriteResult
from edge.verified import VerifiedCycles


def record(outcome: str = "applied", detail: str = "") -> CycleRecord:
    command = Command.native("test")
    result = WriteResult(outcome=outcome, writes=0, detail=detail)
    return CycleRecord(
        house=make_house(), wish=command, command=command, result=result,
        plan_source="none", plan_age_s=math.nan, duration_s=0.1,
    )  # fmt: skip


GOOD = Reading(signal="grid_w", value=1.0, unit="W", measured_s=0.0, state="good", device="meter")
GONE = replace(GOOD, signal="pv_w", device="inverter", state="invalid", reason="no answer", cause="unreachable")
ASLEEP = replace(GONE, reason="it sleeps", cause="asleep")


def counted(*cycles: tuple[CycleRecord, list[Reading]], commands: bool = True) -> VerifiedCycles:
    cycles_so_far = VerifiedCycles(commands=commands)
    for cycle, readings in cycles:
        cycles_so_far.observe(cycle, readings)
    return cycles_so_far


def test_cycles_in_a_row_count_and_a_bad_one_begins_anew():
    good = (record(), [GOOD])
    assert counted(good, good, good).count == 3
    broken = counted(good, (record(), [GOOD, GONE]), good)
    assert (broken.count, broken.why) == (1, "")


def test_a_device_of_which_nothing_is_known_is_named():
    assert counted((record(), [GOOD, GONE])).why == "inverter: pv_w: no answer"


def test_one_good_value_is_enough_of_a_device_and_in_any_order():
    known = replace(GOOD, device="inverter")
    assert counted((record(), [GONE, known])).count == counted((record(), [known, GONE])).count == 1


def test_an_inverter_that_sleeps_is_no_fault():
    assert counted((record("unchanged"), [GOOD, ASLEEP])).count == 1


def test_a_command_that_is_not_in_force_is_no_verified_cycle():
    assert counted((record("reverted", "somebody else"), [GOOD])).why == "reverted: somebody else"


def test_what_the_site_does_not_permit_is_not_asked_for():
    assert counted((record("refused", f"flash; {NEEDS_PERMISSION}"), [GOOD])).count == 1
    assert counted((record("refused", "no battery inverter"), [GOOD]), commands=False).count == 1


def test_a_box_with_nothing_configured_counts_its_cycles():
    assert counted((record("refused"), []), (record("refused"), []), commands=False).count == 2


@given(st.lists(st.sampled_from(["applied", "unchanged", "unverifiable", "failed", "ignored", "refused", "reverted"])))
def test_the_count_is_the_length_of_the_last_unbroken_row(outcomes):
    in_force = {"applied", "unchanged", "unverifiable"}
    row = 0
    for outcome in outcomes:
        row = row + 1 if outcome in in_force else 0
    assert counted(*((record(outcome), [GOOD]) for outcome in outcomes)).count == row

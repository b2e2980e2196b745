"""The 35 faults of a field bus, one row each: what is read meanwhile, how soon all is well again, and the tests of it.

A row's tests state that no wrong value counts as good, how long the recovery takes, and that nothing is written
meanwhile. They stand in this file or beside the code that copes; a row names them as ``file.py::test``.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault: its name on the command line of the twin, and what a reader of the bus gets from it."""

    fault: str
    read: str
    recovery: str
    tests: tuple[str, ...] = ()


MATRIX = {
    1: Row(fault="late-serial", read="", recovery=""),
    2: Row(fault="late-tcp", read="", recovery=""),
    3: Row(fault="gateway-replay", read="", recovery=""),
    4: Row(fault="transaction-rewritten", read="", recovery=""),
    5: Row(fault="replies-swapped", read="", recovery=""),
    6: Row(fault="wrong-count", read="", recovery=""),
    7: Row(fault="wrong-function", read="", recovery=""),
    8: Row(fault="closed-gap", read="", recovery=""),
    9: Row(
        fault="illegal-address",
        read="its own point is refused; the others stay good",
        recovery="found by halving in some 10 requests; asked again after an hour",
        tests=(
            "test_device_faults.py::test_a_refused_register_costs_its_own_value_only_and_is_asked_for_again_after_an_hour",
            "test_device_faults.py::test_a_refusal_on_a_troubled_line_parts_nothing",
        ),
    ),
    10: Row(
        fault="busy",
        read="the old value ages to stale",
        recovery="at the next request, 1 s to 60 s after the last",
        tests=(
            "test_device_faults.py::test_a_busy_device_is_asked_later_and_later_and_its_old_values_age",
            "test_device_faults.py::test_a_device_failure_that_never_ends_is_a_missing_register",
        ),
    ),
    11: Row(
        fault="gateway-target-silent",
        read="the unit's values go stale; its neighbours stay good",
        recovery="at the next probe; anew connected when nobody answers",
        tests=(
            "test_device_faults.py::test_a_gateway_marks_its_dead_unit_and_keeps_the_living_one",
            "test_device_faults.py::test_a_gateway_on_which_nothing_answers_is_connected_to_anew",
        ),
    ),
    12: Row(fault="bit-flip", read="", recovery=""),
    13: Row(fault="glitch-bytes", read="", recovery=""),
    14: Row(fault="echo", read="", recovery=""),
    15: Row(fault="foreign-frame", read="", recovery=""),
    16: Row(fault="split-frame", read="", recovery=""),
    17: Row(fault="hasty-turnaround", read="", recovery=""),
    18: Row(fault="adapter-vanishes", read="", recovery=""),
    19: Row(fault="single-client", read="", recovery=""),
    20: Row(fault="half-open", read="", recovery=""),
    21: Row(fault="hang-up", read="", recovery=""),
    22: Row(
        fault="night",
        read="asleep: totals kept, nothing else, no 0",
        recovery="at the next probe, within 5 minutes of the first answer",
        tests=(
            "test_device_faults.py::test_an_inverter_without_sun_is_asleep_keeps_its_totals_and_says_no_zero",
            "test_device_faults.py::test_a_sleeping_inverter_is_looked_at_now_and_then_only",
            "test_device_faults.py::test_the_same_silence_in_the_sun_is_a_fault_and_not_sleep",
        ),
    ),
    23: Row(
        fault="sentinels",
        read="no value",
        recovery="next request",
        tests=("test_device_faults.py::test_a_sentinel_of_any_family_is_no_value",),
    ),
    24: Row(
        fault="failed-block",
        read="the old value ages to stale, never 0",
        recovery="next request",
        tests=(
            "test_device_faults.py::test_a_block_that_fails_keeps_its_values_until_they_are_stale_and_never_shows_0",
        ),
    ),
    25: Row(
        fault="wrong-sign",
        read="implausible",
        recovery="next request",
        tests=(
            "test_device_faults.py::test_a_power_of_millions_of_watts_is_not_passed_on",
            "test_device_faults.py::test_a_battery_beyond_its_rating_is_not_believed",
        ),
    ),
    26: Row(
        fault="torn-value",
        read="the old value until a second read agrees, else torn",
        recovery="next request",
        tests=(
            "test_device_faults.py::test_a_power_whose_words_are_of_two_instants_is_never_good",
            "test_device_faults.py::test_partners_of_a_balance_are_of_one_instant",
        ),
    ),
    27: Row(
        fault="scale-apart",
        read="good: value and factor are of one answer",
        recovery="at once",
        tests=("test_device_faults.py::test_a_value_is_scaled_by_the_factor_of_its_own_answer",),
    ),
    28: Row(fault="write-ignored", read="", recovery=""),
    29: Row(fault="sequence-broken", read="", recovery=""),
    30: Row(fault="watchdog", read="", recovery=""),
    31: Row(fault="wear", read="", recovery=""),
    32: Row(
        fault="counter-steps-back",
        read="invalid: reset",
        recovery="next request; a counter begun anew after three readings over a minute",
        tests=("test_device_faults.py::test_a_counter_that_steps_back_or_leaps_is_invalid_until_it_is_itself_again",),
    ),
    33: Row(fault="clock-drift", read="", recovery=""),
    34: Row(fault="other-firmware", read="", recovery=""),
    35: Row(fault="not-modbus", read="", recovery=""),
}

# Rows whose code is being written in rooms of its own; a row leaves this list with its tests.
OPEN = set(MATRIX) - {9, 10, 11, 22, 23, 24, 25, 26, 27, 32}


def functions_of(name: str) -> set[str]:
    tree = ast.parse((FOLDER / name).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_matrix_has_all_35_faults_by_number_and_name():
    assert list(MATRIX) == list(range(1, 36))
    assert len({row.fault for row in MATRIX.values()}) == 35


def test_every_row_outside_the_open_ones_says_what_is_read_and_names_its_tests():
    complete = {number for number, row in MATRIX.items() if row.tests and row.read and row.recovery}
    assert complete == set(MATRIX) - OPEN


def test_every_test_that_a_row_names_exists():
    named = [test.split("::") for row in MATRIX.values() for test in row.tests]
    assert [f"{name}::{function}" for name, function in named if function not in functions_of(name)] == []

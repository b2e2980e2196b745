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
    9: Row(fault="illegal-address", read="", recovery=""),
    10: Row(fault="busy", read="", recovery=""),
    11: Row(fault="gateway-target-silent", read="", recovery=""),
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
    22: Row(fault="night", read="", recovery=""),
    23: Row(fault="sentinels", read="", recovery=""),
    24: Row(fault="failed-block", read="", recovery=""),
    25: Row(fault="wrong-sign", read="", recovery=""),
    26: Row(fault="torn-value", read="", recovery=""),
    27: Row(fault="scale-apart", read="", recovery=""),
    28: Row(fault="write-ignored", read="", recovery=""),
    29: Row(fault="sequence-broken", read="", recovery=""),
    30: Row(fault="watchdog", read="", recovery=""),
    31: Row(fault="wear", read="", recovery=""),
    32: Row(fault="counter-steps-back", read="", recovery=""),
    33: Row(fault="clock-drift", read="", recovery=""),
    34: Row(fault="other-firmware", read="", recovery=""),
    35: Row(fault="not-modbus", read="", recovery=""),
}

# Rows whose code is being written in rooms of its own; a row leaves this list with its tests.
OPEN = set(MATRIX)


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

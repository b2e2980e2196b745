"""QARTOD: nothing is lost on the way there and back, and the aggregate is ioos_qc's."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.checks import flag_range, flag_rate
from core_kernels.flags import Flag
from core_kernels.qartod import ALL, COLUMNS, Code, aggregate, from_qartod, to_qartod

# ioos_qc 3.0.0's own functions, by scripts/oracles/ioos_qartod.py
IOOS = json.loads((Path(__file__).parents[1] / "data" / "ioos_qartod.json").read_text())


def test_every_mask_comes_back():
    flags = np.arange(2**16, dtype=np.uint16)
    judged = from_qartod(to_qartod(flags))
    assert np.array_equal(judged.flags, flags)
    assert judged.evaluated_raw == ALL


@given(st.integers(0, ALL))
def test_the_tests_that_were_made_come_back(evaluated):
    judged = from_qartod(to_qartod(np.zeros(3, dtype=np.uint16), evaluated))
    assert judged.evaluated_raw == evaluated
    assert not judged.flags.any()


@pytest.mark.parametrize(
    ("mask", "code"),
    [
        (Flag.GOOD, Code.PASS),
        (Flag.SPIKE, Code.SUSPECT),
        (Flag.RANGE, Code.FAIL),
        (Flag.SPIKE | Flag.STUCK, Code.FAIL),
        (Flag.MISSING, Code.MISSING),
        (Flag.MISSING | Flag.GAP, Code.MISSING),
    ],
)
def test_a_sample_has_the_gravest_code(mask, code):
    assert aggregate(to_qartod(np.array([mask], dtype=np.uint16))).tolist() == [code]


def test_what_no_test_saw_is_not_evaluated():
    assert aggregate(to_qartod(np.zeros(1, dtype=np.uint16), 0)).tolist() == [Code.NOT_EVALUATED]


def test_the_value_of_a_missing_sample_was_not_judged_but_its_time_was():
    codes = to_qartod(np.array([Flag.MISSING], dtype=np.uint16))[0]
    assert codes[COLUMNS.index(Flag.SPIKE)] == Code.MISSING
    assert codes[COLUMNS.index(Flag.DUPLICATE)] == Code.PASS


def test_the_codes_are_those_of_ioos_qc():
    names = {"good": "PASS", "unknown": "NOT_EVALUATED"}
    theirs = {names.get(name, name.upper()): code for name, code in IOOS["names"].items()}
    assert theirs == {code.name: int(code) for code in Code}
    assert IOOS["made_with"]["ioos_qc"] == "3.0.0"


def test_the_aggregate_is_that_of_ioos_qc_but_that_missing_stays_missing():
    codes = np.array(IOOS["compare"]["codes"], dtype=np.uint8)
    want = np.array(IOOS["compare"]["result"], dtype=np.uint8)
    missing = codes[:, COLUMNS.index(Flag.MISSING)] == Code.MISSING
    assert 10 < missing.sum() < codes.shape[0] - 10
    have = aggregate(codes)
    assert np.array_equal(have[~missing], want[~missing])
    assert (have[missing] == Code.MISSING).all()


def _codes_of(column, find):
    values = np.array([np.nan if value is None else value for value in IOOS[column]["values"]])
    flags = np.zeros(values.size, dtype=np.uint16)
    find(values, flags)
    return values, to_qartod(flags)[:, COLUMNS.index(Flag[column.upper()])]


def test_a_range_has_the_codes_of_ioos_qc_gross_range_test():
    def find(values, flags):
        flag_range(values, *IOOS["range"]["span"], flags)

    assert _codes_of("range", find)[1].tolist() == IOOS["range"]["result"]


def test_a_rate_has_the_codes_of_ioos_qc_between_neighbours():
    times_s = np.arange(len(IOOS["rate"]["values"])) * float(IOOS["rate"]["slot_s"])

    def find(values, flags):
        flag_range(values, -np.inf, np.inf, flags)
        flag_rate(times_s, values, IOOS["rate"]["per_s"], 0.0, False, flags)

    values, have = _codes_of("rate", find)
    after_hole = np.isnan(np.roll(values, 1)) & ~np.isnan(values)  # ours judges these by the whole hole
    want = np.array(IOOS["rate"]["result"])
    assert np.array_equal(have[~after_hole], want[~after_hole])
    assert set(want.tolist()) == {Code.PASS, Code.SUSPECT, Code.MISSING}


@pytest.mark.parametrize(
    ("work", "error", "problem"),
    [
        (lambda: to_qartod(np.zeros(3)), TypeError, "uint16"),
        (lambda: from_qartod(np.ones((2, 3), dtype=np.uint8)), ValueError, "columns"),
        (lambda: from_qartod(np.full((2, 16), 5, dtype=np.uint8)), ValueError, "no code"),
    ],
)
def test_unfit_input_is_refused(work, error, problem):
    with pytest.raises(error, match=problem):
        work()

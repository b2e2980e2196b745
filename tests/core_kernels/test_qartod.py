"""QARTOD: nothing is lost on the way there and back, and the aggregate is ioos_qc's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.flags import Flag
from core_kernels.qartod import ALL, COLUMNS, Code, aggregate, from_qartod, to_qartod


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

"""Our flags as QARTOD codes and back, without loss.

QARTOD (IOOS 2020, Manual for the Use of Real-Time Oceanographic Data Quality Control Flags) gives each test its own
code: 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing. One column a flag keeps all that a mask says, and which
tests were made. The aggregate of a sample is one code, as ioos_qc's ``qartod_compare`` orders them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from core_kernels.arguments import check_flags
from core_kernels.flags import Flag
from core_kernels.registry import registered
from core_kernels.units import FlagArray

CodeArray: TypeAlias = npt.NDArray[np.uint8]


class Code(IntEnum):
    """The codes of QARTOD."""

    PASS = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


COLUMNS = tuple(flag for flag in Flag if flag)
ALL = int(np.bitwise_or.reduce([int(flag) for flag in COLUMNS]))
FAILING = Flag.RANGE | Flag.STUCK | Flag.BALANCE | Flag.UNIT  # the others leave a value that may be right
# These tests are of the value, and cannot be made where it is missing; the others are of time and age.
_OF_VALUE = ALL & ~int(Flag.GAP | Flag.DUPLICATE | Flag.IRREGULAR_TIME | Flag.TIME_SHIFT | Flag.STALE | Flag.MISSING)
_ORDER = (Code.NOT_EVALUATED, Code.PASS, Code.SUSPECT, Code.FAIL)


class Judgement(NamedTuple):
    """What a table of codes says: the mask of each sample, uint16[n], and the tests that were made, a mask."""

    flags: FlagArray
    evaluated_raw: int


def _found(flag: Flag) -> Code:
    if flag is Flag.MISSING:
        return Code.MISSING
    return Code.FAIL if flag & FAILING else Code.SUSPECT


def _example() -> tuple[FlagArray]:
    return (np.arange(0, 2**16, 257, dtype=np.uint16),)


@registered(
    name="qartod_codes",
    unit="1",
    source="IOOS 2020, QARTOD flags manual v1.2, table 2",
    reference="ioos_qc 3.0.0 qartod_compare, gross_range_test, rate_of_change_test",
    tolerance=0.0,
    example=_example,
)
def to_qartod(flags: FlagArray, evaluated_raw: int = ALL) -> CodeArray:
    """Codes of each sample and test.

    Parameters
    ----------
    flags : uint16[n]
        Masks of :class:`core_kernels.flags.Flag`.
    evaluated_raw : int
        Mask of the tests that were made; a flag that is set counts as made.

    Returns
    -------
    uint8[n, 16]
        One column a flag, in the order of :data:`COLUMNS`. Tests of the value are 9 where it is missing.
    """
    check_flags("flags", flags)
    codes = np.empty((flags.shape[0], len(COLUMNS)), dtype=np.uint8)
    missing = flags & int(Flag.MISSING) != 0
    for column, flag in enumerate(COLUMNS):
        codes[:, column] = Code.PASS if evaluated_raw & flag else Code.NOT_EVALUATED
        if evaluated_raw & flag & _OF_VALUE:
            codes[missing, column] = Code.MISSING
        codes[flags & int(flag) != 0, column] = _found(flag)
    return codes


def from_qartod(codes: CodeArray) -> Judgement:
    """The masks that :func:`to_qartod` was given, from uint8[n, 16]; a code that is none raises ``ValueError``."""
    if codes.ndim != 2 or codes.shape[1] != len(COLUMNS):
        raise ValueError(f"codes must have {len(COLUMNS)} columns, got shape {codes.shape}")
    if not np.isin(codes, [int(code) for code in Code]).all():
        raise ValueError("codes holds a number that is no code of QARTOD")
    flags = np.zeros(codes.shape[0], dtype=np.uint16)
    evaluated_raw = 0
    for column, flag in enumerate(COLUMNS):
        flags[codes[:, column] == _found(flag)] |= np.uint16(flag)
        if not np.any(codes[:, column] == Code.NOT_EVALUATED):
            evaluated_raw |= int(flag)
    return Judgement(flags, evaluated_raw)


def aggregate(codes: CodeArray) -> CodeArray:
    """One code a sample, uint8[n]: fail before suspect before pass before not evaluated; 9 where it is missing.

    As ``qartod_compare`` of ioos_qc, but that a missing sample stays missing whatever the tests of its time say.
    """
    result = np.full(codes.shape[0], int(Code.NOT_EVALUATED), dtype=np.uint8)
    for code in _ORDER:
        result[(codes == code).any(axis=1)] = code
    result[codes[:, COLUMNS.index(Flag.MISSING)] == Code.MISSING] = Code.MISSING
    return result

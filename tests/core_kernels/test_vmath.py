"""Elementary functions against 80-bit (or longer) floats, and compiled against plain Python to the last bit."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels import bits, vmath
from core_kernels.jit import JIT_ENABLED, kernel

ROOT = Path(__file__).resolve().parents[2]
COUNT = 20_000 if JIT_ENABLED else 1_000
RANDOM = np.random.default_rng(3)


def spread(low, high):
    return RANDOM.uniform(low, high, COUNT)


def scales(low, high):
    return np.exp(spread(low, high))


TURNS = np.arange(-COUNT // 20, COUNT // 20) * (np.pi / 2)
ANGLES = np.concatenate([spread(-1e4, 1e4), spread(-1, 1), spread(-1e6, 1e6), TURNS])
SHARES = np.concatenate([spread(-1, 1), 1.0 - scales(-30, 0), [0.0, 1.0, -1.0]])
CASES = {
    "sin": (vmath.sin, np.sin, (ANGLES,), 2),
    "cos": (vmath.cos, np.cos, (ANGLES,), 2),
    "sin_quarter": (
        vmath.sin_quarter,
        np.sin,
        (np.concatenate([spread(-np.pi / 2, np.pi / 2), spread(1.4, np.pi / 2)]),),
        3,
    ),
    "tan": (vmath.tan, np.tan, (ANGLES[np.abs(ANGLES) < 1e4],), 3),
    "exp": (vmath.exp, np.exp, (np.concatenate([spread(-700, 709), spread(-1, 1)]),), 1),
    "log": (vmath.log, np.log, (np.concatenate([scales(-700, 700), spread(0.5, 2), 1 + spread(-1e-6, 1e-6)]),), 1),
    "power": (vmath.power, np.power, (scales(-10, 10), spread(-4, 4)), 3),
    "asin": (vmath.asin, np.arcsin, (SHARES,), 3),
    "acos": (vmath.acos, np.arccos, (SHARES,), 3),
    "atan2": (vmath.atan2, np.arctan2, (RANDOM.normal(size=COUNT) * scales(-9, 9), RANDOM.normal(size=COUNT)), 2),
}


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="no longer floats on this machine")
@pytest.mark.parametrize("name", CASES)
def test_errors_stay_within_three_units_in_the_last_place(name):
    own, exact, arguments, units = CASES[name]
    have = np.array([own(*(float(x) for x in row)) for row in zip(*arguments, strict=True)])
    want = exact(*(x.astype(np.longdouble) for x in arguments))
    error = np.abs(have - want) / np.spacing(np.abs(want.astype(np.float64)))
    assert float(error.max()) <= units


@pytest.mark.parametrize("name", CASES)
def test_missing_in_is_missing_out(name):
    own, _, arguments, _ = CASES[name]
    for place in range(len(arguments)):
        values = [0.5] * len(arguments)
        values[place] = math.nan
        assert math.isnan(own(*values))


def test_the_ends_of_the_domains_are_those_documented():
    assert vmath.exp(-800.0) == 0.0
    assert vmath.exp(800.0) == math.inf
    assert vmath.log(0.0) == -math.inf
    assert vmath.log(math.inf) == math.inf
    assert vmath.log(5e-324) == pytest.approx(math.log(5e-324), rel=1e-15)
    for outside in (vmath.log(-1.0), vmath.power(-2.0, 2.0), vmath.power(0.0, 1.0), vmath.asin(1.1), vmath.acos(-1.1)):
        assert math.isnan(outside)


@pytest.mark.parametrize("x", [0.0, -0.0, 1.0, -1.0])
@pytest.mark.parametrize("y", [0.0, -0.0, 1.0, -1.0])
def test_the_arc_tangent_keeps_the_signs_of_zero(y, x):
    have, want = vmath.atan2(y, x), math.atan2(y, x)
    assert have == pytest.approx(want, rel=3e-16, abs=0.0)
    assert math.copysign(1.0, have) == math.copysign(1.0, want)


@given(st.floats(min_value=-1e4, max_value=1e4))
def test_sine_and_cosine_lie_on_the_unit_circle(angle_rad):
    sine, cosine = vmath.sincos(angle_rad)
    assert sine * sine + cosine * cosine == pytest.approx(1.0, abs=5e-16)


@given(st.floats(min_value=2.3e-308, allow_infinity=False))
def test_mantissa_and_exponent_make_the_number(x):
    assert math.ldexp(_mantissa(x), int(_exponent(x))) == x


@kernel("float64(float64)")
def _mantissa(x):
    return bits.mantissa_of(x)


@kernel("float64(float64)")
def _exponent(x):
    return bits.exponent_of(x)


def test_limits_keep_missing_values():
    assert vmath.at_least(-1.0, 0.0) == 0.0
    assert vmath.at_most(2.0, 1.0) == 1.0
    assert math.isnan(vmath.at_least(math.nan, 0.0))
    assert math.isnan(vmath.at_most(math.nan, 1.0))


BITS = """
import hashlib, random, struct
from core_kernels import vmath
draw = random.Random(5)
total = hashlib.sha256()
for _ in range(400):
    a, b = draw.uniform(-50, 50), draw.uniform(0.01, 30)
    share = draw.uniform(-1, 1)
    for value in (*vmath.sincos(a), vmath.tan(a), vmath.exp(a), vmath.log(b), vmath.power(b, share), vmath.asin(share),
                  vmath.acos(share), vmath.atan2(a, share)):
        total.update(struct.pack("<d", value))
print(total.hexdigest())
"""


def test_compiled_and_plain_python_agree_to_the_last_bit():
    found = set()
    for switch in ({}, {"PEMS_JIT": "0"}):
        cleared = {name: value for name, value in os.environ.items() if name not in ("PEMS_JIT", "NUMBA_DISABLE_JIT")}
        done = subprocess.run(
            [sys.executable, "-c", BITS],
            check=True,
            cwd=ROOT,
            env={**cleared, **switch},
            capture_output=True,
            text=True,
        )
        found.add(done.stdout)
    assert len(found) == 1


@pytest.mark.skipif(not JIT_ENABLED, reason="the compiler is off")
def test_a_loop_over_them_calls_no_library():
    import numba

    def loop(x, out):
        for i in range(out.shape[0]):
            out[i] = vmath.power(vmath.atan2(vmath.sin(x[i]), vmath.exp(x[i])), vmath.log(x[i]))

    compiled = numba.njit("void(float64[::1], float64[::1])", error_model="numpy")(loop)
    assembly = next(iter(compiled.inspect_asm().values()))
    for name in ("sin", "cos", "exp", "log", "pow", "atan2"):
        assert f"movabsq\t${name}" not in assembly

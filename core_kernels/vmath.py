"""Elementary functions for kernels: branch-free, so that loops over them become vector instructions.

Only ``+ - * /``, ``sqrt``, comparisons and the bits of a float64 are used, never the C library; so a result is the same
to the last bit on every machine, with any compiler, and in plain Python. Errors are below 3 units in the last place.
Coefficients: fdlibm 5.3 (Sun Microsystems 1993, ``k_sin.c k_cos.c s_atan.c e_log.c e_exp.c``); reductions after
Cody and Waite (1980). NaN in, NaN out.
"""

from __future__ import annotations

import math

from core_kernels.bits import exponent_of, mantissa_of, two_to_the, with_sign_of
from core_kernels.jit import kernel

ROUND = 1.5 * 2.0**52  # adding and taking it off again rounds to whole numbers
PI = math.pi
_PI_LOW = 1.2246467991473515e-16  # pi minus its float64
_HALF_PI = 0.5 * PI
_HALF_PI_LOW = 0.5 * _PI_LOW
_QUARTER_PI_LOW = 0.25 * _PI_LOW
_TWO_OVER_PI = 2.0 / math.pi
_PIO2_1 = 1.57079632673412561417e00  # pi/2 in parts of 33 bits
_PIO2_2 = 6.07710050630396597660e-11
_PIO2_3 = 2.02226624879595063154e-21
_S1, _S2, _S3 = -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04
_S4, _S5, _S6 = 2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10
_C1, _C2, _C3 = 4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05
_C4, _C5, _C6 = -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11
_Q3, _Q5, _Q7 = -1.0 / 6.0, 0.008333333333333316, -0.00019841269841254974  # at Chebyshev nodes, 50 digits
_Q9, _Q11, _Q13 = 2.755731921916323e-06, -2.5052107616995874e-08, 1.6058977312444157e-10
_Q15, _Q17 = -7.643970296162824e-13, 2.7314447590642686e-15
_A0, _A1, _A2 = 3.33333333333329318027e-01, -1.99999999998764832476e-01, 1.42857142725034663711e-01
_A3, _A4, _A5 = -1.11111104054623557880e-01, 9.09088713343650656196e-02, -7.69187620504482999495e-02
_A6, _A7, _A8 = 6.66107313738753120669e-02, -5.83357013379057348645e-02, 4.97687799461593236017e-02
_A9, _A10 = -3.65315727442169155270e-02, 1.62858201153657823623e-02
_TAN_22_5 = 0.41421356237309503  # beyond it an arc is measured from 45 deg
_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_L1, _L2, _L3 = 6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01
_L4, _L5, _L6 = 2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01
_L7 = 1.479819860511658591e-01
_SQRT_2 = 1.4142135623730951
_SMALLEST = 2.2250738585072014e-308  # smallest normal number
_TWO_54 = 2.0**54
_EXP_LARGEST, _EXP_LEAST = 709.782712893384, -707.0
_SPLIT = 134217729.0  # 2**27 + 1 (Veltkamp 1968)


@kernel(inline=True)
def at_least(x: float, minimum: float) -> float:
    """``x``, or ``minimum`` where ``x`` is less; NaN stays NaN, which ``max`` does not promise."""
    return minimum if x < minimum else x  # noqa: FURB136


@kernel(inline=True)
def at_most(x: float, maximum: float) -> float:
    """``x``, or ``maximum`` where ``x`` is more; NaN stays NaN, which ``min`` does not promise."""
    return maximum if x > maximum else x  # noqa: FURB136


@kernel(inline=True)
def sincos(angle_rad: float) -> tuple[float, float]:
    """Sine and cosine of an angle, 1 ulp each for magnitudes up to 1.6e6 rad (2**20 quarter turns)."""
    quarter = (angle_rad * _TWO_OVER_PI + ROUND) - ROUND
    near = angle_rad - quarter * _PIO2_1
    step = quarter * _PIO2_2
    rest = near - step
    x = rest - (quarter * _PIO2_3 - ((near - rest) - step))
    z = x * x
    sine = x + z * x * (_S1 + z * (_S2 + z * (_S3 + z * (_S4 + z * (_S5 + z * _S6)))))
    half = 0.5 * z
    w = 1.0 - half
    r = z * z * (_C1 + z * (_C2 + z * (_C3 + z * (_C4 + z * (_C5 + z * _C6)))))
    cosine = w + (((1.0 - w) - half) + r)
    turn = quarter - 4.0 * ((quarter * 0.25 + ROUND) - ROUND)  # -2..2
    odd = turn * turn == 1.0
    a = cosine if odd else sine
    b = sine if odd else cosine
    minus_a, minus_b = -a, -b
    sine = minus_a if turn * (turn - 1.5) > 0.75 else a
    cosine = minus_b if turn * (turn + 1.5) > 0.75 else b
    return sine, cosine


@kernel(inline=True)
def sin_quarter(angle_rad: float) -> float:
    """Sine of an angle within -pi/2..pi/2 by one polynomial, 3 ulp, at half the price of :func:`sin`."""
    z = angle_rad * angle_rad
    q = _Q11 + z * (_Q13 + z * (_Q15 + z * _Q17))
    return angle_rad + angle_rad * (z * (_Q3 + z * (_Q5 + z * (_Q7 + z * (_Q9 + z * q)))))


@kernel(inline=True)
def sin(angle_rad: float) -> float:
    """Sine of an angle; domain and error as :func:`sincos`."""
    sine, _ = sincos(angle_rad)
    return sine


@kernel(inline=True)
def cos(angle_rad: float) -> float:
    """Cosine of an angle; domain and error as :func:`sincos`."""
    _, cosine = sincos(angle_rad)
    return cosine


@kernel(inline=True)
def tan(angle_rad: float) -> float:
    """Tangent of an angle, 3 ulp; domain as :func:`sincos`."""
    sine, cosine = sincos(angle_rad)
    return sine / cosine


@kernel(inline=True)
def _exp_sum(x: float, low: float) -> float:
    """e**(x + low) for a ``low`` far smaller than 1."""
    shifted = x * _LOG2_E + ROUND
    n = shifted - ROUND
    r = (x - n * _LN2_HIGH) - (n * _LN2_LOW - low)
    q = 1.0 / 479001600.0 + r * (1.0 / 6227020800.0)
    q = 1.0 / 3628800.0 + r * (1.0 / 39916800.0 + r * q)
    q = 1.0 / 40320.0 + r * (1.0 / 362880.0 + r * q)
    q = 1.0 / 720.0 + r * (1.0 / 5040.0 + r * q)
    q = 1.0 / 24.0 + r * (1.0 / 120.0 + r * q)
    q = 0.5 + r * (1.0 / 6.0 + r * q)
    value = (1.0 + (r + r * r * q)) * two_to_the(shifted - 1.0) * 2.0
    value = 0.0 if x < _EXP_LEAST else value
    return math.inf if x > _EXP_LARGEST else value


@kernel(inline=True)
def exp(x: float) -> float:
    """e**x, 1 ulp; 0 below -707 (no subnormal results), infinite above 709.78."""
    return _exp_sum(x, 0.0)


@kernel(inline=True)
def log_normal(x: float) -> float:
    """Natural logarithm of a positive normal number, 1 ulp; anything else gives no sense."""
    m = mantissa_of(x)
    e = exponent_of(x)
    half = 0.5 * m
    above = m > _SQRT_2
    m = half if above else m
    e_next = e + 1.0
    e = e_next if above else e
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    r = z * (_L1 + z * (_L2 + z * (_L3 + z * (_L4 + z * (_L5 + z * (_L6 + z * _L7))))))
    square = 0.5 * f * f
    return e * _LN2_HIGH - ((square - (s * (square + r) + e * _LN2_LOW)) - f)


@kernel(inline=True)
def log(x: float) -> float:
    """Natural logarithm, 1 ulp; -inf at 0, NaN below."""
    tiny = x < _SMALLEST
    scaled = x * _TWO_54
    value = log_normal(scaled if tiny else x)
    value_tiny = value - 54.0 * _LN2_HIGH - 54.0 * _LN2_LOW
    value = value_tiny if tiny else value
    value = x if x == math.inf else value
    value = -math.inf if x == 0.0 else value
    return value if x >= 0.0 else math.nan


@kernel(inline=True)
def power(x: float, y: float) -> float:
    """x**y of a positive normal ``x``, 3 ulp where ``abs(y * log(x)) < 40``; NaN for other ``x``.

    The logarithm is carried in two parts, as its error is multiplied by ``y * log(x)``.
    """
    m = mantissa_of(x)
    e = exponent_of(x)
    half = 0.5 * m
    above = m > _SQRT_2
    m = half if above else m
    e_next = e + 1.0
    e = e_next if above else e
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    r = z * (_L1 + z * (_L2 + z * (_L3 + z * (_L4 + z * (_L5 + z * (_L6 + z * _L7))))))
    square = 0.5 * f * f
    high = f - square
    wide = _SPLIT * high
    high = wide - (wide - high)
    low = ((f - high) - square) + s * (square + r)
    whole = e * _LN2_HIGH
    total = whole + high
    low = ((whole - total) + high) + (low + e * _LN2_LOW)
    wide = _SPLIT * total
    total_high = wide - (wide - total)
    total_low = total - total_high
    wide = _SPLIT * y
    y_high = wide - (wide - y)
    y_low = y - y_high
    product = y * total
    error = (((y_high * total_high - product) + y_high * total_low) + y_low * total_high) + y_low * total_low
    value = _exp_sum(product, error + y * low)
    return value if x >= _SMALLEST else math.nan


@kernel(inline=True)
def atan2(y: float, x: float) -> float:
    """Angle of the vector (x, y) from the x axis, -pi..pi, 2 ulp; of the zero vector as C99 has it."""
    across, along = abs(y), abs(x)
    steep = across > along
    large = across if steep else along
    small = along if steep else across
    safe = large if large != 0.0 else 1.0
    far = small > _TAN_22_5 * large
    difference, both = small - safe, small + safe
    top = difference if far else small
    bottom = both if far else safe
    t = top / bottom
    z = t * t
    q = _A5 + z * (_A6 + z * (_A7 + z * (_A8 + z * (_A9 + z * _A10))))
    q = z * (_A0 + z * (_A1 + z * (_A2 + z * (_A3 + z * (_A4 + z * q)))))
    shift = 0.25 * PI if far else 0.0
    shift_low = _QUARTER_PI_LOW if far else 0.0
    arc = shift - ((t * q - shift_low) - t)
    upright = _HALF_PI - (arc - _HALF_PI_LOW)
    arc = upright if steep else arc
    behind = PI - (arc - _PI_LOW)
    arc = behind if with_sign_of(1.0, x) < 0.0 else arc
    arc = with_sign_of(arc, y)
    return arc if x == x and y == y else math.nan  # noqa: PLR0124  # false for NaN only


@kernel(inline=True)
def asin(x: float) -> float:
    """Arc sine, 3 ulp; NaN outside -1..1."""
    rest = (1.0 - x) * (1.0 + x)
    safe = at_least(rest, 0.0)
    value = atan2(x, math.sqrt(safe))
    return value if rest >= 0.0 else math.nan


@kernel(inline=True)
def acos(x: float) -> float:
    """Arc cosine, 3 ulp; NaN outside -1..1."""
    rest = (1.0 - x) * (1.0 + x)
    safe = at_least(rest, 0.0)
    value = atan2(math.sqrt(safe), x)
    return value if rest >= 0.0 else math.nan

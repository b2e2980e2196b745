"""Elementary functions just exact enough for light: polynomials of the degree that an error of 1e-10 W/m2 asks for.

As in :mod:`core_kernels.vmath` the same bits everywhere. The coefficients interpolate the function at Chebyshev nodes
(50 digits); the errors named are relative and include float64 rounding. NaN in, NaN out where nothing else is said.
"""

from __future__ import annotations

from core_kernels import vmath
from core_kernels.bits import mantissa_of, two_to_the
from core_kernels.jit import kernel

_LOG2_E = 1.4426950408889634
_LEAST = -700.0
_E1, _E2, _E3, _E4 = 0.69314718055995, 0.24022650695910097, 0.05550410866444772, 0.009618129107606888
_E5, _E6, _E7 = 0.0013333558230164974, 0.0001540353044173605, 1.5252657260200837e-05
_E8, _E9, _E10 = 1.321544258792169e-06, 1.0208690299958306e-07, 7.072585949269223e-09
_A0, _A1, _A2 = 0.5150439187088197, 0.583609230066306, 0.20685609169926938
_A3, _A4, _A5 = 0.023832080316715392, 0.0004188606402143316, -6.006021325918051e-06
_B1, _B2, _B3 = 2.2240585074531003, 1.8692154112520305, 0.7279539703791607
_B4, _B5 = 0.1273003011591739, 0.007550034318272289
_K_2, _K_3, _K_4, _K_5, _K_6 = (0.50572 * 2.0 ** (-1.6364 * e) for e in range(2, 7))
_C0, _C1, _C2 = 0.6016690230528952, 0.7590158511983652, 0.31246947716812756
_C3, _C4, _C5 = 0.04609467715817992, 0.0016637724659636563, -9.487540592523785e-06
_D1, _D2, _D3 = 2.0968505830448936, 1.6435716710016728, 0.5876068368673311
_D4, _D5 = 0.09199939423527195, 0.00466622059289668
_C_1, _C_2, _C_3, _C_4, _C_5, _C_6 = (0.15 * 2.0 ** (-1.253 * e) for e in range(1, 7))
_HALF_TURN_DEG = 180.0
_RAD = vmath.PI / _HALF_TURN_DEG


@kernel(inline=True)
def decay(x: float) -> float:
    """e**x of an ``x`` up to 700, 1e-15 where it is above -10; never below e**-700."""
    y = vmath.at_least(x, _LEAST) * _LOG2_E
    shifted = y + vmath.ROUND
    f = y - (shifted - vmath.ROUND)
    q = _E5 + f * (_E6 + f * (_E7 + f * (_E8 + f * (_E9 + f * _E10))))
    return (1.0 + f * (_E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * q))))) * two_to_the(shifted)


@kernel(inline=True)
def cos_deg(angle_deg: float) -> float:
    """Cosine of an angle of less than 1e15 degrees, 1e-15 absolute, by one polynomial."""
    x = angle_deg + 0.5 * _HALF_TURN_DEG
    turns = (x * (1.0 / _HALF_TURN_DEG) + vmath.ROUND) - vmath.ROUND
    sine = vmath.sin_quarter((x - turns * _HALF_TURN_DEG) * _RAD)
    even = (0.5 * turns + vmath.ROUND) - vmath.ROUND
    return sine * (1.0 - 2.0 * abs(turns - 2.0 * even))


@kernel(inline=True)
def kasten_young(shifted_deg: float) -> tuple[float, float]:
    """Kasten and Young's ``0.50572 x**-1.6364`` of an ``x`` in 4..128 as a fraction, 4e-14; NaN gives no sense."""
    t = mantissa_of(shifted_deg) - 1.5
    scale = _K_3 if shifted_deg >= 8.0 else _K_2
    scale = _K_4 if shifted_deg >= 16.0 else scale
    scale = _K_5 if shifted_deg >= 32.0 else scale
    scale = _K_6 if shifted_deg >= 64.0 else scale
    top = _A0 + t * (_A1 + t * (_A2 + t * (_A3 + t * (_A4 + t * _A5))))
    return scale * top, 1.0 + t * (_B1 + t * (_B2 + t * (_B3 + t * (_B4 + t * _B5))))


@kernel(inline=True)
def kasten(shifted_deg: float) -> tuple[float, float]:
    """Kasten's ``0.15 x**-1.253`` of an ``x`` in 2..128 as a fraction, 3e-14; NaN gives no sense."""
    t = mantissa_of(shifted_deg) - 1.5
    scale = _C_2 if shifted_deg >= 4.0 else _C_1
    scale = _C_3 if shifted_deg >= 8.0 else scale
    scale = _C_4 if shifted_deg >= 16.0 else scale
    scale = _C_5 if shifted_deg >= 32.0 else scale
    scale = _C_6 if shifted_deg >= 64.0 else scale
    top = _C0 + t * (_C1 + t * (_C2 + t * (_C3 + t * (_C4 + t * _C5))))
    return scale * top, 1.0 + t * (_D1 + t * (_D2 + t * (_D3 + t * (_D4 + t * _D5))))

"""The coefficients of the Perez transposition models, laid out for the kernels (one row a coefficient).

Perez et al. 1990, Solar Energy 44(5), table 6 (all sites composite); the splines are those of Driesse, Jensen and
Perez 2024, Solar Energy 267, 112093, table 1.
"""

from __future__ import annotations

import numpy as np

from core_kernels.units import FloatArray, Ratio


def _frozen(values: FloatArray) -> FloatArray:
    table = np.ascontiguousarray(values, dtype=np.float64)
    table.setflags(write=False)
    return table


PEREZ_BINS = _frozen(np.array([1.065, 1.23, 1.5, 1.95, 2.8, 4.5, 6.2]))  # lower ends of bins 2..8 of clearness
PEREZ_F = _frozen(
    np.array(
        [
            [-0.008, 0.588, -0.062, -0.060, 0.072, -0.022],
            [0.130, 0.683, -0.151, -0.019, 0.066, -0.029],
            [0.330, 0.487, -0.221, 0.055, -0.064, -0.026],
            [0.568, 0.187, -0.295, 0.109, -0.152, -0.014],
            [0.873, -0.392, -0.362, 0.226, -0.462, 0.001],
            [1.132, -1.237, -0.412, 0.288, -0.823, 0.056],
            [1.060, -1.600, -0.359, 0.264, -1.127, 0.131],
            [0.678, -0.327, -0.250, 0.156, -1.377, 0.251],
        ]
    ).T
)
PEREZ_DRIESSE_KNOTS = _frozen(np.array([0.061, 0.187, 0.333, 0.487, 0.643, 0.778, 0.839]))
_SPLINES = np.array(
    [
        [-0.053, 0.529, -0.028, -0.071, 0.061, -0.019],
        [-0.008, 0.588, -0.062, -0.060, 0.072, -0.022],
        [0.131, 0.770, -0.167, -0.026, 0.106, -0.032],
        [0.328, 0.471, -0.216, 0.069, -0.105, -0.028],
        [0.557, 0.241, -0.300, 0.086, -0.085, -0.012],
        [0.861, -0.323, -0.355, 0.240, -0.467, -0.008],
        [1.212, -1.239, -0.444, 0.305, -0.797, 0.047],
        [1.099, -1.847, -0.365, 0.275, -1.132, 0.124],
        [0.544, 0.157, -0.213, 0.118, -1.455, 0.292],
        [0.544, 0.157, -0.213, 0.118, -1.455, 0.292],
    ]
)


def _powers(knots: list[Ratio], weights: FloatArray) -> FloatArray:
    """Quadratic B-splines as polynomials: float64[3, pieces], constant first, by de Boor's recursion (k = 2)."""
    pieces = []
    for m in range(2, len(knots) - 3):
        a, b, c, d = knots[m - 1 : m + 3]
        line_left = np.array([c * weights[m - 2] - a * weights[m - 1], weights[m - 1] - weights[m - 2]]) / (c - a)
        line_right = np.array([d * weights[m - 1] - b * weights[m], weights[m] - weights[m - 1]]) / (d - b)
        left = np.array([c * line_left[0], c * line_left[1] - line_left[0], -line_left[1]])
        right = np.array([-b * line_right[0], line_right[0] - b * line_right[1], line_right[1]])
        pieces.append((left + right) / (c - b))
    return np.array(pieces).T


_ALL_KNOTS = [0.0, 0.0, 0.0, *(float(knot) for knot in PEREZ_DRIESSE_KNOTS), 1.0, 1.0, 1.0]
# Rows 0..8 are the powers 0..2 of f11, f12, f13; rows 9..17 those of f21, f22, f23.
PEREZ_DRIESSE = _frozen(np.vstack([_powers(_ALL_KNOTS, _SPLINES[:, column]) for column in range(6)]))

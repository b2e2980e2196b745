"""Hampel's filter for any window, one sample at a time: a value too far from the median of those around it.

A ring keeps the window, unsorted. The median of an odd window moves by one place at most from sample to sample: it is
known how many values lie below it and are equal to it, and only when that no longer fits one vectorised pass finds
the next. Whether a deviation exceeds a multiple of the median absolute deviation (MAD) needs no MAD: it does when more
than half of the window lies nearer to the median than that share of the deviation. The five-sample form is a sorting
network without memory.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from core_kernels.jit import JIT_ENABLED, kernel
from core_kernels.medians import OwnUnit, deviation_of, median_of, median_of_five, place
from core_kernels.registry import registered
from core_kernels.solar import check_f64
from core_kernels.units import FloatArray

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

NORMAL_QUARTILE = 0.6744897501960817  # of the standard normal distribution: MAD over it estimates its deviation
MAX_WINDOW = 1001
_ROUNDING = 1e-12  # relative; nearer than this the comparison is made as the definition rounds it
_IN = "Array(float64, 1, 'C', readonly=True)"
_SIZE, _RUN, _PLACE, _KEY, _BELOW, _EQUAL, _MEDIAN, _DEVIATIONS, _SCALE = range(9)  # the last three are floats
_HEAD_SIZE = 9
_LANES = 32  # the ring is filled up with NaN to whole vectors
_LARGEST = 2**63 - 1


@kernel(f"void({_IN}, float64, float64, boolean[::1])")
def _five_kernel(values: FloatArray, deviations_count: float, scale: float, found: BoolArray) -> None:
    """The filter of window 5; ``found`` is ``values`` less two at each end."""
    a, b, c, d, e = values[:-4], values[1:-3], values[2:-2], values[3:-1], values[4:]
    for i in range(found.shape[0]):
        m = median_of_five(a[i], b[i], c[i], d[i], e[i])
        mad = median_of_five(abs(a[i] - m), abs(b[i] - m), abs(c[i] - m), abs(d[i] - m), abs(e[i] - m)) / scale
        total = a[i] + b[i] + c[i] + d[i] + e[i]
        found[i] = (abs(c[i] - m) > deviations_count * mad) & (total - total == 0.0)


@kernel("int64(int64)", inline=True)
def _key(bits: int) -> int:
    """An integer in the order of the float64 of these bits."""
    return bits ^ ((bits >> 63) & _LARGEST)


@kernel("Tuple((int64, int64))(int64[::1], int64)")
def _next_below(bits: IntArray, key: int) -> tuple[int, int]:
    """The greatest key below ``key`` and how often it is there."""
    best = -_LARGEST
    for j in range(bits.shape[0]):
        here = _key(bits[j])
        below = here if here < key else -_LARGEST
        best = max(best, below)
    count = 0
    for j in range(bits.shape[0]):
        count += _key(bits[j]) == best
    return best, count


@kernel("Tuple((int64, int64))(int64[::1], int64)")
def _next_above(bits: IntArray, key: int) -> tuple[int, int]:
    """The least key above ``key`` and how often it is there."""
    best = _LARGEST
    for j in range(bits.shape[0]):
        here = _key(bits[j])
        above = here if here > key else _LARGEST
        best = min(best, above)
    count = 0
    for j in range(bits.shape[0]):
        count += _key(bits[j]) == best
    return best, count


@kernel("int64(float64[::1], float64, float64)")
def _nearer(ring: FloatArray, median: OwnUnit, limit: float) -> int:
    """How many values lie nearer to the median than ``limit``."""
    near = 0
    for j in range(ring.shape[0]):
        near += abs(ring[j] - median) < limit
    return near


@kernel("boolean(float64[::1], float64, float64, float64, float64)")
def _exceeds(window: FloatArray, median: OwnUnit, deviation: OwnUnit, deviations_count: float, scale: float) -> bool:
    """The definition itself, for windows in which the count leaves doubt."""
    return deviation > deviations_count * (deviation_of(window, median) / scale)


@kernel("boolean(float64[::1], int64[::1], float64, float64)")
def _is_even_outlier(ring: FloatArray, head: IntArray, value: float, deviations_count: float) -> bool:
    """The definition for a window of even size."""
    window = np.empty(head[_SIZE])
    for j in range(window.shape[0]):
        window[j] = ring[j]
    median = median_of(window)
    return _exceeds(window, median, abs(value - median), deviations_count, head.view(np.float64)[_SCALE])


@kernel("Tuple((int64, int64, int64))(int64[::1])")
def _find_median(window: IntArray) -> tuple[int, int, int]:
    """Key of the median of a window just filled, how many keys are below it, and how many equal it."""
    keys = np.empty_like(window)
    for j in range(window.shape[0]):
        keys[j] = _key(window[j])
    median = place(keys.copy(), window.shape[0] // 2)
    below = equal = 0
    for j in range(window.shape[0]):
        below += keys[j] < median
        equal += keys[j] == median
    return median, below, equal


@kernel(f"void(int64[::1], float64[::1], {_IN}, boolean[::1])")
def _run_kernel(head: IntArray, ring: FloatArray, values: FloatArray, found: BoolArray) -> None:
    """Take values; ``found[i]`` is whether the middle of the window that ends with ``values[i]`` is an outlier.

    One function, because each call with an array costs more than the work of a small window.
    """
    bits, numbers = ring.view(np.int64), head.view(np.float64)
    deviations, scale = numbers[_DEVIATIONS], numbers[_SCALE]
    size, run, place, key, below, equal = head[_SIZE], head[_RUN], head[_PLACE], head[_KEY], head[_BELOW], head[_EQUAL]
    half, delay = size // 2, (size - 1) // 2
    for i in range(values.shape[0]):
        old = _key(bits[place])
        ring[place] = values[i]
        new = _key(bits[place])
        middle = place - delay if place >= delay else place - delay + size
        place = place + 1 if place + 1 < size else 0
        run = run + 1 if abs(values[i]) < math.inf else 0
        found[i] = False
        if run < size:
            continue
        if run == size:
            key, below, equal = _find_median(bits[:size])
        else:
            below += int(new < key) - int(old < key)
            equal += int(new == key) - int(old == key)
            if below > half:
                key, equal = _next_below(bits, key)
                below -= equal
            elif below + equal <= half:
                below += equal
                key, equal = _next_above(bits, key)
        head[_MEDIAN] = _key(key)
        deviation = abs(ring[middle] - numbers[_MEDIAN])
        limit = deviation * scale / deviations
        if size % 2 == 0:
            found[i] = _is_even_outlier(ring, head, ring[middle], deviations)
        elif deviation > 0.0 and _nearer(ring, numbers[_MEDIAN], limit * (1.0 + _ROUNDING)) > half:
            found[i] = _exceeds(ring[:size], numbers[_MEDIAN], deviation, deviations, scale)
    head[_RUN], head[_PLACE], head[_KEY], head[_BELOW], head[_EQUAL] = run, place, key, below, equal


# Plain Python warns of 0 / 0, the compiled kernel does not.
_quiet = _run_kernel if JIT_ENABLED else np.errstate(all="ignore")(_run_kernel)


def _check(window_count: int, deviations_count: float, scale: float) -> None:
    if not 3 <= window_count <= MAX_WINDOW:
        raise ValueError(f"window_count must be 3..{MAX_WINDOW}, got {window_count}")
    if not deviations_count >= 0.0:
        raise ValueError(f"deviations_count must not be negative, got {deviations_count}")
    if not scale > 0.0:
        raise ValueError(f"scale must be positive, got {scale}")


class HampelStream:
    """The filter as a stream: each push answers for the value ``delay_count`` pushes ago.

    Parameters
    ----------
    window_count : int
        Samples in the window, 3..1001; an even window reaches one sample further back than forward.
    deviations_count : float
        How many estimated standard deviations are allowed.
    scale : float
        MAD over ``scale`` estimates the standard deviation.
    """

    __slots__ = ("_answer", "_head", "_newest", "_ring", "delay_count")

    def __init__(self, window_count: int = 5, deviations_count: float = 3.0, scale: float = NORMAL_QUARTILE) -> None:
        _check(window_count, deviations_count, scale)
        self.delay_count = (window_count - 1) // 2
        self._newest, self._answer = np.empty(1), np.empty(1, dtype=np.bool_)
        self._head = np.zeros(_HEAD_SIZE, dtype=np.int64)
        self._head[_SIZE] = window_count
        self._head.view(np.float64)[[_DEVIATIONS, _SCALE]] = deviations_count, scale
        self._ring = np.full(-(-window_count // _LANES) * _LANES, math.nan)

    @classmethod
    def restore(cls, state: FloatArray) -> HampelStream:
        """A stream that goes on where :attr:`state` was taken."""
        check_f64("state", state)
        head = state[:_HEAD_SIZE].copy().view(np.int64)
        stream = cls(int(head[_SIZE]), float(state[_DEVIATIONS]), float(state[_SCALE]))
        if stream._ring.shape[0] + _HEAD_SIZE != state.shape[0]:
            raise ValueError(f"state has {state.shape[0]} values: not that of a stream")
        stream._head, stream._ring = head, state[_HEAD_SIZE:].copy()
        return stream

    @property
    def state(self) -> FloatArray:
        """A copy of all that is remembered, as one float64 array; its first nine carry integers in their bits."""
        return np.concatenate((self._head.view(np.float64), self._ring))

    def push(self, value: OwnUnit) -> bool:
        """Whether the value ``delay_count`` pushes ago is an outlier; a window with a NaN judges nothing."""
        self._newest[0] = value
        _quiet(self._head, self._ring, self._newest, self._answer)
        return bool(self._answer[0])

    def run(self, values: FloatArray) -> BoolArray:
        """The answers of pushing each value in turn, bool[n]."""
        check_f64("values", values)
        found = np.empty(values.shape[0], dtype=np.bool_)
        _quiet(self._head, self._ring, values, found)
        return found


def _example() -> tuple[FloatArray, int]:
    values = np.sin(0.1 * np.arange(200.0))
    values[::37] += 5.0
    values[50] = math.nan
    return values, 15


@registered(
    name="hampel",
    unit="1",
    source="Hampel 1974; Pearson et al. 2016 (10.1186/s13634-016-0383-6), eq. 4-6",
    reference="pvanalytics.quality.outliers.hampel",
    tolerance=0.0,
    example=_example,
)
def hampel(
    values: FloatArray, window_count: int = 5, deviations_count: float = 3.0, scale: float = NORMAL_QUARTILE
) -> BoolArray:
    """Outliers by Hampel's identifier.

    Parameters
    ----------
    values : float64[n]
        In any unit; a window that holds a NaN or an infinity, or that the ends cut, judges nothing.
    window_count : int
        Samples in the centred window, 3..1001.
    deviations_count : float
        How many estimated standard deviations a value may lie off the median of its window.
    scale : float
        MAD over ``scale`` estimates the standard deviation.

    Returns
    -------
    bool[n]
        True for an outlier, False where nothing can be said.

    References
    ----------
    Hampel (1974), J. Am. Stat. Assoc. 69, 383; Pearson et al. (2016), EURASIP J. Adv. Signal Process. 2016:87, eq. 4-6.
    """
    check_f64("values", values)
    _check(window_count, deviations_count, scale)
    count = values.shape[0]
    found = np.zeros(count, dtype=np.bool_)
    if count < window_count:
        return found
    if window_count == 5:
        with np.errstate(all="ignore"):
            _five_kernel(values, deviations_count, scale, found[2:-2])
        return found
    stream = HampelStream(window_count, deviations_count, scale)
    found[: count - stream.delay_count] = stream.run(values)[stream.delay_count :]
    return found

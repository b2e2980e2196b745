"""What a request costs on a link: a fixed part, a part per word, and the pause a device asks for. Measured as we go."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass

_BITS_PER_BYTE = 10
_FRAME_BYTES = 8 + 5  # a read request, and an answer without its words
_TURNAROUND_S = 0.02  # of a serial device, until it is measured
_TCP_FIXED_S, _TCP_WORD_S = 0.005, 1e-5  # of a device on the same network, until it is measured
_KEPT_COUNT = 16  # transactions a length, so that an old network is forgotten
_LENGTHS_COUNT = 24
_EAGER_COUNT, _EVERY_COUNT = 16, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCost:
    """Time on the link: ``fixed_s + word_s * words``, but never less than ``period_s`` from command to command."""

    fixed_s: float
    word_s: float
    period_s: float = 0.0

    def of(self, words_count: int) -> float:
        """What a read of so many words takes [s]."""
        return max(self.fixed_s + self.word_s * words_count, self.period_s)


def expected_cost(baud: int) -> RequestCost:
    """The cost by the line's rate, before anything was measured; a baud of 0 is TCP."""
    if not baud:
        return RequestCost(fixed_s=_TCP_FIXED_S, word_s=_TCP_WORD_S)
    byte_s = _BITS_PER_BYTE / baud
    return RequestCost(fixed_s=_FRAME_BYTES * byte_s + _TURNAROUND_S, word_s=2 * byte_s)


class CostFit:
    """Least squares over the median time of each request length; a median does not see a late answer or two."""

    def __init__(self, baud: int) -> None:
        self.cost = self._expected = expected_cost(baud)
        self.measured_count = 0
        self._times_s: dict[int, deque[float]] = {}

    def note(self, words_count: int, seconds: float) -> None:
        """One answered read; the fit follows at once at first, later now and then."""
        if words_count not in self._times_s and len(self._times_s) >= _LENGTHS_COUNT:
            del self._times_s[next(iter(self._times_s))]
        self._times_s.setdefault(words_count, deque(maxlen=_KEPT_COUNT)).append(seconds)
        self.measured_count += 1
        if self.measured_count <= _EAGER_COUNT or self.measured_count % _EVERY_COUNT == 0:
            self.cost = self._fitted()

    def _fitted(self) -> RequestCost:
        """One length alone says nothing about the slope, which then stays as expected."""
        medians = [(words, statistics.median(times_s), len(times_s)) for words, times_s in self._times_s.items()]
        total = sum(weight for *_, weight in medians)
        words_mean = sum(words * weight for words, _, weight in medians) / total
        mean_s = sum(median_s * weight for _, median_s, weight in medians) / total
        spread = sum(weight * (words - words_mean) ** 2 for words, _, weight in medians)
        joint = sum(weight * (words - words_mean) * (median_s - mean_s) for words, median_s, weight in medians)
        word_s = max(joint / spread if spread else self._expected.word_s, 0.0)
        return RequestCost(fixed_s=max(mean_s - word_s * words_mean, 0.0), word_s=word_s)

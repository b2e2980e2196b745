"""How good the recorded quarter hours are: the four scores of ``pems quality`` on the store's own columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from core_kernels.flags import Flag
from core_kernels.quality import assess
from core_kernels.records import Frame


def assessed(window: Frame) -> list[dict[str, Any]]:
    """A row a signal: its scores, how much of it is there, its flags and what fails its gate."""
    times_s = window.grid.starts_s().astype(np.float64)
    rows = []
    for name, values in sorted(window.columns.items()):
        there = np.flatnonzero(np.isfinite(values))
        first = int(there[0]) if there.size else 0  # before the first value there was no box
        found = assess(times_s[first:], np.ascontiguousarray(values[first:]), name, window.grid.slot_s)
        kept = window.flags.get(name)
        counts = {str(flag.name).lower(): found.count(flag) for flag in Flag if flag}
        rows.append(
            {
                "signal": name,
                "there_frac": there.size / max(values.size - first, 1),
                "scores": {key.removesuffix("_frac"): value for key, value in found.scores._asdict().items()},
                "flags": {key: count for key, count in counts.items() if count},
                "marked_count": 0 if kept is None else int(np.count_nonzero(kept)),
                "failed": list(found.failed()),
            }
        )
    return rows

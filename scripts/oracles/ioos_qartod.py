"""Make tests/data/ioos_qartod.json: QARTOD codes by ioos_qc's own functions.

Needs an environment of its own: `python3.11 -m venv V && V/bin/pip install ioos-qc==3.0.0`, then
`V/bin/python scripts/oracles/ioos_qartod.py tests/data/ioos_qartod.json`.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import random
import sys
from pathlib import Path

import numpy as np
from ioos_qc import qartod

SPAN = (-5.0, 40.0)
RATE_PER_S = 0.01
SLOT_S = 300
COLUMNS = 16


def tables(rng: random.Random) -> list[list[int]]:
    """Codes of 400 samples, one column a test: all passed, some not made, some found something, some missing."""
    weights = [(8, 1, 1, 1, 0), (1, 5, 0, 0, 0), (4, 2, 2, 0, 1), (1, 1, 1, 1, 1), (1, 0, 0, 0, 0)]
    return [rng.choices((1, 2, 3, 4, 9), weights[i % len(weights)], k=COLUMNS) for i in range(400)]


def series(rng: random.Random) -> list[float | None]:
    """A walk with steps beyond the rate, values at and beyond the span's ends, and missing ones."""
    values: list[float | None] = [*SPAN, SPAN[0] - 1e-9, SPAN[1] + 1e-9]
    level = 10.0
    for _ in range(500):
        level += rng.choice((0.0, rng.gauss(0.0, 2.0), 4.0, -4.0))
        values.append(None if rng.random() < 0.05 else level)
    return values


def main(target: Path) -> None:
    """Write the fixture."""
    rng = random.Random(20)
    codes = np.array(tables(rng), dtype=np.uint8)
    known = series(rng)
    values = np.array([np.nan if value is None else value for value in known])
    times = (np.arange(values.size) * SLOT_S).astype("datetime64[s]")
    rate = qartod.rate_of_change_test(values, times, RATE_PER_S)
    made = {
        "ioos_qc": importlib.metadata.version("ioos-qc"),
        "numpy": importlib.metadata.version("numpy"),
        "python": platform.python_version(),
        "script": "scripts/oracles/ioos_qartod.py",
    }
    document = {
        "made_with": made,
        "names": {name.lower(): code for name, code in vars(qartod.QartodFlags).items() if name.isupper()},
        "compare": {"codes": codes.tolist(), "result": qartod.qartod_compare(list(codes.T)).tolist()},
        "range": {"span": SPAN, "values": known, "result": qartod.gross_range_test(values, SPAN).tolist()},
        "rate": {"per_s": RATE_PER_S, "slot_s": SLOT_S, "values": known, "result": np.ma.getdata(rate).tolist()},
    }
    target.write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

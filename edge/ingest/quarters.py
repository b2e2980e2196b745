"""A table of any slot length as the quarter hours that plans, forecasts and replays are made on."""

from __future__ import annotations

import math

import numpy as np

from core_kernels.folding import SLOT_S
from core_kernels.records import Frame
from core_kernels.signals import signal
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from edge.errors import StoreError
from edge.ingest.table import Table


def quarter_hours(table: Table) -> Frame:
    """A table's known signals as quarter hours: coarser slots repeat, finer ones are averaged when half are there."""
    columns = {name: values for name, values in table.columns.items() if _is_signal(name)}
    frame = Table(source=table.source, times_s=table.times_s, columns=columns).frame()
    slot_s = frame.grid.slot_s
    if slot_s % SLOT_S and SLOT_S % slot_s:
        raise StoreError(f"{table.source}: slots of {slot_s} s do not fit quarter hours")
    if slot_s >= SLOT_S:
        grid = TimeGrid(start_s=frame.grid.start_s, slot_s=SLOT_S, count=frame.grid.count * (slot_s // SLOT_S))
        repeat = slot_s // SLOT_S
        return Frame(grid=grid, columns={name: np.repeat(values, repeat) for name, values in frame.columns.items()})
    per_slot = SLOT_S // slot_s
    skip = -(frame.grid.start_s // slot_s) % per_slot
    count = (frame.grid.count - skip) // per_slot
    if count < 1:
        raise StoreError(f"{table.source}: holds no whole quarter hour")
    grid = TimeGrid(start_s=frame.grid.start_s + skip * slot_s, slot_s=SLOT_S, count=count)
    blocks = {name: v[skip : skip + count * per_slot].reshape(count, per_slot) for name, v in frame.columns.items()}
    return Frame(grid=grid, columns={name: _block_means(block) for name, block in blocks.items()})


def _block_means(block: FloatArray) -> FloatArray:
    """Mean of each row's present values; NaN where less than half are there."""
    present = np.isfinite(block)
    count = present.sum(axis=1)
    total = np.where(present, block, 0.0).sum(axis=1)
    enough = 2 * count >= block.shape[1]
    means: FloatArray = np.where(enough, total / np.maximum(count, 1), math.nan)
    return means


def _is_signal(name: str) -> bool:
    try:
        signal(name)
    except KeyError:
        return False
    return True

"""What the control process' store costs the flash: bytes at the block layer, from an hour of 60 channels a second."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

from core_kernels.figures import Row, limit_row
from edge.bench_appliance.recorded import EXT4, call, looped, make_disk, mounted, workplace
from edge.files import STORE_NAME
from edge.ingest.store import SLOT_S, Store

CHANNEL_COUNT, HOURS_COUNT = 60, 2
TARGET_MB_PER_H = 1.0
# The plainest thing that loses no second: SQLite's rollback journal, a commit a second (shared/edge.md, section 4).
PLAIN_MB_PER_H = 221.0
_START_S = 1_763_856_000  # 2025-11-23 00:00 UTC
_SECTOR_BYTES = 512  # of /sys/block/*/stat, whatever the disk's own
_SECTORS_WRITTEN = 6
_SECONDS_PER_HOUR = 3600
_ROOMS = tuple(f"room_r{number}_c" for number in range(CHANNEL_COUNT))


def rows() -> tuple[Row, ...]:
    """The figure of issue 8."""
    row = limit_row(
        f"flash written at {CHANNEL_COUNT} channels a second",
        (mb_per_hour(), PLAIN_MB_PER_H),
        "MB/h",
        "SQLite, a commit a second (recorded)",
        TARGET_MB_PER_H,
    )
    return (row,)


def mb_per_hour() -> float:
    """Of the real store on an ext4 of its own, the hour in which it settles left out."""
    with _disk() as (device, root):
        store = Store(root / STORE_NAME)
        written_mb = [_written_mb(device)]
        for hour in range(1 + HOURS_COUNT):
            _live(store, _START_S + hour * _SECONDS_PER_HOUR)
            call("sync", "--file-system", root)
            written_mb.append(_written_mb(device))
        store.close()
    return (written_mb[-1] - written_mb[1]) / HOURS_COUNT


@contextlib.contextmanager
def _disk() -> Iterator[tuple[str, Path]]:
    """An ext4 with Debian's defaults and nothing on it: its device and its root."""
    with workplace() as folder:
        make_disk(EXT4, folder / "disk")
        with looped(folder / "disk") as device, mounted(device, folder / "root") as root:
            yield device, root


def _live(store: Store, start_s: int) -> None:
    """An hour of cycles: temperatures that swing over the day, each channel a little apart."""
    for second in range(_SECONDS_PER_HOUR):
        phase = 2.0 * math.pi * (start_s + second) / (96 * SLOT_S)
        values = {name: 20.0 + 2.0 * math.sin(phase + 0.1 * k) for k, name in enumerate(_ROOMS)}
        store.add(float(start_s + second), values, {})


def _written_mb(device: str) -> float:
    """All that the block layer was ever told to write to a device."""
    counts = (Path("/sys/block") / Path(device).name / "stat").read_text(encoding="ascii").split()
    return int(counts[_SECTORS_WRITTEN]) * _SECTOR_BYTES / 1e6

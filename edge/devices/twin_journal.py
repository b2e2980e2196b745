"""The twin's journal: what the meter would say and what was true, each quarter hour; and all that was written."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from edge.devices.plant import Snapshot
from edge.errors import StoreError
from edge.timetext import format_time

QUARTER_S = 900.0
_TRUTH = ("pv_wh", "load_wh", "battery_charge_wh", "battery_discharge_wh", "loss_wh")
_QUARTERS = ("time_utc", "grid_import_wh", "grid_export_wh", *_TRUTH, "soc_frac", "mode")
_WIRE = ("time_utc", "device", "function", "address", "values", "answer")


class Journal:
    """Two CSV files in a folder, appended and flushed row by row; raises :class:`StoreError`."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._quarters = _open(folder / "quarters.csv", _QUARTERS)
            self._wire = _open(folder / "wire.csv", _WIRE)
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror}") from error

    def quarter(self, truth: Snapshot, grid_import_wh: float, grid_export_wh: float) -> None:
        """One row of counters, the grid's as a client would decode them from the meter."""
        energies = (f"{getattr(truth, name):.3f}" for name in _TRUTH)
        counters = (f"{grid_import_wh:.3f}", f"{grid_export_wh:.3f}")
        _append(self._quarters, (format_time(truth.time_s), *counters, *energies, f"{truth.soc_frac:.6f}", truth.mode))

    def write(self, time_s: float, device: str, pdu: bytes, reply: bytes) -> None:
        """One row of a write request and what it was answered."""
        address = int.from_bytes(pdu[1:3], "big")
        body = pdu[3:] if pdu[0] == 6 else pdu[6:]
        values = " ".join(str(int.from_bytes(body[i : i + 2], "big")) for i in range(0, len(body), 2))
        answer = f"exception {reply[1]}" if reply[0] & 0x80 else "ok"
        _append(self._wire, (format_time(time_s), device, str(pdu[0]), str(address), values, answer))

    def mode(self, time_s: float, mode: str) -> None:
        """One row of a change of the inverter's mode."""
        _append(self._wire, (format_time(time_s), "inverter", "mode", "", mode, ""))

    def close(self) -> None:
        """Close both files."""
        self._quarters.close()
        self._wire.close()


def _open(path: Path, header: Sequence[str]) -> TextIO:
    file = path.open("a", newline="", encoding="utf-8")
    if file.tell() == 0:
        _append(file, header)
    return file


def _append(file: TextIO, row: Sequence[str]) -> None:
    try:
        csv.writer(file).writerow(row)
        file.flush()
    except OSError as error:
        raise StoreError(f"{file.name}: {error.strerror}") from error

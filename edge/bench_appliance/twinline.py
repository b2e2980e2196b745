"""The house at the other end of a box's serial line: the digital twin, and its journal, which judges."""

from __future__ import annotations

import contextlib
import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core_kernels.units import SECONDS_PER_DAY
from edge.errors import EdgeError
from edge.timetext import format_time, parse_time_s

_WITHIN_S = 60.0
_POLL_S = 0.2
_SLOT_S = 900
_LOAD_W, _PV_W = 800, 0
_CAPACITY_WH, _SOC_FRAC = 20_000, 0.15
_MODE = "mode"
_NATIVE = "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A row of the twin's journal: a write request as it was answered, or a change of the inverter's mode."""

    time_s: float
    function: str
    address: str
    values: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinLine:
    """A served house: the terminal that the box's line is wired to, and the journal's folder."""

    terminal: Path
    journal: Path

    def said(self) -> tuple[Said, ...]:
        """All writes and changes of mode until now, by the twin's clock."""
        with (self.journal / "wire.csv").open(newline="", encoding="utf-8") as file:
            return tuple(
                Said(
                    time_s=parse_time_s(row["time_utc"]),
                    function=row["function"],
                    address=row["address"],
                    values=row["values"],
                    answer=row["answer"],
                )
                for row in csv.DictReader(file)
            )

    def wait_for_mode(self, native: bool, within_s: float, since_s: float = 0.0) -> float:
        """When (by the twin's clock) the inverter next is on its own rules, or else commanded."""
        until_s = time.monotonic() + within_s
        while True:
            for row in self.said():
                if row.function == _MODE and (row.values == _NATIVE) is native and row.time_s >= since_s:
                    return row.time_s
            if time.monotonic() > until_s:
                wanted = "on its own rules" if native else "commanded"
                raise EdgeError(f"the inverter was not {wanted} within {within_s:g} s; journal: {self.said()[-5:]}")
            time.sleep(_POLL_S)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[TwinLine]:
    """A house with an SPH inverter on a terminal, in real time, for three days around now."""
    folder.mkdir(exist_ok=True)
    line = TwinLine(terminal=folder / "line", journal=folder / "journal")
    series = folder / "house.csv"
    start_s = int(time.time()) // SECONDS_PER_DAY * SECONDS_PER_DAY - SECONDS_PER_DAY
    slots = range(start_s, start_s + 3 * SECONDS_PER_DAY, _SLOT_S)
    rows = [f"{format_time(slot_s)},{_PV_W},{_LOAD_W}\n" for slot_s in slots]
    series.write_text("time_utc,pv_w,load_w\n" + "".join(rows), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "edge.cli", "twin", "--house", str(series), "--journal", str(line.journal)),
        *("--capacity-wh", str(_CAPACITY_WH), "--soc-frac", str(_SOC_FRAC)),
        *("--inverter", f"serial://{line.terminal}?baud=9600", "--meter", f"serial://{folder / 'meter'}?baud=9600"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != "up":
                raise EdgeError("the twin did not come up")
            yield line
        finally:
            process.terminate()
            process.wait(_WITHIN_S)

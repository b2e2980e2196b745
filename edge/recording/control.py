"""Control on tape: the recorder sits at the one seam of the cycle, and the tape can take the world's place there.

A block holds up to sixty cycles. The first stands in full, each later one only by what changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edge.control.override import Override
from edge.cycle import Ports
from edge.errors import StoreError
from edge.messages import Command, CycleRecord, Plan, Reading, WriteResult
from edge.recording import plain
from edge.recording.tape import Block, Tape

_CYCLES = 60
_FLUSH_AFTER_WALL_S = 60.0


class RecordingPorts:
    """The box's ports with a recorder between them and the cycle."""

    def __init__(self, ports: Ports, tape: Tape) -> None:
        self._ports, self._tape = ports, tape
        self._cycle: dict[str, Any] = {"times_s": []}
        self._last: dict[str, Any] = {}
        self._block: list[dict[str, Any]] = []
        self._began = time.monotonic()
        self._plan: Plan | None = None
        self._kept_plan_s: float | None = None

    def now_s(self) -> float:
        """Unix UTC [s]."""
        now_s = self._ports.now_s()
        self._cycle["times_s"].append(now_s)
        return now_s

    def read(self) -> Sequence[Reading]:
        """The devices."""
        readings = self._ports.read()
        self._cycle["readings"] = {str(index): plain.plain(reading) for index, reading in enumerate(readings)}
        return readings

    def plan(self) -> Plan | None:
        """The published plan."""
        self._plan = self._ports.plan()
        self._cycle["plan_s"] = None if self._plan is None else self._plan.issued_s
        return self._plan

    def override(self) -> Override | None:
        """What a person asked for by hand."""
        override = self._ports.override()
        self._cycle["override"] = plain.plain(override)
        return override

    def imported_wh(self, now_s: float, grid_w: float) -> float:
        """Import of the running quarter hour."""
        self._cycle["imported_wh"] = self._ports.imported_wh(now_s, grid_w)
        return float(self._cycle["imported_wh"])

    def distrust(self, now_s: float) -> str:
        """Why the battery is left alone."""
        self._cycle["distrust"] = self._ports.distrust(now_s)
        return str(self._cycle["distrust"])

    def write(self, command: Command) -> WriteResult:
        """Through to the device layer."""
        result = self._ports.write(command)
        self._cycle["result"] = plain.plain(result)
        return result

    def record(self, record: CycleRecord, readings: Sequence[Reading]) -> None:
        """Pass on what happened, and put the cycle on the tape; raises :class:`StoreError`."""
        cycle, self._cycle = self._cycle, {"times_s": []}
        self._ports.record(record, readings)
        cycle["wish"], cycle["command"] = plain.plain(record.wish), plain.plain(record.command)
        now_s = record.house.time_s
        if not self._tape.is_of(now_s):
            self.flush()
            self._tape.turn(now_s)
            self._kept_plan_s = None
        if self._plan is not None and self._plan.issued_s != self._kept_plan_s:
            self._tape.write(now_s, "plan", plain.plain(self._plan))
            self._kept_plan_s = self._plan.issued_s
        self._block.append(changes(self._last, cycle) if self._block else cycle)
        self._last = cycle
        if len(self._block) >= _CYCLES or time.monotonic() - self._began >= _FLUSH_AFTER_WALL_S:
            self.flush()

    def flush(self) -> None:
        """Write what is still in memory; raises :class:`StoreError`."""
        block, self._block, self._began = self._block, [], time.monotonic()
        if block:
            self._tape.write(block[0]["times_s"][0], "control", block)

    def close(self) -> None:
        """Write what is left and let go of the tape; a full disk is an alarm, no more."""
        try:
            self.flush()
        except StoreError as error:
            self._ports.alarm(f"the flight recorder: {error}")
        self._tape.close()

    def alarm(self, text: str) -> None:
        """Tell the log."""
        self._ports.alarm(text)


def changes(before: Mapping[str, Any], cycle: Mapping[str, Any]) -> dict[str, Any]:
    """What of a cycle differs from the one before, readings one by one."""
    found = {
        name: value
        for name, value in cycle.items()
        if name != "readings" and (name not in before or plain.text(before[name]) != plain.text(value))
    }
    old, new = before["readings"], cycle["readings"]
    found["count"] = len(new)
    found["readings"] = {index: row for index, row in new.items() if old.get(index) != row}
    return found


def cycles(blocks: Sequence[Block]) -> Iterator[dict[str, Any]]:
    """All cycles of a tape in full, in order."""
    for block in blocks:
        if block.kind != "control":
            continue
        last: dict[str, Any] = {}
        for entry in block.data:
            readings = {**last.get("readings", {}), **entry["readings"]}
            count = entry.get("count", len(entry["readings"]))
            last = {**last, **entry, "readings": {str(i): readings[str(i)] for i in range(count)}}
            yield last


class RecordedPorts:
    """A cycle's world from the tape; what the cycle commands is kept for comparison, nothing is written anywhere."""

    def __init__(self, cycle: Mapping[str, Any], plans: Mapping[float, Plan]) -> None:
        self._cycle, self._plans = cycle, plans
        self._times_s = iter(cycle["times_s"])

    def now_s(self) -> float:
        """The instants in the order in which they were asked for."""
        return float(next(self._times_s))

    def read(self) -> Sequence[Reading]:
        """What the devices said."""
        return [plain.reading(row) for row in self._cycle["readings"].values()]

    def plan(self) -> Plan | None:
        """The plan that control had."""
        return None if self._cycle["plan_s"] is None else self._plans[self._cycle["plan_s"]]

    def override(self) -> Override | None:
        """What a person had asked for."""
        return plain.override(self._cycle["override"])

    def imported_wh(self, now_s: float, grid_w: float) -> float:  # noqa: ARG002 -- the seam's signature
        """As it was counted."""
        return float(self._cycle["imported_wh"])

    def distrust(self, now_s: float) -> str:  # noqa: ARG002 -- the seam's signature
        """As it was."""
        return str(self._cycle["distrust"])

    def write(self, command: Command) -> WriteResult:  # noqa: ARG002 -- the seam's signature
        """What became of the command then."""
        return plain.result(self._cycle["result"])

    def record(self, record: CycleRecord, readings: Sequence[Reading]) -> None:
        """Nothing is kept."""

    def alarm(self, text: str) -> None:
        """Nothing fails here."""

"""The planner on tape: each question to the optimiser with its answer.

The optimiser starts each plan from the one before. So that any day can be decided again by itself, it begins each UTC
day anew, with what it remembers of the day before on the tape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core_kernels.units import SECONDS_PER_DAY
from edge.config import Site
from edge.control.dayplan import SLICE_S
from edge.control.mpc import Effort, Memory, Mpc
from edge.errors import PlanError, StoreError
from edge.log import Log
from edge.messages import Plan
from edge.recording import plain
from edge.recording import question as decode
from edge.recording.tape import Tape


class RecordingPlanner:
    """An optimiser with a recorder: ``plan`` takes the place of ``Mpc.plan``."""

    def __init__(self, site: Site, tape: Tape, log: Log, slice_s: float = SLICE_S) -> None:
        self._site, self._tape, self._log, self._slice_s = site, tape, log, slice_s
        self._mpc: Mpc | None = None
        self._day = -1

    def plan(self, *, issued_s: float, **known: Any) -> Plan:
        """As :meth:`Mpc.plan`, and onto the tape, whatever comes of it; a tape that breaks is an alarm, no more."""
        mpc, memory = self._begin(issued_s)
        answer: dict[str, Any] = {"plan": None, "error": ""}
        try:
            answer["plan"] = plan = mpc.plan(issued_s=issued_s, **known)
        except PlanError as error:
            answer["error"] = str(error)
            raise
        finally:
            self._keep(issued_s, {"question": {"issued_s": issued_s, **known}, "memory": memory, **answer})
        return plan

    @property
    def effort(self) -> Effort | None:
        """What the last solve took; nothing before the first."""
        return self._mpc.effort if self._mpc is not None else None

    def _begin(self, issued_s: float) -> tuple[Mpc, Memory | None]:
        """The day's optimiser, and what it begins with where it is a new one."""
        day = int(issued_s // SECONDS_PER_DAY)
        if self._mpc is not None and day == self._day:
            return self._mpc, None
        memory = self._mpc.memory if self._mpc is not None else Memory()
        self._mpc, self._day = Mpc(self._site, memory, self._slice_s), day
        return self._mpc, memory

    def _keep(self, issued_s: float, data: Mapping[str, Any]) -> None:
        try:
            self._tape.turn(issued_s)
            self._tape.write(issued_s, "planning", plain.plain(data))
        except StoreError as error:
            self._log.event("alarm", f"the flight recorder: {error}")


_DECODED: dict[str, Callable[[Any], Any]] = {
    "grid": decode.grid,
    "pv": decode.forecast,
    "load": decode.forecast,
    "prices": decode.prices,
    "around": decode.surroundings,
}


def ask_again(mpc: Mpc, question: Mapping[str, Any]) -> Plan:
    """The optimiser's answer to a recorded question; raises :class:`PlanError` as it did then."""
    return mpc.plan(**{name: _DECODED.get(name, _as_it_is)(value) for name, value in question.items()})


def _as_it_is(value: Any) -> Any:
    return value

"""What counts as a verified control cycle, and how many came in a row: the word that the health gate goes by.

The watchdog asks for less: it is kicked at the end of every cycle that came round, so that a loop which hangs is
replaced, and an inverter that is unplugged is not a reason to start anew. A cycle is *verified* when besides

- every device said something good in it, or sleeps as PV inverters do at night, and
- the command is in force: written and read back, or what was read shows that nothing had to be written; or there is
  nothing to command, because the site has no battery inverter or does not permit it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge.messages import IN_FORCE, NEEDS_PERMISSION, CycleRecord, Reading


@dataclass(slots=True)
class VerifiedCycles:
    """Counts verified cycles in a row; ``why`` the last cycle was none, empty when it was."""

    commands: bool  # whether the site has an inverter to command
    count: int = 0
    why: str = "no cycle yet"

    def observe(self, record: CycleRecord, readings: Sequence[Reading]) -> None:
        """Take one more cycle."""
        self.why = silent(readings) or (not_in_force(record) if self.commands else "")
        self.count = 0 if self.why else self.count + 1


def silent(readings: Iterable[Reading]) -> str:
    """The first device of which nothing is known now, with its reason; empty where there is none."""
    reasons: dict[str, str] = {}
    for reading in readings:
        if reading.state == "good" or reading.cause == "asleep":
            reasons[reading.device] = ""
        else:
            reasons.setdefault(reading.device, f"{reading.signal}: {reading.reason or reading.state}")
    return next((f"{device}: {reason}" for device, reason in reasons.items() if reason), "")


def not_in_force(record: CycleRecord) -> str:
    """Why the inverter does not do as commanded; empty where it does or must not be commanded."""
    result = record.result
    if result.outcome in IN_FORCE or result.detail.endswith(NEEDS_PERMISSION):
        return ""
    return f"{result.outcome}: {result.detail}"

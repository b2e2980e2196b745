"""Where a writer stands with its inverter: what runs, what must be seen, what is in doubt, how old a reading may be."""

from __future__ import annotations

import math

from edge.clock import Clock
from edge.devices.checks import WATCH_S, Checks, Troubles
from edge.devices.readback import Readback
from edge.devices.running import Running

FRESH_S = 5.0  # what was read so shortly before a command counts as read for it; each read costs 850 ms on an SPH
END_MARGIN_S = 5.0  # a device's countdown in minutes may end so much before ours
START = "start-up"


class Standing:
    """The state of one writer between its commands."""

    def __init__(self, readback: Readback, clock: Clock) -> None:
        self._readback, self._clock = readback, clock
        self._checks, self._troubles = Checks(), Troubles()
        self._begun_s = clock.now_s()
        self._unsure_s = -math.inf
        self.running: Running | None = None
        self.doubt = START  # why native comes first; empty while it is known what the device does

    @property
    def checks(self) -> Checks:
        """The registers that must be seen as they were written."""
        return self._checks

    def begin(self) -> None:
        """A new command starts."""
        self._begun_s = self._clock.now_s()

    def is_unsure(self) -> None:
        """A write is not (yet) acknowledged, or not read back: what was read before is no longer true."""
        self._unsure_s = self._clock.now_s()

    def fresh_s(self) -> float:
        """Oldest age of a sample that belongs to the running call; simulated time runs on while registers are read."""
        return self._age_s(self._clock.now_s() - self._begun_s + FRESH_S)

    def look_s(self) -> float:
        """Oldest age of a sample where no command depends on it."""
        return self._age_s(WATCH_S)

    def left_alone(self) -> str:
        """Why the device gets no power now, in words; empty when it may."""
        return self._troubles.left_alone(self._clock.now_s())

    def trouble(self, words: str) -> str:
        """Nothing of ours counts any more; in words when that happened too often."""
        self.give_up(words)
        now_s = self._clock.now_s()
        return self._troubles.left_alone(now_s) if self._troubles.note(words, now_s) else ""

    def give_up(self, why: str) -> None:
        """Nobody knows what the device does now."""
        self.running, self.doubt = None, why
        self._checks.forget()

    def changed(self) -> str:
        """What somebody else did to a register that we wrote, in words; looks no oftener than the checks ask."""
        if not self._checks.is_due(self._clock.now_s()):
            return ""
        self._readback.fetch(self._readback.points(t.write for t in self._checks.targets.values()), 0.0)
        self._checks.looked(self._clock.now_s())
        return self.lost()

    def lost(self) -> str:
        """Which expected register shows something else by what was read last, in words."""
        lost = [target for target in self._checks.targets.values() if not self._readback.confirms(target)]
        now_s = self._clock.now_s()
        if lost and self.running is not None and now_s >= self.running.end_s - END_MARGIN_S:
            self.running, lost = None, []  # the lease is over: that is what the device does by itself
            self._checks.forget()
        return "; ".join(self._checks.changed(target, self._readback.raw(target.write), now_s) for target in lost)

    def _age_s(self, max_age_s: float) -> float:
        return min(max_age_s, self._clock.now_s() - self._unsure_s)

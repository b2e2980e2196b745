"""Is a unit there: its failures in a row, the pauses that follow, and how much of the link's time they may cost."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from edge.devices.samples import BlankAnswer
from edge.devices.scheduler import Bus
from edge.devices.transport import LinkDown, LinkMute
from edge.errors import DeviceError, DeviceRejected, DeviceUnreachable
from edge.messages import Cause

BACKOFF_S = (2.0, 300.0)  # first and longest pause of a silent unit
CHEAP_PAUSE_S = 0.5  # an absent port says so at once: to look for it twice a second costs nothing
TOLERATED_COUNT = 1  # lost answers in a row that do not yet make a unit dead
GATEWAY = (10, 11)
RECONNECT_EVERY_COUNT = 3  # some gateways recover on a new connection only (NModbus 167)
STUCK_S = 60.0  # while another unit answers through the gateway, it is not the gateway
TROUBLED_S = 10.0  # a link with a fault so lately says nothing about single registers


@dataclass(slots=True)
class Liveness:
    """What the last requests said about the unit and the way to it; ``errors_by_cause`` counts them since the start."""

    bus: Bus
    failures_count: int = 0
    reason: str = ""
    cause: Cause = ""
    errors_by_cause: Counter[Cause] = field(default_factory=Counter)
    _until_s: float = -math.inf
    _troubled_s: float = -math.inf

    @property
    def is_dead(self) -> bool:
        """It failed so often that it is only probed."""
        return self.failures_count > TOLERATED_COUNT

    def is_silent(self, now_s: float) -> bool:
        """It is left alone for a while: its own pause, or the part of the link's time that the dead may have."""
        return self.is_dead and now_s < max(self._until_s, self.bus.dead.free_s)

    def is_healthy(self, now_s: float) -> bool:
        """Nothing went wrong on the way lately, so that a refusal is about the register."""
        return now_s - self._troubled_s > TROUBLED_S

    def answered(self) -> None:
        """A good answer, or a refusal by the unit itself."""
        self.failures_count, self.reason, self.cause = 0, "", ""

    def failed(self, error: DeviceError, started_s: float, now_s: float) -> None:
        """Silence, garbage, or a gateway that speaks for the unit."""
        self.reason, self.cause, self._troubled_s = str(error), cause_of(error), now_s
        self.errors_by_cause[self.cause] += 1
        if not isinstance(error, DeviceUnreachable | DeviceRejected):
            return
        if not isinstance(error, LinkDown):  # an absent port takes nobody's time
            self.bus.dead.spend(started_s, now_s)
        self.failures_count += 1
        first_s, longest_s = BACKOFF_S
        pause_s = min(first_s * 2.0 ** min(max(self.failures_count - TOLERATED_COUNT - 1, 0), 10), longest_s)
        self._until_s = now_s + (min(pause_s, CHEAP_PAUSE_S) if isinstance(error, LinkDown) else pause_s)
        stuck = isinstance(error, DeviceRejected) and now_s - self.bus.answered_s > STUCK_S
        if stuck and self.failures_count % RECONNECT_EVERY_COUNT == 0:
            self.bus.close()

    def rest(self, now_s: float, pause_s: float) -> None:
        """Leave the unit alone although it answers: it sleeps."""
        self.failures_count = max(self.failures_count, TOLERATED_COUNT + 1)
        self._until_s = now_s + pause_s


def cause_of(error: DeviceError) -> Cause:
    """The kind of a failure in a word."""
    if isinstance(error, DeviceRejected):
        return "gateway" if error.exception_code in GATEWAY else "refused"
    if isinstance(error, DeviceUnreachable):
        return "mute" if isinstance(error, LinkMute) else "unreachable"
    return "no_device" if isinstance(error, BlankAnswer) else "mismatch"

"""A planned read and its place in the queue: how often it is wanted, how late it is, and when it may be tried again."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from edge.devices.blocks import Block
from edge.devices.cost import RequestCost
from edge.devices.planner import SLOW_PERIOD_S, period_of
from edge.devices.scheduler import Lane
from edge.messages import Cause

RECHECK_S = 3600.0  # a register refused today may exist after a firmware update
FIRST_LATENESS = 1.5  # of a slow read at start-up: the fast ones come in between
LATER_S = (1.0, 60.0)  # first and longest pause of a read to which the device says "busy"


@dataclass(slots=True)
class Turn:
    """A planned read and what became of it."""

    block: Block
    asked_s: float = -math.inf
    brought_s: float = -math.inf
    not_before_s: float = -math.inf
    reason: str = "not read yet"
    cause: Cause = "unread"
    refused: bool = False  # it stands alone and the device does not have it
    suspect: bool = False  # part of a refused read, not answered yet
    busy_count: int = 0
    period_s: float = field(init=False)  # how often the most wanted of its points should be read

    def __post_init__(self) -> None:
        self.period_s = period_of(self.block.points)

    @property
    def lane(self) -> Lane:
        """How urgent the read is beside other requests."""
        return Lane.SLOW_READ if self.block.poll == "slow" else Lane.FAST_READ

    def lateness(self, now_s: float) -> float:
        """Waiting time in periods; 0 while it is not due. A fast read is always due, a slow one after its period."""
        waited_s = now_s - self.asked_s
        if now_s < self.not_before_s or (self.block.poll == "slow" and waited_s < SLOW_PERIOD_S):
            return 0.0
        if math.isinf(waited_s) and self.block.poll == "slow":
            return FIRST_LATENESS
        return max(waited_s / self.period_s, 1e-9)

    def cost_s(self, cost: RequestCost) -> float:
        """How long the read takes on a link with these costs, without the pause before it."""
        return sum(cost.fixed_s + cost.word_s * count for _, count in self.block.requests)

    def put_off(self, now_s: float) -> None:
        """The device is busy: ask again after a pause that doubles."""
        first_s, longest_s = LATER_S
        self.not_before_s = now_s + min(first_s * 2.0 ** min(self.busy_count, 10), longest_s)
        self.busy_count += 1

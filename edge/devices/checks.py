"""What was written must stay: looks at it after 2 s, after two more polls, and as long as it counts. Pure state.

A register that changes by itself has another master: a cloud dongle, an app, a second program, the device's own
watchdog. It is named, and it is not fought: after some troubles in an hour the device is left alone for an hour.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge.devices.translate import Group, Target
from edge.timetext import format_time

SECOND_LOOK_S = 2.0
# A command that runs is looked after this often: every look costs the bus a request or two, and a foreign writer is
# noticed no later.
WATCH_S = 30.0
TROUBLE_COUNT = 3
TROUBLE_S = 3600.0
ALONE_S = 3600.0


@dataclass(slots=True)
class Checks:
    """The registers that were read back as written, and when to look again."""

    since_s: float = math.nan
    targets: Mapping[str, Target] = field(default_factory=dict)
    _looks_s: tuple[float, ...] = ()

    def expect(self, targets: Sequence[Target], now_s: float) -> None:
        """From now on these must be seen."""
        self.targets = {target.write.name: target for target in targets if not target.write.write_only}
        self.since_s = now_s
        self._looks_s = (now_s + SECOND_LOOK_S, now_s + WATCH_S, now_s + 2.0 * WATCH_S)

    def extend(self, listed: Sequence[Group], sent: Sequence[Target], now_s: float) -> None:
        """An action was sent and must be seen; of times that were not written, those of the lease that runs on."""
        of_action = [target for group in listed for target in group.targets]
        times = [
            self.targets[target.write.name]
            for target in of_action
            if target.times and target.write.name in self.targets
        ]
        self.expect([*times, *(target for target in of_action if not target.times), *sent], now_s)

    def forget(self) -> None:
        """Nothing is expected any more."""
        self.targets, self._looks_s = {}, ()

    def is_due(self, now_s: float) -> bool:
        """Whether it is time for a look."""
        return bool(self.targets) and bool(self._looks_s) and now_s >= self._looks_s[0]

    def looked(self, now_s: float) -> None:
        """A look was taken; the next one comes later."""
        later = tuple(look_s for look_s in self._looks_s if look_s > now_s)
        self._looks_s = later or (now_s + WATCH_S,)

    def changed(self, target: Target, shown_raw: int, now_s: float) -> str:
        """What somebody else did to a register, in words."""
        where = f"{target.write.name} ({target.write.space} {target.write.address})"
        then = f"was {target.raw} at {format_time(self.since_s)}"
        return f"{where} {then} and is {shown_raw} at {format_time(now_s)}"


@dataclass(slots=True)
class Troubles:
    """Commands that did not stay or were not taken, counted over an hour."""

    _times_s: deque[float] = field(default_factory=deque)
    _alone_until_s: float = -math.inf
    _words: str = ""

    def note(self, words: str, now_s: float) -> bool:
        """Count one; true when it was one too many and the device shall be left alone."""
        self._times_s.append(now_s)
        while self._times_s[0] <= now_s - TROUBLE_S:
            self._times_s.popleft()
        if len(self._times_s) < TROUBLE_COUNT:
            return False
        self._times_s.clear()
        self._alone_until_s = now_s + ALONE_S
        self._words = f"left alone until {format_time(self._alone_until_s)} after {TROUBLE_COUNT} troubles in an hour"
        self._words += f", the last: {words}"
        return True

    def left_alone(self, now_s: float) -> str:
        """Why the device gets no power now, in words; empty when it may."""
        return self._words if now_s < self._alone_until_s else ""

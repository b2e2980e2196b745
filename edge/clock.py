"""Time as the appliance sees it. One door: everything that waits or stamps takes a ``Clock``.

A clock may run faster than the wall: twin and box built from the same ``Epoch`` then agree on the simulated time
without talking to each other, and every device timing (baud, command period, dead time) scales with it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Simulated Unix UTC seconds: ``start_s`` at the monotonic instant ``origin_s``, advancing ``speed`` times real."""

    start_s: float
    origin_s: float
    speed: float = 1.0

    @classmethod
    def real(cls) -> Clock:
        """The wall clock at the moment of the call, kept by the monotonic clock (immune to clock steps)."""
        return cls(start_s=time.time(), origin_s=time.monotonic())

    @classmethod
    def parse(cls, text: str) -> Clock:
        """Read ``START:ORIGIN:SPEED`` as printed by :meth:`describe`; raises ``ValueError``."""
        start, origin, speed = (float(part) for part in text.split(":"))
        if not (speed > 0.0 and math.isfinite(speed) and math.isfinite(start) and math.isfinite(origin)):
            raise ValueError(f"need finite instants and a positive speed, got {text}")
        return cls(start_s=start, origin_s=origin, speed=speed)

    def describe(self) -> str:
        """The epoch as one word, to hand the same clock to another process of this machine."""
        return f"{self.start_s!r}:{self.origin_s!r}:{self.speed!r}"

    def now_s(self) -> float:
        """Simulated Unix UTC time [s]."""
        return self.start_s + (time.monotonic() - self.origin_s) * self.speed

    def wall_s(self, simulated_s: float) -> float:
        """Real duration of a simulated one [s]."""
        return simulated_s / self.speed

    def sleep(self, simulated_s: float) -> None:
        """Wait for a simulated duration."""
        if simulated_s > 0.0:
            time.sleep(simulated_s / self.speed)

    def sleep_until(self, time_s: float) -> None:
        """Wait until a simulated instant."""
        self.sleep(time_s - self.now_s())

"""Time that a test moves."""

from __future__ import annotations

NOON_S = 1_717_243_200.0  # 2024-06-01 12:00 UTC


class HandClock:
    """Time that passes only when somebody sleeps or a test sets it; ``speed`` shortens what waits on the wall clock."""

    def __init__(self, time_s: float = NOON_S, speed: float = 1.0) -> None:
        self.time_s = self.start_s = time_s
        self.speed = speed

    def now_s(self) -> float:
        return self.time_s

    def wall_s(self, simulated_s: float) -> float:
        return simulated_s / self.speed

    def sleep(self, simulated_s: float) -> None:
        self.time_s += max(simulated_s, 0.0)

    def sleep_until(self, time_s: float) -> None:
        self.sleep(time_s - self.time_s)

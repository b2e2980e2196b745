"""A person's own wish for the battery, for a while: it replaces the plan's wish, never the guard.

It lives in control's memory only. It ends by itself, and a restart ends it: what nobody remembers must not go on.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from core_kernels.units import SECONDS_PER_DAY
from edge.control.fastloop import LEASE_S
from edge.messages import Command
from edge.timetext import format_time

OverrideMode = Literal["hold", "charge", "discharge", "native"]
MAX_DURATION_S = float(SECONDS_PER_DAY)
MIN_DURATION_S = 60.0
_MAX_POWER_W = 1e6
_MAX_NEWS = 19
_KEYS = frozenset({"mode", "power_w", "duration_s"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What somebody asked for; ``battery_w`` is positive for discharge, NaN for native."""

    mode: OverrideMode
    battery_w: float
    since_s: float
    until_s: float

    def holds(self, now_s: float) -> bool:
        """Whether it is in force."""
        return self.since_s <= now_s < self.until_s

    @property
    def words(self) -> str:
        """It in a few words."""
        power = f" with {abs(self.battery_w):.0f} W" if self.mode in ("charge", "discharge") else ""
        return f"manual override until {format_time(self.until_s)}: {self.mode}{power}"

    def wish(self, now_s: float) -> Command:
        """The command that it asks the guard for; its lease ends with it, or the guard's shortest lease later."""
        if self.mode == "native":
            return Command.native(self.words)
        lease_s = min(LEASE_S, self.until_s - now_s)
        return Command(mode="power", battery_w=self.battery_w, lease_s=lease_s, reason=self.words)


class Overrides:
    """The override in force and what became of those before it; the cycle asks, other threads change it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Override | None = None
        self._news: list[tuple[float, str]] = []

    def take(self, request: Mapping[str, Any], now_s: float) -> Override:
        """Put a new one in force, in place of the one before it; raises ``ValueError``."""
        override = override_of(request, now_s)
        with self._lock:
            self._held = override
            self._note(now_s, override.words)
        return override

    def end(self, now_s: float) -> bool:
        """End it before its time; whether there was one."""
        with self._lock:
            held, self._held = self._held, None
            if held is not None:
                self._note(now_s, f"ended by hand: {held.mode}")
        return held is not None

    def current(self, now_s: float) -> Override | None:
        """The one in force; one whose time is over is forgotten for good, also if the clock were set back."""
        with self._lock:
            held = self._held
            if held is not None and not held.holds(now_s):
                self._held = None
                self._note(now_s, f"over: {held.mode}")
            return self._held

    def news(self) -> list[tuple[float, str]]:
        """What happened since the last call, as time and words."""
        with self._lock:
            news, self._news = self._news, []
        return news

    def _note(self, time_s: float, text: str) -> None:
        self._news = [*self._news[-_MAX_NEWS:], (time_s, text)]


def override_of(request: Mapping[str, Any], now_s: float) -> Override:
    """An override from a request ``{"mode", "power_w", "duration_s"}``; raises ``ValueError`` with what is wrong.

    ``power_w`` is a size, the mode says the direction; ``hold`` and ``native`` have none.
    """
    if unknown := set(request) - _KEYS:
        raise ValueError(f"not an override: {min(map(str, unknown))!r:.40} is not a known key")
    mode, power_w = request.get("mode"), request.get("power_w")
    if mode not in get_args(OverrideMode):
        raise ValueError(f"mode must be one of {', '.join(get_args(OverrideMode))}, got {mode!r:.40}")
    duration_s = _number("duration_s", request.get("duration_s"), MIN_DURATION_S, MAX_DURATION_S)
    if mode in ("charge", "discharge"):
        size_w = _number("power_w", power_w, 1.0, _MAX_POWER_W)
        battery_w = size_w if mode == "discharge" else -size_w
    elif power_w is not None:
        raise ValueError(f"power_w goes with charge and discharge, not with {mode}")
    else:
        battery_w = 0.0 if mode == "hold" else math.nan
    return Override(mode=cast("OverrideMode", mode), battery_w=battery_w, since_s=now_s, until_s=now_s + duration_s)


def _number(name: str, value: object, low: float, high: float) -> float:
    """A finite number inside its range."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, got {value!r:.40}")
    return float(value)

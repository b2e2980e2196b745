"""What all processes of a box share: how they are run, and when they leave."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from edge import notify
from edge.clock import Clock
from edge.files import RECORDER_NAME
from edge.recording.tape import Tape
from edge.redact import without_secrets

_POLL_S = 0.1
_CLOCK_STEP_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a box is run: what ``pems run`` was told."""

    site_path: Path
    state: Path
    clock: Clock
    period_s: float = 1.0
    parent: int | None = None
    keeps_wall_time: bool = False  # the clock is this machine's own, not one shared with a twin

    def tape(self) -> Tape:
        """The flight recorder of this box, for one of its processes; it carries the site file as it stands."""
        return Tape(self.state / RECORDER_NAME, without_secrets(self.site_path.read_text(encoding="utf-8")))

    def command(self, only: str | None = None) -> list[str]:
        """The command line of the box, or of one of its processes, whose parent is then this process."""
        child = ("--only", only, "--parent", str(os.getpid())) if only else ()
        return [
            *(sys.executable, "-m", "edge.cli", "run", *child),
            *("--site", str(self.site_path), "--state", str(self.state)),
            *("--clock", self.clock.describe(), "--period", repr(self.period_s)),
        ]


class Stop:
    """Set by SIGTERM and SIGINT, for a child by the death of its parent (which may be gone already), and by a new time.

    A process that keeps this machine's own time leaves when that is set (a box without a clock finds its time server):
    who started it starts it anew, on the right time.
    """

    def __init__(self, parent: int | None = None, own_time: Clock | None = None) -> None:
        self._event = threading.Event()
        self._parent = parent
        self._own_time = own_time
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    @classmethod
    def of(cls, run: Run) -> Stop:
        """The end of one of the box's processes."""
        return cls(run.parent, run.clock if run.keeps_wall_time else None)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- the handler's signature
        self._event.set()

    def asked(self) -> bool:
        """Whether it is time to go."""
        orphaned = self._parent is not None and os.getppid() != self._parent
        return self._event.is_set() or orphaned or (self._own_time is not None and is_set_anew(self._own_time))

    def asked_while_busy(self) -> bool:
        """As :meth:`asked`, by work that lasts and shows that it goes on by asking."""
        notify.watchdog()
        return self.asked()

    def wait_until(self, clock: Clock, time_s: float, beat: Callable[[], None] = lambda: None) -> None:
        """Sleep to a simulated instant, in pieces with a beat before each, unless it is time to go."""
        while not self.asked() and (left_s := clock.wall_s(time_s - clock.now_s())) > 0.0:
            beat()
            self._event.wait(min(left_s, _POLL_S))


def off_s(clock: Clock) -> float:
    """How far this machine's time was set forth since a clock was made of it [s]."""
    return time.time() - clock.now_s()


def is_set_anew(clock: Clock) -> bool:
    """Claims that this machine's time was set since a clock was made of it."""
    return abs(off_s(clock)) > _CLOCK_STEP_S

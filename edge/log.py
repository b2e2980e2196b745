"""One event a line, as JSON, to standard output (journald on the box)."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from edge.messages import to_json
from edge.timetext import format_time

_REPEAT_AFTER_S = 60.0  # wall time
_MOST_A_MINUTE = 120  # lines of one kind; what repeats with other numbers must not fill the disk either


@dataclass(slots=True)
class _Seen:
    """When an event was printed last, and how often it came again since."""

    printed_s: float
    count: int = 0


class Log:
    """Writes events of one process.

    The same event within a minute is counted, not printed, and so is what exceeds 120 lines of a kind in a minute; the
    counts are printed when the minute is over (``repeated``, ``suppressed``), at the latest by :meth:`close`.
    """

    def __init__(self, process: str) -> None:
        self._process = process
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._minutes: dict[str, _Seen] = {}

    def event(self, kind: str, text: str, **fields: Any) -> None:
        """Print one event, unless it repeats or its kind floods."""
        now = time.monotonic()
        with self._lock:
            last = self._seen.get((kind, text))
            if last is not None and now - last.printed_s < _REPEAT_AFTER_S:
                last.count += 1
                return
            repeats = last.count if last is not None else 0
            self._seen[kind, text] = _Seen(printed_s=now)
            self._tell_old(now)
            minute = self._minutes.setdefault(kind, _Seen(printed_s=now))
            minute.count += 1
            if minute.count <= _MOST_A_MINUTE:
                self._write(kind, text, {**fields, **({"repeated": repeats} if repeats else {})})

    def close(self) -> None:
        """Print what was only counted so far."""
        with self._lock:
            self._tell_old(time.monotonic() + _REPEAT_AFTER_S)

    def _tell_old(self, now_s: float) -> None:
        """Forget what is older than a minute, and print how often it came."""
        for key in [key for key, seen in self._seen.items() if now_s - seen.printed_s >= _REPEAT_AFTER_S]:
            if repeats := self._seen.pop(key).count:
                self._write(*key, {"repeated": repeats})
        for kind in [kind for kind, minute in self._minutes.items() if now_s - minute.printed_s >= _REPEAT_AFTER_S]:
            if (over := self._minutes.pop(kind).count - _MOST_A_MINUTE) > 0:
                self._write(kind, "more events of this kind", {"suppressed": over})

    def _write(self, kind: str, text: str, fields: dict[str, Any]) -> None:
        head = {"time_utc": format_time(time.time()), "process": self._process, "event": kind, "text": text}
        sys.stdout.write(json.dumps({**head, **to_json(fields)}) + "\n")
        sys.stdout.flush()

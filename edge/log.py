"""One event a line, as JSON, to standard output (journald on the box)."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from edge.messages import to_json

_REPEAT_AFTER_S = 60.0  # wall time


class Log:
    """Writes events of one process; the same event repeated within a minute is counted, not printed."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def event(self, kind: str, text: str, **fields: Any) -> None:
        """Print one event, unless it repeats."""
        now = time.monotonic()
        with self._lock:
            last, repeats = self._seen.get((kind, text), (-_REPEAT_AFTER_S, 0))
            if now - last < _REPEAT_AFTER_S:
                self._seen[kind, text] = (last, repeats + 1)
                return
            self._seen = {key: seen for key, seen in self._seen.items() if now - seen[0] < _REPEAT_AFTER_S}
            self._seen[kind, text] = (now, 0)
        line = {"process": self._process, "event": kind, "text": text, **to_json(fields)}
        if repeats:
            line["repeated"] = repeats
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

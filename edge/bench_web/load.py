"""Requests at an even rate from a process of its own, and viewers that only listen."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence


class Load:
    """Asks for paths in turn at a rate while the context is open; counts what was answered with 200."""

    def __init__(self, host: str, port: int, paths: Sequence[str], rate_per_s: float) -> None:
        self._arguments = [host, str(port), str(rate_per_s), *paths]
        self.answered_count = self.failed_count = 0
        self.seconds_s = 1.0

    def __enter__(self) -> Load:
        command = [sys.executable, "-m", "edge.bench_web.asker", *self._arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None, "a pipe was asked for"
        self._process.stdout.readline()  # it asks
        return self

    def __exit__(self, *reason: object) -> None:
        answer, _ = self._process.communicate("\n", timeout=60.0)
        found = json.loads(answer)
        self.answered_count, self.failed_count = found["answered"], found["failed"]
        self.seconds_s = found["seconds"]


@contextlib.contextmanager
def viewers(host: str, port: int, count: int) -> Iterator[None]:
    """Browsers' event streams, taken in and thrown away by the kernel's buffers as they come."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            link = stack.enter_context(socket.create_connection((host, port), timeout=10.0))
            link.sendall(f"GET /live/now HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        yield

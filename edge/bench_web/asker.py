"""Asks a web server for paths in turn, at an even rate, until a line comes in: ``python -m edge.bench_web.asker``."""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

_CONNECTIONS = 8


def main(arguments: Sequence[str]) -> None:
    """Ask until a line comes in, every connection at its share of the rate; print the counts as JSON."""
    host, port, rate_per_s, *paths = arguments
    ended, started_s = threading.Event(), time.monotonic()
    pace_s = _CONNECTIONS / float(rate_per_s)
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        asking = [
            pool.submit(_ask_on, http.client.HTTPConnection(host, int(port), timeout=10.0), turned, pace_s, ended)
            for turned in _turned(paths)
        ]
        sys.stdout.write("asking\n")
        sys.stdout.flush()
        sys.stdin.readline()
        ended.set()
        good = [result for future in asking for result in future.result()]
    seconds_s = time.monotonic() - started_s
    sys.stdout.write(json.dumps({"answered": sum(good), "failed": len(good) - sum(good), "seconds": seconds_s}))


def _ask_on(
    link: http.client.HTTPConnection, paths: Sequence[str], pace_s: float, ended: threading.Event
) -> list[bool]:
    """One connection's requests: whether each was answered."""
    good: list[bool] = []
    started_s = time.monotonic()
    while not good or not ended.wait(max(started_s + len(good) * pace_s - time.monotonic(), 0.0)):
        good.append(_asked(link, paths[len(good) % len(paths)]))
    link.close()
    return good


def _turned(paths: Sequence[str]) -> list[list[str]]:
    """The paths for each connection, so that not all begin with the same."""
    shifts = [number % len(paths) for number in range(_CONNECTIONS)]
    return [[*paths[shift:], *paths[:shift]] for shift in shifts]


def _asked(link: http.client.HTTPConnection, path: str) -> bool:
    try:
        link.request("GET", path)
        answer = link.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        link.close()
        return False
    return answer.status == 200


if __name__ == "__main__":
    main(sys.argv[1:])

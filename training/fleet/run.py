"""The run of a fleet: a few homes a worker are under way, each outcome comes as it is ready, nothing is kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from distributed import as_completed

from training.errors import TrainingError
from training.fleet.home import Job, train_home
from training.fleet.outcome import Outcome, failed

RETRIES = 2  # for a store that does not answer
_AHEAD = 3  # homes a worker that wait at the scheduler, so that none idles and 100,000 do not lie there

T = TypeVar("T")


def outcomes(client: Any, homes: Iterable[str], job: Job) -> Iterator[Outcome]:
    """Train all homes and yield what became of each, in the order in which they are done.

    Raises
    ------
    TrainingError
        The scheduler is gone; what is done lies in the store, and the same run again goes on there.
    """
    return mapped(client, homes, lambda home: client.submit(train_home, home, job, retries=RETRIES, pure=False), failed)


def mapped(
    client: Any, items: Iterable[str], submit: Callable[[str], Any], on_failure: Callable[[str, str], T]
) -> Iterator[T]:
    """Results of tasks in the order in which they are done; a task that failed becomes ``on_failure(item, reason)``."""
    waiting = iter(items)
    running, names = as_completed(), {}

    def start(more: int) -> None:
        for item in itertools.islice(waiting, more):
            future = submit(item)
            names[future.key] = item
            running.add(future)

    start(_AHEAD * max(len(client.scheduler_info()["workers"]), 1))
    for future in running:
        item = names.pop(future.key)
        if future.status == "finished":
            result: T = future.result()
        elif future.status == "error":
            error = future.exception()
            result = on_failure(item, f"{type(error).__name__}: {' '.join(str(error).split())}")
        else:
            raise TrainingError(f"the scheduler is gone ({future.status}); run the same again to go on")
        start(1)
        yield result

"""Workers: a cluster of this machine, or whoever listens at an address. One home at a time in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
import distributed
from distributed.comm.core import CommClosedError

from training.errors import SetupError

MEMORY_LIMIT = "1GB"
_CONNECT_S = 30
# A home whose worker dies so often is what kills it.
_MOST_DEATHS = 3


@contextmanager
def workers(address: str, count: int) -> Iterator[Any]:
    """A client of the scheduler at ``address``, or of ``count`` local workers where that is empty.

    Raises
    ------
    SetupError
        Nobody listens there.
    """
    quiet = {"distributed.scheduler.allowed-failures": _MOST_DEATHS, "distributed.admin.log-format": "%(message)s"}
    with dask.config.set(quiet):
        if address:
            with _remote(address) as client:
                yield client
            return
        with (
            distributed.LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                memory_limit=MEMORY_LIMIT,
                dashboard_address=None,
                silence_logs=50,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


def _remote(address: str) -> Any:
    try:
        return distributed.Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError, TimeoutError, CommClosedError) as error:
        raise SetupError(f"{address}: no scheduler answers there: {error or type(error).__name__}") from error

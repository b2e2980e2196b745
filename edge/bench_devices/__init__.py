"""``pems bench devices``: what the device layer believes under faults, how soon it recovers, and how fast it is."""

from __future__ import annotations

from core_kernels.figures import Row


def rows() -> tuple[Row, ...]:
    """All rows, each measured beside raw pymodbus in this run."""
    from edge.bench_devices.faults import fault_rows
    from edge.bench_devices.rates import rate_rows
    from edge.bench_devices.recovery import recovery_rows

    return (*fault_rows(), *recovery_rows(), *rate_rows())

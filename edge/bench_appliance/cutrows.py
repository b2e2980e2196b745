"""The rows of the power-cut proof, a writer each."""

from __future__ import annotations

import math
from collections.abc import Iterator

from core_kernels.figures import Row, limit_row
from edge.bench_appliance.keys import Password
from edge.bench_appliance.models import Models
from edge.bench_appliance.powercut import Tally, Writer, pull
from edge.bench_appliance.recorded import workplace
from edge.bench_appliance.releases import Releases
from edge.bench_appliance.telemetry import Telemetry
from edge.ingest.store import COMMIT_S

WRITERS: tuple[Writer, ...] = (Telemetry(), Models(), Releases(), Password())


def rows(stride: int) -> tuple[Row, ...]:
    """All writers, one after the other; raises :class:`StoreError` where no disk can be recorded."""
    found: list[Row] = []
    for writer in WRITERS:
        with workplace() as folder:
            found.extend(_rows(pull(writer, folder, stride), stride))
    return tuple(found)


def _rows(tally: Tally, stride: int) -> Iterator[Row]:
    of = "every write" if stride == 1 else f"each {stride}th state"
    broken = len(tally.findings)
    yield Row(
        name=f"power cut at {of} of {tally.name} ({tally.write_count} writes): disks with something lost or broken",
        value=float(broken),
        unit="disks",
        reference="disks judged",
        reference_value=float(tally.state_count),
        ratio=broken / max(tally.state_count, 1),
        target="0",
        ok=broken == 0 and tally.state_count > 0,
    )
    if not math.isnan(tally.lost_s):
        name = f"power cut during {tally.name}: most telemetry lost"
        yield limit_row(name, (tally.lost_s, float(COMMIT_S)), "s", "a commit's period", float(COMMIT_S))

"""What the store costs the flash, from the block layer's own counters."""

from __future__ import annotations

import pytest

from edge.bench_appliance import recorded, report, wear


@pytest.mark.skipif(bool(recorded.missing()), reason=recorded.missing() or "disks can be had")
def test_an_hour_of_sixty_channels_writes_less_than_a_megabyte():
    found = report(("wear",), stride=1)
    (row,) = found.rows
    assert found.left_out == ()
    assert row.ok, row
    assert 0.1 < row.value <= wear.TARGET_MB_PER_H, "too little would be a counter that does not count"

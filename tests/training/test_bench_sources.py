"""The extraction's benchmark on three days of a real InfluxDB: both sides read the same rows."""

import shutil

import pytest

from training.bench.sources import fill, influxd, main, plain

pytestmark = [pytest.mark.training, pytest.mark.services]


def test_both_sides_read_every_row_and_memory_and_time_are_measured(tmp_path):

    if shutil.which("influxd") is None:
        pytest.skip("influxd is not installed here (Debian has it)")
    with influxd(tmp_path) as port:
        fill(port, 3)
        assert plain(port, 3) == 10 * 3 * 288
        for side in ("ours", "plain"):
            found = main(side, port, 2)
            assert found["wall_s"] > 0.0
            assert found["peak_mb"] >= 0.0

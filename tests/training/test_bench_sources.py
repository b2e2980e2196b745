"""The extraction's benchmark on three days of a real InfluxDB: both sides read the same rows."""

import shutil

import pytest

from training.bench.sources import _least, _rows, fill, influxd, main, plain

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
            assert found["cpu_s"] > 0.0
            assert found["peak_mb"] >= 0.0


def test_the_best_turn_counts_and_each_figure_has_its_limit():
    turns = [
        {"wall_s": 9.0, "cpu_s": 1.0, "peak_mb": 30.0, "rss_mb": 330.0},
        {"wall_s": 4.0, "cpu_s": 1.2, "peak_mb": 28.0, "rss_mb": 331.0},
    ]
    plain = {"wall_s": 8.0, "cpu_s": 3.0, "peak_mb": 36.0, "rss_mb": 340.0}
    found = _rows(plain, _least(turns), {"wall_s": 20.0, "cpu_s": 5.0, "peak_mb": 30.0, "rss_mb": 400.0})
    assert [row.value for row in found] == [4.0, 1.0, 28.0, 400.0]
    assert [row.ok for row in found] == [True, True, True, False]
    slow = _rows(plain, plain, plain)
    assert [row.ok for row in slow] == [False, False, True, True]

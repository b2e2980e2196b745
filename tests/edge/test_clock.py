"""One clock drives twin and box."""

from __future__ import annotations

import time

import pytest

from edge.clock import Clock


def test_a_real_clock_keeps_wall_time() -> None:
    assert Clock.real().now_s() == pytest.approx(time.time(), abs=0.5)


def test_two_clocks_of_one_epoch_agree() -> None:
    clock = Clock(start_s=1.7e9, origin_s=time.monotonic(), speed=1440.0)
    twin = Clock.parse(clock.describe())
    assert twin == clock
    assert twin.now_s() == pytest.approx(clock.now_s(), abs=1440.0 * 0.05)


def test_simulated_time_runs_at_the_given_speed() -> None:
    clock = Clock(start_s=0.0, origin_s=time.monotonic(), speed=1000.0)
    before = clock.now_s()
    clock.sleep(20.0)
    assert clock.now_s() - before >= 20.0
    assert clock.wall_s(20.0) == pytest.approx(0.02)


def test_waiting_for_the_past_does_not_wait() -> None:
    clock = Clock(start_s=0.0, origin_s=time.monotonic())
    started = time.monotonic()
    clock.sleep_until(-100.0)
    clock.sleep(-1.0)
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("text", ["", "1:2", "1:2:0", "1:2:-3", "a:b:c", "1:2:nan"])
def test_a_malformed_epoch_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- float's own words, or ours
        Clock.parse(text)

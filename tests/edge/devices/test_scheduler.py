"""Who goes next on a link, and what the dead and the guests may take of it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import RegisterBank, TcpServer

from edge.clock import Clock
from edge.devices.bus import Link
from edge.devices.profile_file import load_profile
from edge.devices.scheduler import Answered, Bus, Lane, Memory, Share, Turnstile
from edge.devices.transport import parse_url
from edge.errors import DeviceUnreachable

METER = load_profile("eastron/sdm630").link


def bus_to(url: str) -> Bus:
    clock = Clock.real()
    return Bus(Link(parse_url(url, METER), METER, clock), METER, clock)


def started(run) -> threading.Thread:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def queued(stile: Turnstile, lanes: list[Lane]) -> list[Lane]:
    """The order in which requests pass that arrive in this order while another is under way."""
    passed: list[Lane] = []
    threads = []

    def go(lane: Lane) -> None:
        with stile.passing(lane):
            passed.append(lane)

    with stile.passing(Lane.SLOW_READ):
        for number, lane in enumerate(lanes, start=2):
            threads.append(started(lambda lane=lane: go(lane)))
            while len(stile._waiting) < number - 1:
                time.sleep(0.001)
    for thread in threads:
        thread.join(5.0)
    return passed


def test_the_most_urgent_of_those_who_wait_goes_next_and_equals_in_turn():
    lanes = [Lane.DIAGNOSTICS, Lane.SLOW_READ, Lane.FAST_READ, Lane.CONTROL_WRITE, Lane.VERIFY, Lane.SAFETY_WRITE]
    assert queued(Turnstile(), [*lanes, *lanes]) == sorted([*lanes, *lanes])


def test_a_write_behind_many_reads_waits_for_one_request():
    bank = RegisterBank()

    def slowly(request: bytes):
        return [0.05, *bank.tcp(request)]

    with TcpServer(slowly) as server:
        bus = bus_to(server.url)
        bus.read(1, "input", 0, 2)
        readers = [started(lambda: bus.read(1, "input", 0, 2, Lane.SLOW_READ)) for _ in range(6)]
        time.sleep(0.02)
        bus.write(1, 10, (7,), Lane.SAFETY_WRITE)
        before = [request[7] for request in server.requests].index(6)
        for reader in readers:
            reader.join(5.0)
        bus.close()
    assert before <= 2  # the very first read, and the one that was under way


def test_impatience_ends_the_wait_and_leaves_the_queue_in_order():
    stile = Turnstile()
    with stile.passing(Lane.FAST_READ):
        for _ in range(3):
            with pytest.raises(TimeoutError, match="more urgent"), stile.passing(Lane.DIAGNOSTICS, 0.01):
                pass
    with stile.passing(Lane.DIAGNOSTICS, 0.01):
        pass
    assert stile._waiting == []


def test_an_error_inside_frees_the_link():
    stile = Turnstile()
    with suppress(DeviceUnreachable), stile.passing(Lane.FAST_READ):
        raise DeviceUnreachable("gone")
    with stile.passing(Lane.FAST_READ, 0.01):
        pass


@given(st.lists(st.tuples(st.floats(0.001, 2.0), st.floats(0.0, 5.0)), min_size=2, max_size=60), st.floats(0.05, 0.5))
def test_a_share_is_never_exceeded_over_any_time(requests, limit_frac):
    share, now_s, spent = Share(limit_frac), 0.0, []
    for duration_s, idle_s in requests:
        now_s = max(now_s + idle_s, share.free_s)
        share.spend(now_s, now_s + duration_s)
        spent.append((now_s, duration_s))
        now_s += duration_s
    for first in range(len(spent)):
        for last in range(first + 1, len(spent)):
            used_s = sum(duration_s for _, duration_s in spent[first:last])
            assert used_s <= limit_frac * (spent[last][0] - spent[first][0]) + 1e-9


def test_guests_get_their_share_and_no_more():
    bank = RegisterBank()
    with TcpServer(lambda request: [0.02, *bank.tcp(request)]) as server:
        bus = bus_to(server.url)
        begun_s, served = time.monotonic(), 0
        while time.monotonic() - begun_s < 0.6:
            bus.read(1, "input", 0, 2, Lane.DIAGNOSTICS)
            served += 1
        took_s = time.monotonic() - begun_s
        with pytest.raises(TimeoutError, match="part of the link is used up"):
            bus.read(1, "input", 0, 2, Lane.DIAGNOSTICS, 0.001)
        bus.close()
    assert 0.02 * (served - 1) <= 0.2 * took_s
    assert served >= 3


def test_memory_gives_words_of_one_answer_only():
    memory = Memory()
    memory.keep(Answered(unit=1, space="input", address=10, words=(1, 2, 3), measured_s=100.0))
    memory.keep(Answered(unit=1, space="input", address=13, words=(4, 5), measured_s=101.0))
    assert memory.find(1, "input", 11, 2, 100.0) == (2, 3)
    assert memory.find(1, "input", 12, 2, 0.0) is None  # it would join two instants
    assert memory.find(1, "input", 11, 2, 100.5) is None  # too old
    assert memory.find(2, "input", 11, 2, 0.0) is None
    assert memory.find(1, "holding", 11, 2, 0.0) is None


def test_memory_keeps_the_newest_has_an_end_and_forgets_what_was_written():
    memory = Memory(room_count=2)
    for time_s in (1.0, 2.0, 3.0):
        memory.keep(Answered(unit=1, space="input", address=0, words=(int(time_s),), measured_s=time_s))
    assert memory.find(1, "input", 0, 1, 0.0) == (3,)
    for address in range(3):
        memory.keep(Answered(unit=2, space="input", address=address, words=(9,), measured_s=4.0))
    assert len(memory.kept) == 2
    memory.forget(2)
    assert memory.kept == {}


def test_a_bus_measures_what_its_requests_cost():
    bank = RegisterBank()
    with TcpServer(lambda request: [0.03, *bank.tcp(request)]) as server:
        bus = bus_to(server.url)
        expected_s = bus.cost.fixed_s
        for count in (2, 100, 2, 100):
            bus.read(1, "input", 0, count)
        bus.close()
    assert expected_s == 0.005
    assert 0.03 <= bus.cost.of(50) <= 0.08

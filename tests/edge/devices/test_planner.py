"""Block reads: every point once, inside a window, short enough, whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.devices.planner import halves, plan_blocks
from edge.devices.profile import LinkFacts, Point
from edge.devices.profile_file import load_profile, profile_names


def facts(max_read_words: int = 125, align_words: int = 1) -> LinkFacts:
    return LinkFacts(
        default_unit=1,
        baud=9600,
        parity="N",
        stopbits=1,
        word_order="big",
        max_read_words=max_read_words,
        min_command_period_s=0.85,
        align_words=align_words,
        read_windows={"input": ((0, 99), (200, 299)), "holding": ((0, 99),)},
    )


def point(space: str, address: int, words: int, poll: str) -> Point:
    return Point(
        name=f"{space}{address}",
        space=space,
        address=address,
        type="u16" if words == 1 else "u32",
        scale=1.0,
        sign=1,
        sentinels=(),
        poll=poll,
        source="test",
        confidence="A",
        golden_raw=1,
        golden_value=1.0,
        words=words,
    )


WINDOWS = (("input", 0, 99), ("input", 200, 299), ("holding", 0, 99))


@st.composite
def layouts(draw):
    points = []
    for space, first, last in WINDOWS:
        address = first
        while address <= last - 2 and draw(st.booleans()):
            address += draw(st.integers(0, 30))
            words = draw(st.integers(1, 2))
            if address + words - 1 > last - 1:
                break
            points.append(point(space, address, words, draw(st.sampled_from(["fast", "slow"]))))
            address += words
    return points


@given(layouts(), st.integers(2, 40).map(lambda half: 2 * half), st.sampled_from([1, 2]))
def test_every_point_is_read_once_and_whole(points, max_read_words, align_words):
    link = facts(max_read_words, align_words)
    blocks = plan_blocks(points, link)
    assert sorted(p.name for block in blocks for p in block.points) == sorted(p.name for p in points)
    for block in blocks:
        last = block.address + block.count - 1
        assert block.count <= max_read_words
        assert block.address % align_words == 0
        assert block.count % align_words == 0
        assert any(s == block.space and low <= block.address and last <= high for s, low, high in WINDOWS)
        assert all(block.address <= p.address and p.last <= last for p in block.points)
        assert block.poll == ("fast" if any(p.poll == "fast" for p in block.points) else "slow")


def test_the_sph_needs_two_fast_reads_and_the_meter_one():
    sph = plan_blocks(load_profile("growatt/sph").points, load_profile("growatt/sph").link)
    assert [(b.space, b.address, b.count) for b in sph if b.poll == "fast"] == [("input", 1, 93), ("input", 1000, 97)]
    meter = plan_blocks(load_profile("eastron/sdm630").points, load_profile("eastron/sdm630").link)
    assert [(b.address, b.count) for b in meter] == [(0, 76)]


@pytest.mark.parametrize("name", profile_names())
def test_halving_a_read_ends_at_single_points(name):
    link = load_profile(name).link
    waiting = list(plan_blocks(load_profile(name).points, link))
    single = []
    while waiting:
        block = waiting.pop()
        if len(block.points) == 1:
            single.append(block.points[0].name)
            continue
        parts = halves(block, link)
        assert len(parts) == 2
        waiting += parts
    assert sorted(single) == sorted(p.name for p in load_profile(name).points)

"""Block reads: every point once, inside a window, short enough, whole."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.devices.bonds import atoms
from edge.devices.planner import halves, plan_blocks
from edge.devices.profile import LinkFacts, Point
from edge.devices.profile_file import load_profile, profile_names


def facts(max_read_words: int = 125, align_words: int = 1, gap_words: int = 0) -> LinkFacts:
    return LinkFacts(
        default_unit=1,
        baud=9600,
        parity="N",
        stopbits=1,
        word_order="big",
        max_read_words=max_read_words,
        min_command_period_s=0.85,
        align_words=align_words,
        gap_words=gap_words,
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


@given(layouts(), st.integers(2, 40).map(lambda half: 2 * half), st.sampled_from([1, 2]), st.sampled_from([0, 4, 9]))
def test_every_point_is_read_once_and_whole(points, max_read_words, align_words, gap_words):
    link = facts(max_read_words, align_words, gap_words)
    blocks = plan_blocks(points, link)
    assert sorted(p.name for block in blocks for p in block.points) == sorted(p.name for p in points)
    for block in blocks:
        last = block.address + block.count - 1
        addresses = sorted(address for p in block.points for address in p.addresses)
        assert block.requests == ((block.address, block.count),)
        assert block.count <= max_read_words
        assert block.address % align_words == 0
        assert block.count % align_words == 0
        assert any(s == block.space and low <= block.address and last <= high for s, low, high in WINDOWS)
        assert all(block.address <= p.address and p.last <= last for p in block.points)
        assert block.poll == ("fast" if any(p.poll == "fast" for p in block.points) else "slow")
        assert not gap_words or all(after - before - 1 <= gap_words for before, after in pairwise(addresses))


@given(layouts(), st.data())
def test_partners_are_read_in_one_request_and_refused_together(points, data):
    names = st.sampled_from(["", "", "import and export", "charge and discharge"])
    tied = [replace(p, together=f"{p.space} {p.address // 100} {t}" if (t := data.draw(names)) else "") for p in points]
    blocks = list(plan_blocks(tied, facts()))
    for name in {p.together for p in tied if p.together}:
        assert len([block for block in blocks if any(p.together == name for p in block.points)]) == 1
    while blocks:
        block = blocks.pop()
        parts = halves(block, facts())
        assert sorted(p.name for part in parts for p in part.points) == sorted(p.name for p in block.points)
        if len(parts) > 1:
            blocks += parts
        else:
            assert len(block.points) == 1 or len({p.together for p in block.points}) == 1


def split(low: int, high: int) -> Point:
    return replace(point("input", low, 2, "fast"), high_address=high)


def test_a_split_value_in_reach_is_one_request():
    (block,) = plan_blocks([split(78, 80)], facts())
    assert block.requests == ((78, 3),)


@pytest.mark.parametrize(("link", "why"), [(facts(50), "too long"), (facts(gap_words=2), "too wide a gap")])
def test_a_split_value_out_of_reach_is_read_high_low_high(link, why):
    blocks = plan_blocks([split(10, 70), point("input", 12, 1, "fast")], link)
    assert [block.requests for block in blocks] == [((12, 1),), ((70, 1), (10, 1), (70, 1))], why
    assert plan_blocks([split(10, 150)], link) == ()


def test_the_sph_needs_two_fast_reads_and_the_meter_one():
    sph = plan_blocks(load_profile("growatt/sph").points, load_profile("growatt/sph").link)
    assert [(b.space, b.address, b.count) for b in sph if b.poll == "fast"] == [("input", 1, 93), ("input", 1000, 97)]
    meter = plan_blocks(load_profile("eastron/sdm630").points, load_profile("eastron/sdm630").link)
    assert [(b.address, b.count) for b in meter] == [(0, 76)]


@pytest.mark.parametrize("name", profile_names())
def test_halving_a_read_ends_at_what_belongs_together(name):
    link = load_profile(name).link
    waiting = list(plan_blocks([p for p in load_profile(name).points if not p.models], link))
    single = []
    while waiting:
        block = waiting.pop()
        if len(atoms(block.points)) == 1:
            single += [p.name for p in block.points]
            continue
        parts = halves(block, link)
        assert len(parts) > 1
        waiting += parts
    assert sorted(single) == sorted(p.name for p in load_profile(name).points if not p.models)

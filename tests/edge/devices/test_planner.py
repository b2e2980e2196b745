"""Block reads: every point once, inside a window, short enough, whole, and no dearer than simpler plans."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.devices.blocks import Block, block_of, halves
from edge.devices.bonds import atoms
from edge.devices.cost import RequestCost, expected_cost
from edge.devices.planner import load_of, period_of, plan_reads
from edge.devices.profile import LinkFacts, Point
from edge.devices.profile_file import load_profile, profile_names

WINDOWS = (("input", 0, 99), ("input", 200, 299), ("holding", 0, 99))
DEAR_REQUESTS = RequestCost(fixed_s=0.03, word_s=0.002, period_s=0.85)  # Growatt SPH at 9600 baud
DEAR_WORDS = RequestCost(fixed_s=0.0001, word_s=0.001)


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


def point(space: str, address: int, words: int = 1, poll: str = "slow", **more: object) -> Point:
    signal = {"control": "grid_w", "fast": "pv_w", "slow": ""}[poll]
    return Point(
        name=f"{space}{address}",
        space=space,
        address=address,
        type="u16" if words == 1 else "u32",
        scale=1.0,
        sign=1,
        sentinels=(),
        poll="slow" if poll == "slow" else "fast",
        source="test",
        confidence="A",
        golden_raw=1,
        golden_value=1.0,
        words=words,
        signal=signal,
        **more,
    )


@st.composite
def layouts(draw, most: int = 12):
    points = []
    for space, first, last in WINDOWS:
        address = first
        while len(points) < most and address <= last - 2 and draw(st.booleans()):
            address += draw(st.integers(0, 30))
            words = draw(st.integers(1, 2))
            if address + words - 1 > last - 1:
                break
            partner = draw(st.sampled_from(["", "", "", f"{space}{first} one", f"{space}{first} two"]))
            points.append(point(space, address, words, draw(st.sampled_from(["control", "fast", "slow"]))))
            points[-1] = replace(points[-1], together=partner)
            address += words
    wide = {p.together for atom in atoms(points) if block_of(atom, facts()) is None for p in atom}
    return [replace(p, together="") if p.together in wide else p for p in points]


costs = st.builds(
    RequestCost,
    fixed_s=st.floats(1e-4, 0.5),
    word_s=st.floats(1e-6, 0.01),
    period_s=st.sampled_from([0.0, 0.0, 0.05, 0.85]),
)
links = st.builds(facts, st.integers(20, 60).map(lambda half: 2 * half), st.sampled_from([1, 2]), st.integers(0, 20))


def load(plan: Sequence[Block], cost: RequestCost) -> float:
    return sum(load_of(block, cost) for block in plan)


def partitions(items: list) -> Iterator[list[list]]:
    if not items:
        yield []
        return
    head, *rest = items
    for smaller in partitions(rest):
        yield [[head], *smaller]
        for index, group in enumerate(smaller):
            yield [*smaller[:index], [head, *group], *smaller[index + 1 :]]


@given(layouts(), links, costs)
def test_every_point_is_read_once_and_the_rules_hold(points, link, cost):
    readable = [p for atom in atoms(points) if block_of(atom, link) is not None for p in atom]
    plan = plan_reads(readable, link, cost)
    assert sorted(p.name for block in plan for p in block.points) == sorted(p.name for p in readable)
    for block in plan:
        assert block.count <= link.max_read_words
        assert block.address % link.align_words == 0
        assert block.count % link.align_words == 0
        assert any(s == block.space and low <= block.address and block.last <= high for s, low, high in WINDOWS)
        assert all(block.address <= p.address and p.last <= block.last for p in block.points)
        assert block.poll == ("fast" if any(p.poll == "fast" for p in block.points) else "slow")
        cells = sorted(cell for p in block.points for cell in p.addresses)
        gaps = [after - before - 1 for before, after in itertools.pairwise(cells)]
        assert not link.gap_words or max(gaps, default=0) <= link.gap_words
        for name in {p.together for p in block.points} - {""}:
            assert {p for p in readable if p.together == name} <= set(block.points)


@given(layouts(), links, costs)
def test_a_plan_is_never_dearer_than_one_read_each_or_than_always_merging(points, link, cost):
    parts = [block for block in (block_of(atom, link) for atom in atoms(points)) if block is not None]
    merged: list[Block] = []
    for part in sorted(parts, key=lambda block: (block.space, block.address)):
        joined = block_of((*merged[-1].points, *part.points), link) if merged else None
        merged[-1:] = [joined] if joined is not None else [*merged[-1:], part]
    plan = plan_reads([p for block in parts for p in block.points], link, cost)
    assert load(plan, cost) <= load(parts, cost) + 1e-9
    assert load(plan, cost) <= load(merged, cost) + 1e-9


@settings(max_examples=60)
@given(layouts(most=6), costs)
def test_a_plan_of_few_points_is_nearly_the_best_of_all_partitions(points, cost):
    link = facts()
    best = float("inf")
    for partition in partitions(list(atoms(points))):
        blocks = [block_of([p for atom in group for p in atom], link) for group in partition]
        if all(block is not None for block in blocks):
            best = min(best, load([block for block in blocks if block is not None], cost))
    assert load(plan_reads(points, link, cost), cost) <= 1.02 * best + 1e-12


@given(layouts(), costs, st.data())
def test_no_read_touches_a_banned_register_or_crosses_a_seam(points, cost, data):
    cells = [p for p in points if p.words == 1 and not p.together]
    refused = data.draw(st.lists(st.sampled_from(cells), unique=True, max_size=3)) if cells else []
    banned = {(p.space, p.address, p.address) for p in refused}
    plan = plan_reads([p for p in points if p not in refused], facts(), cost, banned)
    assert all(
        not (block.address <= low <= block.last)
        for block in plan
        for space, low, _ in banned
        if space == block.space and not any(len(atom) > 1 for atom in atoms(block.points))
    )


def test_where_a_request_is_dear_reads_grow_to_the_edge_of_their_window():
    points = [point("input", address) for address in range(0, 100, 11)]
    (only,) = plan_reads(points, facts(), DEAR_REQUESTS)
    assert (only.address, only.count) == (0, 100)


def test_where_words_are_dear_every_value_is_read_alone():
    points = [point("input", address) for address in range(0, 100, 11)]
    assert [block.count for block in plan_reads(points, facts(), DEAR_WORDS)] == [1] * 10


def test_slow_points_leave_a_fast_read_where_their_words_cost_more_than_a_request_now_and_then():
    points = [point("input", 10, poll="control"), *(point("input", address) for address in range(11, 90))]
    cost = RequestCost(fixed_s=0.01, word_s=0.002)
    assert [(block.address, block.count) for block in plan_reads(points, facts(), cost)] == [(10, 1), (11, 79)]


def split(low: int, high: int) -> Point:
    return replace(point("input", low, 2, "fast"), high_address=high)


def test_a_split_value_in_reach_is_one_request():
    (block,) = plan_reads([split(78, 80)], facts(), DEAR_WORDS)
    assert block.requests == ((78, 3),)


@pytest.mark.parametrize(("link", "why"), [(facts(50), "too long"), (facts(gap_words=2), "too wide a gap")])
def test_a_split_value_out_of_reach_is_read_high_low_high(link, why):
    blocks = plan_reads([split(10, 70), point("input", 12, 1, "fast")], link, DEAR_REQUESTS)
    assert [block.requests for block in blocks] == [((12, 1),), ((70, 1), (10, 1), (70, 1))], why
    assert plan_reads([split(10, 150)], link, DEAR_REQUESTS) == ()


def test_the_sph_needs_two_fast_reads_and_the_meter_one():
    sph = load_profile("growatt/sph")
    cost = replace(expected_cost(9600), period_s=sph.link.min_command_period_s)
    plan = [block for block in plan_reads(sph.points, sph.link, cost) if block.poll == "fast"]
    assert [(period_of(b.points), b.space, b.address, b.count) for b in plan] == [
        (1.0, "input", 1000, 97),
        (4.0, "input", 1, 93),
    ]
    meter = load_profile("eastron/sdm630")
    assert [(b.address, b.count) for b in plan_reads(meter.points, meter.link, expected_cost(0))] == [(0, 76)]


@pytest.mark.parametrize("name", profile_names())
def test_halving_a_read_ends_at_what_belongs_together(name):
    profile = load_profile(name)
    waiting = list(plan_reads([p for p in profile.points if not p.models], profile.link, DEAR_REQUESTS))
    single = []
    while waiting:
        block = waiting.pop()
        parts = halves(block, profile.link)
        if len(parts) < 2:
            assert len(atoms(block.points)) == 1
            single += [p.name for p in block.points]
        else:
            waiting += parts
    assert sorted(single) == sorted(p.name for p in profile.points if not p.models)

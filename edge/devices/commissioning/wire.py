"""Questions to the wire: what a request costs, whether a gateway replays answers, whether somebody else talks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from edge.devices.blocks import Block
from edge.devices.bus import MIN_TIMEOUT_WALL_S, TIMEOUT_S
from edge.devices.commissioning.report import Check
from edge.devices.commissioning.subject import Subject
from edge.devices.profile import Point, Space
from edge.devices.transport import open_wire
from edge.errors import DeviceMismatch, DeviceUnreachable

LISTEN_S = 10.0
_LENGTHS_COUNT = 5
_REPEATS_COUNT = 3
_ROUNDS_COUNT = 4


class Cost(NamedTuple):
    """What a request costs: ``fixed_s`` and so much for each word."""

    fixed_s: float
    per_word_s: float


def fit_cost(counts: Sequence[int], taken_s: Sequence[float]) -> Cost:
    """Least squares of duration over words; one length alone gives the fixed part only. Never below 0."""
    mean_count, mean_s = statistics.fmean(counts), statistics.fmean(taken_s)
    spread = math.fsum((count - mean_count) ** 2 for count in counts)
    pairs = zip(counts, taken_s, strict=True)
    slope = math.fsum((count - mean_count) * (taken - mean_s) for count, taken in pairs) / spread if spread else 0.0
    per_word_s = max(slope, 0.0)
    return Cost(max(mean_s - per_word_s * mean_count, 0.0), per_word_s)


def measure_cost(subject: Subject, progress: Callable[[str], None]) -> Check:
    """Time reads of several lengths and fit the link's cost; raises :class:`DeviceError`."""
    block = max(subject.blocks(), key=lambda found: found.count)
    align_words = subject.unit.profile.link.align_words
    steps = block.count // align_words
    counts = sorted({max(steps * part // _LENGTHS_COUNT, 1) * align_words for part in range(1, _LENGTHS_COUNT + 1)})
    progress(f"{len(counts)} lengths of reads, {_REPEATS_COUNT} times each, against the clock")
    taken_s: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(_REPEATS_COUNT):
        for count in counts:
            taken_s[count].append(subject.timed_s(block.space, block.address, count))
    medians_s = [statistics.median(taken_s[count]) for count in counts]
    cost = fit_cost(counts, medians_s)
    table = [
        {"words": count, "measured_s": round(median_s, 4), "fit_s": round(cost.fixed_s + cost.per_word_s * count, 4)}
        for count, median_s in zip(counts, medians_s, strict=True)
    ]
    pause_s = subject.unit.profile.link.min_command_period_s
    pause = f"; the device wants {pause_s:g} s from one command to the next" if pause_s else ""
    return Check(
        name="latency",
        state="ok",
        text=f"a request takes {1e3 * cost.fixed_s:.0f} ms and {1e3 * cost.per_word_s:.2f} ms a word{pause}",
        data={"fixed_s": cost.fixed_s, "per_word_s": cost.per_word_s, "rows": table},
    )


def try_replay(subject: Subject, progress: Callable[[str], None]) -> Check:
    """Three reads of different lengths in turn, and a known text between them (faults.md, 3)."""
    reads = _three_lengths(subject)
    known = subject.unit.profile.probe
    sample = subject.unit.samples.get(known.name) if known is not None else None
    constant = sample.words if sample is not None and any(sample.words) else None
    progress(f"reads of {', '.join(str(count) for _, _, count in reads)} words in turn, {_ROUNDS_COUNT} times")
    foreign: list[str] = []
    silent = asked = 0
    for _ in range(_ROUNDS_COUNT):
        for space, address, count in reads:
            asked += 1
            try:
                subject.read(space, address, count)
            except DeviceMismatch as error:
                foreign.append(str(error))
            except DeviceUnreachable:
                silent += 1
        if known and constant:
            asked += 1
            try:
                words = subject.read(known.space, known.address, known.words)
            except DeviceMismatch as error:
                foreign.append(str(error))
            except DeviceUnreachable:
                silent += 1
            else:
                foreign += [] if words == constant else [f"{known.name} came with other words"]
    return judge_replay(asked, foreign, silent)


def judge_replay(asked: int, foreign: Sequence[str], silent: int) -> Check:
    """The verdict over so many questions: answers that were another's, and none at all."""
    data = {"asked": asked, "foreign": len(foreign), "silent": silent}
    if foreign:
        return Check(
            name="replay",
            state="refuse",
            text=f"{len(foreign)} of {asked} answers belonged to another question ({foreign[0]})",
            advice="a gateway replays answers, or two masters share it: update it, set it to Modbus TCP without "
            "caching, give it one client only, or connect the device directly",
            data=data,
        )
    if silent:
        return Check(
            name="replay",
            state="finding",
            text=f"{silent} of {asked} requests were not answered",
            advice="check cable, termination and baud rate, and that nobody else asks the device",
            data=data,
        )
    return Check(name="replay", state="ok", text=f"{asked} requests, each with its own answer", data=data)


def _three_lengths(subject: Subject) -> list[tuple[Space, int, int]]:
    """Three reads of different lengths, at different places where there are any."""
    align_words = subject.unit.profile.link.align_words
    blocks: Sequence[Block] = sorted(subject.blocks(), key=lambda block: block.count, reverse=True)
    reads: list[tuple[Space, int, int]] = []
    for index in range(3):
        block = blocks[index % len(blocks)]
        wanted = (index + 1) * align_words
        reads.append((block.space, block.address, wanted if wanted <= block.count else align_words))
    return reads


def listen(subject: Subject, progress: Callable[[str], None]) -> Check:
    """Does anybody talk on a serial line while we are silent? A TCP connection carries only our own answers."""
    link = subject.unit.link
    if link.address.kind == "tcp":
        words = "a TCP connection does not show other masters; settings are watched instead"
        return Check(name="silence", state="unknown", text=words)
    progress(f"listening for {LISTEN_S:.0f} s")
    link.close()
    heard = bytearray()
    wire = open_wire(link.address, max(TIMEOUT_S / subject.clock.speed, MIN_TIMEOUT_WALL_S))
    try:
        end_s = subject.clock.now_s() + LISTEN_S
        while (left_s := end_s - subject.clock.now_s()) > 0.0:
            heard += wire.receive(subject.clock.wall_s(left_s))
    finally:
        wire.close()
    if heard:
        return Check(
            name="silence",
            state="refuse",
            text=f"{len(heard)} bytes came without a question of ours ({heard[:12].hex(' ')})",
            advice="another master asks on this line: disconnect it (vendor's dongle, other software), or connect it "
            "to this box instead",
            data={"bytes": len(heard)},
        )
    return Check(name="silence", state="ok", text=f"nobody else spoke for {LISTEN_S:.0f} s", data={"bytes": 0})


def compare_settings(before: Mapping[str, Sequence[int]], after: Mapping[str, Sequence[int]]) -> Check:
    """Settings that changed although we wrote nothing: somebody else commands the device."""
    both = [name for name in before if name in after]
    moved = [name for name in both if tuple(before[name]) != tuple(after[name])]
    data: dict[str, Any] = {"watched": len(both), "changed": moved}
    if moved:
        told = ", ".join(f"{name} {_plain(before[name])} -> {_plain(after[name])}" for name in moved[:3])
        return Check(
            name="settings",
            state="refuse",
            text=f"{len(moved)} settings changed and nothing of ours was written: {told}",
            advice="another master commands this device: turn off schedules of the vendor's cloud or app and other "
            "controllers",
            data=data,
        )
    if not both:
        return Check(name="settings", state="unknown", text="the device has no settings to watch", data=data)
    return Check(name="settings", state="ok", text=f"{len(both)} settings stood still", data=data)


def settings_of(subject: Subject) -> list[Point]:
    """The points that show what can be written, and that do not move by themselves."""
    profile = subject.unit.profile
    names = dict.fromkeys(write.readback for write in profile.writes)
    return [profile.by_name[name] for name in names if name in profile.by_name and name not in profile.clock]


def _plain(words: Sequence[int]) -> str:
    return " ".join(map(str, words))

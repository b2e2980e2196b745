"""A recorded day decided again: every command and every plan, compared to the last bit."""

from __future__ import annotations

import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config import Site, parse_site
from edge.control.mpc import Mpc
from edge.cycle import control_cycle
from edge.errors import PlanError, StoreError
from edge.messages import Plan
from edge.recording import plain
from edge.recording.control import RecordedPorts, cycles
from edge.recording.planning import ask_again
from edge.recording.question import memory
from edge.recording.tape import Block, read
from edge.timetext import format_time

RECORDER_IN_ARCHIVE = "recorder/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How many decisions came out the same, and what the others were. ``version`` is the recording release's."""

    version: str
    cycle_count: int
    plan_count: int
    skipped_count: int
    differences: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Claims that all was decided again as it was."""
        return not self.differences and self.cycle_count + self.plan_count > 0


def decide_again(path: Path) -> Comparison:
    """Replay a day's file, or the newest one of a support archive; raises :class:`StoreError`."""
    if zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory() as folder:
            return compare(read(_unpacked(path, Path(folder))))
    return compare(read(path))


def compare(blocks: Sequence[Block]) -> Comparison:
    """Decide again what stands on a tape."""
    plans = {block.data["issued_s"]: plain.plan(block.data) for block in blocks if block.kind == "plan"}
    found: list[str] = []
    counts = [0, 0, 0]
    for text, part in _segments(blocks):
        site = _site(text)
        counts[0] += _cycles(site, part, plans, found)
        plan_count, skipped_count = _plans(site, part, found)
        counts[1] += plan_count
        counts[2] += skipped_count
    return Comparison(
        version=str(blocks[0].data["version"]),
        cycle_count=counts[0],
        plan_count=counts[1],
        skipped_count=counts[2],
        differences=tuple(found),
    )


def _segments(blocks: Sequence[Block]) -> list[tuple[str, list[Block]]]:
    """The blocks by the site file that they were decided with; raises :class:`StoreError` where none is said."""
    if not blocks or blocks[0].kind != "site":
        raise StoreError("the recording does not say of which site it is")
    segments: list[tuple[str, list[Block]]] = []
    for block in blocks:
        if block.kind == "site" and (not segments or segments[-1][0] != block.data["site"]):
            segments.append((block.data["site"], []))
        segments[-1][1].append(block)
    return segments


def _cycles(site: Site, blocks: Sequence[Block], plans: dict[float, Plan], found: list[str]) -> int:
    """Each control cycle with the world of then."""
    count = 0
    for cycle in cycles(blocks):
        record = control_cycle(RecordedPorts(cycle, plans), site)
        for name, now in (("wish", record.wish), ("command", record.command)):
            was, comes = plain.text(cycle[name]), plain.text(plain.plain(now))
            if was != comes:
                found.append(f"{format_time(record.house.time_s)} {name}: was {was}, comes out {comes}")
        count += 1
    return count


def _plans(site: Site, blocks: Sequence[Block], found: list[str]) -> tuple[int, int]:
    """Each plan from the beginning of a day or of the planner; how many, and how many before the first beginning."""
    mpc: Mpc | None = None
    count = skipped_count = 0
    for block in blocks:
        if block.kind != "planning":
            continue
        if block.data["memory"] is not None:
            mpc = Mpc(site, memory(block.data["memory"]))
        if mpc is None:
            skipped_count += 1
            continue
        if difference := _one_plan(mpc, block.data):
            found.append(f"{format_time(block.time_s)} plan: {difference}")
        count += 1
    return count, skipped_count


def _one_plan(mpc: Mpc, data: dict[str, Any]) -> str:
    """What differs in a plan decided again; empty where nothing does."""
    try:
        plan = plain.plain(ask_again(mpc, data["question"]))
    except PlanError as error:
        return "" if data["error"] == str(error) else f"was {data['error'] or 'a plan'}, fails now: {error}"
    if data["plan"] is None:
        return f"failed then ({data['error']}), comes out now"
    names = [name for name in plan if plain.text(plan[name]) != plain.text(data["plan"][name])]
    return f"other {', '.join(names)}" if names else ""


def _site(text: str) -> Site:
    try:
        return parse_site(tomllib.loads(text), "the recorded site.toml", Path())
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StoreError(f"the recorded site.toml is not TOML: {error}") from error


def _unpacked(archive: Path, folder: Path) -> Path:
    """The newest recording of a support archive, unpacked."""
    with zipfile.ZipFile(archive) as opened:
        names = sorted(name for name in opened.namelist() if name.startswith(RECORDER_IN_ARCHIVE))
        if not names:
            raise StoreError(f"{archive}: holds no recording")
        target = folder / "recording.sqlite"
        target.write_bytes(opened.read(names[-1]))
    return target

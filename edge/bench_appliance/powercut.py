"""Pull the plug at every write: record what a part of the product writes, and judge every disk that may be left."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge.bench_appliance.blocklog import Cut, Epoch, Kind, cuts
from edge.bench_appliance.recorded import CutDisks, Disk, Recording, copy_disk, looped, make_disk, mounted, recording
from edge.errors import EdgeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is wrong with a disk after a cut (nothing: empty), and how much telemetry was lost there."""

    findings: tuple[str, ...]
    lost_s: float = math.nan


class Writer(Protocol):
    """One thing of the product that writes: the same steps in every run, so that a count says all that was promised."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def disk(self) -> Disk:
        """What it writes to."""
        ...

    def prepare(self, root: Path) -> None:
        """What is there before, on the mounted disk."""
        ...

    def work(self, root: Path, done: Callable[[], None]) -> None:
        """Take every step; call ``done`` after each that the product has acknowledged."""
        ...

    def judge(self, root: Path, done_count: int) -> Verdict:
        """Open a disk after a cut the way the product does; ``done_count`` steps were acknowledged before it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of a writer's cuts."""

    name: str
    write_count: int
    judged: Mapping[Kind, int]
    skipped_count: int
    findings: tuple[str, ...]
    lost_s: float

    @property
    def state_count(self) -> int:
        """Disks that were mounted and judged."""
        return sum(self.judged.values())


def pull(writer: Writer, folder: Path, stride: int = 1) -> Tally:
    """Record a writer and judge each ``stride``-th state of every kind; 1 is all of them."""
    before, disk = folder / "before.img", folder / "disk.img"
    make_disk(writer.disk, before)
    with looped(before) as device, mounted(device, folder / "before.root") as root:
        writer.prepare(root)
    copy_disk(before, disk)
    acknowledged: list[int] = []
    with recording(disk) as record:
        writer.work(record.root, lambda: acknowledged.append(record.log_bytes()))
    return _judged(writer, CutDisks(writer.disk, before), record, acknowledged, stride)


def _judged(writer: Writer, disks: CutDisks, record: Recording, acknowledged: Sequence[int], stride: int) -> Tally:
    seen: Counter[Kind] = Counter()
    judged: Counter[Kind] = Counter()
    findings: list[str] = []
    lost_s = math.nan
    recorded: Sequence[Epoch] = record.epochs()
    for index, epoch in enumerate(recorded):
        for cut in cuts(epoch, seed=index):
            seen[cut.kind] += 1
            if seen[cut.kind] % stride:
                continue
            verdict = _verdict(writer, disks, cut, sum(1 for log_bytes in acknowledged if log_bytes <= cut.log_bytes))
            judged[cut.kind] += 1
            lost_s = verdict.lost_s if math.isnan(lost_s) else max(lost_s, verdict.lost_s)
            findings.extend(f"{writer.name}, {cut.kind}, log at {cut.log_bytes}: {text}" for text in verdict.findings)
        disks.keep(epoch)
    return Tally(
        name=writer.name,
        write_count=sum(len(epoch.writes) for epoch in recorded),
        judged=judged,
        skipped_count=seen.total() - judged.total(),
        findings=tuple(findings),
        lost_s=lost_s,
    )


def _verdict(writer: Writer, disks: CutDisks, cut: Cut, done_count: int) -> Verdict:
    """The product's own opening, and the file system's check after it."""
    try:
        with disks.after(cut) as root:
            verdict = writer.judge(root, done_count)
    except (EdgeError, OSError) as error:
        verdict = Verdict(findings=(str(error),))
    complaint = disks.complaint()
    return Verdict(findings=(*verdict.findings, *([complaint] if complaint else [])), lost_s=verdict.lost_s)

"""The device under test: its unit, its link, and reads whose duration is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.clock import Clock
from edge.config_links import Link
from edge.devices.blocks import Block
from edge.devices.cost import RequestCost
from edge.devices.planner import plan_reads
from edge.devices.profile import Point, Space
from edge.devices.registers import identity_from_words
from edge.devices.unit import SERIAL_NUMBER, Unit
from edge.errors import DeviceRejected

FIRMWARE = "firmware"
_DEAR = RequestCost(fixed_s=1.0, word_s=0.0)  # as few requests as the rules allow


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One device on its link."""

    unit: Unit
    clock: Clock

    @property
    def link(self) -> Link:
        """The device as site.toml names it."""
        return Link(profile=self.unit.profile.name, url=self.unit.link.address.url, unit=self.unit.number)

    def read(self, space: Space, address: int, count: int) -> tuple[int, ...]:
        """The words of one block; raises :class:`DeviceError`."""
        return self.unit.link.read(self.unit.number, space, address, count)

    def timed_s(self, space: Space, address: int, count: int) -> float:
        """What one read takes, from the first byte sent to the last one back, without the wait for the link's pace."""
        self.clock.sleep_until(self.unit.link.ready_s)
        started_s = self.clock.now_s()
        self.read(space, address, count)
        return self.clock.now_s() - started_s

    def blocks(self) -> tuple[Block, ...]:
        """The widest reads that any plan may make of what the device has: every gap that may be crossed is in one."""
        points = [point for point in self.unit.profile.points if not self.unit.refused(point)]
        return plan_reads(points, self.unit.profile.link, _DEAR)

    def words(self, points: Iterable[Point]) -> dict[str, tuple[int, ...]]:
        """The present words of these points; what the device refuses is left out. Raises :class:`DeviceError`."""
        found: dict[str, tuple[int, ...]] = {}
        wanted = list(points)
        for block in plan_reads(self.unit.profile.with_partners(wanted), self.unit.profile.link, _DEAR):
            try:
                self.unit.fetch(block.points)
            except DeviceRejected:
                continue
            found.update({point.name: self.unit.samples[point.name].words for point in block.points})
        return {point.name: found[point.name] for point in wanted if point.name in found}

    def text(self, name: str) -> str:
        """A text that the device gave of itself; empty where it gave none."""
        sample = self.unit.samples.get(name)
        return identity_from_words(sample.words) if sample is not None else ""

    @property
    def serial_number(self) -> str:
        """The device's serial number, empty where it tells none."""
        return self.text(SERIAL_NUMBER)

    @property
    def firmware(self) -> str:
        """The device's firmware version, empty where it tells none."""
        return self.text(FIRMWARE)

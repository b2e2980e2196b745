"""All devices of a site: the one door to the field bus for the control cycle. Blocking, one owner a link."""

from __future__ import annotations

from typing import Literal

from edge.clock import Clock
from edge.config import Site
from edge.devices.bus import Link
from edge.devices.profile import Profile
from edge.devices.profile_file import load_profile
from edge.devices.signals import MAX_AGE_PERIODS, one_voice, readings
from edge.devices.transport import Address, parse_url
from edge.devices.unit import Unit
from edge.devices.wear import WriteLedger
from edge.devices.writes import BatteryWriter
from edge.errors import ConfigError, ProfileError
from edge.messages import Command, Reading, WriteResult

DeviceMode = Literal["native", "charge", "discharge", "hold", "unknown"]


class Devices:
    """Reads all, writes to the battery inverter. Opens nothing before the first read."""

    def __init__(self, site: Site, clock: Clock, *, ledger: WriteLedger) -> None:
        self._clock = clock
        self._links: dict[str, Link] = {}
        self.units = _units(site, clock, self._links)
        battery_unit = next((unit for unit in self.units if unit.profile.controls), None)
        self._writer: BatteryWriter | None = None
        if battery_unit is not None and site.battery is not None:
            self._writer = BatteryWriter(battery_unit, site.battery, clock, ledger)
        self._read_s = clock.now_s()

    @property
    def writer(self) -> BatteryWriter | None:
        """The way to the battery, where the site has one."""
        return self._writer

    def read(self, budget_s: float) -> list[Reading]:
        """Read what is due within the budget, then report every signal; never raises :class:`DeviceError`.

        A budget of 0 reads nothing and reports what is known.
        """
        started_s = self._clock.now_s()
        cycle_s, self._read_s = max(started_s - self._read_s, budget_s / MAX_AGE_PERIODS), started_s
        if budget_s > 0.0:
            self._poll(started_s + budget_s)
        now_s = self._clock.now_s()
        return one_voice((unit, reading) for unit in self.units for reading in readings(unit, now_s, cycle_s))

    def write(self, command: Command) -> WriteResult:
        """Carry a command to the battery inverter; every failure is an outcome."""
        if self._writer is None:
            return WriteResult(outcome="refused", writes=0, detail="the site has no battery inverter to command")
        return self._writer.write(command)

    def mode(self) -> DeviceMode:
        """What the inverter says that it does now."""
        return (self._writer.mode() if self._writer is not None else None) or "unknown"

    def close(self) -> None:
        """Let go of all ports."""
        for link in self._links.values():
            link.close()

    def _poll(self, deadline_s: float) -> None:
        """Most overdue read first; each link gets one, even late after a write, and more that end in time."""
        served: set[int] = set()
        now_s = self._clock.now_s()
        queue = sorted(
            ((turn.overdue(now_s), unit, turn) for unit in self.units for turn in unit.due(now_s)),
            key=lambda entry: entry[0],
            reverse=True,
        )
        for _, unit, turn in queue:
            start_s = max(self._clock.now_s(), unit.link.ready_s)
            late = start_s + turn.cost_s > deadline_s
            if (late and id(unit.link) in served) or unit.is_silent(start_s):
                continue
            served.add(id(unit.link))
            unit.poll(turn)


def _units(site: Site, clock: Clock, links: dict[str, Link]) -> list[Unit]:
    """The site's devices; raises :class:`ConfigError` with every problem of profile, URL and unit."""
    problems: list[str] = []
    units: list[Unit] = []
    addresses: dict[str, Address] = {}
    for index, entry in enumerate(site.links):
        where = f"link[{index}]"
        profile = _profile(entry.profile, where, problems)
        if profile is None:
            continue
        try:
            address = parse_url(entry.url, profile.link)
        except ValueError as error:
            problems.append(f"{where}.url {error}")
            continue
        key = address.key
        if addresses.setdefault(key, address) != address and address.kind == "serial":
            problems.append(f"{where}.url {entry.url} opens the same port as {addresses[key].url} in another way")
            continue
        if any(unit.link is links.get(key) and unit.number == entry.unit for unit in units):
            problems.append(f"{where}.unit {entry.unit} is there twice on {entry.url}")
            continue
        if profile.controls and any(unit.profile.controls for unit in units):
            problems.append(f"{where} is a second battery inverter; only one can be commanded")
            continue
        link = links.setdefault(key, Link(address, profile.link, clock))
        link.share(entry.unit, profile.link)
        units.append(Unit(profile, link, entry.unit, clock))
    if problems:
        raise ConfigError(site.name, problems)
    return units


def _profile(name: str, where: str, problems: list[str]) -> Profile | None:
    try:
        return load_profile(name)
    except ProfileError as error:
        problems += [f"{where}.profile {line}" for line in str(error).splitlines()]
        return None

"""All devices of a site: the one door to the field bus for the control cycle. Blocking, one owner a link."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

from edge.clock import Clock
from edge.config import Site
from edge.devices.bus import Connect, Link
from edge.devices.night import Night
from edge.devices.profile import Profile
from edge.devices.profile_file import load_profile
from edge.devices.proxy import Port, Proxy, listener, registers_of
from edge.devices.scheduler import Bus, Lane
from edge.devices.signals import MAX_AGE_PERIODS, METER, of_consumer, one_voice, readings
from edge.devices.transport import Address, open_wire, parse_url
from edge.devices.turns import Turn
from edge.devices.unit import Unit
from edge.devices.wear import WriteLedger
from edge.devices.writes import BatteryWriter
from edge.errors import ConfigError, DeviceUnreachable, ProfileError, StoreError
from edge.messages import Cause, Command, Reading, WriteResult

DeviceMode = Literal["native", "charge", "discharge", "hold", "unknown"]


class Devices:
    """Reads all, writes to the battery inverter. Opens nothing before the first read."""

    def __init__(self, site: Site, clock: Clock, *, ledger: WriteLedger, connect: Connect = open_wire) -> None:
        self._clock = clock
        self._links: dict[str, Bus] = {}
        self.units = _units(site, clock, self._links, connect)
        battery_unit = next((unit for unit in self.units if unit.family.controls), None)
        self._writer: BatteryWriter | None = None
        self._has_battery = site.battery is not None
        if battery_unit is not None and site.battery is not None:
            allowed = site.links[self.units.index(battery_unit)].allow_control
            self._writer = BatteryWriter(battery_unit, site.battery, clock, ledger, grid=site.grid, allowed=allowed)
        self._ledger = ledger
        self._ports = _ports(site, self.units)
        self._proxies: list[Proxy] = []
        rated_w = site.battery.rated_w if site.battery is not None else math.nan
        self._rated_w = math.inf if math.isnan(rated_w) else rated_w
        self._bus_w = math.nan  # what the grid would carry with an idle battery
        self._read_s = clock.now_s()

    def serve(self) -> list[str]:
        """Open the site's proxies for other programs; what could not be opened, in words."""
        problems: list[str] = []
        for port in self._ports:
            try:
                self._proxies.append(Proxy(port, self._clock))
            except DeviceUnreachable as error:
                problems.append(str(error))
        return problems

    def try_proxies(self) -> None:
        """Raise :class:`DeviceUnreachable` for a proxy's address that this machine lacks. Any port serves."""
        for port in self._ports:
            listener(port.address, 0).close()

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
        self._note_guests()
        now_s = self._clock.now_s()
        found = ((unit, self._listed(unit, now_s, cycle_s)) for unit in self.units)
        spoken = one_voice((unit, reading) for unit, listed in found for reading in listed)
        power_w = {reading.signal: reading.value for reading in spoken if reading.state == "good"}
        self._bus_w = power_w.get("grid_w", math.nan) + power_w.get("battery_w", math.nan)
        return spoken

    def _listed(self, unit: Unit, now_s: float, cycle_s: float) -> list[Reading]:
        """What a device says of the house, or of the one consumer that it stands before."""
        said = readings(unit, now_s, cycle_s, self._rated_w)
        return of_consumer(said, unit.measures) if unit.measures else said

    def write(self, command: Command) -> WriteResult:
        """Carry a command to the battery inverter; every failure is an outcome."""
        if command.mode == "native" and not self._has_battery:
            return WriteResult(outcome="unchanged", writes=0, detail="there is no battery to leave to itself")
        if self._writer is None:
            return WriteResult(outcome="refused", writes=0, detail="the site has no battery inverter to command")
        return self._writer.write(command, bus_w=self._bus_w)

    def native_at_once(self, reason: str) -> WriteResult:
        """Back to native as :meth:`write` does it, but without the pause after tries that failed."""
        if self._writer is not None:
            self._writer.native_at_once()
        return self.write(Command.native(reason))

    def link_errors(self) -> dict[str, dict[Cause, int]]:
        """Requests that failed since the start, by device and cause."""
        return {unit.name: dict(unit.errors_by_cause) for unit in self.units}

    def mode(self) -> DeviceMode:
        """What the inverter says that it does now."""
        return (self._writer.mode() if self._writer is not None else None) or "unknown"

    def close(self) -> None:
        """Let go of all ports."""
        for proxy in self._proxies:
            proxy.close()
        self._proxies.clear()
        for link in self._links.values():
            link.close()

    def _note_guests(self) -> None:
        """What other programs wrote counts for a register's life like our own writes."""
        for proxy in self._proxies:
            units = [unit for unit in self.units if unit.link is proxy.bus]
            with suppress(StoreError):  # what cannot be noted now is noted later
                while proxy.written:
                    self._ledger.note(registers_of(proxy.written[0], units), None)
                    proxy.written.popleft()

    def _poll(self, deadline_s: float) -> None:
        """Ask as long as something is due that ends in time; each link gets one read, even late after a write."""
        asked: set[int] = set()
        served: set[int] = set()
        while (job := self._next(deadline_s, asked, served)) is not None:
            unit, turn = job
            unit.poll(turn)
            served.add(id(unit.link))
            if math.isfinite(turn.asked_s):  # else it is to be read once more, to be believed
                asked.add(id(turn))

    def _next(self, deadline_s: float, asked: set[int], served: set[int]) -> tuple[Unit, Turn] | None:
        """The read to do now: on the link that is free first, the one that is latest in parts of its period."""
        now_s = self._clock.now_s()
        jobs: list[tuple[float, float, Lane, int, Unit, Turn]] = []
        for unit in self.units:
            start_s = max(now_s, unit.link.ready_s)
            for turn in (turn for turn in unit.due(now_s) if id(turn) not in asked):
                if start_s + turn.cost_s(unit.link.cost) <= deadline_s or id(unit.link) not in served:
                    jobs.append((start_s, -turn.lateness(now_s), turn.lane, len(jobs), unit, turn))
        return min(jobs)[-2:] if jobs else None


def _units(site: Site, clock: Clock, links: dict[str, Bus], connect: Connect) -> list[Unit]:
    """The site's devices; raises :class:`ConfigError` with every problem of profile, URL and unit."""
    problems: list[str] = []
    units: list[Unit] = []
    night = Night(site)
    addresses: dict[str, Address] = {}
    for index, entry in enumerate(site.links):
        where = f"link[{index}]"
        profile = _profile(entry.profile, where, problems)
        if profile is None:
            continue
        problems += [f"{where}.{line}" for line in _unknown_controls(entry.allow_control, profile)]
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
        if profile.controls and any(unit.family.controls for unit in units):
            problems.append(f"{where} is a second battery inverter; only one can be commanded")
            continue
        bus = links.setdefault(key, Bus(Link(address, profile.link, clock, connect=connect), profile.link, clock))
        bus.share(entry.unit, profile.link)
        if entry.measures and (profile.header.role != "meter" or METER not in profile.signals()):
            problems.append(f"{where}.measures needs a meter of power, {profile.name} is none")
            continue
        units.append(Unit(profile, bus, entry.unit, clock, night, measures=entry.measures))
    if problems:
        raise ConfigError(site.name, problems)
    return units


def _unknown_controls(allowed: Sequence[str], profile: Profile) -> list[str]:
    """Permissions that the profile has no way of control for."""
    names = [control.name for control in profile.controls]
    known = f"{profile.name} has {', '.join(names) or 'none'}"
    return [f"allow_control {name!r} is no way of control; {known}" for name in allowed if name not in names]


def _ports(site: Site, units: Sequence[Unit]) -> list[Port]:
    """The proxies that the site asks for, one a link; raises :class:`ConfigError`."""
    problems: list[str] = []
    ports: dict[str, Port] = {}
    taken = {parse_url(entry.url, unit.profile.link).key for entry, unit in zip(site.links, units, strict=True)}
    for index, (entry, unit) in enumerate(zip(site.links, units, strict=True)):
        if not entry.proxy:
            continue
        where = f"link[{index}].proxy"
        try:
            address = parse_url(entry.proxy, unit.profile.link)
        except ValueError as error:
            problems.append(f"{where} {error}")
            continue
        port = Port(address=address, bus=unit.link, allow_writes=entry.proxy_writes)
        if address.kind != "tcp":
            problems.append(f"{where} {entry.proxy} is not tcp://host:port")
        elif address.key in taken:
            problems.append(f"{where} {entry.proxy} is where a device itself is asked; give it a port of its own")
        elif ports.setdefault(address.key, port) != port:
            problems.append(f"{where} {entry.proxy} is another link's, or this link's with other rights")
    if problems:
        raise ConfigError(site.name, problems)
    return list(ports.values())


def _profile(name: str, where: str, problems: list[str]) -> Profile | None:
    try:
        return load_profile(name)
    except ProfileError as error:
        problems += [f"{where}.profile {line}" for line in str(error).splitlines()]
        return None

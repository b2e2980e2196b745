"""What is connected: serial ports by lasting names, and the families that an answer fits. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.clock import Clock
from edge.config import Site
from edge.config_links import Link
from edge.devices.driver import Devices
from edge.devices.profile import Profile
from edge.devices.profile_file import load_profile
from edge.devices.transport import open_wire, parse_url
from edge.devices.unit import Unit
from edge.devices.wear import MemoryLedger
from edge.errors import DeviceError
from edge.messages import Reading

CONNECT_S = 2.0
_LOOK_S = 2.0
_LOOKS_COUNT = 4  # more, at a device that answers
_FEWEST_ALIVE = 3
# What a register shows that is really that signal: narrower than plausible, and never 0.
_ALIVE = {
    "grid_v": (90.0, 280.0),
    "grid_hz": (45.0, 65.0),
    "soc_frac": (0.01, 1.0),
    "soh_frac": (0.3, 1.0),
    "battery_v": (20.0, 900.0),
    "battery_c": (1.0, 60.0),
    "inverter_c": (1.0, 90.0),
}
_ALIVE_W = (1.0, 30_000.0)
_ALIVE_WH = (1.0, 1e9)

Certainty = Literal["certain", "likely"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A family that answers fit; ``certain`` where the device itself says what it is."""

    profile: str
    url: str
    unit: int
    certainty: Certainty
    reason: str
    alive_count: int

    def toml(self) -> str:
        """The lines for site.toml."""
        return f'[[link]]\nprofile = "{self.profile}"\nurl = "{self.url}"\nunit = {self.unit}'


def find(
    url: str, names: Iterable[str], unit: int | None, clock: Clock, progress: Callable[[str], None]
) -> list[Candidate]:
    """The families that fit what answers at a port or host, best first, by unit.

    The first that is certain ends the search at its unit; other families are still asked at their own units, for a
    meter that answers through its inverter.
    A serial URL without a rate is asked at each family's own. Raises :class:`DeviceUnreachable` where the port cannot
    be opened at all.
    """
    profiles = sorted((load_profile(name) for name in names), key=lambda p: (p.link.baud != 9600, not p.identify))
    for profile in profiles[:1]:
        open_wire(parse_url(url, profile.link), CONNECT_S).close()
    found: list[Candidate] = []
    for profile in profiles:
        number = unit or profile.link.default_unit
        if any(_settles(known, number, _own_rate(url, profile)) for known in found):
            continue
        progress(f"{url}: {profile.name}")
        candidate = examine(profile, url, number, clock)
        found += [candidate] if candidate is not None else []
    return sorted(found, key=lambda candidate: (candidate.certainty != "certain", -candidate.alive_count))


def _settles(known: Candidate, unit: int, url: str) -> bool:
    """Nothing else can answer there: the unit is known for certain, or its serial line runs at another rate."""
    return known.certainty == "certain" and (known.unit == unit or known.url != url)


def examine(profile: Profile, url: str, unit: int, clock: Clock) -> Candidate | None:
    """Whether what answers at an address fits a family."""
    link = Link(profile=profile.name, url=_own_rate(url, profile), unit=unit)
    site = Site(name="scan", latitude_deg=0.0, longitude_deg=0.0, links=(link,))
    devices = Devices(site, clock, ledger=MemoryLedger(clock))
    (examined,) = devices.units
    try:
        readings = devices.read(_LOOK_S + profile.link.connect_pause_s)
        for _ in range(_LOOKS_COUNT):
            if examined.complete or not examined.samples or _says_what_it_is(examined):
                break
            readings = devices.read(_LOOK_S)
    finally:
        devices.close()
    return _judge(examined, link, readings)


def _says_what_it_is(unit: Unit) -> bool:
    """The device has told its family, or that it is of none; asked for by itself, before all that comes slowly."""
    points = [unit.profile.by_name[row.point] for row in unit.profile.identify]
    try:
        unit.fetch([point for point in points if point.name not in unit.samples and not unit.refused(point)])
    except DeviceError:  # an older firmware may lack the register
        return False
    return bool(unit.doubt) or any(point.name in unit.samples for point in points)


def _judge(unit: Unit, link: Link, readings: Sequence[Reading]) -> Candidate | None:
    if unit.doubt or not unit.samples:
        return None
    alive = [reading.signal for reading in readings if reading.state == "good" and is_alive(reading)]
    told = {row.point: unit.samples.get(row.point) for row in unit.profile.identify}
    said = [name for name, sample in told.items() if sample is not None and not sample.reason]
    if said:
        certainty: Certainty = "certain"
        reason = f"its {said[0].replace('_', ' ')} says so"
    elif len(alive) >= _FEWEST_ALIVE and 2 * len(alive) >= len(readings):
        certainty, reason = "likely", f"{', '.join(alive[:4])} look right"
    else:
        return None
    return Candidate(
        profile=link.profile,
        url=link.url,
        unit=link.unit,
        certainty=certainty,
        reason=reason,
        alive_count=len(alive),
    )


def is_alive(reading: Reading) -> bool:
    """The value is one that the signal really takes, and that no empty or foreign register shows by chance."""
    if reading.unit == "W":
        low, high = _ALIVE_W
    elif reading.unit == "Wh":
        low, high = _ALIVE_WH
    else:
        low, high = _ALIVE.get(reading.signal, (float("inf"), float("inf")))
    return low <= abs(reading.value) <= high


def _own_rate(url: str, profile: Profile) -> str:
    """A serial URL with the family's rate and parity, where none is given."""
    if not url.startswith("serial:") or "?" in url:
        return url
    parity = "" if profile.link.parity == "N" else f"&parity={profile.link.parity}"
    stopbits = "" if profile.link.stopbits == 1 else f"&stopbits={profile.link.stopbits}"
    return f"{url}?baud={profile.link.baud}{parity}{stopbits}"

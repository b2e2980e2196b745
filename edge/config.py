"""``site.toml``: one file says what the site is. All problems are reported at once, each with its path."""

from __future__ import annotations

import io
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from core_kernels.consumers import consumer_signal
from edge.config_house import Ev, FurtherBattery, Goals, HeatPumpUnit, HotWater, Load, Reserve, Zone, house_problems
from edge.config_links import Link, consumers, link_problems
from edge.config_supply import Band, Mqtt, Tariff, Weather, supply_problems
from edge.config_tables import section
from edge.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """One PV array; an absent tilt or azimuth is identified by training."""

    dc_w: float
    tilt_deg: float = math.nan
    azimuth_deg: float = math.nan
    inverter_w: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """The battery as the controller sees it; ``efficiency_frac`` is the AC-AC round trip.

    ``rated_w`` is the power that 100 % on the inverter's registers means; ``charge_w`` and ``discharge_w`` only limit.
    ``full_efficiency_frac`` is the round trip at full power where it is lower than at half; above ``taper_start_frac``
    the charge limit falls to a tenth at the maximum; ``standby_w`` drains the cells; ``phase`` 0 means all of them.
    A command begins only where it gains ``least_gain_eur`` over its lease; else the inverter goes on by itself.
    """

    capacity_wh: float
    charge_w: float
    discharge_w: float
    efficiency_frac: float = 0.90
    soc_min_frac: float = 0.1
    soc_max_frac: float = 1.0
    chemistry: Literal["lfp", "nmc"] = "lfp"
    replacement_eur_per_kwh: float = 400.0
    rated_w: float = math.nan
    full_efficiency_frac: float = math.nan
    taper_start_frac: float = 1.0
    standby_w: float = 0.0
    phase: int = 0
    least_gain_eur: float = 0.0002

    @property
    def register_w(self) -> float:
        """What 100 % on the inverter's registers means; without ``rated_w`` the larger of the two limits."""
        return max(self.charge_w, self.discharge_w) if math.isnan(self.rated_w) else self.rated_w

    @property
    def leg_efficiency_frac(self) -> float:
        """One-way efficiency, the same for charge and discharge."""
        return math.sqrt(self.efficiency_frac)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Limits at the connection point; ``phase_w`` and ``imbalance_w`` bound each phase and their differences."""

    import_w: float = 17_000.0
    export_w: float = 17_000.0
    phases: int = 3
    phase_w: float = math.inf
    imbalance_w: float = math.inf
    load_phase_frac: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3)

    def battery_range_w(self, idle_grid_w: float) -> tuple[float, float]:
        """Lowest and highest battery power that the connection point bears; 0 W always is.

        ``idle_grid_w`` is what the grid would carry with an idle battery, positive import.
        """
        return -max(self.import_w - idle_grid_w, 0.0), max(self.export_w + idle_grid_w, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The signed models of this site, and the public key that must have signed them."""

    path: str
    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """Where the dashboard listens; loopback unless said otherwise.

    ``open_reads`` shows it without a login (writes always need one); ``names`` are further host names that browsers may
    call it by.
    """

    host: str = "127.0.0.1"
    port: int = 8123
    open_reads: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Extra columns of a table that the models may use."""

    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The whole file. A part that is ``None`` or empty is not there."""

    name: str
    latitude_deg: float
    longitude_deg: float
    altitude_m: float = 0.0
    timezone: str = "UTC"
    country: str = ""
    subdivision: str = ""
    linke_ratio: tuple[float, ...] = ()
    arrays: tuple[Array, ...] = ()
    battery: Battery | None = None
    grid: Grid = Grid()
    tariff: Tariff = field(default_factory=Tariff)
    links: tuple[Link, ...] = ()
    bundle: Bundle | None = None
    weather: Weather | None = None
    web: Web | None = None
    mqtt: Mqtt | None = None
    bands: tuple[Band, ...] = ()
    features: Features = Features()
    evs: tuple[Ev, ...] = ()
    loads: tuple[Load, ...] = ()
    stores: tuple[FurtherBattery, ...] = ()
    zones: tuple[Zone, ...] = ()
    heatpump: HeatPumpUnit | None = None
    hotwater: HotWater | None = None
    reserve: Reserve | None = None
    goals: Goals = field(default_factory=Goals)
    folder: Path = Path()

    def path(self, text: str) -> Path:
        """A path of the file, relative to the file's own folder."""
        return self.folder / text

    @property
    def named_files(self) -> tuple[str, ...]:
        """The files that this one names, as it does: tables, models and their key, the broker's secrets and CA."""
        found = [self.tariff.prices, self.weather.table if self.weather else ""]
        found += [self.bundle.path, self.bundle.public_key] if self.bundle else []
        found += [self.mqtt.secrets, self.mqtt.ca] if self.mqtt else []
        return tuple(name for name in found if name)

    @property
    def sensors(self) -> tuple[str, ...]:
        """The signals of the temperatures of rooms and tank."""
        return (*(zone.signal for zone in self.zones), *([self.hotwater.sensor] if self.hotwater else []))

    @property
    def consumers(self) -> tuple[str, ...]:
        """The signals of what each consumer draws on which a plan decides, metered or not."""
        named = consumers(self.evs, self.loads, self.zones, self.heatpump, self.hotwater)
        return tuple(map(consumer_signal, named))

    @property
    def zone(self) -> ZoneInfo:
        """The site's local time, for tariffs, screens and calendar features only."""
        return ZoneInfo(self.timezone)


_TABLES: dict[str, type[Any]] = {
    "battery": Battery,
    "grid": Grid,
    "tariff": Tariff,
    "bundle": Bundle,
    "weather": Weather,
    "web": Web,
    "mqtt": Mqtt,
    "features": Features,
    "heatpump": HeatPumpUnit,
    "hotwater": HotWater,
    "reserve": Reserve,
    "goals": Goals,
}
_LISTS: dict[str, tuple[str, type[Any]]] = {
    "array": ("arrays", Array),
    "link": ("links", Link),
    "ev": ("evs", Ev),
    "load": ("loads", Load),
    "store": ("stores", FurtherBattery),
    "zone": ("zones", Zone),
    "band": ("bands", Band),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    name: str
    latitude_deg: float
    longitude_deg: float
    altitude_m: float = 0.0
    timezone: str = "UTC"
    country: str = ""
    subdivision: str = ""
    linke_ratio: tuple[float, ...] = ()


def parse_site(data: Mapping[str, Any], source: str, folder: Path) -> Site:
    """A site from parsed TOML; raises :class:`ConfigError` with every problem found."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    head = section(_Head, "site", data.get("site", {}), problems)
    for key, content in data.items():
        if key in _TABLES:
            values[key] = section(_TABLES[key], key, content, problems)
        elif key in _LISTS:
            name, kind = _LISTS[key]
            rows = content if isinstance(content, list) else [content]
            values[name] = tuple(section(kind, f"{key}[{i}]", row, problems) for i, row in enumerate(rows))
        elif key != "site":
            problems.append(f"{key} is not a known section")
    if head is not None:
        try:
            ZoneInfo(head.timezone)
        except (KeyError, ValueError, OSError):
            problems.append(f"site.timezone {head.timezone!r} is not a known time zone")
    problems += house_problems(values)
    problems += supply_problems(values)
    problems += link_problems(values)
    if problems or head is None:
        raise ConfigError(source, problems)
    basics = {item.name: getattr(head, item.name) for item in fields(_Head)}
    return Site(**basics, **values, folder=folder)


def load_site(path: Path) -> Site:
    """Read ``site.toml``; raises :class:`ConfigError`."""
    return parse_site(read_toml(path)[1], str(path), path.parent)


def load_tariff(path: Path) -> Tariff:
    """The ``[tariff]`` of a file, whatever else it holds, to ask what another one would cost."""
    problems: list[str] = []
    data = read_toml(path)[1]
    tariff = section(Tariff, "tariff", data.get("tariff"), problems)
    if tariff is None:
        raise ConfigError(str(path), problems)
    return replace(tariff, prices=str(path.parent / tariff.prices)) if tariff.prices else tariff


def read_toml(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a TOML file and what they say, read once; raises :class:`ConfigError`."""
    try:
        raw = path.read_bytes()
        return raw, tomllib.loads(io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8").read())
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(str(path), [f"is not TOML: {error}"]) from error

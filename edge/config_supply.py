"""What comes from outside: the tariff and its feed, the weather's feed, and the broker; as parts of ``site.toml``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

PriceSource = Literal["", "entsoe", "nordpool", "awattar", "ote", "mqtt"]
WeatherSource = Literal["", "open-meteo"]
BandDays = Literal["all", "workdays", "weekend"]
_HOURS = re.compile(r"([01]\d|2[0-3]):(00|15|30|45)-(([01]\d|2[0-3]):(00|15|30|45)|24:00)")
_TOPIC = re.compile(r"[^+#\x00]+")
_NEEDS_AREA = ("entsoe", "nordpool", "awattar")
_AWATTAR_AREAS = ("de", "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Fees and tax on top of the market price, and where the market prices come from: a table, or a feed.

    ``source`` names a feed; ``area`` is its bidding zone (``10YCZ-CEPS-----N`` for ENTSO-E, ``CZ`` for Nord Pool,
    ``de`` or ``at`` for aWATTar), ``token`` a file with the key of ENTSO-E, ``topic`` the MQTT topic, ``url`` another
    server.
    ``sell_eur_per_kwh`` is a fixed price of export in place of the market's.
    ``peak_eur_per_kw_month``: what the highest import of a quarter hour costs in each calendar month (a capacity
    tariff); below ``peak_floor_w`` it costs no less. ``peak_reserve_frac`` is the share of days for which energy is
    kept against a breach of that peak, where the last weeks say that it pays; 0 keeps none.
    """

    import_fee_eur_per_kwh: float = 0.0
    export_fee_eur_per_kwh: float = 0.0
    vat_frac: float = 0.0
    sell_eur_per_kwh: float = math.nan
    peak_eur_per_kw_month: float = 0.0
    peak_floor_w: float = 0.0
    peak_reserve_frac: float = 0.9
    prices: str = ""
    source: PriceSource = ""
    area: str = ""
    token: str = ""
    topic: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Hours of the site's local day in which the grid's fee is another: ``hours = ["22:00-06:00"]``.

    The first band that holds gives its fee, on top of the tariff's.
    """

    hours: tuple[str, ...]
    import_fee_eur_per_kwh: float
    days: BandDays = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Forecast weather: a table (columns ``fc_*``), or a feed."""

    table: str = ""
    source: WeatherSource = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mqtt:
    """The broker, and which bridges are open on it.

    ``secrets`` is a file of mode 0600 with ``user`` and ``password`` (TOML). ``rooms`` are the names whose setpoints
    are taken, ``evcc`` the topic of an EV charging point as evcc publishes it (the first ``[[ev]]``), ``relays`` the
    rooms that are switched.
    ``allow_override`` lets the broker's users take the battery by hand; without it they only see.
    """

    host: str
    port: int = 1883
    tls: bool = False
    ca: str = ""
    secrets: str = ""
    prefix: str = "pems"
    discovery: str = "homeassistant"
    every_s: float = 10.0
    allow_override: bool = False
    rooms: tuple[str, ...] = ()
    relays: tuple[str, ...] = ()
    evcc: str = ""


def supply_problems(values: Mapping[str, Any]) -> list[str]:
    """What does not fit together among the tables that were understood."""
    problems: list[str] = []
    tariff, weather = values.get("tariff"), values.get("weather")
    if isinstance(tariff, Tariff):
        problems += _tariff_problems(tariff, has_mqtt=values.get("mqtt") is not None)
    if isinstance(weather, Weather):
        problems += _weather_problems(weather)
    for index, band in enumerate(values.get("bands") or ()):
        if isinstance(band, Band):
            problems += _band_problems(f"band[{index}]", band)
    if isinstance(mqtt := values.get("mqtt"), Mqtt):
        problems += _mqtt_problems(mqtt)
        zones = {zone.name: zone.by for zone in values.get("zones") or () if zone is not None}
        problems += [
            f"mqtt.{key}: there is no [[zone]] {name!r}"
            for key, names in (("rooms", mqtt.rooms), ("relays", mqtt.relays))
            for name in names
            if name not in zones
        ]
        problems += [
            f"mqtt.relays: [[zone]] {name!r} is heated by the heat pump, whose planned power says nothing of a relay"
            for name in mqtt.relays
            if zones.get(name) == "heatpump"
        ]
    return problems


def _tariff_problems(tariff: Tariff, *, has_mqtt: bool) -> list[str]:
    source, found = tariff.source, []
    if source not in get_args(PriceSource):
        return [f"tariff.source must be one of {_names(PriceSource)}, got {source!r}"]
    if source and tariff.prices:
        found.append("tariff has both prices (a table) and source (a feed): only one can be")
    if source in _NEEDS_AREA and not tariff.area:
        found.append(f"tariff.area is missing: {source} needs a bidding zone")
    if source == "awattar" and tariff.area and tariff.area not in _AWATTAR_AREAS:
        found.append(f'tariff.area must be "de" or "at" for awattar, got {tariff.area!r}')
    if source == "entsoe" and not tariff.token:
        found.append("tariff.token is missing: a file with the key that ENTSO-E gave you")
    if source == "mqtt" and not has_mqtt:
        found.append("tariff.source mqtt needs a table [mqtt]")
    if source == "mqtt" and not _TOPIC.fullmatch(tariff.topic):
        found.append("tariff.topic is missing or has a wildcard: the topic that the prices come on")
    return found + _url_problems("tariff.url", tariff.url)


def _weather_problems(weather: Weather) -> list[str]:
    if weather.source not in get_args(WeatherSource):
        return [f"weather.source must be one of {_names(WeatherSource)}, got {weather.source!r}"]
    if bool(weather.source) == bool(weather.table):
        return ["weather needs either table or source"]
    return _url_problems("weather.url", weather.url)


def _band_problems(path: str, band: Band) -> list[str]:
    found = [f'{path}.hours must be like "22:00-06:00" on quarter hours, got {text!r}' for text in band.hours
             if not _HOURS.fullmatch(text)]  # fmt: skip
    if not band.hours:
        found.append(f"{path}.hours is empty")
    if band.days not in get_args(BandDays):
        found.append(f"{path}.days must be one of {_names(BandDays)}, got {band.days!r}")
    return found


def _mqtt_problems(mqtt: Mqtt) -> list[str]:
    topics = {"prefix": mqtt.prefix, "discovery": mqtt.discovery, **({"evcc": mqtt.evcc} if mqtt.evcc else {})}
    found = [f"mqtt.{name} must be a topic without wildcards, got {text!r}" for name, text in topics.items()
             if not _TOPIC.fullmatch(text)]  # fmt: skip
    for name, rooms in (("rooms", mqtt.rooms), ("relays", mqtt.relays)):
        bad = [room for room in rooms if not re.fullmatch(r"[a-z0-9_]+", room)]
        found += [f"mqtt.{name}: {room!r} must be of a-z, 0-9 and _" for room in bad]
    return found


def _url_problems(path: str, url: str) -> list[str]:
    return [] if not url or re.match(r"https?://[^/\s]+", url) else [f"{path} must begin with http:// or https://"]


def _names(kind: Any) -> str:
    return ", ".join(f'"{name}"' for name in get_args(kind) if name)

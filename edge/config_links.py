"""``[[link]]`` of ``site.toml``: one device on one wire, where it leads and what it measures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from core_kernels.consumers import HEAT_PUMP, HOT_WATER
from edge.config_house import Ev, HotWater, Load, Zone

MODBUS_TCP_PORT = 502
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One device on one wire. ``serial:///dev/ttyUSB0?baud=9600`` or ``tcp://host:port``.

    ``allow_control`` names ways of control that are used only with this permission: what is known of them is
    disputed, or their mode stays for ever if this box dies. ``proxy`` is a Modbus TCP port (``tcp://127.0.0.1:1502``)
    through which other programs share the link; they may write only where ``proxy_writes`` says so. ``measures`` names
    what a meter stands before instead of the house: ``ev.car``, ``load.washer``, ``zone.bath``, ``heatpump``,
    ``hotwater``.
    """

    profile: str
    url: str
    unit: int = 1
    allow_control: tuple[str, ...] = ()
    proxy: str = ""
    proxy_writes: bool = False
    measures: str = ""

    @property
    def name(self) -> str:
        """The link in one line, as reports on it are kept."""
        return f"{self.profile} unit {self.unit} at {self.url}"

    def is_named(self, name: str) -> bool:
        """Whether a name is this link's, however its url was spelled then."""
        device, found, url = name.partition(" at ")
        return bool(found) and device == f"{self.profile} unit {self.unit}" and _place(url) == _place(self.url)


def _place(url: str) -> str:
    """Where a url leads, without how to talk there; what is no url is its own place."""
    try:
        parts = urlsplit(url)
        port = parts.port or MODBUS_TCP_PORT
    except ValueError:
        return url
    if parts.scheme == "serial" and "\0" not in parts.path:
        return port_key("serial", parts.path)
    return port_key("tcp", parts.hostname, port) if parts.scheme == "tcp" and parts.hostname else url


def port_key(kind: Literal["serial", "tcp"], place: str, port: int = 0) -> str:
    """One for all spellings of the same port: links in ``/dev`` are followed, loopback is loopback."""
    if kind == "serial":
        return f"serial {os.path.realpath(place)}"
    return f"tcp {_LOOPBACK[0] if place in _LOOPBACK else place.rstrip('.')} {port}"


def link_problems(values: dict[str, Any]) -> list[str]:
    """Meters of consumers that the site does not have, and two meters of one."""
    evs, loads, zones = (_rows(values, key) for key in ("evs", "loads", "zones"))
    there = consumers(evs, loads, zones, values.get("heatpump"), values.get("hotwater"))
    links = [(i, link) for i, link in enumerate(values.get("links", ())) if link is not None and link.measures]
    metered = [link.measures for _, link in links]
    has = ", ".join(there) or "no [[ev]], [[load]], [[zone]], [heatpump] or [hotwater]"
    problems = [
        f"link[{i}].measures {link.measures!r} is nothing that draws current of its own; the site has {has}"
        for i, link in links
        if link.measures not in there
    ]
    return problems + [
        f"link: {name} is measured twice" for name in sorted({n for n in metered if metered.count(n) > 1})
    ]


def consumers(
    evs: Sequence[Ev], loads: Sequence[Load], zones: Sequence[Zone], pump: object, tank: HotWater | None
) -> tuple[str, ...]:
    """What draws current as a plan decides, by its name in a plan; what a heat pump heats draws none of its own."""
    named = [*(f"ev.{ev.name}" for ev in evs), *(f"load.{load.name}" for load in loads)]
    named += [f"zone.{zone.name}" for zone in zones if zone.by != HEAT_PUMP]
    named += [HEAT_PUMP] if pump is not None else []
    return (*named, HOT_WATER) if tank is not None and tank.by != HEAT_PUMP else tuple(named)


def _rows(values: dict[str, Any], key: str) -> list[Any]:
    return [row for row in values.get(key, ()) if row is not None]

"""What the broker says to the box: every message is understood or refused with a reason, none is guessed at."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from edge.config import Site
from edge.config_supply import Mqtt
from edge.timetext import parse_time_s
from edge.web.mqtt_state import OVERRIDE_MODES, Topics

_MOST_BYTES = 1 << 18
_NUMBERS = {"power_w": (100.0, 20_000.0), "minutes": (5.0, 1440.0)}
_SETPOINT_C = (5.0, 35.0)
_EV_NUMBERS = {
    "chargePower": (0.0, 100_000.0),
    "chargedEnergy": (0.0, 1e6),
    "vehicleSoc": (0.0, 100.0),
    "effectiveLimitSoc": (0.0, 100.0),
}
_EV_TRUTHS = ("connected", "charging")
_EV_TIMES = ("effectivePlanTime",)
# What float() takes besides, no device means: 1_0_0, nan, infinity, digits of other scripts.
_NUMBER = re.compile(r"[+-]?\d{1,12}(\.\d{1,12})?([eE][+-]?\d{1,2})?", re.ASCII)
_UNIX = re.compile(r"\d{9,11}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideMode:
    """Somebody takes the battery by hand, or lets go (``off``)."""

    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideNumber:
    """What the next override shall use."""

    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something of the house that others know: a room's setpoint (``room.living.setpoint_c``), a car's state.

    NaN: it is no longer known.
    """

    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Prices as they came."""

    body: bytes


Message = OverrideMode | OverrideNumber | Said | PriceList


class Inbox:
    """The topics that a site listens to, and what each may say."""

    def __init__(self, site: Site, mqtt: Mqtt, topics: Topics) -> None:
        self._override = {topics.override(name): name for name in ("mode", *_NUMBERS)} if mqtt.allow_override else {}
        self._rooms = {f"{topics.base}/room/{room}/setpoint_c/set": room for room in mqtt.rooms}
        told = (*_EV_NUMBERS, *_EV_TRUTHS, *_EV_TIMES) if mqtt.evcc else ()
        self._evcc = {f"{mqtt.evcc}/{name}": name for name in told}
        self._prices = site.tariff.topic if site.tariff.source == "mqtt" else ""

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics to subscribe to."""
        return (*self._override, *self._rooms, *self._evcc, *((self._prices,) if self._prices else ()))

    def read(self, topic: str, payload: bytes, *, retained: bool) -> Message:
        """The message; raises ``ValueError`` with the reason where it must not be acted upon.

        A retained command is one that was given at another time, maybe long ago: only states and prices may be kept by
        the broker.
        """
        if len(payload) > _MOST_BYTES:
            raise ValueError(f"{len(payload)} bytes are too many")
        if topic == self._prices:
            return PriceList(body=payload)
        text = _text(payload)
        if topic in self._evcc:
            return _ev(self._evcc[topic], text)
        if retained:
            raise ValueError("an old command that the broker kept")
        if topic in self._rooms:
            return Said(name=f"room.{self._rooms[topic]}.setpoint_c", value=_number(text, *_SETPOINT_C))
        name = self._override.get(topic)
        if name == "mode" and text in OVERRIDE_MODES:
            return OverrideMode(mode=text)
        if name in _NUMBERS:
            return OverrideNumber(name=name, value=_number(text, *_NUMBERS[name]))
        raise ValueError(f"{text!r:.40} is nothing that was asked for")


def _ev(name: str, text: str) -> Said:
    """A car's state as evcc publishes it; an empty message takes it back."""
    if not text:
        return Said(name=f"ev.{name}", value=math.nan)
    if name in _EV_TIMES:
        return Said(name=f"ev.{name}", value=_instant_s(text))
    if name in _EV_NUMBERS:
        return Said(name=f"ev.{name}", value=_number(text, *_EV_NUMBERS[name]))
    if text not in ("true", "false"):
        raise ValueError(f"{text!r:.40} is neither true nor false")
    return Said(name=f"ev.{name}", value=float(text == "true"))


def _text(payload: bytes) -> str:
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"{payload[:20]!r} is no text") from error


def _instant_s(text: str) -> float:
    """Unix seconds, or an ISO 8601 instant: releases of evcc differ."""
    if _UNIX.fullmatch(text):
        return float(text)
    try:
        return parse_time_s(text)
    except ValueError as error:
        raise ValueError(f"{text!r:.40} is not an instant") from error


def _number(text: str, low: float, high: float) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r:.40} is not a number")
    value = float(text)
    if not low <= value <= high:
        raise ValueError(f"{text:.40} is not from {low:g} to {high:g}")
    return value

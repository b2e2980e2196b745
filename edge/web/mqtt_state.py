"""What the box tells the broker: one JSON document of its state, and Home Assistant's discovery of what is in it."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from edge import __version__
from edge.config import Site
from edge.config_supply import Mqtt
from edge.messages import Plan, plan_from_json, to_json
from edge.wording import action_words, in_force, is_old, next_words, number

SLOT_S, SHORTEST_S = 900.0, 60.0
ANY_W = 60.0  # more than a solver leaves of nothing
ONLINE, OFFLINE = "online", "offline"
OVERRIDE_MODES = ("off", "native", "hold", "charge", "discharge")
_LONGEST_TEXT = 255  # Home Assistant takes no longer state
_POWERS = {"pv_w": "PV", "load_w": "House", "grid_w": "Grid", "battery_w": "Battery"}
_ENERGIES = {
    "grid_import_wh": "Grid import",
    "grid_export_wh": "Grid export",
    "pv_energy_wh": "PV energy",
    "load_energy_wh": "House energy",
    "battery_charge_wh": "Battery charged",
    "battery_discharge_wh": "Battery discharged",
}
_PRICES = {"price_import": "Import price", "price_export": "Export price", "water_value": "Worth of stored energy"}
_TEXTS = {"action": "Action", "reason": "Reason", "next": "Next action"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """Where this box speaks and listens, below ``<prefix>/<site>``."""

    base: str
    discovery: str
    node: str

    @classmethod
    def of(cls, site: Site, mqtt: Mqtt) -> Topics:
        """The topics of a site."""
        name = slug(site.name)
        return cls(base=f"{mqtt.prefix}/{name}", discovery=mqtt.discovery, node=f"pems_{name}")

    @property
    def state(self) -> str:
        """The state document."""
        return f"{self.base}/state"

    @property
    def availability(self) -> str:
        """``online`` while control answers, else ``offline``; the broker says so when the box is gone."""
        return f"{self.base}/availability"

    def override(self, name: str) -> str:
        """Where an override's ``mode``, ``power_w`` or ``minutes`` is set by hand."""
        return f"{self.base}/override/{name}/set"


def slug(name: str) -> str:
    """A name as a part of a topic and of an entity's id."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "home"


def state_of(status: Mapping[str, Any], override_power_w: float, override_minutes: float) -> dict[str, Any]:
    """The state document: SI numbers, null where a value is not known or too old."""
    house = {} if is_old(status) else status["house"] or {}
    readings = {row["signal"]: row for row in status["readings"] if row["state"] == "good"}
    plan, now_s = _plan(status), status["time_s"]
    slot = plan.slot(now_s) if plan is not None and in_force(plan, now_s) else None
    prices = dict.fromkeys(_PRICES)
    if plan is not None and slot is not None:
        numbers = (plan.price_import_eur_per_kwh[slot], plan.price_export_eur_per_kwh[slot])
        prices = dict(zip(_PRICES, (*numbers, plan.water_value_eur_per_kwh), strict=True))
    command, zone = status["command"] or {}, ZoneInfo(status["site"]["timezone"])
    texts = (action_words(command, status.get("result")), str(command.get("reason", "")), next_words(plan, now_s, zone))
    state = {
        **{name: number(house.get(name)) for name in _POWERS},
        "soc_percent": 100.0 * number(house.get("soc_frac")),
        **{name: number(readings.get(name, {}).get("value")) for name in _ENERGIES if not is_old(status)},
        **prices,
        **{name: text[:_LONGEST_TEXT] for name, text in zip(_TEXTS, texts, strict=True)},
        "problem": "ON" if status["alarms"] or is_old(status) else "OFF",
        "override_mode": (status["override"] or {"mode": "off"})["mode"],
        "override_power_w": override_power_w,
        "override_minutes": override_minutes,
    }
    return dict(to_json(state))


def planned_w(status: Mapping[str, Any]) -> dict[str, float]:
    """What the plan in force wants rooms, cars and programs to draw now, by name (``zone.living``) [W]."""
    plan, now_s = status["plan"], status["time_s"]
    if not plan or not plan["issued_s"] <= now_s < plan["valid_until_s"]:
        return {}
    slot = int((now_s - plan["start_s"]) // plan["slot_s"])
    rows = plan.get("setpoint_w", {}).items()
    return {name: number(row[slot]) for name, row in rows if 0 <= slot < len(row)}


def heaters_w(site: Site, mqtt: Mqtt) -> dict[str, float]:
    """The power at which each switched heater runs the whole quarter hour; silent about one whose power nobody knows.

    A room ``by = "relay"`` is planned as all or nothing, so that any power is all of it, whoever knows how much it is.
    """
    powers_w = {zone.name: ANY_W if zone.by == "relay" else zone.heat_w for zone in site.zones}
    return {name: powers_w[name] for name in mqtt.relays if math.isfinite(powers_w[name])}


def relays(status: Mapping[str, Any], planned: Mapping[str, float], heaters_w: Mapping[str, float]) -> dict[str, str]:
    """``ON`` or ``OFF`` for each heater that the plan in force knows, by the share of the quarter hour it shall run.

    A relay knows no half power: it is on from the quarter's beginning until the planned energy has flowed. Less than a
    minute on or off is not worth a switching.
    """
    into_s = status["time_s"] % SLOT_S
    found = {}
    for room, heater_w in heaters_w.items():
        if (power_w := planned.get(f"zone.{room}")) is None:
            continue
        on_s = SLOT_S * min(max(power_w / heater_w, 0.0), 1.0)
        on_s = 0.0 if on_s < SHORTEST_S else SLOT_S if on_s > SLOT_S - SHORTEST_S else on_s
        found[room] = "ON" if into_s < on_s else "OFF"
    return found


def discovery(topics: Topics, mqtt: Mqtt, signals: frozenset[str]) -> dict[str, dict[str, Any]]:
    """Home Assistant's configuration topics and documents; energies only for counters that the devices have."""
    entities = [*_sensors(signals), *(_controls(topics) if mqtt.allow_override else ())]
    return {
        f"{topics.discovery}/{kind}/{topics.node}/{name}/config": {
            "unique_id": f"{topics.node}_{name}",
            "object_id": f"{topics.node}_{name}",
            "state_topic": topics.state,
            "value_template": f"{{{{ value_json.{name} }}}}",
            "availability_topic": topics.availability,
            "payload_available": ONLINE,
            "payload_not_available": OFFLINE,
            "device": {
                "identifiers": [topics.node],
                "name": f"PEMS {topics.node.removeprefix('pems_')}",
                "manufacturer": "PEMS Edge",
                "sw_version": __version__,
            },
            "origin": {"name": "pems-edge", "sw_version": __version__},
            **config,
        }
        for kind, name, config in entities
    }


def _sensors(signals: frozenset[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, words in _POWERS.items():
        yield "sensor", name, _measured(words, "power", "W")
    yield "sensor", "soc_percent", _measured("Battery charge", "battery", "%")
    for name, words in _ENERGIES.items():
        if name in signals:
            yield "sensor", name, {**_measured(words, "energy", "Wh"), "state_class": "total_increasing"}
    for name, words in _PRICES.items():
        config = {"name": words, "state_class": "measurement", "unit_of_measurement": "EUR/kWh"}
        yield "sensor", name, {**config, "suggested_display_precision": 3}
    for name, words in _TEXTS.items():
        yield "sensor", name, {"name": words}
    yield "binary_sensor", "problem", {"name": "Problem", "device_class": "problem"}


def _measured(words: str, kind: str, unit: str) -> dict[str, Any]:
    return {"name": words, "device_class": kind, "state_class": "measurement", "unit_of_measurement": unit}


def _controls(topics: Topics) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The override by hand: a choice that acts, and two numbers that it uses."""
    select = {"name": "Override", "options": list(OVERRIDE_MODES), "command_topic": topics.override("mode")}
    yield "select", "override_mode", select
    power = {"name": "Override power", "min": 100, "max": 20_000, "step": 100, "unit_of_measurement": "W"}
    yield "number", "override_power_w", {**power, "device_class": "power", "command_topic": topics.override("power_w")}
    minutes = {"name": "Override minutes", "min": 5, "max": 1440, "step": 5, "unit_of_measurement": "min"}
    yield "number", "override_minutes", {**minutes, "command_topic": topics.override("minutes")}


def _plan(status: Mapping[str, Any]) -> Plan | None:
    return plan_from_json(status["plan"]) if status["plan"] else None

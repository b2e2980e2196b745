"""Parts of a profile of a device that nobody builds, for tests of the schema."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Sequence

from edge.devices.sunspec import MARKER

ACME = tomllib.loads(
    """
[profile]
vendor = "Acme"
family = "Box"
title = "Acme Box"
role = "inverter"
sources = ["a test"]

[link]
default_unit = 1
baud = 9600
parity = "N"
stopbits = 1
word_order = "big"
max_read_words = 50
min_command_period_s = 0.0
sunspec_bases = [40000, 0]

[link.read_windows]
holding = [[0, 199]]

[[identify]]
point = "kind"
equals = [7, 8]
"""
)


def row(name: str, address: int, kind: str = "u16", **more: object) -> dict:
    basis = {"name": name, "space": "holding", "address": address, "type": kind, "scale": 1.0, "sign": 1}
    facts = {"sentinels": [], "poll": "fast", "source": "test", "confidence": "A", "golden_raw": 7, "golden_value": 7.0}
    return basis | facts | more


def written(name: str, address: int, kind: str = "u16", **more: object) -> dict:
    basis = {"name": name, "space": "holding", "address": address, "type": kind, "scale": 1.0, "sign": 1}
    return basis | {"range": [0, 10], "wear": "volatile", "readback": name, "source": "t", "confidence": "A"} | more


def chain(base: int, models: Sequence[tuple[int, int]], end: Sequence[int] = (0xFFFF, 0)) -> dict[int, int]:
    """A map as its registers: models as number and length, their words 0x0101."""
    words = [*MARKER]
    for number, length in models:
        words += [number, length, *[0x0101] * length]
    return {base + offset: word for offset, word in enumerate([*words, *end])}


def _sun() -> dict:
    """A hybrid in SunSpec: integer or float inverter, storage with a control, a vendor's own register."""
    data = copy.deepcopy(ACME)
    del data["identify"]
    inverter, real, storage = [103, 102, 101], [113], [124]
    data["point"] = [
        row("serial_number", 50, "str", words=16, golden_raw=[0x4142] * 16, golden_value="AB" * 16, models=[1]),
        row("power", 14, "s16", signal="pv_w", scale_point="power_sf", models=inverter),
        row("power_sf", 15, "s16", models=inverter),
        row("power_float", 22, "f32", signal="pv_w", models=real, instead_of="power", golden_raw=0x40E00000),
        row("soc", 8, signal="soc_frac", scale=0.01, scale_point="soc_sf", models=storage),
        row("soc_sf", 22, "s16", models=storage),
        row("charge", 13, "s16", models=storage, signal="battery_w", together="battery"),
        row("discharge", 30, "s16", models=storage, signal="battery_w", together="battery"),
        row("mode", 5, models=storage),
        row("own", 7, signal="grid_hz"),
    ]
    data["write"] = [written("mode", 5, models=storage), written("own", 7)]
    step = {"writes": ["mode"], "values": [1]}
    data["control"] = [
        {
            "name": "storage",
            "requires": "",
            "on_silence": "persists",
            "power_step_frac": 0.02,
            "max_lease_s": 900.0,
            "actions": {mode: [step] for mode in ("native", "charge", "discharge", "hold")},
            "states": [{"mode": "native", "when": [{"point": "mode", "equals": 0}]}],
        }
    ]
    return data


ACME_SUN = _sun()

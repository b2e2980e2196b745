"""Parts of a profile of a device that nobody builds, for tests of the schema."""

from __future__ import annotations

import tomllib

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

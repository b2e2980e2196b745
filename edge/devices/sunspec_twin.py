"""A SunSpec profile as a device has it: a map from the marker to the end, with the models that the profile reads.

The map is laid out as ordinary points with fixed values, so that every twin serves it like all other registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge.devices.profile import Point, Profile
from edge.devices.sunspec import COMMON, END, MARKER, Model, resolve

# Lengths by the standard (sunspec/models JSON); a model of repeating groups: its fixed part and the length of a group.
_LENGTHS = {
    1: 66,
    **dict.fromkeys((101, 102, 103), 50),
    **dict.fromkeys((111, 112, 113), 60),
    120: 26,
    121: 30,
    122: 44,
    123: 24,
    124: 24,
    **dict.fromkeys((201, 202, 203, 204), 105),
    **dict.fromkeys((211, 212, 213, 214), 124),
    701: 153,
    702: 50,
    704: 65,
    713: 7,
    715: 7,
    802: 62,
}
_GROUPS = {160: (8, 20, "mppt_count"), 714: (18, 25, "ports_count")}


def served(profile: Profile, numbers: Sequence[int] = ()) -> Profile:
    """The profile with the addresses of a device that has these models, and with its map as points of their own.

    Without ``numbers`` it has the first of each choice that the profile leaves. A profile without models stays.
    """
    if not profile.link.sunspec_bases:
        return profile
    address = profile.link.sunspec_bases[0] + len(MARKER)
    models: list[Model] = []
    for number in numbers or _numbers(profile):
        models.append(Model(number=number, address=address, length=_length(profile, number)))
        address = models[-1].last + 1
    resolved = resolve(profile, models)
    heads = [_head("sunspec_marker", profile.link.sunspec_bases[0], MARKER), _head("sunspec_end", address, (END, 0))]
    heads += [_head(f"model_{m.number}_head", m.address, (m.number, m.length)) for m in models]
    fixed = profile.link.read_windows
    whole = (profile.link.sunspec_bases[0], address + 1)
    windows = {**fixed, "holding": (*fixed.get("holding", ()), whole)}
    return replace(
        resolved, points=(*resolved.points, *heads), link=replace(resolved.link, probe="", read_windows=windows)
    )


def _numbers(profile: Profile) -> list[int]:
    """The models that a typical device has: the identity, then the first of each choice in ascending order."""
    chosen = {point.models[0] for point in profile.points if point.models and not point.instead_of}
    return [COMMON, *sorted(chosen - {COMMON})]


def _length(profile: Profile, number: int) -> int:
    """How many words follow the model's head."""
    if number not in _GROUPS:
        return _LENGTHS[number]
    fixed, group, counted = _GROUPS[number]
    return fixed + group * int(float(profile.by_name[counted].golden_value))


def _head(name: str, address: int, words: tuple[int, int]) -> Point:
    """Two words of the map as a point."""
    pattern = words[0] << 16 | words[1]
    return Point(
        name=name,
        space="holding",
        address=address,
        type="u32",
        words=2,
        scale=1.0,
        sign=1,
        sentinels=(),
        poll="slow",
        source="SunSpec Information Model Specification",
        confidence="A",
        golden_raw=pattern,
        golden_value=float(pattern),
    )

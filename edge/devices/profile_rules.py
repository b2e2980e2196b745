"""What must hold between the parts of a profile: names, spans, windows, references. Each problem is one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from core_kernels.signals import signal
from edge.devices.blocks import fits
from edge.devices.bonds import atoms
from edge.devices.control_rules import control_problems
from edge.devices.profile import WORDS, Identity, LinkFacts, Point, Profile, Write
from edge.devices.registers import onto, pattern_from_number

_NAMED = ("scale_point", "instead_of", "same_as", "needs")


def problems_of(profile: Profile) -> list[str]:
    """Everything in a well-typed profile that contradicts itself."""
    checks: Iterable[Iterator[str]] = (
        _link(profile),
        _duplicates("point", [point.name for point in profile.points]),
        _duplicates("write", [write.name for write in profile.writes]),
        _duplicates("control", [control.name for control in profile.controls]),
        chain.from_iterable(_point(profile, point) for point in profile.points),
        chain.from_iterable(_bonds(profile, point) for point in profile.points),
        _overlaps([point for point in profile.points if not point.same_as]),
        _overlaps(profile.writes),
        chain.from_iterable(_atom(profile, atom) for atom in atoms(profile.points)),
        chain.from_iterable(_write(profile, write) for write in profile.writes),
        chain.from_iterable(control_problems(profile, control) for control in profile.controls),
        chain.from_iterable(_identity(profile, identity) for identity in profile.identify),
        (f"clock names the unknown point {name}" for name in profile.clock if name not in profile.by_name),
        iter(() if len(profile.clock) in (0, 6) else ("clock needs six points, year to second",)),
    )
    return list(dict.fromkeys(chain.from_iterable(checks)))


def _link(profile: Profile) -> Iterator[str]:
    link = profile.link
    if not 1 <= link.max_read_words <= 125:
        yield "link.max_read_words must be 1..125"
    if not 1 <= link.max_write_words <= 123:
        yield "link.max_write_words must be 1..123"
    if link.align_words < 1 or link.gap_words < 0:
        yield "link.align_words must be >= 1 and gap_words >= 0"
    if min(link.min_command_period_s, link.min_reply_pause_s, link.connect_pause_s) < 0.0:
        yield "link: a pause must be >= 0"
    if link.probe and link.probe not in profile.by_name:
        yield f"link.probe {link.probe} is not a point"
    if any(not 0 <= base <= 0xFFFF for base in link.sunspec_bases):
        yield "link.sunspec_bases must be 0..65535"


def _duplicates(kind: str, names: Sequence[str]) -> Iterator[str]:
    return (f"{kind} {name} is there twice" for name in sorted({name for name in names if names.count(name) > 1}))


def _overlaps(items: Sequence[Point | Write]) -> Iterator[str]:
    """Items that claim the same bits of the same register; registers of different SunSpec models never meet."""
    taken: dict[tuple[str, int, int], list[tuple[str, int]]] = {}
    for item in items:
        width = 16 * item.words
        bits = item.mask or (1 << max(width, 0)) - 1
        for address in _addresses(item):
            for model in item.models or (-1,):
                here = taken.setdefault((item.space, model, address), [])
                others = [name for name, other in here if other & bits and name != item.name]
                yield from (f"{name} and {item.name} overlap at {item.space} {address}" for name in others)
                here.append((item.name, bits))


def _addresses(item: Point | Write) -> Sequence[int]:
    return item.addresses if isinstance(item, Point) else range(item.address, item.address + item.words)


def _point(profile: Profile, point: Point) -> Iterator[str]:
    where = f"point {point.name}"
    yield from _number(where, point, profile.link)
    if point.signal:
        try:
            signal(point.signal)
        except KeyError:
            yield f"{where}: {point.signal} is not a known signal"
    if point.words > profile.link.max_read_words:
        yield f"{where}: {point.words} words are more than one read may hold"
    windows = profile.link.read_windows.get(point.space, ())
    parts = (
        [(address, address) for address in point.addresses]
        if point.high_address is not None
        else [(point.first, point.last)]
    )
    for low, high in parts if not point.models else ():
        if not any(first <= low and high <= last for first, last in windows):
            yield f"{where}: {point.space} {low}..{high} lies in no read window"
    if point.high_address is not None and (point.words != 2 or point.models or point.word_order or point.type == "f32"):
        yield f"{where}: only a u32 or s32 at fixed addresses can be split, and it has no word order"
    yield from _golden(where, point)


def _golden(where: str, point: Point) -> Iterator[str]:
    if point.golden_raw in (0, ()) or point.golden_value in (0.0, ""):
        yield f"{where}: golden values must not be zero, because zero times any scale is zero"
    if (point.type == "str") != isinstance(point.golden_value, str):
        yield f"{where}: golden_value does not fit type {point.type}"
    if isinstance(point.golden_raw, tuple) != (point.type == "str"):
        yield f"{where}: golden_raw does not fit type {point.type}"
    patterns = [*point.sentinels, *((point.golden_raw,) if isinstance(point.golden_raw, int) else ())]
    if any(not 0 <= pattern < 1 << 16 * max(point.words, 0) for pattern in patterns):
        yield f"{where}: a bit pattern is wider than type {point.type}"
    if point.golden_raw in point.sentinels:
        yield f"{where}: golden_raw is a sentinel"


def _number(where: str, item: Point | Write, link: LinkFacts) -> Iterator[str]:
    if item.sign not in (1, -1):
        yield f"{where}: sign must be 1 or -1"
    if not item.scale > 0.0:
        yield f"{where}: scale must be > 0 (the sign has its own key)"
    if not all(0 <= address <= 0xFFFF for address in _addresses(item)):
        yield f"{where}: address must be 0..65535"
    if item.words < 1 or item.words != WORDS.get(item.type, item.words):
        yield f"{where}: words does not fit type {item.type}"
    if item.mask and (not item.type.startswith("u") or not 0 < item.mask < 1 << 16 * item.words):
        yield f"{where}: mask does not fit type {item.type}"
    if item.models and item.space != "holding":
        yield f"{where}: SunSpec models are holding registers"
    if item.models and not link.sunspec_bases:
        yield f"{where}: models need link.sunspec_bases"


def _bonds(profile: Profile, point: Point) -> Iterator[str]:
    """The other points that a point names."""
    where = f"point {point.name}"
    for key in _NAMED:
        name = getattr(point, key)
        if name and (name == point.name or name not in profile.by_name):
            yield f"{where}: {key} {name} is not another point"
    scale = profile.by_name.get(point.scale_point)
    if scale is not None and (scale.type != "s16" or scale.scale_point or scale.scale != 1.0):
        yield f"{where}: scale_point {scale.name} must be an s16 of scale 1"
    other = profile.by_name.get(point.instead_of)
    if other is not None and (not other.models or other.signal != point.signal or other.instead_of == point.name):
        yield f"{where}: instead_of {other.name} must name a point of the same signal in another SunSpec model"
    twin = profile.by_name.get(point.same_as)
    if twin is not None and _bare(point) != _bare(twin):
        yield f"{where}: same_as {twin.name} is another register, type or scale"
    if point.together and point.apart:
        yield f"{where}: it is either together or apart"


def _bare(point: Point) -> Point:
    """The point without what it means: two meanings of one register differ in nothing else."""
    blank = replace(point, name="", signal="", sign=1, same_as="", golden_raw=1, golden_value=1.0, poll="fast")
    return replace(blank, source="", confidence="A", together="", apart="", instead_of="")


def _atom(profile: Profile, atom: Sequence[Point]) -> Iterator[str]:
    """Points that belong together can be read together."""
    if len(atom) < 2:
        return
    names = ", ".join(point.name for point in atom)
    link = profile.link
    if len({(point.space, point.models) for point in atom}) > 1:
        yield f"{names}: read together, but not of one space and the same models"
    elif atom[0].models:
        if max(point.last for point in atom) - atom[0].first >= link.max_read_words:
            yield f"{names}: no single read can hold them together"
    elif not fits(atom, link):
        yield f"{names}: no single read can hold them together"


def _write(profile: Profile, write: Write) -> Iterator[str]:
    where = f"write {write.name}"
    yield from _number(where, write, profile.link)
    if write.space != "holding":
        yield f"{where}: only holding registers can be written"
    if write.range[0] > write.range[1]:
        yield f"{where}: range is upside down"
    elif not all(_carries(write, limit) for limit in write.range):
        yield f"{where}: range does not fit type {write.type}"
    if write.scale_point and write.scale_point not in profile.by_name:
        yield f"{where}: scale_point {write.scale_point} is not a point"
    if write.write_only:
        if write.readback or write.mask:
            yield f"{where}: what is write_only has neither readback nor mask"
        return
    back = profile.by_name.get(write.readback)
    if back is None:
        yield f"{where}: readback {write.readback} is not a point"
    elif _meaning(back) != _meaning(write):
        yield f"{where}: readback {write.readback} has another type, scale or sign"


def _carries(write: Write, limit: int) -> bool:
    """Whether the register can hold this number; with a scale factor that depends on the device."""
    try:
        onto(write, pattern_from_number(limit, write.type), 0)
    except ValueError:
        return bool(write.scale_point)
    return True


def _meaning(item: Point | Write) -> tuple[object, ...]:
    return (item.scale, item.sign, item.type, item.offset, item.mask, item.scale_point, item.word_order, item.models)


def _identity(profile: Profile, identity: Identity) -> Iterator[str]:
    where = f"identify {identity.point}"
    point = profile.by_name.get(identity.point)
    if point is None:
        yield f"{where}: is not a point"
    elif bool(identity.equals) == bool(identity.prefix):
        yield f"{where}: needs either equals or prefix"
    elif (point.type == "str") != bool(identity.prefix):
        yield f"{where}: a text is known by its prefix, a number by equals"

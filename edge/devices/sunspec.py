"""SunSpec: the device says itself where its models lie. A map is walked, and a profile takes its addresses from it.

A map begins with the marker "SunS" at one of a few addresses; then each model tells its number and its length, up to
the end model 0xFFFF of length 0 (SunSpec Information Model Specification). The first model is always 1, the identity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from edge.devices.profile import Control, LinkFacts, Point, Profile, Write
from edge.devices.profile_rules import problems_of
from edge.errors import DeviceMismatch, DeviceRejected

MARKER = (0x5375, 0x6E53)  # "SunS"
END = 0xFFFF
COMMON = 1
_HEAD_WORDS = 2  # number and length; the length counts what follows
_LAST_ADDRESS = 0xFFFF
_NO_SUCH_REGISTER = (1, 2, 3, 4)  # devices use all four; "busy" and a gateway's codes are no answer about the map
_MOST_MODELS = 64  # a real device has some ten or twenty
_KNOWN_NUMBERS = (range(1, 1000), range(64000, END))  # the standard's and the vendors'; text and powers lie elsewhere

Read = Callable[[int, int], Sequence[int]]
Item = TypeVar("Item", Point, Write)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of a device: its number, the address of that number, and how many words follow its head."""

    number: int
    address: int
    length: int

    @property
    def last(self) -> int:
        """The model's last address."""
        return self.address + _HEAD_WORDS + self.length - 1


def discover(read: Read, bases: Sequence[int]) -> tuple[Model, ...]:
    """The device's models in the order of its map; ``read`` brings holding registers (address, count).

    A map is believed only when it begins with the identity and leads, step by step, to its end; a length that lies
    leads elsewhere. Raises :class:`DeviceMismatch` for a map that does not, and what ``read`` raises.
    """
    models: list[Model] = []
    address = _base(read, bases) + len(MARKER)
    while True:
        try:
            number, length = _head(read, address)
        except DeviceRejected as error:
            if error.exception_code not in _NO_SUCH_REGISTER:
                raise
            raise DeviceMismatch(f"the SunSpec map goes astray at {address}: {error}") from error
        if number == END and length == 0 and models:
            return tuple(models)
        model = Model(number=number, address=address, length=length)
        expected = number == COMMON if not models else any(number in known for known in _KNOWN_NUMBERS)
        if not expected or model.last >= _LAST_ADDRESS or len(models) == _MOST_MODELS:
            raise DeviceMismatch(f"the SunSpec map goes astray at {address}: model {number} of {length} words")
        models.append(model)
        address = model.last + 1


def _base(read: Read, bases: Sequence[int]) -> int:
    """Where the marker stands."""
    for base in bases:
        try:
            if tuple(read(base, len(MARKER))) == MARKER:
                return base
        except DeviceRejected as error:
            if error.exception_code not in _NO_SUCH_REGISTER:
                raise
    raise DeviceMismatch(f"no SunSpec map begins at {', '.join(map(str, bases))}")


def _head(read: Read, address: int) -> tuple[int, int]:
    """A model's number and length; a map may stop right behind the end model's number."""
    try:
        number, length = read(address, _HEAD_WORDS)
    except DeviceRejected as error:
        if error.exception_code not in _NO_SUCH_REGISTER:
            raise
        (number,) = read(address, 1)
        if number != END:
            raise
        return number, 0
    return number, length


def resolve(profile: Profile, models: Sequence[Model]) -> Profile:
    """The profile with absolute addresses, for a device that has these models; without models nothing is there yet.

    What the device does not have is left out, with all that needs it; signals that are lost so are ``absent`` with the
    reason. Raises :class:`DeviceMismatch` where the device's map makes the profile contradict itself.
    """
    found: dict[int, Model] = {}
    for model in models:
        found.setdefault(model.number, model)
    missing = _missing(profile, found)
    kept = [replace(point, instead_of="") for point in profile.points if point.name not in missing]
    points = tuple(_placed(point, found) for point in kept)
    names = {point.name for point in points}
    writes = tuple(_placed(write, found) for write in profile.writes if _usable(write, found, names))
    clock = profile.clock if names.issuperset(profile.clock) else ()
    resolved = replace(
        profile,
        link=_facts(profile, found, names),
        points=points,
        writes=writes,
        controls=tuple(c for c in profile.controls if _reaches(c, names, {write.name for write in writes})),
        clock=clock,
        identify=tuple(identity for identity in profile.identify if identity.point in names),
        absent=_absent(profile, {point.signal for point in points}, missing),
    )
    problems = problems_of(resolved)
    if problems:
        raise DeviceMismatch(f"the device's SunSpec map does not fit {profile.name}: {problems[0]}")
    return resolved


def _missing(profile: Profile, found: Mapping[int, Model]) -> dict[str, str]:
    """Points that are left out, each with the reason."""
    unknown = _spread(profile, {point.name: why for point in profile.points if (why := _why_not(point, found))})
    present = {point.name for point in profile.points} - unknown.keys()
    displaced = {
        point.name: f"{better} stands for it"
        for point in profile.points
        if point.name in present and (better := _displacing(profile, point, present))
    }
    missing = _spread(profile, unknown | displaced)
    return missing | dict.fromkeys(_idle_scales(profile, missing), "nothing that it scales is read")


def _idle_scales(profile: Profile, missing: Mapping[str, str]) -> set[str]:
    """Scale factors of substitutes that are not needed."""
    used = {point.scale_point for point in profile.points if point.name not in missing}
    used |= {write.scale_point for write in profile.writes}
    return {point.scale_point for point in profile.points} - used - {""}


def _spread(profile: Profile, missing: Mapping[str, str]) -> dict[str, str]:
    """The missing points with all that cannot be read without them."""
    known = dict(missing)
    while True:
        parted = {one.together: known[one.name] for one in profile.points if one.together and one.name in known}
        more = {
            one.name: why
            for one in profile.points
            if one.name not in known
            and (
                why := known.get(one.scale_point)
                or known.get(one.same_as)
                or known.get(one.needs)
                or parted.get(one.together)
            )
        }
        if not more:
            return known
        known |= more


def _why_not(item: Point | Write, found: Mapping[int, Model]) -> str:
    """Why the device does not have this register; empty where it has it."""
    if not item.models:
        return ""
    model = _model_of(item, found)
    if model is None and not found:
        return "the device's SunSpec map was not read yet"
    if model is None:
        return f"the device has no model {' or '.join(map(str, item.models))}"
    if item.address + item.words > _HEAD_WORDS + model.length:
        return f"the device's model {model.number} ends before it"
    return ""


def _model_of(item: Point | Write, found: Mapping[int, Model]) -> Model | None:
    return next((found[number] for number in item.models if number in found), None)


def _displacing(profile: Profile, point: Point, present: set[str]) -> str:
    """The point that counts instead of this one, which is only its substitute."""
    name = point.instead_of
    while name:
        if name in present:
            return name
        name = profile.by_name[name].instead_of
    return ""


def _placed(item: Item, found: Mapping[int, Model]) -> Item:
    """The register at its absolute address."""
    model = _model_of(item, found)
    return item if model is None else replace(item, address=model.address + item.address, models=())


def _usable(write: Write, found: Mapping[int, Model], points: set[str]) -> bool:
    needed = {name for name in (write.readback, write.scale_point) if name}
    return not _why_not(write, found) and needed <= points


def _reaches(control: Control, points: set[str], writes: set[str]) -> bool:
    """Whether the device has all that this way of control looks at and writes."""
    used = {name for step in control.steps for name in step.writes} | set(control.restore)
    return used <= writes and points.issuperset(control.points)


def _facts(profile: Profile, found: Mapping[int, Model], names: set[str]) -> LinkFacts:
    """The link's facts with a window for each model that the profile reads."""
    used = {point.models for point in profile.points if point.models}
    numbers = {number for models in used for number in models if number in found}
    windows = [(found[number].address, found[number].last) for number in sorted(numbers)]
    fixed = profile.link.read_windows
    probe = profile.link.probe if profile.link.probe in names else ""
    return replace(profile.link, probe=probe, read_windows={**fixed, "holding": (*fixed.get("holding", ()), *windows)})


def _absent(profile: Profile, present: set[str], missing: Mapping[str, str]) -> dict[str, str]:
    """Signals that the profile knows and this device does not have."""
    lost: dict[str, str] = {}
    for point in profile.points:
        if point.signal and point.signal not in present and not point.instead_of:
            lost.setdefault(point.signal, missing[point.name])
    return lost

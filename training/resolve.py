"""Rows of a mapping against the fields that stores really have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core_kernels.signals import is_signal, signal
from training.errors import SetupError
from training.mapping import FieldMap, Row, Term
from training.source_units import conversion, is_same
from training.sources.base import SourceField

_NOT_A_NAME = re.compile(r"[^a-z0-9]+")
_STAR = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One resolved term: the store it is in (by its place in the list), its field, and what leads to our unit."""

    source_index: int
    field: SourceField
    factor: float
    offset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A signal and the legs that are added up for it; ``hold_s`` 0 is the store's own."""

    name: str
    legs: tuple[Leg, ...]
    hold_s: float
    missing_raw: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What is read, and what is not: fields that no row names, rows that fit nothing, rows that fit several fields."""

    wanted: tuple[Wanted, ...]
    unmapped: tuple[str, ...]
    absent: tuple[str, ...]
    ambiguous: tuple[str, ...]
    contradictions: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Notes:
    """What is said about fields on the way."""

    used: set[tuple[int, str]] = field(default_factory=set)
    absent: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)


def resolve(mapping: FieldMap, stores: Sequence[tuple[str, Sequence[SourceField]]]) -> Resolution:
    """Find each row's fields; ``stores`` are places and what they hold.

    Raises
    ------
    SetupError
        A term without a unit whose store states none, or states one that we do not know.
    """
    notes, problems = _Notes(), list[str]()
    rates_eur = dict(mapping.rates_eur)
    wanted = [
        found
        for row in mapping.rows
        for concrete in _unfolded(row, stores)
        if (found := _wanted(concrete, stores, rates_eur, notes, problems)) is not None
    ]
    names = [item.name for item in wanted]
    problems += [f"{name}: several fields have this name" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        raise SetupError("\n".join(f"{mapping.place}: {problem}" for problem in problems))
    labels = [(i, item.label) for i, (_, fields) in enumerate(stores) for item in fields]
    unmapped = tuple(f"{stores[i][0]}: {label}" for i, label in labels if (i, label) not in notes.used)
    return Resolution(
        wanted=tuple(wanted),
        unmapped=unmapped,
        absent=tuple(notes.absent),
        ambiguous=tuple(notes.ambiguous),
        contradictions=tuple(notes.contradictions),
    )


def own_names(stores: Sequence[tuple[str, Sequence[SourceField]]]) -> FieldMap:
    """The mapping of stores that use our own names and units (the box's, our tables)."""
    names = {item.label for _, fields in stores for item in fields if is_signal(item.label)}
    rows = [
        Row(
            name=name,
            terms=(Term(field=name, unit=signal(name).unit, sign=1, scale=1.0, source=""),),
            hold_s=0.0,
            missing_raw=(),
        )
        for name in sorted(names)
    ]
    return FieldMap(place="our own names", rows=tuple(rows), rates_eur=())


def _unfolded(row: Row, stores: Sequence[tuple[str, Sequence[SourceField]]]) -> Iterator[Row]:
    """A row with ``*`` as one row for each name that its first term finds."""
    if _STAR not in row.name:
        yield row
        return
    names = {
        star
        for place, fields in stores
        for item in fields
        if row.terms[0].source in place and (star := _fits(row.terms[0].field, item)) not in (None, "")
    }
    if not names:
        yield row
    for name in sorted(str(name) for name in names):
        terms = tuple(replace(term, field=term.field.replace(_STAR, name)) for term in row.terms)
        yield replace(row, name=row.name.replace(_STAR, _NOT_A_NAME.sub("_", name.lower()).strip("_")), terms=terms)


def _fits(pattern: str, item: SourceField) -> str | None:
    """None where a field is not meant; else what ``*`` stands for (empty without one)."""
    name, _, tags = pattern.rstrip("]").partition("[")
    asked = [("", name)] + [(key, value) for key, _, value in (tag.partition("=") for tag in tags.split(",") if tag)]
    have = {"": item.name, **dict(item.tags)}
    star = ""
    for key, value in asked:
        found = re.fullmatch(re.escape(value).replace(re.escape(_STAR), "(.+)"), have.get(key.strip(), ""))
        if found is None:
            return None
        star = found.group(1) if found.groups() else star
    return star


def _wanted(
    row: Row,
    stores: Sequence[tuple[str, Sequence[SourceField]]],
    rates_eur: Mapping[str, float],
    notes: _Notes,
    problems: list[str],
) -> Wanted | None:
    legs = []
    for term in row.terms:
        fits = [
            (i, item)
            for i, (place, fields) in enumerate(stores)
            for item in fields
            if term.source in place and _fits(term.field, item) is not None
        ]
        notes.used |= {(i, item.label) for i, item in fits}
        if len(fits) == 1:
            legs.append(_leg(row.name, term, fits[0], rates_eur, notes, problems))
        elif fits:
            notes.ambiguous.append(f"{row.name}: {term.field} may be {', '.join(item.label for _, item in fits)}")
        else:
            notes.absent.append(f"{row.name}: {term.field} is in no store")
    whole = len(legs) == len(row.terms)
    return Wanted(name=row.name, legs=tuple(legs), hold_s=row.hold_s, missing_raw=row.missing_raw) if whole else None


def _leg(
    name: str,
    term: Term,
    found: tuple[int, SourceField],
    rates_eur: Mapping[str, float],
    notes: _Notes,
    problems: list[str],
) -> Leg:
    """What leads from a field to our unit; the mapping's word counts, the store's is compared with it."""
    index, item = found
    ours = signal(name).unit
    if term.unit and item.unit and not is_same(term.unit, item.unit):
        notes.contradictions.append(f"{name}: the mapping says {term.unit}, the store says {item.unit} of {item.label}")
    factor, offset = 1.0, 0.0
    try:
        step = conversion(term.unit or item.unit, rates_eur)
        factor, offset = step.factor, step.offset
        if step.unit != ours:
            problems.append(f"{name}: {item.label} is in {term.unit or item.unit}, which is no unit of {ours}")
    except KeyError:
        said = f"in {item.unit!r}" if item.unit else "stated by neither the mapping nor the store"
        problems.append(f"{name}: the unit of {item.label} is {said}: give unit")
    scale = term.sign * term.scale
    return Leg(source_index=index, field=item, factor=factor * scale, offset=offset * scale)

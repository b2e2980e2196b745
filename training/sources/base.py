"""What every store looks like from here: fields that can be listed, and readings of a span of time."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core_kernels.units import FloatArray
from training.errors import TrainingError


class SourceUnreachable(TrainingError):
    """A store does not answer, or stops in the middle of an answer; asking again may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceField:
    """One series as its store calls it, with its tags and the unit that the store states (empty where it does not)."""

    name: str
    tags: tuple[tuple[str, str], ...] = ()
    unit: str = ""

    @property
    def label(self) -> str:
        """Name and tags, as a mapping writes them: ``temperature.temperature[room=kitchen]``."""
        inside = ",".join(f"{key}={value}" for key, value in self.tags)
        return f"{self.name}[{inside}]" if inside else self.name


def _no_times() -> FloatArray:
    return np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readings:
    """Samples of one field in the order of the store: Unix UTC seconds, values as they stand there, NaN is missing.

    ``issued_s`` says when each value was forecast; empty for measurements. ``unreadable_count``: what was no number.
    """

    field: SourceField
    times_s: FloatArray
    values: FloatArray
    issued_s: FloatArray = dataclasses.field(default_factory=_no_times)
    unreadable_count: int = 0


class Source(Protocol):
    """A store. ``place`` names it without secrets; ``fields_a_query`` says how many fields one query should ask for.

    ``hold_s`` is how long a sample of this store speaks for (0: one slot); ``is_regular`` is false where the store
    writes changes only, so that the distance of two samples says nothing.
    """

    place: str
    fields_a_query: int
    hold_s: float
    is_regular: bool

    async def fields(self) -> tuple[SourceField, ...]:
        """All fields of the store; raises :class:`SourceUnreachable` or ``SetupError``."""
        ...

    def read(self, fields: Sequence[SourceField], start_s: float, end_s: float) -> AsyncIterator[Readings]:
        """Samples from ``start_s`` up to, not including, ``end_s``; a field may come in several pieces."""
        ...

    async def version(self) -> str:
        """What changes when the store's past changes; empty where nobody can know."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What was left out on the way, for a person."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and files."""
        ...


def numbers(texts: Sequence[object]) -> tuple[FloatArray, int]:
    """Values as they come (numbers, booleans, texts, None) as float64, and how many were no number."""
    try:
        values = np.array(texts, dtype=np.float64)
    except (TypeError, ValueError):
        return _one_by_one(texts)
    values[np.isinf(values)] = np.nan
    return values, 0


def _one_by_one(texts: Sequence[object]) -> tuple[FloatArray, int]:
    values = np.full(len(texts), np.nan)
    bad = 0
    for i, text in enumerate(texts):
        if text is None:
            continue
        try:
            values[i] = float(text)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            bad += 1
    values[np.isinf(values)] = np.nan
    return values, bad

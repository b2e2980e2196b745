"""All queries of a site at once, in chunks of time: bounded in number, in memory and in patience.

A chunk of a field is asked for, brought to its slots and put on disk before its worker takes the next one, so memory
is bounded by the number of workers and the length of a chunk. What is on disk already is not asked for again: a run
that lost its store half-way goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from core_kernels.timegrid import TimeGrid, floor_s
from core_kernels.units import SECONDS_PER_DAY
from training.cache import PartCache, key_of
from training.energy_dataset import Column, EnergyDataset, Missing
from training.errors import SetupError, TrainingError
from training.mapping import FieldMap
from training.resolve import Leg, Resolution, Wanted, own_names, resolve
from training.slots import Recipe, to_part
from training.sources.base import Readings, Source, SourceField, SourceUnreachable

Progress = Callable[[int, int, str], None]
_MARGIN_S = 2 * 3600.0
_SETTLED_S = SECONDS_PER_DAY  # what is younger may still be written: it is asked for again


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Slot and chunk [s], queries at once, and how often and how soon a query is tried again."""

    slot_s: int = 900
    chunk_s: int = 32 * SECONDS_PER_DAY
    workers: int = 10
    tries: int = 4
    first_wait_s: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """One field of one chunk: where it goes and how."""

    signal: str
    field: SourceField
    recipe: Recipe
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One query: fields of one store over one chunk."""

    source_index: int
    grid: TimeGrid
    items: tuple[_Item, ...]


@dataclass(slots=True, kw_only=True)
class _Run:
    """What happens while jobs run."""

    total: int
    progress: Progress
    done: int = 0
    missing: list[Missing] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)

    def step(self, text: str) -> None:
        self.done += 1
        self.progress(self.done, self.total, text)


def silent(done: int, total: int, text: str) -> None:
    """Progress for nobody."""


class UnifiedDataExtractor:
    """Reads a site from all its stores."""

    def __init__(
        self,
        sources: Sequence[Source],
        mapping: FieldMap | None,
        cache: PartCache,
        settings: Settings | None = None,
        progress: Progress = silent,
    ) -> None:
        self._sources, self._mapping, self._cache = tuple(sources), mapping, cache
        self._settings, self._progress = settings or Settings(), progress

    async def extract(self, start_s: float, end_s: float) -> EnergyDataset:
        """All signals of a span.

        Raises
        ------
        SetupError
            Wrong credentials, a mapping that does not fit, an empty span.
        TrainingError
            No signal was found in any store.
        """
        settings = self._settings
        first_s, last_s = floor_s(start_s, settings.slot_s), floor_s(end_s, settings.slot_s)
        if last_s <= first_s:
            raise SetupError(f"the span from {start_s:.0f} to {end_s:.0f} holds no slot of {settings.slot_s} s")
        found = await self._resolved()
        chunks = tuple(_chunks(first_s, last_s, settings))
        jobs, columns = await self._jobs(found.wanted, chunks)
        run = _Run(total=len(jobs), progress=self._progress)
        await self._work(jobs, run)
        return EnergyDataset(
            grid=TimeGrid(start_s=first_s, slot_s=settings.slot_s, count=(last_s - first_s) // settings.slot_s),
            chunks=chunks,
            columns=columns,
            cache=self._cache,
            missing=tuple(sorted(run.missing, key=lambda item: (item.signal, item.start_s))),
            unmapped=found.unmapped,
            absent=found.absent,
            ambiguous=found.ambiguous,
            contradictions=found.contradictions,
            notes=tuple(note for source in self._sources for note in source.notes()),
        )

    async def _resolved(self) -> Resolution:
        """What each store holds, against the mapping."""
        lists = await asyncio.gather(*(self._patiently(source.fields) for source in self._sources))
        stores = [(source.place, fields) for source, fields in zip(self._sources, lists, strict=True)]
        found = resolve(self._mapping or own_names(stores), stores)
        if not found.wanted:
            said = [*found.ambiguous, *found.absent] or [
                f"{place}: has no fields" for place, held in stores if not held
            ]
            raise TrainingError("\n".join(["no signal was found in any store", *said]))
        return found

    async def _patiently(self, ask: Callable[[], object]) -> tuple[SourceField, ...]:
        """Try again after a while, and longer each time."""
        for attempt in range(self._settings.tries - 1):
            try:
                return await ask()  # type: ignore[misc,no-any-return]
            except SourceUnreachable:
                await asyncio.sleep(self._settings.first_wait_s * 2**attempt)
        return await ask()  # type: ignore[misc,no-any-return]

    async def _jobs(
        self, wanted: Sequence[Wanted], chunks: Sequence[TimeGrid]
    ) -> tuple[list[_Job], tuple[Column, ...]]:
        """What must be asked, chunk after chunk, and where each column will lie."""
        versions = [await source.version() for source in self._sources]
        now_s = time.time()
        jobs: list[_Job] = []
        keys: dict[str, list[tuple[str, ...]]] = {item.name: [] for item in wanted}
        for grid in chunks:
            asked: dict[int, list[_Item]] = {}
            for item in wanted:
                row = []
                for leg in item.legs:
                    recipe = self._recipe(item, leg)
                    version = versions[leg.source_index]
                    if not version and grid.end_s > now_s - _SETTLED_S:
                        version = f"as of {now_s}"
                    key = key_of(self._sources[leg.source_index].place, version, leg.field.label, recipe, grid)
                    row.append(key)
                    if self._cache.load(key) is None:
                        asked.setdefault(leg.source_index, []).append(
                            _Item(signal=item.name, field=leg.field, recipe=recipe, key=key)
                        )
                keys[item.name].append(tuple(row))
            jobs += [job for index, items in asked.items() for job in self._grouped(index, grid, items)]
        return jobs, tuple(Column(name=name, keys=tuple(rows)) for name, rows in keys.items())

    def _recipe(self, item: Wanted, leg: Leg) -> Recipe:
        source = self._sources[leg.source_index]
        return Recipe(
            name=item.name,
            factor=leg.factor,
            offset=leg.offset,
            missing_raw=item.missing_raw,
            hold_s=item.hold_s or source.hold_s,
            is_regular=source.is_regular,
        )

    def _grouped(self, index: int, grid: TimeGrid, items: Sequence[_Item]) -> Iterator[_Job]:
        size = self._sources[index].fields_a_query
        for first in range(0, len(items), size):
            yield _Job(source_index=index, grid=grid, items=tuple(items[first : first + size]))

    async def _work(self, jobs: Sequence[_Job], run: _Run) -> None:
        waiting: asyncio.Queue[_Job] = asyncio.Queue()
        for job in jobs:
            waiting.put_nowait(job)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._settings.workers, len(jobs))):
                    group.create_task(self._worker(waiting, run))
        except ExceptionGroup as errors:
            ours, others = errors.split(TrainingError)
            if ours is None or others is not None:
                raise
            raise ours.exceptions[0] from None

    async def _worker(self, waiting: asyncio.Queue[_Job], run: _Run) -> None:
        while not waiting.empty():
            job = waiting.get_nowait()
            try:
                pieces = await self._asked(job, run)
            except SourceUnreachable as error:
                run.lost.add(job.source_index)
                start_s, end_s = float(job.grid.start_s), float(job.grid.end_s)
                names = {item.signal for item in job.items}
                run.missing += [Missing(signal=n, start_s=start_s, end_s=end_s, reason=str(error)) for n in names]
            else:
                for item in job.items:
                    part = to_part(pieces.get(item.field.label, []), item.recipe, job.grid)
                    self._cache.save(item.key, part)
            run.step(self._sources[job.source_index].place)

    async def _asked(self, job: _Job, run: _Run) -> dict[str, list[Readings]]:
        """The answer to a query, whole; a store that was lost before is tried once only."""
        attempt = 0
        while True:
            try:
                return await self._read(job)
            except SourceUnreachable:
                attempt += 1
                if attempt >= self._settings.tries or job.source_index in run.lost:
                    raise
                await asyncio.sleep(self._settings.first_wait_s * 2 ** (attempt - 1))

    async def _read(self, job: _Job) -> dict[str, list[Readings]]:
        margin_s = max(_MARGIN_S, *(item.recipe.hold_s for item in job.items))
        start_s, end_s = job.grid.start_s - margin_s, job.grid.end_s + margin_s
        fields = list(dict.fromkeys(item.field for item in job.items))
        pieces: dict[str, list[Readings]] = {}
        async for piece in self._sources[job.source_index].read(fields, start_s, end_s):
            pieces.setdefault(piece.field.label, []).append(piece)
        return pieces

    async def aclose(self) -> None:
        """Let go of all stores."""
        for source in self._sources:
            await source.aclose()


def _chunks(first_s: int, last_s: int, settings: Settings) -> Iterator[TimeGrid]:
    """Chunks whose edges do not depend on the span, so that another span finds them on disk."""
    chunk_s = max(settings.chunk_s // settings.slot_s, 1) * settings.slot_s
    start_s = first_s
    while start_s < last_s:
        end_s = min(floor_s(start_s, chunk_s) + chunk_s, last_s)
        yield TimeGrid(start_s=start_s, slot_s=settings.slot_s, count=(end_s - start_s) // settings.slot_s)
        start_s = end_s

"""The box's own store, ``store:///var/lib/pems/store.sqlite``: quarter hours of ``slot``, in our names and units."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np

from core_kernels.folding import SLOT_S
from core_kernels.signals import Kind, is_signal, signal
from training.sources.base import Readings, SourceField, numbers
from training.sources.sql import SqliteDatabase

_LEAST_MINUTES = SLOT_S // 60 // 2  # a quarter that was seen for less than half says nothing
_FIELDS = "SELECT DISTINCT signal FROM slot ORDER BY signal"
_READ = """
SELECT signal, time_s, value FROM slot
WHERE signal IN ({}) AND time_s >= %s AND time_s < %s AND minutes > {} ORDER BY signal, time_s
"""


class BoxSource:
    """One store, beside a running box or copied from it."""

    fields_a_query = 64
    hold_s = float(SLOT_S)
    is_regular = True

    def __init__(self, url: str) -> None:
        self._database = SqliteDatabase(Path(unquote(urlsplit(url).path)))
        self.place = self._database.place

    async def fields(self) -> tuple[SourceField, ...]:
        """Signals of this release; those of another one are left out."""
        return tuple(
            SourceField(name=name, unit=signal(name).unit)
            for (name,) in await self._database.rows(_FIELDS)
            if is_signal(name)
        )

    async def read(self, fields: Sequence[SourceField], start_s: float, end_s: float) -> AsyncIterator[Readings]:
        """One statement for all fields; a counter's reading is of the quarter's end."""
        statement = _READ.format(",".join(["%s"] * len(fields)), _LEAST_MINUTES)
        parameters = (*(field.name for field in fields), start_s - SLOT_S, end_s)
        known = {field.name: field for field in fields}
        for name, group in groupby(await self._database.rows(statement, parameters), key=itemgetter(0)):
            late_s = float(SLOT_S) if signal(name).kind is Kind.COUNTER else 0.0
            rows = [row for row in group if start_s <= row[1] + late_s < end_s]
            values, bad = numbers([row[2] for row in rows])
            times_s = np.array([row[1] for row in rows], dtype=np.float64) + late_s
            yield Readings(field=known[name], times_s=times_s, values=values, unreadable_count=bad)

    async def version(self) -> str:
        """The file's."""
        return await self._database.version()

    def notes(self) -> tuple[str, ...]:
        """Nothing was left out."""
        return ()

    async def aclose(self) -> None:
        """Nothing stays open."""
        await self._database.aclose()

"""Prices: a table of the market's or the supplier's, and what of it was known at an instant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from core_kernels.records import Prices, frozen_f64
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, FloatArray
from edge.config import Site
from edge.config_supply import Band, Tariff
from edge.errors import StoreError
from edge.ingest.price_tail import later_prices
from edge.ingest.table import Table, read_table
from edge.timetext import format_time

__all__ = ["PriceBook", "Prices", "builtin_prices"]

MARKET_TIME_COLUMN = "start_utc"
IMPORT, EXPORT, SPOT_MWH = "price_import_eur_per_kwh", "price_export_eur_per_kwh", "price_eur_mwh"
KWH_PER_MWH = 1000.0
QUARTER_S = 900
# The European auction's harmonised limit was 4,000 EUR/MWh in 2024 and is raised when it is met: twice that and more.
PLAUSIBLE = ((IMPORT, 10.0, "EUR/kWh"), (EXPORT, 10.0, "EUR/kWh"), (SPOT_MWH, 10_000.0, "EUR/MWh"))
# The European day-ahead auction publishes tomorrow at about 13:00; at 14:00 everybody has it.
PUBLISHED_HOUR = 14


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PriceBook:
    """All-in prices on the market's own slots; a slot that the table lacks is NaN.

    ``revealed`` prices are known from the beginning, whatever the market has published: for hindsight, and for a
    feed, which holds only what is published.
    """

    source: str
    grid: TimeGrid
    import_eur_per_kwh: FloatArray
    export_eur_per_kwh: FloatArray
    zone: ZoneInfo
    revealed: bool = False

    @classmethod
    def load(cls, path: Path, site: Site) -> PriceBook:
        """Read a table with all-in prices or the spot price; raises :class:`StoreError`."""
        return cls.of(_read(path), site)

    @classmethod
    def of(cls, table: Table, site: Site, *, revealed: bool = False) -> PriceBook:
        """Prices from a table's columns: import (and export), or ``price_eur_mwh`` to which the site's fees are added.

        Without an export column the export price is what the site's fees make of the same spot price.
        """
        if site.bands and SPOT_MWH in table.columns:
            table = _by_quarters(table)
        columns = _all_in(table, site)
        frame = Table(source=table.source, times_s=table.times_s, columns=columns).frame()
        import_eur, export_eur = frame.columns[IMPORT], frame.columns[EXPORT]
        return cls(
            source=table.source,
            grid=frame.grid,
            import_eur_per_kwh=frozen_f64(import_eur),
            export_eur_per_kwh=frozen_f64(export_eur),
            zone=site.zone,
            revealed=revealed,
        )

    def actual(self, grid: TimeGrid) -> Prices:
        """The prices in force; raises :class:`StoreError` with the first missing slot."""
        import_eur, export_eur = self._at(grid.starts_s(), grid.slot_s)
        known = np.isfinite(import_eur) & np.isfinite(export_eur)
        if not known.all():
            raise StoreError(f"{self.source}: no price at {format_time(grid.starts_s()[int(np.argmin(known))])}")
        return Prices(grid=grid, import_eur_per_kwh=import_eur, export_eur_per_kwh=export_eur, known=known)

    def forecast(self, grid: TimeGrid, issued_s: float) -> Prices:
        """The prices as known at ``issued_s``; later ones are guessed from the last weeks (``price_tail``).

        From the first slot that the market's own table lacks all is NaN: a plan ends there. Raises
        :class:`StoreError` where that is the first slot of all.
        """
        known_until_s = min(self.published_until_s(issued_s), self.grid.end_s)
        count = max(min(int((known_until_s - grid.start_s) // grid.slot_s), grid.count), 0)
        if count == 0:
            raise StoreError(f"{self.source}: no price at {format_time(grid.start_s)}, prices end before")
        starts_s = grid.starts_s()
        published = self._at(starts_s[:count], grid.slot_s)
        there = np.isfinite(published[0]) & np.isfinite(published[1])
        first = count if there.all() else int(np.argmin(there))
        if first == 0:
            raise StoreError(f"{self.source}: no price at {format_time(grid.start_s)}")
        guessed = later_prices(
            partial(self._at, slot_s=grid.slot_s), starts_s[count:], known_until_s, grid.slot_s, self.zone
        )
        import_eur, export_eur = (
            np.concatenate((sure, np.where(np.isfinite(guess), guess, sure.mean())))
            for sure, guess in zip(published, guessed, strict=True)
        )
        if first < count:
            import_eur[first:] = export_eur[first:] = math.nan
        known = np.arange(grid.count) < first
        return Prices(grid=grid, import_eur_per_kwh=import_eur, export_eur_per_kwh=export_eur, known=known)

    def published_until_s(self, issued_s: float) -> float:
        """End of what the market has published: local midnight after today, from 14:00 on after tomorrow [s]."""
        if self.revealed:
            return float(self.grid.end_s)
        local = datetime.fromtimestamp(issued_s, self.zone)
        days = 2 if local.hour >= PUBLISHED_HOUR else 1
        return _midnight_s(local.date() + timedelta(days=days), self.zone)

    def _at(self, starts_s: FloatArray, slot_s: int) -> tuple[FloatArray, FloatArray]:
        """Import and export price of slots: constant within a market slot, the mean over several; NaN where absent."""
        fine_s = math.gcd(slot_s, self.grid.slot_s)
        instants_s = starts_s[:, None] + fine_s * np.arange(slot_s // fine_s)
        index = ((instants_s - self.grid.start_s) // self.grid.slot_s).astype(np.int64)
        inside = (index >= 0) & (index < self.grid.count)
        index = np.where(inside, index, 0)
        columns = (self.import_eur_per_kwh, self.export_eur_per_kwh)
        first, second = (np.where(inside, column[index], math.nan).mean(axis=1) for column in columns)
        return first, second


def _read(path: Path) -> Table:
    """A table in the product's form, or as market archives are labelled."""
    try:
        return read_table(path)
    except StoreError as error:
        try:
            return read_table(path, MARKET_TIME_COLUMN)
        except StoreError:
            raise error from None


def _by_quarters(table: Table) -> Table:
    """The table with a row a quarter hour: fees change on quarters, whatever the market's slot."""
    slot_s = table.slot_s()
    if slot_s % QUARTER_S:
        return table
    repeat = slot_s // QUARTER_S
    times_s = np.repeat(table.times_s, repeat) + np.tile(QUARTER_S * np.arange(repeat), table.times_s.size)
    columns = {name: np.repeat(values, repeat) for name, values in table.columns.items()}
    return Table(source=table.source, times_s=times_s, columns=columns)


def _all_in(table: Table, site: Site) -> dict[str, FloatArray]:
    """Import and export price columns from whatever price columns a table has."""
    columns, fees = table.columns, site.tariff
    _check_plausible(table)
    if IMPORT in columns:
        resold = columns[IMPORT] - fees.import_fee_eur_per_kwh - fees.export_fee_eur_per_kwh
        return {IMPORT: columns[IMPORT], EXPORT: columns.get(EXPORT, resold)}
    if SPOT_MWH in columns:
        spot_eur = columns[SPOT_MWH] / KWH_PER_MWH
        import_eur, export_eur = with_fees(spot_eur, fees, band_fees(table.times_s, site.zone, site.bands))
        return {IMPORT: import_eur, EXPORT: export_eur}
    raise StoreError(f"{table.source}: has neither {IMPORT} nor {SPOT_MWH}")


def _check_plausible(table: Table) -> None:
    """Raise :class:`StoreError` for the first price that no market has."""
    for name, most, unit in PLAUSIBLE:
        if name not in table.columns:
            continue
        values = table.columns[name]
        wild = np.isinf(values) | (np.abs(values) > most)
        if wild.any():
            row = int(np.argmax(wild))
            hint = "; EUR/MWh in an EUR/kWh column?" if unit == "EUR/kWh" else ""
            at = format_time(table.times_s[row])
            raise StoreError(f"{table.source}: {name} at {at} is {values[row]:g} {unit}, beyond {most:g}{hint}")


def with_fees(
    spot_eur_per_kwh: FloatArray, fees: Tariff, band_eur_per_kwh: FloatArray | float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """All-in import and export price of a spot price [EUR/kWh]; the fee of a band comes on top of the tariff's."""
    import_eur = (spot_eur_per_kwh + fees.import_fee_eur_per_kwh + band_eur_per_kwh) * (1.0 + fees.vat_frac)
    export_eur = spot_eur_per_kwh - fees.export_fee_eur_per_kwh
    if math.isfinite(fees.sell_eur_per_kwh):
        export_eur = np.where(np.isfinite(spot_eur_per_kwh), fees.sell_eur_per_kwh, math.nan)
    return import_eur, export_eur


def band_fees(times_s: FloatArray, zone: ZoneInfo, bands: tuple[Band, ...]) -> FloatArray:
    """The fee of the first band that holds at each instant by the local clock, 0 where none does [EUR/kWh]."""
    spans = [(band, [_minutes(text) for text in band.hours]) for band in bands]
    fees = np.zeros(times_s.size)
    for index, time_s in enumerate(times_s.tolist() if bands else ()):
        local = datetime.fromtimestamp(time_s, zone)
        minute = 60 * local.hour + local.minute
        weekend = local.weekday() >= 5
        for band, hours in spans:
            on_day = band.days == "all" or (band.days == "weekend") == weekend
            if on_day and any(_within(minute, first, last) for first, last in hours):
                fees[index] = band.import_fee_eur_per_kwh
                break
    return fees


def _minutes(hours: str) -> tuple[int, int]:
    """``22:00-06:00`` as minutes of the day."""
    first, last = (int(text[:2]) * 60 + int(text[3:]) for text in hours.split("-"))
    return first, last


def _within(minute: int, first: int, last: int) -> bool:
    """Whether a minute of the day lies in a span that may go over midnight."""
    return first <= minute < last if first < last else minute >= first or minute < last


def builtin_prices(grid: TimeGrid, zone: ZoneInfo, seed: int, fees: Tariff | None = None) -> PriceBook:
    """A MADE example of day-ahead prices, for a demo without a price table: hourly, the same for the same seed.

    Morning and evening peaks, a dip at noon that is now and then negative. Each local day draws its own level and
    dip from ``seed`` and its date, so that any grid gives the same prices for the same day.
    """
    start_s = grid.start_s - grid.start_s % SECONDS_PER_DAY - SECONDS_PER_DAY
    count = (grid.end_s - start_s) // 3600 + 72
    hours = TimeGrid(start_s=start_s, slot_s=3600, count=count)
    spot_eur = np.array([_made_eur_per_kwh(datetime.fromtimestamp(t, zone), seed) for t in hours.starts_s()])
    import_eur, export_eur = with_fees(
        spot_eur, fees or Tariff(import_fee_eur_per_kwh=0.08, export_fee_eur_per_kwh=0.01)
    )
    return PriceBook(
        source=f"made prices (example, seed {seed}; not a market's)",
        grid=hours,
        import_eur_per_kwh=frozen_f64(import_eur),
        export_eur_per_kwh=frozen_f64(export_eur),
        zone=zone,
    )


def _made_eur_per_kwh(local: datetime, seed: int) -> float:
    """Made spot price of an hour: a day's level, two peaks, a dip, a little noise.

    Hours and heights resemble the mean day of a Central European summer market with much PV: about 9 ct at night,
    near or below zero at noon, 15 to 20 ct in the evening.
    """
    day = np.random.default_rng((seed, local.date().toordinal()))
    level, dip, evening = day.uniform(0.075, 0.105), day.uniform(0.06, 0.12), day.uniform(0.05, 0.12)
    noise = day.normal(0.0, 0.006, 24)[local.hour]
    hour = local.hour + local.minute / 60.0

    def bump(middle: float, width: float) -> float:
        return math.exp(-(((hour - middle) / width) ** 2))

    shape = 0.03 * bump(7.0, 1.8) + evening * bump(20.0, 2.4) - dip * bump(13.0, 3.6) - 0.01 * bump(3.5, 2.5)
    return float(round(level + shape + noise, 4))


def _midnight_s(day: date, zone: ZoneInfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).timestamp()

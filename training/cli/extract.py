"""``pems-train extract``: a site's data from all its stores, with a report of their quality."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from training.cli.options import DATE, PATH, json_option, unix_s
from training.errors import SetupError

if TYPE_CHECKING:
    from training.energy_dataset import EnergyDataset
    from training.extract import Settings


@click.command("extract")
@click.option("--source", "urls", multiple=True, required=True, metavar="URL", help="A store; give one or several.")
@click.option("--mapping", "mapping_path", type=PATH, help="Fields to signals (TOML). [default: our own names]")
@click.option("--from", "first", type=DATE, required=True, help="First instant (UTC).")
@click.option("--until", type=DATE, required=True, help="End (UTC).")
@click.option("--out", type=PATH, help="Table to write (Parquet).")
@click.option("--report", "report_path", type=PATH, help="Quality report to write (one page of HTML).")
@click.option("--site", "site_path", type=PATH, help="The site's site.toml: its sun judges the clocks.")
@click.option("--slot", "slot_s", type=click.IntRange(60, 3600), default=900, show_default=True, help="Slot [s].")
@click.option("--parallel", type=click.IntRange(1, 64), default=10, show_default=True, help="Queries at once.")
@click.option("--cache", type=PATH, help="Folder of what was read. [default: ~/.cache/pems-train]")
@json_option
def command(
    *,
    urls: Sequence[str],
    mapping_path: Path | None,
    first: datetime,
    until: datetime,
    out: Path | None,
    report_path: Path | None,
    site_path: Path | None,
    slot_s: int,
    parallel: int,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Read a site from its stores to one table, and say how good the data are; exit 1 where something was found.

    \b
    Example:
      pems-train extract --source influxdb://host:8086/home --mapping map.toml --from 2025-01-01 --until 2026-01-01 \\
        --out table.parquet --report report.html
    """
    from training.extract import Settings
    from training.quality_report import report_on
    from training.quality_text import as_text, to_json
    from training.site import load_site

    if 86_400 % slot_s:
        raise SetupError(f"--slot {slot_s}: a day must hold a whole number of slots")
    site = load_site(site_path) if site_path else None
    span = (unix_s(first), unix_s(until))
    data = asyncio.run(_extracted(urls, mapping_path, cache, Settings(slot_s=slot_s, workers=parallel), span))
    report = report_on(data, site)
    if out is not None:
        data.write(out)
    if report_path is not None:
        from training.quality_page import write_page

        write_page(report, report_path)
    click.echo(json.dumps(to_json(report)) if as_json else as_text(report))
    if not report.is_clean:
        sys.exit(1)


async def _extracted(
    urls: Sequence[str], mapping_path: Path | None, cache: Path | None, settings: Settings, span: tuple[float, float]
) -> EnergyDataset:
    from training.cache import PartCache
    from training.extract import UnifiedDataExtractor
    from training.mapping import load_mapping
    from training.sources.urls import open_source

    mapping = load_mapping(mapping_path) if mapping_path else None
    parts = PartCache(cache or Path.home() / ".cache" / "pems-train")
    with _Bar() as bar:
        extractor = UnifiedDataExtractor([open_source(url) for url in urls], mapping, parts, settings, bar.step)
        try:
            return await extractor.extract(*span)
        finally:
            await extractor.aclose()


class _Bar:
    """Progress on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self._bar = tqdm(unit="query", ncols=100, file=sys.stderr) if sys.stderr.isatty() else None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self, done: int, total: int, text: str) -> None:
        """One query is answered."""
        if self._bar is not None:
            self._bar.total = total
            self._bar.set_description(text[-40:])
            self._bar.update(done - self._bar.n)

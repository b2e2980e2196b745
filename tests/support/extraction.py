"""Running an extraction from a test in one line."""

import asyncio
import os
import subprocess
import sys

import pyarrow.parquet

from training.cache import PartCache
from training.extract import Settings, UnifiedDataExtractor
from training.mapping import parse_mapping
from training.sources.urls import open_source

QUICK = Settings(first_wait_s=0.01)


def rows(**signals):
    """A mapping from ``name=(field, unit)``, or a whole row."""
    given = [
        {"name": name, **row} if isinstance(row, dict) else {"name": name, "field": row[0], "unit": row[1]}
        for name, row in signals.items()
    ]
    return parse_mapping({"signal": given}, "test")


def extract(urls, mapping, cache, span, settings=QUICK):
    """The dataset of a span."""

    async def run():
        extractor = UnifiedDataExtractor([open_source(url) for url in urls], mapping, PartCache(cache), settings)
        try:
            return await extractor.extract(*span)
        finally:
            await extractor.aclose()

    return asyncio.run(run())


def listed(url):
    """The fields of a source."""

    async def run():
        source = open_source(url)
        try:
            return await source.fields()
        finally:
            await source.aclose()

    return asyncio.run(run())


def extract_by_command(url, signals, folder, span):
    """Columns of the table that the command writes, kernels compiled as a user has them; ``signals``: name -> field."""
    lines = [f'[[signal]]\nname = "{name}"\nfield = "{field}"\nunit = "degC"\n' for name, field in signals.items()]
    (folder / "mapping.toml").write_text("\n".join(lines))
    paths = ["--mapping", folder / "mapping.toml", "--out", folder / "out.parquet", "--cache", folder / "cache"]
    command = [sys.executable, "-m", "training.cli", "extract", "--source", url, *span, *paths, "--json"]
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    done = subprocess.run([str(word) for word in command], env=kept, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    table = pyarrow.parquet.read_table(folder / "out.parquet")
    return {name: table[name].to_numpy() for name in signals}

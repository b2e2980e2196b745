"""Running an extraction from a test in one line."""

import asyncio

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

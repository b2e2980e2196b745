"""From the URL of a command line to its source; drivers are imported when they are asked for."""

from __future__ import annotations

import importlib

from training.errors import SetupError
from training.sources.base import Source

_SCHEMES = {
    "store": "training.sources.box:BoxSource",
    "influxdb": "training.sources.influxdb:InfluxSource",
    "influxdbs": "training.sources.influxdb:InfluxSource",
    "victoriametrics": "training.sources.victoriametrics:VictoriaSource",
    "victoriametricss": "training.sources.victoriametrics:VictoriaSource",
    "homeassistant": "training.sources.homeassistant:HomeAssistantSource",
    "homeassistant+postgresql": "training.sources.homeassistant:HomeAssistantSource",
    "openmeteo": "training.sources.openmeteo:OpenMeteoSource",
    "openmeteo+http": "training.sources.openmeteo:OpenMeteoSource",
    "openmeteo+https": "training.sources.openmeteo:OpenMeteoSource",
}
_TABLES = "training.sources.tables:TableSource"


def open_source(url: str) -> Source:
    """The source of a URL; a path or any other scheme is a table (fsspec). Raises ``SetupError``."""
    scheme = url.partition("://")[0] if "://" in url else ""
    module, name = _SCHEMES.get(scheme, _TABLES).split(":")
    try:
        source: Source = getattr(importlib.import_module(module), name)(url)
    except ValueError as error:  # urlsplit's word for a port that is no number
        raise SetupError(f"{scheme or url}: {error}") from error
    return source

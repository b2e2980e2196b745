"""The site file for a screen: every section as it is in force, without what must stay secret."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from edge.config import Site

_SECRET = ("password", "secret", "token", "passphrase")
HIDDEN = "(hidden)"


def shown(site: Site) -> dict[str, Any]:
    """Sections in the file's order; a part that is not there is left out, an unset number too."""
    head: dict[str, Any] = {}
    sections: dict[str, Any] = {"site": head}
    for item in fields(site):
        value = getattr(site, item.name)
        if item.name == "folder" or value is None:
            continue
        if is_dataclass(value):
            sections[item.name] = _record(value)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            sections[item.name] = [_record(part) for part in value]
        elif value != ():
            head[item.name] = _public(item.name, value)
    return {"sections": {name: part for name, part in sections.items() if part}}


def _record(record: Any) -> dict[str, Any]:
    pairs = ((item.name, getattr(record, item.name)) for item in fields(record))
    return {name: _public(name, value) for name, value in pairs if not _is_unset(value)}


def _is_unset(value: object) -> bool:
    return value in ("", ()) or value is None or (isinstance(value, float) and not math.isfinite(value))


def _public(name: str, value: Any) -> Any:
    """A value without a secret in it: by its key, or as the user part of a URL."""
    if any(word in name for word in _SECRET):
        return HIDDEN
    if isinstance(value, str) and "@" in value and "://" in value:
        return without_user(value)
    if is_dataclass(value):
        return _record(value)
    if isinstance(value, tuple):
        return [_public(name, item) for item in value]
    return value


def without_user(url: str) -> str:
    """A URL without user and password; what is no URL is hidden whole."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

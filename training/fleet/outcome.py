"""What became of a home, as the worker says it and as it lies beside the home's models."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

RESULT_FILE, BUNDLE_FILE, SIGNED_FILE = "result.json", "bundle.zip", "signed.zip"
REFERENCE = "climatology_28d"
_MAY_BE_NONE = ("facts", "peak_rss_bytes")

State = Literal["trained", "kept", "failed"]
Scores = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What of a home's data may explain how well its models do."""

    history_days: float
    judged_days: int
    known_frac: Mapping[str, float] = field(default_factory=dict)
    level_ratio: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One home. ``kept``: an earlier run had done it, from the same data by the same program."""

    home: str
    state: State
    reason: str = ""
    fingerprint: str = ""
    site: str = ""
    version: str = ""
    has_bundle: bool = False
    cpu_s: float = math.nan
    wall_s: float = math.nan
    peak_rss_bytes: int | None = None
    scores: Scores = field(default_factory=dict)
    facts: Facts | None = None

    def skill(self, signal: str) -> float:
        """What ours saves of the climatology's pinball loss; NaN where either is unknown."""
        found = self.scores.get(signal, {})
        ours, theirs = (found.get(who, {}).get("pinball", math.nan) for who in ("ours", REFERENCE))
        return 1.0 - ours / theirs if theirs > 0.0 else math.nan

    def to_bytes(self) -> bytes:
        """As ``result.json``; what is unknown is null."""
        return json.dumps(_plain(asdict(self)), indent=1, sort_keys=True, allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Outcome:
        """The inverse of :meth:`to_bytes`; raises ``ValueError``."""
        try:
            document = _known(json.loads(raw))
            facts = document.pop("facts")
            known = {item.name for item in fields(cls)}
            if set(document) - known:
                raise ValueError(f"unknown keys {', '.join(sorted(set(document) - known))}")
            return cls(**document, facts=None if facts is None else Facts(**facts))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"is no result of a home: {error}") from error


def failed(home: str, reason: str) -> Outcome:
    """A home that is skipped, and why."""
    return Outcome(home=home, state="failed", reason=reason)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _known(value: Any) -> Any:
    """Nulls among numbers as NaN again."""
    if not isinstance(value, dict):
        return value
    return {
        key: item if key in _MAY_BE_NONE and item is None else math.nan if item is None else _known(item)
        for key, item in value.items()
    }

"""The registry of bundles: content-addressed and immutable, with aliases, a gate, a way back and an audit log.

::

    registry/
      registry.sqlite     entries, aliases, judgements, audit
      objects/ab/ab12...  the bundles, named by their SHA-256

Every change is one SQLite transaction that holds the only write lock; a bundle's file is whole on disk before the row
that names it. So two processes may work at once, and one that is killed leaves the state before or after.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.bundle_file import opened
from training.errors import TrainingError
from training.objects import Objects
from training.promotion import Scores
from training.registry_schema import connect, named_errors, transaction

CHAMPION, SHADOW, PREVIOUS = ALIASES = ("champion", "shadow", "previous")
DATABASE, OBJECTS = "registry.sqlite", "objects"
_MIN_PREFIX = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A registered bundle. ``stage``: candidate, shadow, champion, previous, retired (was champion) or collected."""

    sha256: str
    site: str
    version: str
    seq: int
    added_s: float
    size: int
    stage: str
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Scores of a bundle on held-out days, and the data that they come from."""

    sha256: str
    data_sha256: str
    from_s: float
    until_s: float
    days: int
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of the audit log."""

    time_s: float
    who: str
    site: str
    action: str
    sha256: str
    detail: str


class Registry:
    """A folder of bundles of one or more sites. Every method raises :class:`SetupError` where it cannot be used."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = folder / DATABASE, clock
        self._db = connect(self._path)
        self.objects = Objects(folder / OBJECTS)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def add(self, raw: bytes, name: str) -> Entry:
        """Register a bundle by its bytes; the same bytes again change nothing but bring back what was collected.

        Raises
        ------
        TrainingError
            The site has another bundle of this version already.
        """
        manifest, _ = opened(raw, name)
        with self._change():
            sha256 = self.objects.put(raw)
            row = self._one("SELECT sha256 FROM entry WHERE sha256 = ?", sha256)
            if row is None:
                self._require_new(manifest.site, manifest.version)
                document = json.dumps(dict(manifest.document), sort_keys=True)
                values = (sha256, manifest.site, manifest.version, manifest.seq, self._clock(), len(raw), document)
                self._db.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)", values)
                self._note(manifest.site, "add", sha256, name)
            elif self._db.execute("DELETE FROM collected WHERE sha256 = ?", (sha256,)).rowcount:
                self._note(manifest.site, "add again", sha256, name)
        return self.find(sha256)

    def entries(self, site: str | None = None) -> list[Entry]:
        """All entries, or those of a site, oldest first."""
        with named_errors(self._path):
            rows = self._db.execute(
                "SELECT entry.*, (SELECT group_concat(name) FROM alias WHERE alias.sha256 = entry.sha256),"
                " EXISTS (SELECT 1 FROM collected WHERE collected.sha256 = entry.sha256),"
                " EXISTS (SELECT 1 FROM audit WHERE audit.sha256 = entry.sha256 AND action = 'promote')"
                " FROM entry WHERE ?1 IS NULL OR site = ?1 ORDER BY added_s, rowid",
                (site,),
            ).fetchall()
        return [_entry(row) for row in rows]

    def find(self, reference: str, site: str | None = None) -> Entry:
        """The one entry that an alias, a version or the beginning of a digest means; raises :class:`TrainingError`."""
        known = self.entries(site)
        if reference in ALIASES:
            held = {sha256 for _, name, sha256 in self._aliases() if name == reference}
            found = [entry for entry in known if entry.sha256 in held]
        else:
            found = [entry for entry in known if entry.version == reference] or [
                entry for entry in known if len(reference) >= _MIN_PREFIX and entry.sha256.startswith(reference)
            ]
        if len(found) != 1:
            what = "means several bundles; say --site-name, or more of it" if found else "is no bundle of the registry"
            raise TrainingError(f"{reference}: {what}")
        return found[0]

    def alias(self, site: str, name: str) -> str | None:
        """The digest that an alias of a site points to."""
        row = self._one("SELECT sha256 FROM alias WHERE site = ? AND name = ?", site, name)
        return None if row is None else str(row[0])

    def content(self, entry: Entry) -> bytes:
        """The bundle's bytes, checked; raises :class:`TrainingError` where they are damaged or collected."""
        if entry.stage == "collected":
            raise TrainingError(f"{entry.version}: was collected (gc); add its file again")
        return self.objects.get(entry.sha256)

    def record(self, judgement: Judgement) -> None:
        """Keep what a bundle scored."""
        j = judgement
        values = (j.sha256, self._clock(), j.data_sha256, j.from_s, j.until_s, j.days, json.dumps(j.scores))
        with self._change():
            self._db.execute("INSERT INTO judgement VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", values)

    def judgements(self, sha256: str) -> list[Judgement]:
        """What a bundle scored, oldest first."""
        query = "SELECT sha256, data_sha256, from_s, until_s, days, scores FROM judgement WHERE sha256 = ? ORDER BY id"
        with named_errors(self._path):
            rows = self._db.execute(query, (sha256,)).fetchall()
        return [
            Judgement(sha256=r[0], data_sha256=r[1], from_s=r[2], until_s=r[3], days=r[4], scores=json.loads(r[5]))
            for r in rows
        ]

    def shadow(self, entry: Entry) -> None:
        """Let the bundle run beside the champion."""
        with self._change():
            self._require_kept(entry)
            self._point(entry.site, SHADOW, entry.sha256)
            self._note(entry.site, "shadow", entry.sha256, "")

    def promote(self, entry: Entry, *, beaten: str | None, detail: str) -> None:
        """Make the bundle champion, and the champion previous; ``beaten`` is the champion that it was judged against.

        Raises
        ------
        TrainingError
            It is champion already, or another one became champion since the judgement.
        """
        with self._change():
            self._require_kept(entry)
            champion = self.alias(entry.site, CHAMPION)
            if champion == entry.sha256:
                raise TrainingError(f"{entry.version} is champion already")
            if champion != beaten:
                raise TrainingError("another bundle became champion meanwhile; judge again")
            if champion is not None:
                self._point(entry.site, PREVIOUS, champion)
            if self.alias(entry.site, SHADOW) == entry.sha256:
                self._db.execute("DELETE FROM alias WHERE site = ? AND name = ?", (entry.site, SHADOW))
            self._point(entry.site, CHAMPION, entry.sha256)
            self._note(entry.site, "promote", entry.sha256, detail)

    def refuse(self, entry: Entry, reasons: str) -> None:
        """Log that the gate did not let the bundle pass."""
        with self._change():
            self._note(entry.site, "refuse", entry.sha256, reasons)

    def rollback(self, site: str, detail: str = "") -> Entry:
        """Make the previous champion champion again, and the other way round; raises :class:`TrainingError`."""
        with self._change():
            champion, previous = self.alias(site, CHAMPION), self.alias(site, PREVIOUS)
            if champion is None or previous is None:
                raise TrainingError(f"{site}: there is no previous champion to go back to")
            self._point(site, CHAMPION, previous)
            self._point(site, PREVIOUS, champion)
            self._note(site, "rollback", previous, detail)
        return self.find(previous)

    def collect(self, keep: int) -> int:
        """Drop the files of all but the newest ``keep`` of each site and what an alias holds; returns how many files.

        The rows stay: what was, and how it scored, is never forgotten.
        """
        with self._change():
            held = {sha256 for _, _, sha256 in self._aliases()}
            for entry in self._surplus(keep):
                if entry.sha256 not in held and entry.stage != "collected":
                    self._db.execute("INSERT INTO collected VALUES (?)", (entry.sha256,))
                    self._note(entry.site, "collect", entry.sha256, f"not among the newest {keep}")
        with self._change():  # again, for nothing may be added or brought back while files go
            return self.objects.sweep({entry.sha256 for entry in self.entries() if entry.stage != "collected"})

    def log(self, site: str | None = None) -> list[Event]:
        """The audit log, oldest first."""
        query = "SELECT time_s, who, site, action, sha256, detail FROM audit WHERE ?1 IS NULL OR site = ?1 ORDER BY id"
        with named_errors(self._path):
            rows = self._db.execute(query, (site,)).fetchall()
        return [Event(time_s=r[0], who=r[1], site=r[2], action=r[3], sha256=r[4], detail=r[5]) for r in rows]

    def problems(self) -> list[str]:
        """What is wrong on disk, a line each: files that are gone or damaged, a damaged database."""
        with named_errors(self._path):
            found = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check") if row[0] != "ok"]
            found += [f"broken reference in {row[0]}" for row in self._db.execute("PRAGMA foreign_key_check")]
        kept = [entry for entry in self.entries() if entry.stage != "collected"]
        return found + [
            f"{e.version}: {self.objects.path(e.sha256)} is gone or damaged"
            for e in kept
            if not self.objects.is_sound(e.sha256)
        ]

    @contextmanager
    def _change(self) -> Iterator[None]:
        with named_errors(self._path), transaction(self._db):
            yield

    def _surplus(self, keep: int) -> Iterator[Entry]:
        for site in sorted({entry.site for entry in self.entries()}):
            listed = self.entries(site)
            yield from listed[: max(len(listed) - keep, 0)]

    def _require_new(self, site: str, version: str) -> None:
        twin = self._one("SELECT sha256 FROM entry WHERE site = ? AND version = ?", site, version)
        if twin is not None:
            raise TrainingError(f"{site} has another bundle {version}: {twin[0][:12]}")

    def _require_kept(self, entry: Entry) -> None:
        if self._one("SELECT 1 FROM collected WHERE sha256 = ?", entry.sha256) is not None:
            raise TrainingError(f"{entry.version}: was collected (gc); add its file again")

    def _aliases(self) -> list[tuple[str, str, str]]:
        with named_errors(self._path):
            return self._db.execute("SELECT site, name, sha256 FROM alias").fetchall()

    def _point(self, site: str, name: str, sha256: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO alias VALUES (?, ?, ?)", (site, name, sha256))

    def _note(self, site: str, action: str, sha256: str, detail: str) -> None:
        who = f"uid {os.getuid()} on {platform.node()}"
        values = (self._clock(), who, site, action, sha256, detail)
        self._db.execute("INSERT INTO audit VALUES (NULL, ?, ?, ?, ?, ?, ?)", values)

    def _one(self, query: str, *values: str) -> Any:
        with named_errors(self._path):
            return self._db.execute(query, values).fetchone()


def _entry(row: sqlite3.Row | tuple[Any, ...]) -> Entry:
    sha256, site, version, seq, added_s, size, manifest, names, is_collected, was_champion = row
    held = next((name for name in ALIASES if name in (names or "").split(",")), "")
    stage = held or ("collected" if is_collected else "retired" if was_champion else "candidate")
    return Entry(
        sha256=sha256, site=site, version=version, seq=seq, added_s=added_s, size=size, stage=stage,
        manifest=json.loads(manifest),
    )  # fmt: skip

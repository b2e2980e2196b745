"""What every predictor is: fitted on the past, asked at an issue time, judged beside references, kept on disk.

A predictor on disk is a folder: ``predictor.json`` (metadata, history of performance) beside its model's own files.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from core_kernels.featurespec import digest
from core_kernels.folding import SLOT_S
from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training.boosters import Recipe, Stage, quiet
from training.dataset import Series, actual_w, before
from training.errors import SetupError, TrainingError
from training.evaluate import on_slots, scores
from training.site import TrainingSite

PREDICTOR_FILE = "predictor.json"

Quantiles = Mapping[str, FloatArray]  # of each signal P10, P50, P90 in its unit, float64[slots, 3]
Ask = Callable[[Series, float, TimeGrid], Quantiles]
Day = tuple[float, TimeGrid]


def fingerprint(frame: Frame) -> str:
    """SHA-256 of the times, names and values of a frame, as hex: what a model was fitted on."""
    grid = frame.grid
    seal = hashlib.sha256(f"{grid.start_s} {grid.slot_s} {grid.count}".encode())
    for name in sorted(frame.columns):
        seal.update(name.encode())
        seal.update(np.nan_to_num(frame.columns[name], nan=np.nan).tobytes())  # one NaN, whatever its payload was
    return seal.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Where a fitted predictor comes from; ``version`` follows from all of it but the moment of the fit."""

    kind: str
    site: str
    version: str
    created: str
    data_sha256: str
    feature_code_sha256: str
    from_s: float
    until_s: float
    row_count: int
    recipe: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Scores over some days: of each signal, of ``ours`` and each reference."""

    version: str
    judged: str
    from_s: float
    until_s: float
    day_count: int
    scores: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


class BasePredictor(ABC):
    """The base of the PV, load and thermal predictors.

    A subclass says how its model is fitted (:meth:`_fit`), asked (:meth:`predict`), what it is compared with
    (:meth:`references`), which inputs matter (:meth:`importance`), and how the model alone is kept (:meth:`_write`,
    :meth:`_read`). It may narrow the slots of which coverage is counted (:meth:`counted`).
    """

    kind: ClassVar[str]

    def __init__(self, site: TrainingSite, recipe: Recipe) -> None:
        self.site, self.recipe = site, recipe
        self.history: tuple[Performance, ...] = ()
        self._metadata: Metadata | None = None

    @property
    def metadata(self) -> Metadata:
        """Where the fitted model comes from; raises :class:`TrainingError` before the fit."""
        if self._metadata is None:
            raise TrainingError(f"{self.kind}: not fitted yet")
        return self._metadata

    @property
    @abstractmethod
    def signals(self) -> tuple[str, ...]:
        """Names of what is predicted."""

    @abstractmethod
    def _fit(self, past: Series, stage: Stage) -> int:
        """Fit on a series that ends where knowledge ends; returns the number of rows; raises :class:`TrainingError`."""

    @abstractmethod
    def predict(self, series: Series, issued_s: float, grid: TimeGrid) -> Quantiles:
        """P10, P50, P90 of each signal; of ``series`` nothing measured at or after ``issued_s`` is looked at."""

    @abstractmethod
    def references(self) -> Mapping[str, Ask]:
        """What it has to beat, by name."""

    @abstractmethod
    def importance(self) -> dict[str, float]:
        """Share of each input in what the model found out; sums to 1."""

    @abstractmethod
    def _write(self, folder: Path) -> None:
        """Write the model's own files."""

    @abstractmethod
    def _read(self, folder: Path) -> None:
        """Read the model's own files; ``OSError``, ``KeyError``, ``ValueError`` where they are damaged."""

    def counted(self, grid: TimeGrid) -> FloatArray:
        """1 for each slot of which coverage counts."""
        return np.ones(grid.count)

    def fit(self, series: Series, until_s: float, stage: Stage = quiet) -> Metadata:
        """Fit on what was measured before ``until_s``; raises :class:`TrainingError` where that is too little."""
        past = before(series, until_s)
        rows = self._fit(past, stage)
        facts: dict[str, Any] = {
            "kind": self.kind,
            "site": self.site.name,
            "data_sha256": fingerprint(past.frame),
            "feature_code_sha256": digest(),
            "from_s": float(past.frame.grid.start_s),
            "until_s": float(past.frame.grid.end_s),
            "row_count": rows,
            "recipe": asdict(self.recipe),
        }
        seal = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        self._metadata = Metadata(version=f"{self.kind}-{seal[:12]}", created=_now(), **facts)
        self.history = ()
        return self._metadata

    def ask(self, series: Series, days: Sequence[Day]) -> dict[str, Quantiles]:
        """What ours and each reference say of some days, one after the other."""
        everybody: dict[str, Ask] = {"ours": self.predict, **self.references()}
        said: dict[str, Quantiles] = {}
        for who, ask in everybody.items():
            parts = [ask(series, *day) for day in days]
            said[who] = {name: np.concatenate([part[name] for part in parts]) for name in self.signals}
        return said

    def evaluate(
        self,
        series: Series,
        days: Sequence[Day],
        said: Mapping[str, Quantiles] | None = None,
        within_s: tuple[float, float] = (-math.inf, math.inf),
    ) -> Performance:
        """Score ours and the references over the same slots of the table, and add that to the history.

        ``said`` is what :meth:`ask` answered, where the caller has it already; slots that do not start in ``within_s``
        are not judged.
        """
        said = self.ask(series, days) if said is None else said
        times_s = np.concatenate([grid.starts_s() for _, grid in days])
        slot_s = max(series.table_slot_s, SLOT_S)
        counted = on_slots(np.concatenate([self.counted(grid) for _, grid in days]), times_s, slot_s)
        scored: dict[str, dict[str, dict[str, float]]] = {}
        for name in self.signals:
            measured = np.concatenate([actual_w(series, name, grid) for _, grid in days])
            measured[(times_s < within_s[0]) | (times_s >= within_s[1])] = np.nan
            came = on_slots(measured, times_s, slot_s)
            scored[name] = {
                who: scores(came, on_slots(answers[name], times_s, slot_s), counted) for who, answers in said.items()
            }
        performance = Performance(
            version=self.metadata.version,
            judged=_now(),
            from_s=float(days[0][1].start_s),
            until_s=float(days[-1][1].end_s),
            day_count=len(days),
            scores=scored,
        )
        self.history = (*self.history, performance)
        return performance

    def save(self, folder: Path) -> None:
        """Write the predictor into a folder; raises :class:`SetupError` where that cannot be written."""
        document = {"metadata": asdict(self.metadata), "history": [asdict(entry) for entry in self.history]}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._write(folder)
            (folder / PREDICTOR_FILE).write_text(json.dumps(document, indent=1), encoding="utf-8")
        except OSError as error:
            raise SetupError(f"{folder}: cannot be written: {error.strerror}") from error

    @classmethod
    def load(cls, folder: Path, site: TrainingSite) -> Self:
        """Read a predictor; raises :class:`SetupError` for another kind or site, other features, or damage."""
        try:
            document = json.loads((folder / PREDICTOR_FILE).read_text(encoding="utf-8"))
            metadata = Metadata(**document["metadata"])
            if (metadata.kind, metadata.site) != (cls.kind, site.name):
                raise SetupError(f"{folder}: is {metadata.kind} of {metadata.site}, not {cls.kind} of {site.name}")
            if metadata.feature_code_sha256 != digest():
                raise SetupError(f"{folder}: was fitted with other features than this program has; fit again")
            predictor = cls(site, Recipe(**metadata.recipe))
            predictor._metadata = metadata
            predictor.history = tuple(Performance(**entry) for entry in document["history"])
            predictor._read(folder)
        except OSError as error:
            raise SetupError(f"{folder}: is not a predictor: {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise SetupError(f"{folder}: is damaged: {str(error).splitlines()[0]}") from error
        return predictor

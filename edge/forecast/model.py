"""One ONNX graph at work: loaded from bytes, checked against its manifest, proved on golden rows."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the next import: later is too late for the first events

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from core_kernels.manifest import MAX_FILE_BYTES, ModelEntry
from core_kernels.quantiles import LEVELS_FRAC
from core_kernels.records import FeatureMatrix, Float32Matrix
from core_kernels.units import FloatArray
from edge.errors import BundleError

_ORT_ERRORS = (
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NoModel,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
)


class Model:
    """The quantiles of one signal; raises :class:`BundleError` where the graph is not what its manifest says."""

    def __init__(self, entry: ModelEntry, graph: bytes) -> None:
        self.entry = entry
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # a warning per overridable initializer says nothing new
        try:
            self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except _ORT_ERRORS as error:
            raise BundleError(f"{entry.file}: is not a usable graph: {str(error).splitlines()[0]}") from error
        inputs = {item.name: list(item.shape)[1:] for item in self._session.get_inputs()}
        outputs = {item.name: list(item.shape)[1:] for item in self._session.get_outputs()}
        if inputs != {"X": [len(entry.features)], "scale_w": [1]} or outputs != {"q": [len(LEVELS_FRAC)]}:
            raise BundleError(f"{entry.file}: inputs {inputs} and outputs {outputs} do not fit the manifest")

    def quantiles_w(self, matrix: FeatureMatrix) -> FloatArray:
        """P10, P50, P90 of each row [W], float64[n, 3]; raises :class:`BundleError` where the graph cannot be run."""
        return self._run(matrix.values, matrix.scale_w)

    def _run(self, values: Float32Matrix, scale_w: FloatArray) -> FloatArray:
        feed = {"X": values, "scale_w": scale_w.astype(np.float32)[:, None]}
        try:
            return np.asarray(self._session.run(["q"], feed)[0], dtype=np.float64)
        except _ORT_ERRORS as error:
            raise BundleError(f"{self.entry.file}: cannot be run: {str(error).splitlines()[0]}") from error

    def prove(self, golden: Mapping[str, Any], tolerance: float) -> float:
        """Run the golden rows; returns the largest difference relative to the largest value.

        Raises
        ------
        BundleError
            Rows missing, or answers that differ, are not finite, not in order or out of range.
        """
        name = self.entry.signal
        try:
            values, scale_w, wanted = (golden[f"{name}_{part}"] for part in ("X", "scale_w", "q"))
        except KeyError as error:
            raise BundleError(f"golden rows of {name} are missing") from error
        rows = values.shape[0] if values.ndim == 2 else 0
        if rows == 0 or values.dtype != np.float32 or scale_w.shape != (rows,) or wanted.shape != (rows, 3):
            raise BundleError(f"golden rows of {name} have the wrong shape")
        found = self._run(values, scale_w)
        sound = np.isfinite(found).all() and (np.diff(found, axis=1) >= 0.0).all() and found.min() >= 0.0
        difference = float(np.abs(found - wanted).max() / max(float(np.abs(wanted).max()), 1.0))
        if not sound or found.max() > self.entry.cap_w * (1.0 + tolerance) or not difference <= tolerance:
            raise BundleError(f"{self.entry.file}: answers its golden rows wrongly ({difference:.1e} off)")
        return difference


def load_golden(content: bytes) -> dict[str, Any]:
    """The arrays of a golden file, bounded, no pickles; raises :class:`BundleError`."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_FILE_BYTES:
                raise BundleError(f"golden rows are larger than {MAX_FILE_BYTES} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(f"golden rows cannot be read: {error}") from error

"""``pems bench web``: what the dashboard costs its viewers, its box and, above all, the control cycle beside it."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge.bench_web.box import RunningBox, cpu_share_frac, private_bytes, running_box
from edge.bench_web.load import Load, viewers

if TYPE_CHECKING:
    from core_kernels.figures import Row

_SPAN_S = 20.0
_RATE_PER_S = 200.0
_PATHS = ("/", "/plan", "/api/v1/status", "/log", "/metrics", "/static/app.js")
_MB = 1e6


def rows() -> tuple[Row, ...]:
    """All figures, on one box; raises :class:`EdgeError` where the browser is missing."""
    from edge.bench_web.paint import Browser

    with tempfile.TemporaryDirectory(prefix="pems-web-") as folder, running_box(Path(folder)) as box:
        box.wait_ready()
        quiet_ms = box.lateness_ms(_SPAN_S)
        with Load(box.host, box.port, _PATHS, _RATE_PER_S) as load:
            loaded_ms = box.lateness_ms(_SPAN_S)
        with viewers(box.host, box.port, 3):
            share_frac = cpu_share_frac(box.web_pid, _SPAN_S)
        with Browser(f"http://{box.host}:{box.port}") as browser:
            paints_ms, empty_ms = browser.first_paints_ms("/"), browser.first_paints_ms("/login")
            weights = {path: browser.weight_bytes(path) for path in ("/", "/plan", "/savings", "/devices", "/settings")}
        return (*_control_rows(quiet_ms, loaded_ms, load), *_cost_rows(box, share_frac),
                *_page_rows(paints_ms, empty_ms, weights))  # fmt: skip


def p99(values: Sequence[float]) -> float:
    """The 99th percentile, by the nearest rank."""
    ordered = sorted(values)
    return ordered[max(-(-99 * len(ordered) // 100) - 1, 0)]


def _control_rows(quiet_ms: Sequence[float], loaded_ms: Sequence[float], load: Load) -> tuple[Row, ...]:
    from core_kernels.figures import Row

    value, reference = p99(loaded_ms), p99(quiet_ms)
    rate = load.answered_count / load.seconds_s
    return (
        Row(name=f"control cycle, p99 lateness under {_RATE_PER_S:.0f} requests/s", value=value, unit="ms",
            reference="the same without requests", reference_value=reference, ratio=value / reference,
            target="< 50 ms", ok=value < 50.0),
        Row(name="requests answered a second, of all pages in turn", value=rate, unit="1/s",
            reference="asked for", reference_value=_RATE_PER_S, ratio=rate / _RATE_PER_S,
            error=float(load.failed_count), target=">= 95 % of them, none failed",
            ok=rate >= 0.95 * _RATE_PER_S and load.failed_count == 0),
    )  # fmt: skip


def _cost_rows(box: RunningBox, share_frac: float) -> tuple[Row, ...]:
    from core_kernels.figures import Row

    web, bare = private_bytes(box.web_pid), box.bare_bytes()
    added = (web - bare) / _MB
    return (
        Row(name="web process, memory of its own above an interpreter that does nothing", value=added, unit="MB",
            reference="that interpreter", reference_value=bare / _MB, ratio=added * _MB / bare,
            target="< 40 MB", ok=added < 40.0),
        Row(name="web process, processor time with 3 viewers", value=100.0 * share_frac, unit="%",
            reference="one core", reference_value=100.0, ratio=share_frac, target="< 2 %", ok=share_frac < 0.02),
    )  # fmt: skip


def _page_rows(paints_ms: Sequence[float], empty_ms: Sequence[float], weights: dict[str, int]) -> tuple[Row, ...]:
    from core_kernels.figures import Row

    paint, empty = statistics.median(paints_ms), statistics.median(empty_ms)
    path, heaviest = max(weights.items(), key=lambda item: item[1])
    return (
        Row(name="first paint of the first page, median", value=paint, unit="ms", reference="the login page",
            reference_value=empty, ratio=paint / empty, target="< 300 ms", ok=paint < 300.0),
        Row(name=f"heaviest page ({path}) with all it loads, not compressed", value=heaviest / 1000.0, unit="kB",
            reference="the first page", reference_value=weights["/"] / 1000.0, ratio=heaviest / weights["/"],
            target="< 300 kB", ok=heaviest < 300_000),
    )  # fmt: skip

"""/metrics for Prometheus: control's status and the facts as gauges, made when they are scraped.

What is not known has no sample: a gauge that is absent can be alarmed on, a zero would lie.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from edge.errors import EdgeError
from edge.web.house import House
from edge.wording import number

Labelled = tuple[tuple[str, ...], float]
_POWERS = ("pv_w", "load_w", "grid_w", "battery_w")


class Metrics:
    """The endpoint."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def answer(self, request: Request) -> Response:  # noqa: ARG002 -- Starlette's signature
        """All metrics; with control away, ``pems_up`` is 0 and what it knows is absent."""
        status = await self._status()
        facts = {name: await self._fact(name) for name in ("wear", "savings", "coverage", "calibration")}
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Snapshot(status, facts))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def _status(self) -> Mapping[str, Any] | None:
        try:
            return await self._house.status()
        except EdgeError:
            return None

    async def _fact(self, name: str) -> Mapping[str, Any]:
        try:
            return await self._house.fact(name)
        except EdgeError:
            return {}


class _Snapshot(Collector):
    """One scrape."""

    def __init__(self, status: Mapping[str, Any] | None, facts: Mapping[str, Mapping[str, Any]]) -> None:
        self._status, self._facts = status, facts

    def collect(self) -> Iterable[Metric]:
        """The families."""
        yield _gauge("pems_up", "Whether control answers", [((), float(self._status is not None))])
        if self._status is not None:
            yield from _of_control(self._status)
            yield from _of_plan(self._status)
        yield from _of_facts(self._facts)


def _of_control(status: Mapping[str, Any]) -> Iterator[Metric]:
    house, command = status.get("house") or {}, status.get("command") or {}
    result = status.get("result") or {}
    now_s = number(status.get("time_s"))
    yield _gauge(
        "pems_power_watts", "Power into the house bus; load is what leaves it",
        [((name.removesuffix("_w"),), number(house.get(name))) for name in _POWERS], ("part",),
    )  # fmt: skip
    yield _gauge("pems_soc_ratio", "State of charge", [((), number(house.get("soc_frac")))])
    yield _gauge(
        "pems_balance_residual_watts", "What the balance leaves unexplained", [((), number(house.get("residual_w")))]
    )
    yield _gauge("pems_cycle_seconds", "Duration of the last control cycle", [((), number(status.get("cycle_s")))])
    yield _gauge("pems_cycle_age_seconds", "Since the last cycle", [((), now_s - number(house.get("time_s")))])
    yield _gauge("pems_speed_ratio", "How fast the box's clock runs", [((), number(status.get("speed")))])
    yield _gauge(
        "pems_command_watts", "Commanded battery power; absent while native",
        [((), number(command.get("battery_w")))],
    )  # fmt: skip
    yield _gauge("pems_command_forced", "1 while a power is commanded", [((), float(command.get("mode") == "power"))])
    yield _gauge(
        "pems_override_active", "1 while somebody holds it by hand", [((), float(bool(status.get("override"))))]
    )
    yield _gauge(
        "pems_command_outcome", "1 for the last outcome", [((str(result.get("outcome", "none")),), 1.0)], ("outcome",)
    )
    counts = Counter(
        (str(r.get("device")), str(r.get("cause") or r.get("state"))) for r in status.get("readings") or ()
    )
    yield _gauge(
        "pems_readings", "Signals of each device by what is the matter with them",
        [(labels, float(count)) for labels, count in sorted(counts.items())], ("device", "cause"),
    )  # fmt: skip
    errors = CounterMetricFamily(
        "pems_link_errors", "Failed requests since control started", labels=("device", "cause")
    )
    for device, counts in (status.get("link_errors") or {}).items():
        for cause, count in sorted(counts.items()):
            errors.add_metric((device, cause), float(count))
    yield errors
    yield _gauge("pems_alarms", "Alarms that control holds", [((), float(len(status.get("alarms") or ())))])


def _of_plan(status: Mapping[str, Any]) -> Iterator[Metric]:
    plan = status.get("plan") or {}
    now_s = number(status.get("time_s"))
    age_s, left_s = now_s - number(plan.get("issued_s")), number(plan.get("valid_until_s")) - now_s
    yield _gauge("pems_plan_age_seconds", "Since the plan was issued; absent without one", [((), age_s)])
    yield _gauge("pems_plan_lease_seconds", "What is left of the plan's lease", [((), left_s)])
    yield _gauge("pems_plan_in_force", "1 while a plan is followed", [((), float(left_s > 0.0))])
    yield _gauge("pems_plan_cost_euros", "Expected cost of the horizon", [((), number(plan.get("cost_eur")))])
    yield _gauge(
        "pems_water_value_euros_per_kwh", "Worth of a stored kWh",
        [((), number(plan.get("water_value_eur_per_kwh")))],
    )  # fmt: skip
    made = status.get("planning") or {}
    yield _gauge("pems_planning_seconds", "Wall time of the last planning cycle", [((), number(made.get("wall_s")))])
    yield _gauge("pems_solve_seconds", "Wall time of the last solve", [((), number(made.get("solve_s")))])
    yield _gauge(
        "pems_solve_residual_watts", "Worst broken bound of the last solve", [((), number(made.get("residual_w")))]
    )


def _of_facts(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    registers = facts["wear"].get("registers") or ()
    for name, key, words in (
        ("pems_register_writes_today", "today_count", "Writes since local midnight"),
        ("pems_register_writes_lifetime", "lifetime_count", "Writes for life"),
        ("pems_register_years_left", "left_years", "Years left at the present rate; absent while nothing wears"),
    ):
        rows: list[Labelled] = [((str(row["register"]), str(row["wear"])), number(row.get(key))) for row in registers]
        yield _gauge(name, words, rows, ("register", "wear"))
    total = facts["savings"].get("total") or {}
    ways = ("ours", "rules", "no_battery")
    yield _gauge(
        "pems_cost_euros", "Cost of the last days by the way through them",
        [((way,), number(total.get(f"{way}_eur"))) for way in ways], ("way",),
    )  # fmt: skip
    regret = (facts["savings"].get("regret") or {}).get("total") or {}
    yield _gauge(
        "pems_perfect_foresight_euros", "Cost of the days looked back upon, with perfect foresight",
        [((), number(regret.get("perfect_foresight_eur")))],
    )  # fmt: skip
    yield _gauge(
        "pems_regret_euros", "Paid beyond perfect foresight on these days, by cause",
        [((cause.replace(" ", "_"),), number(eur)) for cause, eur in (regret.get("gap_eur") or {}).items()], ("cause",),
    )  # fmt: skip
    held = facts["coverage"].get("coverage") or {}
    yield _gauge(
        "pems_forecast_coverage_ratio", "Share of quarter hours within P10-P90, of the last days",
        [((signal.removesuffix("_w"),), number(row.get("inside_frac"))) for signal, row in held.items()], ("signal",),
    )  # fmt: skip
    yield from _of_calibration((facts["calibration"].get("calibration") or {}).get("signals") or {})


def _of_calibration(signals: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    rows = {signal.removesuffix("_w"): track for signal, track in signals.items()}
    yield _gauge(
        "pems_calibration_coverage_ratio", "Share of judged outcomes within P10-P90 as said, at all leads",
        [((signal,), number(track.get("inside_frac"))) for signal, track in rows.items()], ("signal",),
    )  # fmt: skip
    yield _gauge(
        "pems_calibration_buckets_at_bound", "Hours and bands that calibration cannot make up for: retrain",
        [((signal,), number(track.get("at_bound_count"))) for signal, track in rows.items()], ("signal",),
    )  # fmt: skip
    yield _gauge(
        "pems_calibration_moved_watts", "The most that P10, P90 and mean are moved by in any hour",
        [((signal, what), _most_w(track.get(f"{what}_by_hour_w"))) for signal, track in rows.items()
         for what in ("p10", "p90", "mean")], ("signal", "what"),
    )  # fmt: skip


def _most_w(bands: Sequence[Sequence[float | None]] | None) -> float:
    """Largest magnitude of a table; NaN where nothing is known."""
    known = [abs(value) for band in bands or () for value in band if value is not None]
    return max(known, default=math.nan)


def _gauge(name: str, words: str, rows: Sequence[Labelled], labels: tuple[str, ...] = ()) -> Metric:
    """A family with the samples that are known."""
    family = GaugeMetricFamily(name, words, labels=labels)
    for values, value in rows:
        if math.isfinite(value):
            family.add_metric(values, value)
    return family

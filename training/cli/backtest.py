"""``pems-train backtest``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from core_kernels.units import SECONDS_PER_DAY
from training.cli.options import (
    DATE,
    PATH,
    inputs,
    json_option,
    quick_option,
    recipe,
    seed_option,
    site_option,
    table_option,
    unix_s,
)
from training.errors import SetupError
from training.progress import Stages

if TYPE_CHECKING:
    from training.backtest import Result, Span
    from training.dataset import Series
    from training.site import TrainingSite

_STAGES_A_FIT, _STAGES_OF_DECISION = 6, 6


@click.command()
@click.argument("kind", type=click.Choice(["pv", "load", "thermal"]))
@site_option
@table_option
@click.option("--train-until", type=DATE, required=True, help="Train on what lies before this (UTC).")
@click.option("--until", type=DATE, required=True, help="End of the test span (UTC).")
@click.option("--out", type=PATH, help="Predictions to write (Parquet): time_utc, p10, p50, p90.")
@click.option(
    "--ahead-min", type=click.IntRange(0, 2880), default=0, help="Forecast each slot so many minutes before it ends."
)
@click.option(
    "--weather",
    type=click.Choice(["forecast", "known", "none"]),
    default="forecast",
    show_default=True,
    help="The table's fc_ columns; or its measured weather, as if it were known; or none.",
)
@click.option("--refit-days", type=click.IntRange(0), default=0, help="Fit anew after so many days, on all known then.")
@click.option(
    "--holdout",
    type=click.Choice(["winter", "spring", "summer", "autumn"]),
    help="Never train on this season, and judge on it alone.",
)
@click.option("--keep", type=PATH, help="Folder to keep each fit in, so that a run that was stopped goes on.")
@click.option("--decision", is_flag=True, help="Also live the days on these forecasts: euros lost.")
@click.option("--prices", type=PATH, help="Price table for --decision. [default: the site's, else --table]")
@click.option("--room", default="", help="Room of a thermal backtest's --out. [default: the first]")
@quick_option
@seed_option
@json_option
def command(**options: Any) -> None:
    """Train before A, forecast each day of [A, B) at its local midnight, score beside the references.

    \b
    Example:
      pems-train backtest pv --site site.toml --table train.parquet --train-until 2013-06-01 --until 2013-07-01
    """
    from training.backtest import Span
    from training.dataset import with_known_weather, without_weather

    weather = {"forecast": lambda found: found, "known": with_known_weather, "none": without_weather}
    kind = options["kind"]
    wanted = "room_" if kind == "thermal" else f"{kind}_w"
    series, site = inputs(options["site_path"], options["table_path"], (wanted,), arrays=kind == "pv")
    series = weather[options["weather"]](series)
    if options["ahead_min"] % 15:
        raise SetupError(f"--ahead-min {options['ahead_min']} is not a multiple of 15")
    span = Span(
        train_until_s=unix_s(options["train_until"]),
        until_s=unix_s(options["until"]),
        ahead_min=options["ahead_min"],
        refit_days=options["refit_days"],
        holdout=options["holdout"] or "",
    )
    result = (_of_rooms if kind == "thermal" else _of_power)(series, site, span, options)
    if options["out"] is not None:
        try:
            result.table.to_parquet(options["out"], index=False)
        except OSError as error:
            raise SetupError(f"{options['out']}: cannot be written: {error.strerror or error}") from error
    click.echo(json.dumps(result.summary) if options["as_json"] else _score_table(result.summary))


def _of_rooms(series: Series, site: TrainingSite, span: Span, options: Mapping[str, Any]) -> Result:
    from training.thermal_backtest import backtest_rooms

    for name in ("refit_days", "holdout", "keep", "decision"):
        if options[name]:
            raise SetupError(f"--{name.replace('_', '-')}: for pv and load only")
    stages = Stages(6)
    result = backtest_rooms(series, site, span, options["room"], stages)
    stages.close()
    return result


def _of_power(series: Series, site: TrainingSite, span: Span, options: Mapping[str, Any]) -> Result:
    from training.backtest import backtest
    from training.decision import House, decision_costs

    if options["decision"] and span.holdout:
        raise SetupError("--decision lives the whole span: it cannot be asked of a --holdout")
    days = (span.until_s - span.train_until_s) / SECONDS_PER_DAY
    fits = max(math.ceil(days / span.refit_days), 1) if span.refit_days else 1
    stages = Stages(_STAGES_A_FIT * fits + (_STAGES_OF_DECISION if options["decision"] else 0))
    how = recipe(options["quick"], options["seed"])
    result = backtest(options["kind"], series, site, span, how, stages, options["keep"])
    if options["decision"]:
        house = House(options["site_path"], options["table_path"], options["prices"])
        result.summary["decision"] = decision_costs(result.origins, series, span, house, stages)
    stages.close()
    return result


def _score_table(summary: dict[str, Any]) -> str:
    """The scores for a person."""
    names = ("rmse", "mae", "bias", "pinball", "coverage_80")
    head = f"{summary['signal']}, {summary['horizon']}, {summary['days']} days, {summary.get('unit', 'W')}"
    head += f"; coverage: {summary['coverage_over']}"
    lines = [head, f"{'':16}" + "".join(f"{name:>13}" for name in names)]
    for key, scores in summary["scores"].items():
        lines.append(f"{key:16}" + "".join(f"{scores.get(name, float('nan')):13.3f}" for name in names))
    for who, lost_eur in summary.get("decision", {}).get("lost_eur", {}).items():
        lines.append(f"{who:16}{lost_eur:10.2f} EUR lost against perfect foresight")
    return "\n".join(lines)

"""``pems-train backtest``."""

from __future__ import annotations

import json
from typing import Any

import click

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
    from training.backtest import Span, backtest
    from training.dataset import with_known_weather, without_weather
    from training.thermal_backtest import backtest_rooms

    weather = {"forecast": lambda found: found, "known": with_known_weather, "none": without_weather}
    kind = options["kind"]
    wanted = "room_" if kind == "thermal" else f"{kind}_w"
    series, site = inputs(options["site_path"], options["table_path"], (wanted,), arrays=kind == "pv")
    series = weather[options["weather"]](series)
    if options["ahead_min"] % 15:
        raise SetupError(f"--ahead-min {options['ahead_min']} is not a multiple of 15")
    span = Span(unix_s(options["train_until"]), unix_s(options["until"]), options["ahead_min"])
    stages = Stages(6)
    if kind == "thermal":
        result = backtest_rooms(series, site, span, options["room"], stages)
    else:
        result = backtest(kind, series, site, span, recipe(options["quick"], options["seed"]), stages)
    stages.close()
    if options["out"] is not None:
        try:
            result.table.to_parquet(options["out"], index=False)
        except OSError as error:
            raise SetupError(f"{options['out']}: cannot be written: {error.strerror}") from error
    click.echo(json.dumps(result.summary) if options["as_json"] else _score_table(result.summary))


def _score_table(summary: dict[str, Any]) -> str:
    """The scores for a person."""
    names = ("rmse", "mae", "bias", "pinball", "coverage_80")
    head = f"{summary['signal']}, {summary['horizon']}, {summary['days']} days, {summary.get('unit', 'W')}"
    head += f"; coverage: {summary['coverage_over']}"
    lines = [head, f"{'':16}" + "".join(f"{name:>13}" for name in names)]
    for key, scores in summary["scores"].items():
        lines.append(f"{key:16}" + "".join(f"{scores.get(name, float('nan')):13.3f}" for name in names))
    return "\n".join(lines)

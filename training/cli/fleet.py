"""``pems-train fleet``."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training.cli.options import PATH, json_option, quick_option, recipe, release, seed_option
from training.errors import SetupError, TrainingError
from training.progress import Stages

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.fleet.outcome import Outcome
    from training.fleet.report import FleetReport

REPORT_FILE = "fleet.html"


@click.command()
@click.option("--homes", required=True, help="Folder of homes, any URL of fsspec: <home>/site.toml and table.parquet.")
@click.option("--out", required=True, help="Where each home's bundle and result go, any URL of fsspec.")
@click.option("--scheduler", default="", metavar="ADDRESS", help="Dask scheduler. [default: a cluster of this machine]")
@click.option("--workers", type=click.IntRange(1), help="Local workers. [default: one a processor]")
@click.option("--judge-days", type=click.IntRange(7), default=28, show_default=True, help="Last days, kept to judge.")
@click.option("--key", type=PATH, help="Private key: bundles are signed here, beside them as signed.zip.")
@click.option("--registry", type=PATH, help="Registry that signed bundles are added to; needs --key.")
@quick_option
@seed_option
@json_option
def command(homes: str, out: str, as_json: bool, **options: Any) -> None:
    """Train, judge and pack the models of many homes on Dask workers; exit 1 when a home failed.

    A run that was cut off goes on where it was: what is done from the same data by the same program stays.
    A page of the whole fleet lies in OUT as fleet.html.

    \b
    Example:
      pems-train fleet --homes homes --out s3://models/fleet --scheduler tcp://10.0.0.5:8786
    """
    _require_engine()
    from training.fleet.cluster import workers
    from training.fleet.home import Job, program_sha256
    from training.fleet.report import fleet_report, page, summary
    from training.fleet.run import outcomes
    from training.fleet.store import Store

    source, results = Store(homes), Store(out)
    names = source.folders()
    if not names:
        raise SetupError(f"{homes}: holds no homes")
    job = Job(
        homes_url=source.url,
        out_url=results.url,
        recipe=recipe(options["quick"], options["seed"]),
        release=release(None, None),
        judge_days=options["judge_days"],
        program_sha256=program_sha256(),
    )
    found, stages = [], Stages(len(names))
    with (
        _signer(out, options["key"], options["registry"]) as sign,
        workers(options["scheduler"], options["workers"] or os.cpu_count() or 1) as client,
    ):
        for outcome in outcomes(client, names, job):
            found.append(sign(outcome))
            stages(f"{outcome.home}: {found[-1].state}{': ' if found[-1].reason else ''}{found[-1].reason}")
    stages.close()
    report = fleet_report(found)
    results.write(REPORT_FILE, page(report).encode())
    click.echo(json.dumps(summary(report)) if as_json else "\n".join(_lines(report, f"{results.url}/{REPORT_FILE}")))
    sys.exit(1 if report.failures else 0)


def _require_engine() -> None:
    try:
        import distributed  # noqa: F401 -- whether it is there
    except ImportError as error:
        raise SetupError("a fleet needs its own extra: pip install 'pems-edge[fleet]'") from error


@contextmanager
def _signer(out: str, key: Path | None, folder: Path | None) -> Iterator[Callable[[Outcome], Outcome]]:
    if key is None:
        if folder is not None:
            raise TrainingError("--registry needs --key: it keeps signed bundles")
        yield lambda outcome: outcome
        return
    from training.fleet.signing import Signer
    from training.fleet.store import Store
    from training.registry import Registry
    from training.sign import load_key

    registry = None if folder is None else Registry(folder)
    try:
        yield Signer(key=load_key(key), out=Store(out), registry=registry)
    finally:
        if registry is not None:
            registry.close()


def _lines(report: FleetReport, where: str) -> list[str]:
    counts = f"{report.home_count} homes: {report.trained_count} trained, {report.kept_count} done before"
    cost = "" if math.isnan(report.home_cpu_s) else f"; {report.home_cpu_s:.1f} s of CPU a home"
    lines = [f"{counts}, {len(report.failures)} failed; {report.bundle_count} bundles{cost}"]
    for item in report.signals:
        low, middle, high = (100.0 * item.quantiles_frac[place] for place in (0, 2, 4))
        lines.append(
            f"  {item.signal}: skill over the last 28 days' quantiles {middle:.1f} % (5 % of homes below {low:.1f} %, "
            f"5 % above {high:.1f} %), below zero in {item.below_zero_count} of {item.home_count} homes"
        )
    lines += [f"  failed: {home}: {reason}" for home, reason in report.failures]
    return [*lines, f"  page: {where}"]

"""``pems-train``: the workstation's command line. Heavy libraries are imported inside the commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training.errors import SetupError, TrainingError
from training.progress import Stages

if TYPE_CHECKING:
    from training.boosters import Recipe
    from training.dataset import Series
    from training.fit import Trained
    from training.package import Release
    from training.site import TrainingSite

_PATH = click.Path(path_type=Path)
_DATE = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"])
_site = click.option("--site", "site_path", type=_PATH, required=True, help="The site's site.toml.")
_table = click.option(
    "--table", "table_path", type=_PATH, required=True, help="CSV or Parquet; time_utc, pv_w, load_w."
)
_quick = click.option("--quick", is_flag=True, help="Fewer trees: a draft in half the time.")
_seed = click.option("--seed", type=int, default=1, show_default=True, help="Seed of every random choice.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="pems-edge")
def group() -> None:
    """Train PV and load models on a workstation and pack them for the box.

    \b
    Example:
      pems-train make-bundle --site site.toml --table train.parquet --key bundle.key --out bundle.zip
    """


@group.command("demo-data")
@click.option("--out", type=_PATH, required=True, help="Folder to write.")
@click.option(
    "--from", "first", type=click.DateTime(formats=["%Y-%m-%d"]), help="First local day. [default: 2013-06-04]"
)
@click.option("--days", type=click.IntRange(1, 60), default=3, show_default=True, help="Days to replay.")
@_seed
def demo_data(out: Path, first: Any, days: int, seed: int) -> None:
    """Write the demo's measured house: train.parquet, history.csv, house.csv, site.toml.

    \b
    Example:
      pems-train demo-data --out demo-house --days 3
    """
    from training.sources.demo_house import DEFAULT_START, write_demo

    written = write_demo(out, f"{first:%Y-%m-%d}" if first else DEFAULT_START, days, seed)
    click.echo(f"{out}: {days} days from {written['start']}, training data from {written['train_from']}")


@group.command()
@_site
@_table
@click.option("--until", type=_DATE, help="Train on what lies before this. [default: the whole table]")
@click.option("--out", type=_PATH, required=True, help="Model folder to write.")
@_quick
@_seed
def fit(site_path: Path, table_path: Path, until: Any, out: Path, quick: bool, seed: int) -> None:
    """Fit the PV and load models of a site.

    \b
    Example:
      pems-train fit --site site.toml --table train.parquet --out model
    """
    from training.fit import save

    trained = _fit(site_path, table_path, until, quick, seed)
    save(trained, out)
    click.echo("\n".join([f"{out}: fitted", *_facts(trained)]))


@group.command()
@click.option("--model", type=_PATH, required=True, help="Model folder of `fit`.")
@click.option("--out", type=_PATH, required=True, help="Bundle to write (ZIP), not yet signed.")
@click.option("--version", "version_text", help="Version. [default: by the clock]")
@click.option("--seq", type=click.IntRange(0), help="Rising number, for anti-rollback. [default: by the clock]")
def export(model: Path, out: Path, version_text: str | None, seq: int | None) -> None:
    """Export to ONNX through the parity gate and pack a bundle; sign it next.

    \b
    Example:
      pems-train export --model model --out bundle.zip
    """
    from training.fit import load
    from training.package import build, write_zip

    members, parities = build(load(model), _release(version_text, seq))
    write_zip(members, out)
    for name, parity in parities.items():
        click.echo(f"{name}: {parity.rows} rows, ONNX Runtime within {parity.onnx_ratio:.1e} of XGBoost")
    click.echo(f"{out}: exported, not signed")


@group.group()
def sign() -> None:
    """Keys and signatures of bundles."""


@sign.command()
@click.argument("key", type=_PATH)
def keygen(key: Path) -> None:
    """Write a private key (mode 0600), and its public half beside it as .pub.

    \b
    Example:
      pems-train sign keygen bundle.key
    """
    from training.sign import make_key

    click.echo(f"{key}: private, keep it; {make_key(key)}: public, for the boxes")


@sign.command("bundle")
@click.argument("file", type=_PATH)
@click.option("--key", type=_PATH, required=True, help="Private key.")
def sign_bundle(file: Path, key: Path) -> None:
    """Sign an exported bundle in place.

    \b
    Example:
      pems-train sign bundle bundle.zip --key bundle.key
    """
    from training.package import sign_file
    from training.sign import load_key

    sign_file(file, load_key(key))
    click.echo(f"{file}: signed")


@group.command("make-bundle")
@_site
@_table
@click.option("--until", type=_DATE, help="Train on what lies before this. [default: the whole table]")
@click.option("--key", type=_PATH, required=True, help="Private key; made, with its .pub, where it is absent.")
@click.option("--out", type=_PATH, required=True, help="Bundle to write (ZIP).")
@_quick
@_seed
def make_bundle(site_path: Path, table_path: Path, until: Any, key: Path, out: Path, quick: bool, seed: int) -> None:
    """Fit, export and sign in one go.

    \b
    Example:
      pems-train make-bundle --site site.toml --table train.parquet --key bundle.key --out bundle.zip
    """
    from training.package import build, signed, write_zip
    from training.sign import load_key, make_key

    trained = _fit(site_path, table_path, until, quick, seed)
    members, parities = build(trained, _release(None, None))
    if not key.exists():
        make_key(key)
    write_zip(signed(members, load_key(key)), out)
    worst = max(parity.onnx_ratio for parity in parities.values())
    facts = _facts(trained)
    click.echo("\n".join([f"{out}: {out.stat().st_size / 1000:.0f} kB, signed, ONNX within {worst:.1e}", *facts]))


@group.command()
@click.argument("kind", type=click.Choice(["pv", "load"]))
@_site
@_table
@click.option("--train-until", type=_DATE, required=True, help="Train on what lies before this (UTC).")
@click.option("--until", type=_DATE, required=True, help="End of the test span (UTC).")
@click.option("--out", type=_PATH, help="Predictions to write (Parquet): time_utc, p10, p50, p90.")
@_quick
@_seed
@_json
def backtest(**options: Any) -> None:
    """Train before A, forecast each day of [A, B) at its local midnight, score beside the references.

    \b
    Example:
      pems-train backtest pv --site site.toml --table train.parquet --train-until 2013-06-01 --until 2013-07-01
    """
    from training.backtest import Span
    from training.backtest import backtest as run

    series, site = _inputs(options["site_path"], options["table_path"])
    span = Span(_unix_s(options["train_until"]), _unix_s(options["until"]))
    stages = Stages(6)
    result = run(options["kind"], series, site, span, _recipe(options["quick"], options["seed"]), stages)
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
    head = f"{summary['signal']}, {summary['horizon']}, {summary['days']} days, W; coverage: {summary['coverage_over']}"
    lines = [head, f"{'':16}" + "".join(f"{name:>13}" for name in names)]
    for key, scores in summary["scores"].items():
        lines.append(f"{key:16}" + "".join(f"{scores.get(name, float('nan')):13.3f}" for name in names))
    return "\n".join(lines)


def _inputs(site_path: Path, table_path: Path) -> tuple[Series, TrainingSite]:
    from training.dataset import read_series
    from training.site import load_site

    site = load_site(site_path)
    series = read_series(table_path, site.zone)
    missing = [name for name in ("pv_w", "load_w") if name not in series.frame.columns]
    if len(missing) == 2:
        raise SetupError(f"{table_path}: has neither pv_w nor load_w")
    return series, site


def _fit(site_path: Path, table_path: Path, until: Any, quick: bool, seed: int) -> Trained:
    from training.fit import STAGES, file_sha256, fit_site

    series, site = _inputs(site_path, table_path)
    stages = Stages(STAGES)
    until_s = _unix_s(until) if until else float(series.frame.grid.end_s)
    trained = fit_site(series, site, until_s, _recipe(quick, seed), file_sha256(table_path), stages)
    stages.close()
    return trained


def _recipe(quick: bool, seed: int) -> Recipe:
    from training.boosters import Recipe

    recipe = Recipe(seed=seed)
    return replace(recipe, rounds=60, depth=4, eta_frac=0.15) if quick else recipe


def _release(version: str | None, seq: int | None) -> Release:
    from training.package import Release

    now = Release.now()
    return replace(now, version=version or now.version, seq=now.seq if seq is None else seq)


def _unix_s(moment: Any) -> float:
    from datetime import UTC

    return float(moment.replace(tzinfo=UTC).timestamp())


def _facts(trained: Trained) -> list[str]:
    arrays = "; ".join(
        f"tilt {a.tilt_deg:.0f} deg, azimuth {a.azimuth_deg:.0f} deg, {a.dc_w:.0f} W" for a in trained.plant.arrays
    )
    lines = [f"  arrays: {arrays}"]
    return lines + [
        f"  {model.signal}: {model.rows} rows; held-out weeks: pinball {model.metrics['pinball_w']:.1f} W, "
        f"P10-P90 holds {100 * model.metrics['coverage_80']:.0f} %"
        for model in trained.models
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Console script; every error of ours becomes one line a problem and its exit code."""
    try:
        group.main(args=arguments, prog_name="pems-train")
    except TrainingError as error:
        click.echo("\n".join(f"pems-train: {line}" for line in str(error).splitlines()), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

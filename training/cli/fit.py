"""``pems-train fit`` and ``make-bundle``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training.cli.options import (
    DATE,
    PATH,
    inputs,
    quick_option,
    recipe,
    release,
    seed_option,
    site_option,
    table_option,
    unix_s,
)
from training.progress import Stages

if TYPE_CHECKING:
    from training.fit import Trained


@click.command()
@site_option
@table_option
@click.option("--until", type=DATE, help="Train on what lies before this. [default: the whole table]")
@click.option("--out", type=PATH, required=True, help="Model folder to write.")
@quick_option
@seed_option
def fit(site_path: Path, table_path: Path, until: Any, out: Path, quick: bool, seed: int) -> None:
    """Fit the PV and load models of a site, and its rooms where the table has them.

    \b
    Example:
      pems-train fit --site site.toml --table train.parquet --out model
    """
    from training.fit import save

    trained = _fit(site_path, table_path, until, quick, seed)
    save(trained, out)
    click.echo("\n".join([f"{out}: fitted", *_facts(trained)]))


@click.command("make-bundle")
@site_option
@table_option
@click.option("--until", type=DATE, help="Train on what lies before this. [default: the whole table]")
@click.option("--key", type=PATH, required=True, help="Private key; made, with its .pub, where it is absent.")
@click.option("--out", type=PATH, required=True, help="Bundle to write (ZIP).")
@quick_option
@seed_option
def make_bundle(site_path: Path, table_path: Path, until: Any, key: Path, out: Path, quick: bool, seed: int) -> None:
    """Fit, export and sign in one go.

    \b
    Example:
      pems-train make-bundle --site site.toml --table train.parquet --key bundle.key --out bundle.zip
    """
    from training.bundle_file import write_zip
    from training.package import build, signed
    from training.sign import load_key, make_key

    trained = _fit(site_path, table_path, until, quick, seed)
    members, parities = build(trained, release(None, None))
    if not key.exists():
        make_key(key)
    write_zip(signed(members, load_key(key)), out)
    worst = max(parity.onnx_ratio for parity in parities.values())
    told = _facts(trained)
    click.echo("\n".join([f"{out}: {out.stat().st_size / 1000:.0f} kB, signed, ONNX within {worst:.1e}", *told]))


def _fit(site_path: Path, table_path: Path, until: Any, quick: bool, seed: int) -> Trained:
    from training.fit import STAGES, file_sha256, fit_site

    series, site = inputs(site_path, table_path)
    stages = Stages(STAGES)
    until_s = unix_s(until) if until else float(series.frame.grid.end_s)
    trained = fit_site(series, site, until_s, recipe(quick, seed), file_sha256(table_path), stages)
    stages.close()
    return trained


def _facts(trained: Trained) -> list[str]:
    arrays = "; ".join(
        f"tilt {a.tilt_deg:.0f} deg, azimuth {a.azimuth_deg:.0f} deg, {a.dc_w:.0f} W" for a in trained.plant.arrays
    )
    rooms = trained.training["rooms"]
    known = f"{rooms['rows']} rows; within {rooms['error_k']:.2f} K over the day ahead" if trained.house else ""
    lines = [f"  arrays: {arrays}", f"  rooms: {known or 'none, ' + rooms['reason']}"]
    lines += [f"  doubtful: {doubt}" for doubt in rooms.get("doubts", ())]
    return lines + [
        f"  {model.signal}: {model.rows} rows; held-out weeks: pinball {model.metrics['pinball_w']:.1f} W, "
        f"P10-P90 holds {100 * model.metrics['coverage_80']:.0f} %"
        for model in trained.models
    ]

"""``pems-train rooms``."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

from training.cli.options import (
    DATE,
    PATH,
    inputs,
    json_option,
    recipe,
    site_option,
    table_option,
    unix_s,
)
from training.progress import Stages

if TYPE_CHECKING:
    from training.thermal_fit import FittedRooms

_STAGES = 5
_J_PER_WH = 3600.0


@click.command()
@site_option
@table_option
@click.option("--until", type=DATE, help="Fit on what lies before this. [default: the whole table]")
@click.option("--out", type=PATH, required=True, help="Folder to write.")
@json_option
def command(site_path: Any, table_path: Any, until: Any, out: Any, as_json: bool) -> None:
    """Identify the rooms of a house, and print them as the [[zone]] tables of site.toml.

    The table needs temp_air_c, ghi_w_per_m2, room_<name>_c and, where a room is heated, heat_<name>_w.

    \b
    Example:
      pems-train rooms --site site.toml --table house.parquet --out rooms
    """
    from training.thermal_predictor import ThermalPredictor

    series, site = inputs(site_path, table_path, ("room_",), arrays=False)
    stages = Stages(_STAGES)
    predictor = ThermalPredictor(site, recipe(quick=False, seed=1))
    predictor.fit(series, unix_s(until) if until else float(series.frame.grid.end_s), stages)
    stages.close()
    predictor.save(out)
    rooms = room_facts(predictor.fitted)
    summary = {"error_k": predictor.fitted.error_k, "doubts": list(predictor.fitted.doubts), "rooms": rooms}
    click.echo(json.dumps(summary) if as_json else "\n".join(_lines(predictor.fitted, rooms)))


def room_facts(fitted: FittedRooms) -> list[dict[str, Any]]:
    """Each room as site.toml wants it, and the relative standard error of each number (null: the data say nothing)."""
    network, count = fitted.model.network, len(fitted.model.names)
    fields = {
        "air_wh_per_k": network.air_j_per_k / _J_PER_WH,
        "mass_wh_per_k": network.mass_j_per_k / _J_PER_WH,
        "air_mass_k_per_w": network.air_mass_k_per_w,
        "mass_out_k_per_w": network.mass_out_k_per_w,
        "solar_m2": network.solar_m2,
    }
    rooms = []
    for room, name in enumerate(fitted.model.names):
        errors = (float(fitted.deviation_frac[field * count + room]) for field in range(len(fields)))
        known = {key: error if math.isfinite(error) else None for key, error in zip(fields, errors, strict=True)}
        rooms.append(
            {
                "name": name,
                "heat_w": float(fitted.heat_w[room]) if math.isfinite(fitted.heat_w[room]) else None,
                **{key: float(values[room]) for key, values in fields.items()},
                "error_frac": known,
            }
        )
    return rooms


def _lines(fitted: FittedRooms, rooms: list[dict[str, Any]]) -> list[str]:
    azimuth_deg = fitted.model.window_azimuth_deg
    windows = "the sun on the ground" if math.isnan(azimuth_deg) else f"windows at {azimuth_deg:.0f} deg"
    lines = [f"# {fitted.rows} slots, {windows}; RMSE over the day ahead {fitted.error_k:.2f} K in training"]
    lines += [f"# doubtful: {doubt}" for doubt in fitted.doubts]
    for room in rooms:
        lines += ["[[zone]]", f'name = "{room["name"]}"']
        heat_w = room["heat_w"]
        lines.append("# no heater was measured: heat_w" if heat_w is None else f"heat_w = {heat_w:.4g}")
        for key, error in room["error_frac"].items():
            said = "not known from these data" if error is None else f"+- {100.0 * error:.0f} %"
            lines.append(f"{key} = {room[key]:.4g}  # {said}")
    return lines

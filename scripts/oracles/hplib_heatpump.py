"""Make tests/data/hplib_heatpump.json: generic heat pumps by hplib 1.9.

Needs an environment of its own: `python3.11 -m venv V && V/bin/pip install hplib==1.9`, then
`V/bin/python scripts/oracles/hplib_heatpump.py tests/data/hplib_heatpump.json`.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from pathlib import Path

import numpy as np
from hplib import hplib

GROUPS = {1: "air_regulated", 2: "brine_regulated", 4: "air_on_off", 5: "brine_on_off", 6: "water_on_off"}
SOURCE_C = {1: -7, 2: 0, 4: -7, 5: 0, 6: 10}
HEATING_W = 8000


def case(group: int) -> dict[str, object]:
    """A pump of 8 kW at its group's design point, over a grid of sources and flows."""
    parameters = hplib.get_parameters("Generic", group_id=group, t_in=SOURCE_C[group], t_out=52, p_th=HEATING_W)
    source, flow = (grid.ravel() for grid in np.meshgrid(np.linspace(-22.0, 25.0, 24), np.linspace(25.0, 70.0, 19)))
    outdoor = source if group in (1, 4) else np.full_like(source, 2.5)
    result = hplib.simulate(source, flow - 5.0, parameters, outdoor)
    return {
        "heating_w": float(parameters["P_th_h_ref [W]"].iloc[0]),
        "electric_w": float(parameters["P_el_h_ref [W]"].iloc[0]),
        "source_c": source.tolist(),
        "flow_c": flow.tolist(),
        "outdoor_c": outdoor.tolist(),
        "cop": np.asarray(result["COP"].iloc[0]).tolist(),
        "input_w": np.asarray(result["P_el"].iloc[0]).tolist(),
        "output_w": np.asarray(result["P_th"].iloc[0]).tolist(),
    }


def main(target: Path) -> None:
    """Write the fixture."""
    made = {
        "hplib": importlib.metadata.version("hplib"),
        "numpy": importlib.metadata.version("numpy"),
        "python": platform.python_version(),
        "script": "scripts/oracles/hplib_heatpump.py",
    }
    target.write_text(json.dumps({"made_with": made, "cases": {GROUPS[group]: case(group) for group in GROUPS}}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

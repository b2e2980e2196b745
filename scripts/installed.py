"""Proves that an environment holds the built wheel and only the device's dependencies (scripts/check runs it)."""

import importlib.util
import sys
import sysconfig
from pathlib import Path

OURS = ("edge", "core_kernels", "firmware_profiles", "training")
FOREIGN = ("xgboost", "pandas", "pvlib", "sklearn", "skl2onnx", "onnx", "pyarrow", "demandlib", "pvanalytics")


def problems() -> list[str]:
    """What is wrong with this environment, a line each."""
    site_packages = Path(sysconfig.get_paths()["purelib"])
    found = {name: importlib.util.find_spec(name) for name in OURS}
    lines = [f"{name} is not installed" for name, spec in found.items() if spec is None]
    for name, spec in found.items():
        places = [] if spec is None else [Path(place) for place in spec.submodule_search_locations or ()]
        lines += [f"{name} comes from {place}" for place in places if site_packages not in place.parents]
    return lines + [f"{name} is installed" for name in FOREIGN if importlib.util.find_spec(name) is not None]


if __name__ == "__main__":
    sys.exit("\n".join(problems()) or 0)

"""What the device loads, seen in fresh interpreters."""

import os
import pkgutil
import subprocess
import sys

import pytest

import edge

WORKSTATION = {"xgboost", "pandas", "pvlib", "sklearn", "skl2onnx", "onnx"}
HEAVY = {
    "numpy",
    "numba",
    "scipy",
    "onnxruntime",
    "osqp",
    "highspy",
    "starlette",
    "uvicorn",
    "pymodbus",
    "cryptography",
}
MODULES = ["edge", *(module.name for module in pkgutil.walk_packages(edge.__path__, "edge."))]


def loaded(*modules: str) -> set[str]:
    """Top-level names in ``sys.modules`` after a fresh interpreter imported the modules."""
    code = f"import importlib, sys; [importlib.import_module(m) for m in {modules!r}]; print(*sys.modules)"
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "NUMBA_DISABLE_JIT": "1"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return {name.split(".")[0] for name in result.stdout.split()}


def test_no_module_of_the_device_loads_a_library_of_the_workstation():
    assert loaded(*MODULES) & WORKSTATION == set()


@pytest.mark.skipif("edge.cli" not in MODULES, reason="no command line")
def test_the_command_line_starts_without_the_heavy_libraries():
    assert loaded("edge.cli") & HEAVY == set()


@pytest.mark.parametrize("room", ["devices", "web"])
def test_control_and_web_stay_free_of_planning_libraries(room):
    names = [name for name in MODULES if name.startswith(f"edge.{room}")]
    assert loaded(*names) & {"onnxruntime", "osqp", "highspy", "scipy"} == set()

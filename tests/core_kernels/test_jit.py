"""One decorator: compiled, or the plain function."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOUBLE = """
import sys
from core_kernels import jit
def double(x):
    return 2.0 * x
for signature in ("float64(float64)", None):
    kernel = jit.kernel(signature)
    try:
        made = kernel(double)
    except RuntimeError as error:  # a function without a file cannot be cached
        assert "cannot cache" in str(error), error
        made = None
    print(jit.JIT_ENABLED, made is double, "numba" in sys.modules)
"""


def run(**environment):
    cleared = {name: value for name, value in os.environ.items() if name not in ("PEMS_JIT", "NUMBA_DISABLE_JIT")}
    done = subprocess.run(
        [sys.executable, "-c", DOUBLE],
        check=False,
        cwd=ROOT,
        env={**cleared, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[0]


@pytest.mark.parametrize("switch", [{"PEMS_JIT": "0"}, {"NUMBA_DISABLE_JIT": "1"}])
def test_with_the_compiler_off_a_kernel_is_the_plain_function_and_numba_is_not_imported(switch):
    assert run(**switch) == "False True False"


def test_by_default_kernels_are_compiled():
    assert run() == "True False True"

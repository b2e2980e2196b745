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


def test_numba_starts_without_blas_and_cffi_and_leaves_both_to_others():
    code = "import sys; import core_kernels.daily; print('scipy.linalg' in sys.modules, 'cffi' in sys.modules); "
    code += "import cffi, scipy.linalg; print(cffi.FFI is not None, scipy.linalg.expm([[0.0]])[0, 0])"
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False", "True", "1.0"]


def test_the_cache_is_named_by_the_sources_and_lies_where_the_service_says(tmp_path, monkeypatch):
    from core_kernels.jit import cache_folder

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    folder = cache_folder()
    assert folder.parent == tmp_path
    assert len(folder.name) == 16
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "pems-edge" / "numba" / folder.name


def test_without_a_folder_to_write_kernels_are_compiled_all_the_same(tmp_path, monkeypatch):
    from core_kernels.jit import cache_folder

    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert cache_folder() is None
    assert run(NUMBA_CACHE_DIR=str(tmp_path / "file" / "below")) == "True False True"

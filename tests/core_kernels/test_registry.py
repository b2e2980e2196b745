"""Every public function of the core says what it is, keeps missing values and gives the same bits everywhere."""

import inspect
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core_kernels import registry
from core_kernels.jit import JIT_ENABLED

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = registry.discover()
DIGESTS = "import json; from core_kernels.registry import digests; print(json.dumps(digests()))"
# What no processor has to have: Numba's vector units, and the newer paths inside numpy and its BLAS.
PLAIN_PROCESSOR = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
if platform.machine() == "x86_64":
    PLAIN_PROCESSOR["NPY_DISABLE_CPU_FEATURES"] = (
        "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"
    )
    PLAIN_PROCESSOR["OPENBLAS_CORETYPE"] = "Nehalem"


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_names_unit_source_and_reference(name):
    entry = ENTRIES[name]
    assert entry.unit
    assert any(character.isdigit() for character in entry.source), "a source has a year, an equation or a report number"
    assert entry.reference
    assert entry.tolerance >= 0.0


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_documented_in_numpy_form(name):
    text = inspect.getdoc(ENTRIES[name].function) or ""
    assert "Parameters\n------" in text
    assert "Returns\n------" in text
    assert "[" in text, "a unit stands in brackets"


@pytest.mark.parametrize(
    ("name", "place"), [(name, place) for name, entry in ENTRIES.items() for place in entry.missing]
)
def test_missing_in_is_missing_out(name, place):
    entry = ENTRIES[name]
    arguments = list(entry.example())
    values = arguments[place].copy()
    where = len(values) // 2
    values[where] = np.nan
    arguments[place] = values
    results = [array[..., where] for array in registry.arrays_of(entry.function(*arguments))]
    assert any(np.isnan(result).any() for result in results)


def digests(code=DIGESTS, **switch):
    cleared = {name: value for name, value in os.environ.items() if name not in ("PEMS_JIT", "NUMBA_DISABLE_JIT")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=ROOT,
        env={**cleared, **switch},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_compiled_and_plain_python_give_the_same_bits():
    compiled, plain = digests(), digests(PEMS_JIT="0")
    assert {name for name in compiled if compiled[name] != plain[name]} == set()


@pytest.mark.skipif(not JIT_ENABLED, reason="a minute of compiling, once: in the compiled run of the kernels")
def test_code_for_any_processor_gives_the_same_bits(tmp_path):
    own_cache = Path(os.environ.get("NUMBA_CACHE_DIR", str(tmp_path))) / "generic"
    native, generic = digests(), digests(**PLAIN_PROCESSOR, NUMBA_CACHE_DIR=str(own_cache))
    assert len(native) > 70
    assert {name for name in native if native[name] != generic[name]} == set()


def test_a_name_is_registered_once():
    entry = registry.Entry(
        name="twice", unit="1", source="1", reference="", tolerance=0.0, function=len, example=tuple, missing=()
    )
    enter = registry.registered(name="twice", unit="1", source="1", reference="", tolerance=0.0, example=tuple)
    try:
        assert enter(len)([1, 2]) == 2
        assert inspect.unwrap(registry.REGISTRY["twice"].function) is entry.function
        with pytest.raises(ValueError, match="twice is registered twice"):
            enter(len)
    finally:
        del registry.REGISTRY["twice"]


def test_digests_see_the_bits_and_only_them():
    ones = np.ones(3)
    assert registry.digest(ones) != registry.digest(ones * (1.0 + 2.0**-52))
    assert registry.digest((ones, {"a": 1.0})) == registry.digest([ones.copy(), {"a": 1.0}])
    assert registry.digest(np.array([np.nan])) == registry.digest(np.array([-np.nan]))

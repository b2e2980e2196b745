"""How a release's tree is made; the whole of it, with a device's packages, under the mark `appliance`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.appliance import payload
from edge.appliance.release import pack
from edge.appliance.tree import entries
from edge.errors import UpdateError

ROOT = Path(__file__).resolve().parents[3]


def test_pip_is_told_every_tag_of_debian_12s_c_library():
    tags = list(payload.platform_tags("aarch64"))
    assert tags[0] == "manylinux_2_36_aarch64"
    assert {"manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"} < set(tags)
    assert all(tag.endswith("_aarch64") for tag in tags)


def test_the_time_of_a_release_is_that_of_its_sources(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    assert payload.source_date_s() == 1_790_000_000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UpdateError, match="whole seconds"):
        payload.source_date_s()


def test_without_a_checkout_there_is_nothing_to_build_from(monkeypatch, tmp_path):
    monkeypatch.setattr(payload, "LOCK", tmp_path / "device.lock")
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    with pytest.raises(UpdateError, match="built in a checkout"):
        payload.wheelhouse("x86_64")
    with pytest.raises(UpdateError, match="not a git checkout"):
        payload.source_date_s()


def test_a_tree_that_is_there_is_not_built_over(tmp_path):
    with pytest.raises(UpdateError, match="is there already"):
        payload.build_tree(tmp_path, "x86_64", tmp_path / "any.whl")


def test_what_no_box_needs_is_taken_out_and_licences_stay(tmp_path):
    lib = tmp_path / "lib"
    for name in ("a/tests/test_a.py", "a/a.py", "a/a.pyi", "a/a.so", "training/fit.py", "bin/a", "a-1.dist-info/RECORD",
                 "a-1.dist-info/METADATA", "a-1.dist-info/licenses/LICENSE", "a/data/RECORD"):  # fmt: skip
        (lib / name).parent.mkdir(parents=True, exist_ok=True)
        (lib / name).write_text("")
    payload._strip(lib)
    left = {path.relative_to(lib).as_posix() for path in lib.rglob("*") if path.is_file()}
    assert left == {*("a/a.py", "a/a.so", "a/data/RECORD", "a-1.dist-info/METADATA", "a-1.dist-info/licenses/LICENSE")}


def test_rights_and_times_do_not_depend_on_the_builder(tmp_path):
    (tmp_path / "tree").mkdir(mode=0o700)
    (tmp_path / "tree" / "text").write_text("")
    (tmp_path / "tree" / "text").chmod(0o600)
    (tmp_path / "tree" / "program").write_text("")
    (tmp_path / "tree" / "program").chmod(0o700)
    payload._settle(tmp_path / "tree", 1_790_000_000)
    modes = {path.name: (path.stat().st_mode & 0o777, path.stat().st_mtime) for path in (tmp_path / "tree").iterdir()}
    assert modes == {"text": (0o644, 1_790_000_000), "program": (0o755, 1_790_000_000)}


def test_byte_code_does_not_depend_on_the_seed_of_the_builders_hashes(tmp_path, monkeypatch):
    found = []
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        lib = tmp_path / seed
        lib.mkdir()
        (lib / "a.py").write_text('def is_one(x):\n    return x in {"pv", "load", "grid", "battery", "soc", "room"}\n')
        payload._compile(lib)
        found.append(next(lib.rglob("*.pyc")).read_bytes())
    assert found[0] == found[1]
    assert str(tmp_path).encode() not in found[0]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(out),
        str(ROOT),
    ]
    subprocess.run(command, check=True, timeout=300)
    return next(out.glob("pems_edge-*.whl"))


@pytest.mark.appliance
def test_two_builds_of_one_release_are_the_same_byte_by_byte_and_run(wheel, keys, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        payload.build_tree(tmp_path / name / "tree", "x86_64", wheel)
    assert entries(tmp_path / "one" / "tree") == entries(tmp_path / "two" / "tree")
    pack(tmp_path / "one" / "tree", tmp_path / "one.pems", keys.private)
    assert (tmp_path / "one.pems").stat().st_size < 200e6
    assert json.loads((tmp_path / "one" / "tree" / "release.json").read_text())["created_s"] == 1_790_000_000
    code = (
        "import importlib, pkgutil, edge, core_kernels, onnxruntime, osqp, highspy, numba, scipy.sparse, uvicorn;"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(edge.__path__, 'edge.')];"
        "print(edge.__file__)"
    )
    library = str(tmp_path / "two" / "tree" / "lib")
    environment = {"PYTHONPATH": library, "ORT_DISABLE_TELEMETRY": "1", "PATH": os.environ["PATH"], "PEMS_JIT": "0"}
    python = ["/usr/bin/python3.11", "-P", "-B", "-c", code]
    found = subprocess.run(python, env=environment, capture_output=True, text=True, check=True, timeout=300)
    assert found.stdout.strip().startswith(library)
    version = subprocess.run([tmp_path / "two" / "tree" / "bin" / "pems", "--version"], capture_output=True, check=True)
    assert b"pems, version" in version.stdout


@pytest.mark.appliance
def test_a_release_for_another_architecture_is_built_without_running_it(wheel, tmp_path):
    payload.build_tree(tmp_path / "tree", "aarch64", wheel)
    library = next((tmp_path / "tree" / "lib" / "llvmlite").rglob("*.so"))
    assert library.read_bytes()[18:20] == b"\xb7\x00"  # e_machine of an ELF file: 183, AArch64

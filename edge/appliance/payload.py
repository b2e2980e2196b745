"""The tree of a release: the project's wheel and the locked wheels of a device, for one architecture.

Runs in a checkout, on any machine: wheels for another architecture are unpacked, never run. Every wheel is held against
the hashes of ``requirements/device.lock``, first when it is fetched and once more when it is unpacked. The same lock,
wheel and ``SOURCE_DATE_EPOCH`` give the same tree, byte by byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from email.parser import Parser
from pathlib import Path

from edge.appliance.manifest import FACTS_NAME, Facts
from edge.errors import UpdateError

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "device.lock"
PYTHON = "3.11"
DATA = Path(__file__).with_name("data")
_GLIBC_MINORS = range(36, 4, -1)  # Debian 12 has glibc 2.36, the oldest tag in use is manylinux1's 2.5
_OLDER_TAGS = ("manylinux2014", "manylinux2010", "manylinux1")
_ABIS = ("cp311", "abi3", "none")
# Never imported on a box: tests, compilers' inputs, converters of models, CUDA, and what only workstations run.
_UNUSED = (
    *("training", "bin", "share", "include", "numpy/_core/include", "numpy/_core/lib", "numpy/random/lib"),
    *("onnxruntime/transformers", "onnxruntime/tools", "onnxruntime/quantization"),
)
_UNUSED_FOLDERS = frozenset({"tests", "test", "__pycache__"})
_UNUSED_ENDINGS = (".pyi", ".pyx", ".pxd", ".h", ".hpp", ".c", ".a", ".pth")
_UNUSED_RECORDS = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})


def build_tree(out: Path, arch: str, wheel: Path, *, version: str = "", units: Path | None = None) -> None:
    """Make a release's tree in a folder that is not there yet; ``version`` is the wheel's own unless given.

    ``units`` is the folder of what systemd reads; without it, that of this package, where there is one.
    """
    if out.exists():
        raise UpdateError(f"{out}: is there already")
    house = wheelhouse(arch)
    lib = out / "lib"
    place = ("--no-index", "--no-compile", "--target", str(lib))
    _pip("install", arch, *place, "--require-hashes", "--find-links", str(house), "-r", str(LOCK))
    _pip("install", arch, *place, "--upgrade", str(wheel))
    _strip(lib)
    (out / "bin").mkdir()
    for source, target in (("pems", out / "bin" / "pems"), ("install.sh", out / "install.sh")):
        shutil.copyfile(DATA / source, target)
        target.chmod(0o755)
    units = units or DATA / "units"
    if units.is_dir():
        shutil.copytree(units, out / "units")
    facts = _facts(lib, arch, version)
    (out / FACTS_NAME).write_text(json.dumps(asdict(facts), sort_keys=True) + "\n", encoding="utf-8")
    _settle(out, facts.created_s)
    _compile(lib)
    _settle(out, facts.created_s)


def wheelhouse(arch: str) -> Path:
    """The folder of the locked wheels of an architecture; fetched once, complete or absent."""
    try:
        digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise UpdateError(f"{LOCK}: cannot be read; releases are built in a checkout: {error.strerror}") from error
    house = caches() / "wheels" / f"{arch}-{digest}"
    if not house.is_dir():
        draft = house.with_name(f"{house.name}.{os.getpid()}.part")
        shutil.rmtree(draft, ignore_errors=True)
        _pip("download", arch, "--require-hashes", "--dest", str(draft), "-r", str(LOCK))
        try:
            draft.rename(house)
        except OSError:  # another build was faster, and its wheels have the same hashes
            shutil.rmtree(draft)
    return house


def caches() -> Path:
    """The folder of what was fetched once and serves every build."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pems-edge"


def platform_tags(arch: str) -> Iterator[str]:
    """The tags of wheels that run on Debian 12, newest first: pip is told each, as it derives none from another."""
    yield from (f"manylinux_2_{minor}_{arch}" for minor in _GLIBC_MINORS)
    yield from (f"{tag}_{arch}" for tag in _OLDER_TAGS)
    yield f"linux_{arch}"


def _pip(verb: str, arch: str, *arguments: str) -> None:
    tags = [word for tag in platform_tags(arch) for word in ("--platform", tag)]
    abis = [word for abi in _ABIS for word in ("--abi", abi)]
    command = [
        *(sys.executable, "-m", "pip", verb, "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON, *abis, *tags),
        *arguments,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise UpdateError(f"pip {verb} failed: {_last_line(result.stderr)}")


def _last_line(text: str) -> str:
    errors = [line for line in text.splitlines() if line.startswith("ERROR")]
    return (errors or text.splitlines() or ["no reason given"])[-1]


def _strip(lib: Path) -> None:
    """Remove what no box needs; a package's metadata and licences stay."""
    for name in _UNUSED:
        shutil.rmtree(lib / name, ignore_errors=True)
    for path in sorted(lib.rglob("*"), reverse=True):
        if path.is_dir() and path.name in _UNUSED_FOLDERS:
            shutil.rmtree(path)
        elif path.is_file() and (path.suffix in _UNUSED_ENDINGS or _is_record(path)):
            path.unlink()


def _is_record(path: Path) -> bool:
    """Whether a file says how a wheel was installed: it is out of date here, and may name a folder of the builder."""
    return path.parent.suffix == ".dist-info" and path.name in _UNUSED_RECORDS


def _facts(lib: Path, arch: str, version: str) -> Facts:
    """The release's own words about itself; its number is its time, which must rise."""
    created_s = source_date_s()
    return Facts(version=version or _version(lib), seq=created_s, arch=arch, python=PYTHON, created_s=created_s)


def source_date_s() -> int:
    """``SOURCE_DATE_EPOCH``, else the time of the checkout's last commit [s]."""
    text = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise UpdateError(f"SOURCE_DATE_EPOCH must be whole seconds, got {text!r}")
    return int(text)


def _git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], cwd=LOCK.parent, capture_output=True, text=True, check=False)  # noqa: S607
    if result.returncode != 0:
        raise UpdateError("not a git checkout: set SOURCE_DATE_EPOCH")
    return result.stdout.strip()


def _version(lib: Path) -> str:
    found = [path / "METADATA" for path in lib.glob("pems_edge-*.dist-info")]
    if len(found) != 1:
        raise UpdateError("the wheel is not this project's")
    return str(Parser().parsestr(found[0].read_text(encoding="utf-8"))["Version"])


def _settle(tree: Path, time_s: int) -> None:
    """One owner's rights and one time for everything, whatever the builder's umask and clock were."""
    for path in _all(tree):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (time_s, time_s))


def _all(tree: Path) -> Iterable[Path]:
    return [*tree.rglob("*"), tree]


def _compile(lib: Path) -> None:
    """Byte code beside the sources, in the form that asks no clock; paths in it are those below ``lib``.

    An interpreter of its own makes it: the members of a set lie in byte code in the order of their hashes, which differ
    from process to process unless their seed is told. What does not compile is no module that a box imports.
    """
    form = ("--invalidation-mode", "unchecked-hash", "-s", str(lib), "-r", "40")
    command = [sys.executable, "-m", "compileall", "-qq", *form, str(lib)]
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, check=False)

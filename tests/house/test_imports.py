"""Who imports whom, where import-linter's contracts (pyproject.toml) do not reach."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("devices", "ingest", "forecast", "control", "feeds", "web", "appliance")
OPEN_TO_ROOMS = {
    "wording",
    "files",
    "log",
    "__version__",
    "clock",
    "config",
    "config_supply",
    "config_house",
    "config_links",
    "errors",
    "messages",
    "picture",
    "signature",
    "trial",
    "strictjson",
    "timetext",
}


def imported(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} if node.module != "edge" else {f"edge.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "core_kernels").rglob("*.py")), ids=lambda path: path.stem)
def test_kernels_import_numpy_numba_and_the_standard_library_only(path):
    tops = {name.split(".")[0] for name in imported(path)}
    assert tops <= {"core_kernels", "numpy", "numba"} | sys.stdlib_module_names


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_sees_only_the_common_modules(room):
    seen = {
        (path.name, name)
        for path in (ROOT / "edge" / room).rglob("*.py")
        for name in imported(path)
        if name.startswith("edge.") and name.split(".")[1] not in OPEN_TO_ROOMS | {room}
    }
    assert seen == set()


@pytest.mark.parametrize("path", sorted((ROOT / "edge" / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_commands_import_rooms_only_when_they_run(path):
    top = {name for node in ast.parse(path.read_text()).body for name in _imported_by(node)}
    heavy = {
        name for name in top if name.startswith("edge.") and name.split(".")[1] in (*ROOMS, "daemon", "replay", "demo")
    }
    assert heavy == set()


def _imported_by(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []

"""The shape of the project: names at the top, sizes, no packages under tests."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge", "core_kernels", "training")
TOP = {
    *PACKAGES,
    *("firmware_profiles", "tests", "docs", "examples", "benchmarks", "requirements", "scripts", ".ci"),
    *("README.md", "CHANGELOG.md", "LICENSE", "Makefile", "pyproject.toml", ".gitignore"),
}
MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def statements(node: ast.AST) -> int:
    """Statements of a function without its docstring and without the functions inside it."""
    count = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            count += 1
            continue
        docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        count += (isinstance(child, ast.stmt) and not docstring) + statements(child)
    return count


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_the_top_level_holds_the_agreed_names_only():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    assert {line.split("/")[0] for line in listed.stdout.splitlines()} <= TOP


def test_no_package_hides_under_tests():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_test_files_have_unique_names():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_stay_under_300_lines(package):
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in (ROOT / package).rglob("*.py")}
    assert {name: size for name, size in sizes.items() if size > 300} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_stay_under_40_statements(package):
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {statements(node)}"
        for path in (ROOT / package).rglob("*.py")
        for node in functions(ast.parse(path.read_text()))
        if statements(node) > 40
    ]
    assert long == []


def test_no_handler_is_blind():
    blind = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or any(name.id in ("Exception", "BaseException") for name in _names(node.type)))
    ]
    assert blind == []


def _names(node: ast.expr) -> list[ast.Name]:
    return [item for item in ast.walk(node) if isinstance(item, ast.Name)]


def test_statements_are_counted_without_docstring_and_inner_functions():
    tree = ast.parse('def f():\n    "doc"\n    if 1:\n        a = 1\n    def g():\n        b = 2\n    return a\n')
    assert statements(tree.body[0]) == 4

"""A float's name says its unit: parameters and record fields annotated as numbers end in a unit suffix."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge", "core_kernels", "training")
NUMBERS = {"float", "float | None", "tuple[float, ...]", "list[float]", "Sequence[float]"}
UNIT = re.compile(
    r"(^|_)(seconds|minutes|hours|days)(_|$)"
    r"|(^|_)(w|wh|va|var|j|v|a|hz|k|c|s|ms|us|m|m2|px|deg|rad|frac|eur|hpa|pa|years?|raw|count|ratio)$"
    r"|_per_(w|wh|kw|kwh|mwh|k|s|h|m2|kw_month|month|year|day|kg)$"
)
# Numbers whose unit is another field's (a reading's value, a signal's rate), and pure numbers.
WORDS = """
value values number low high default previous last total limit step rate level target middle width column
reference_value p10 p50 p90 lower upper minimum maximum tolerance allowance parity_tolerance spike_floor
scale offset factor speed quality score weight weights probability settings
error x y z a b c d e f g h l u q p
"""
UNITLESS = frozenset(WORDS.split())


def numbers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of every parameter and field annotated as a number."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            name, annotation = node.arg, node.annotation
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, annotation = node.target.id, node.annotation
        else:
            continue
        if ast.unparse(annotation) in NUMBERS:
            yield node.lineno, name.strip("_").lower()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_number_carries_its_unit(package):
    nameless = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, name in numbers(ast.parse(path.read_text()))
        if not UNIT.search(name) and name not in UNITLESS
    ]
    assert nameless == []


@pytest.mark.parametrize(
    "name", ["battery_w", "price_eur_per_kwh", "soc_frac", "time_s", "ghi_w_per_m2", "wind_m_per_s"]
)
def test_the_units_of_the_design_are_known(name):
    assert UNIT.search(name)


@pytest.mark.parametrize("name", ["power", "soc", "price", "battery_kw", "load_kwh"])
def test_a_bare_name_or_a_screen_unit_is_found(name):
    assert not UNIT.search(name)

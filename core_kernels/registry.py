"""What the compiled core offers: every public function with its unit, source, reference and tolerance.

Tests iterate over the registry, ``pems warm`` runs every example once, and equal digests on two machines (or with the
compiler on and off) mean equal results to the last bit.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from core_kernels.jit import JIT_ENABLED

Function = TypeVar("Function", bound=Callable[..., Any])
Example = Callable[[], tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One public function.

    ``tolerance`` is the largest absolute difference from the reference, in ``unit``. ``missing`` numbers those
    arguments of the example (float64 arrays) in which a NaN must come out as a NaN at the same place.
    """

    name: str
    unit: str
    source: str
    reference: str
    tolerance: float
    function: Callable[..., Any]
    example: Example
    missing: tuple[int, ...] = ()


REGISTRY: dict[str, Entry] = {}


def registered(
    *,
    name: str,
    unit: str,
    source: str,
    reference: str,
    tolerance: float,
    example: Example,
    missing: tuple[int, ...] = (),
) -> Callable[[Function], Function]:
    """Enter a public function in :data:`REGISTRY`; a name given twice raises ``ValueError``.

    Compiled code follows IEEE 754 in silence. Plain Python on numpy's numbers does as well: it warns of nothing.
    """

    def enter(function: Function) -> Function:
        if name in REGISTRY:
            raise ValueError(f"{name} is registered twice")
        if not JIT_ENABLED:
            function = np.errstate(all="ignore")(function)
        REGISTRY[name] = Entry(
            name=name,
            unit=unit,
            source=source,
            reference=reference,
            tolerance=tolerance,
            function=function,
            example=example,
            missing=missing,
        )
        return function

    return enter


def discover() -> dict[str, Entry]:
    """The registry after every module of the package was imported (and so every kernel compiled or loaded)."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"core_kernels.{module.name}")
    return REGISTRY


def arrays_of(result: Any) -> Iterator[np.ndarray[Any, Any]]:
    """The arrays of a result: of an array, a number, or (nested) tuples and records of them, in order."""
    if isinstance(result, tuple | list):
        for part in result:
            yield from arrays_of(part)
    elif hasattr(result, "__dataclass_fields__"):
        for field in result.__dataclass_fields__:
            yield from arrays_of(getattr(result, field))
    elif isinstance(result, dict):
        for key in sorted(result):
            yield from arrays_of(result[key])
    else:
        yield np.ascontiguousarray(result)


def digest(result: Any) -> str:
    """SHA-256 of a result's bits; every NaN counts as the same NaN."""
    total = hashlib.sha256()
    for array in arrays_of(result):
        plain = np.where(np.isnan(array), np.nan, array) if array.dtype.kind == "f" else array
        total.update(f"{plain.dtype.str}{plain.shape}".encode())
        total.update(plain.tobytes())
    return total.hexdigest()


def digests() -> dict[str, str]:
    """The digest of every registered function's example."""
    return {name: digest(entry.function(*entry.example())) for name, entry in sorted(discover().items())}

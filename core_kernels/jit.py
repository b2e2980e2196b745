"""The one place that names Numba's options.

``PEMS_JIT=0`` (the control process) and ``NUMBA_DISABLE_JIT=1`` (coverage) leave every kernel the plain Python
function that it is written as, and Numba is not even imported. ``fastmath`` stays off: it counts NaN as good data.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., object])

JIT_ENABLED = os.environ.get("PEMS_JIT", "1") != "0" and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")


def kernel(signature: str | None = None) -> Callable[[Function], Function]:
    """Compile a function with the house options and an explicit Numba signature (``None``: inferred, for helpers)."""

    def decorate(function: Function) -> Function:
        if not JIT_ENABLED:
            return function
        import numba

        options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": False}
        compiled = numba.njit(signature, **options) if signature else numba.njit(**options)
        return cast("Function", compiled(function))

    return decorate

"""The one place that names Numba's options.

``PEMS_JIT=0`` (the control process) and ``NUMBA_DISABLE_JIT=1`` (coverage) leave every kernel the plain Python
function that it is written as, and Numba is not even imported. ``fastmath`` stays off: it counts NaN as good data.

Compiled code is cached on disk. Numba notices a change of a kernel's own file but not of a file that it calls, and then
runs stale code; so the cache lies in a folder named by the digest of all sources of this package, one a release.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., object])

JIT_ENABLED = os.environ.get("PEMS_JIT", "1") != "0" and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")


def cache_folder() -> Path | None:
    """Folder of this release's compiled kernels, made if need be; ``None`` where none can be written.

    Below ``NUMBA_CACHE_DIR`` when that is set (the service's own), else below the user's cache folder.
    """
    user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    base = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(user) / "pems-edge" / "numba")
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    folder = base / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


@contextlib.contextmanager
def _hidden(name: str) -> Iterator[None]:
    """A module that cannot be imported for a while, unless it has been."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # what makes import raise ImportError (importlib's reference)
    try:
        yield
    finally:
        del sys.modules[name]


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """The search for cyclic garbage put off: compiling makes many objects, and a tenth of its time went into that."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@functools.cache
def _options() -> dict[str, Any]:
    """The house options; points Numba at the release's cache, and does without one where nothing can be written.

    Numba looks for BLAS and cffi as it starts, which takes a third of a second of other packages' modules. No kernel
    multiplies matrices by BLAS, as its bits differ from machine to machine, and none calls C.
    """
    import numba

    for unused, user in (("scipy.linalg", "numba.np.arraymath"), ("cffi", "numba.core.typing.cffi_utils")):
        with _hidden(unused):
            importlib.import_module(user)
    folder = cache_folder()
    if folder is not None:
        numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]  # set at run time by numba itself
    found = {"cache": folder is not None, "nogil": True, "error_model": "numpy", "fastmath": False}
    return {**found, "no_cfunc_wrapper": True}  # nothing here is called by its address from C


def kernel(signature: str | None = None, *, inline: bool = False) -> Callable[[Function], Function]:
    """Compile a function with the house options and an explicit Numba signature (``None``: inferred, for helpers).

    ``inline`` makes the compiler put the function's code into each caller's: a small helper without branches that a
    loop is to be vectorised over.
    """

    def decorate(function: Function) -> Function:
        if not JIT_ENABLED:
            return function
        import numba

        options = {**_options(), "forceinline": True} if inline else _options()
        compiled = numba.njit(signature, **options) if signature else numba.njit(**options)
        with _uncollected():
            return cast("Function", compiled(function))

    return decorate


def plain(function: Function) -> Function:
    """The Python function behind a kernel, for the few calls that are not worth loading compiled code.

    Only for kernels that use nothing of :mod:`core_kernels.bits`; the result has the same bits.
    """
    return cast("Function", getattr(function, "py_func", function))

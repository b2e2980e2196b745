"""``pems warm``: compile and cache all kernels."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """Compile every kernel and cache the result; run it at install and after an update.

    \b
    Example:
      pems warm
    """
    import importlib
    import pkgutil
    import time

    import core_kernels
    from core_kernels.jit import JIT_ENABLED

    started = time.perf_counter()
    modules = sorted(module.name for module in pkgutil.iter_modules(core_kernels.__path__))
    with click.progressbar(modules, label="Compiling kernels", show_eta=False) as names:
        for name in names:
            importlib.import_module(f"core_kernels.{name}")
    state = "warm" if JIT_ENABLED else "plain Python (the JIT is off)"
    click.echo(f"{len(modules)} modules are {state} after {time.perf_counter() - started:.1f} s")

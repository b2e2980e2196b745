"""Progress of long work, on stderr."""

from __future__ import annotations

import sys
import time

import click


class Stages:
    """Progress for a person: a bar on a terminal, else one line a stage."""

    def __init__(self, total: int) -> None:
        from tqdm import tqdm

        self._started_s = time.monotonic()
        self._done, self._total = 0, total
        self._bar = tqdm(total=total, unit="step", ncols=100) if sys.stderr.isatty() else None

    def __call__(self, text: str) -> None:
        """A stage begins."""
        self._done += 1
        line = f"[{self._done}/{self._total}] {text}"
        if self._bar is None:
            click.echo(f"{time.monotonic() - self._started_s:5.1f} s  {line}", err=True)
            return
        self._bar.set_description(text[:50])
        self._bar.update(1)

    def close(self) -> None:
        """The last stage is over."""
        if self._bar is not None:
            self._bar.close()

"""The one door to other programs: Debian's tools for disks and packages, pip, RAUC."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from edge.errors import UpdateError


def run(command: Sequence[str], **environment: str) -> None:
    """Run a program to its end; raises :class:`UpdateError` with its last words."""
    try:
        result = subprocess.run(
            list(command),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, **environment},
        )
    except FileNotFoundError as error:
        raise UpdateError(f"{command[0]}: not installed") from error
    if result.returncode != 0:
        words = (result.stderr or result.stdout).strip().splitlines() or ["no reason given"]
        raise UpdateError(f"{command[0]} failed: {' / '.join(words[-3:])}")

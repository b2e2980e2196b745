"""What a command by hand leaves behind when ``pems device set`` has ended, in words, and how to end and undo it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edge.devices.profile import Control

_SETTING = re.compile(r"([a-z0-9_]+)=([0-9]{1,20})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The device of a command line."""

    profile: str
    url: str
    unit: int | None
    allow: tuple[str, ...]

    def native_command(self, settings: Mapping[str, int]) -> str:
        """What brings it back to its own rules, and these settings to these register values."""
        words = ["pems", "device", "set", "--profile", self.profile, "--url", self.url]
        words += [] if self.unit is None else ["--unit", str(self.unit)]
        words += [word for name in self.allow for word in ("--allow", name)]
        words += ["--mode", "native"]
        words += [word for name, raw in settings.items() for word in ("--restore", f"{name}={raw}")]
        return shlex.join([*words, "--yes"])


def aftermath(control: Control, changed: Mapping[str, int], target: Target) -> list[str]:
    """What stays when this command has ended: the mode, and the settings that were changed with their value before."""
    lines: list[str] = []
    if control.on_silence == "slot_ends":
        lines.append(
            f"{control.name}: the time slot stays in the device's memory and comes back at the same hours every day"
            " until it is disabled"
        )
    elif control.on_silence == "persists":
        lines.append(f"{control.name}: the device stays in this mode for ever; --minutes does not end it")
    if changed:
        listed = ", ".join(f"{name} (was {raw})" for name, raw in changed.items())
        lines.append(f"{control.name}: settings of the owner were changed: {listed}")
    if lines:
        lines.append(f"back to its own rules: {target.native_command(changed)}")
    return lines


def settings_of(
    texts: Sequence[str], controls: Sequence[Control], limits: Mapping[str, tuple[int, int]]
) -> dict[str, int]:
    """Register values to put back, from ``NAME=VALUE``; only settings that a way of control itself changes."""
    known = {name for control in controls for name in control.restore}
    found: dict[str, int] = {}
    for text in texts:
        match = _SETTING.fullmatch(text)
        if match is None:
            raise click.UsageError(f"--restore {text} is not NAME=VALUE")
        name, raw = match[1], int(match[2])
        if name not in known:
            raise click.UsageError(
                f"--restore {name}: settings that are changed are {', '.join(sorted(known)) or 'none'}"
            )
        low, high = limits[name]
        if not low <= raw <= high:
            raise click.UsageError(f"--restore {name}: {raw} is not in {low}..{high}; set it at the device")
        found[name] = raw
    return found

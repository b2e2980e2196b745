"""Options that several commands share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from edge.clock import Clock


class ClockType(click.ParamType[Clock]):
    """``START:ORIGIN:SPEED`` as printed by ``Clock.describe``."""

    name = "clock"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Clock:
        """Parse, or fail as a usage error."""
        if isinstance(value, Clock):
            return value
        try:
            return Clock.parse(str(value))
        except ValueError:
            self.fail(f"{value!r} is not START:ORIGIN:SPEED", param, ctx)


class FiniteFloatRange(click.FloatRange):
    """A number inside a range; ``nan`` and ``inf``, which no range of ``click`` keeps out, are usage errors."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse, or fail as a usage error."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


site_option = click.option(
    "--site", "site_path", type=click.Path(path_type=Path), required=True, help="The site's site.toml."
)
state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="PEMS_STATE",
    help="Folder of the store and the socket. [default: 'state' beside site.toml; env PEMS_STATE]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
clock_option = click.option(
    "--clock", type=ClockType(), hidden=True, help="START:ORIGIN:SPEED, a clock shared with a twin."
)


def state_folder(site_path: Path, state: Path | None) -> Path:
    """The state folder of a command line."""
    return state if state is not None else site_path.resolve().parent / "state"

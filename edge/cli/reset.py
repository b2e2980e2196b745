"""``pems factory-reset``: make this box forget its house."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.options import site_option, state_folder, state_option

if TYPE_CHECKING:
    from edge.reset import Reset

_TARGET = "pems.target"
# systemctl waits for the units that it is told, not for those that go with them.
_UNITS = (_TARGET, "pems-control.service", "pems-planner.service", "pems-web.service")


@click.command(name="factory-reset")
@site_option
@state_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--decommission", is_flag=True, help="For good: no new site file, and overwrite free space, too.")
@click.option("--without-inverter", is_flag=True, help="Go on where the inverter does not answer (it is gone).")
def command(site_path: Path, state: Path | None, yes: bool, decommission: bool, without_inverter: bool) -> None:
    """Bring the inverter to its own rules, then remove configuration, keys, models and telemetry.

    The box then starts as a new one, which reads and commands nothing. With --decommission it does not start again, and
    not even a raw look at the disk finds the house.

    \b
    Example:
      pems factory-reset --site /etc/pems/site.toml --state /var/lib/pems
      pems factory-reset --site /etc/pems/site.toml --state /var/lib/pems --decommission
    """
    os.environ.setdefault("PEMS_JIT", "0")  # what is done once is not compiled
    from edge.reset import Reset

    reset = Reset(site_path=site_path, state=state_folder(site_path, state))
    if not yes:
        click.echo(f"{len(reset.files())} files of {site_path.parent} and {reset.state} will be gone for good.")
        click.confirm("Make this box forget its house?", abort=True)
    with _stopped(again=not decommission):
        click.echo(_left(reset, without_inverter=without_inverter))
        with click.progressbar(length=len(reset.files()), label="Forgetting") as bar:
            reset.forget(lambda _: bar.update(1))
        if decommission:
            _wipe(reset.state)
        else:
            reset.begin_anew()
    click.echo("This box knows nothing of a house any more.")


def _left(reset: Reset, *, without_inverter: bool) -> str:
    """Leave the inverter; with permission, go on without it."""
    from edge.errors import EdgeError

    try:
        return reset.leave_inverter()
    except EdgeError as error:
        if not without_inverter:
            click.echo("Nothing was removed. Repair the link, or use --without-inverter.", err=True)
            raise
        return f"Going on without the inverter: {error}"


def _wipe(folder: Path) -> None:
    from edge.reset import free_bytes, overwrite_free_space

    with click.progressbar(length=free_bytes(folder), label="Overwriting free space") as bar:
        overwrite_free_space(folder, bar.update)


@contextmanager
def _stopped(*, again: bool) -> Iterator[None]:
    """The box's units are stopped meanwhile, where they run; control leaves its inverter as it stops."""
    ran = _systemctl("is-active", _TARGET)
    if ran:
        _systemctl("stop", *_UNITS)
    try:
        yield
    finally:
        if ran and again:
            _systemctl("start", "--no-block", _TARGET)


def _systemctl(*words: str) -> bool:
    """Whether systemd did, or has, what was asked; never where there is none."""
    tool = shutil.which("systemctl")
    return tool is not None and subprocess.run([tool, "--quiet", *words], check=False).returncode == 0

"""``pems update``: releases on this box, from installing to rolling back; and on a workstation, making them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.options import json_option

if TYPE_CHECKING:
    from edge.appliance.updater import Places
    from edge.trial import Trial

_path = click.Path(path_type=Path)
_SYSTEMD = Path("/run/systemd/system")
SYSTEM_SUFFIX = ".raucb"
_UNITS = ("pems-update-recover.service", "pems.target")


@click.group()
@click.option("--root", type=_path, default="/opt/pems", show_default=True, help="Folder of the releases.")
@click.option("--state", type=_path, default="/var/lib/pems-update", show_default=True, help="Folder of the state.")
@click.option("--key", type=_path, default="/etc/pems/release.pub", show_default=True, help="Public key of releases.")
@click.pass_context
def group(context: click.Context, root: Path, state: Path, key: Path) -> None:
    """Install signed releases; a new one is on trial until the health gate finds it good."""
    from edge.appliance.updater import Places

    context.obj = Places(root=root, state=state, key=key)


@group.command()
@click.argument("file", type=_path)
@click.option("--restart/--no-restart", default=True, show_default=True, help="Start the new release at once.")
@json_option
@click.pass_obj
def install(places: Places, file: Path, restart: bool, as_json: bool) -> None:
    """Verify a release, unpack it beside the one in force, and put it on trial.

    What runs goes on running until all of the new release is on the disk. A release that does not become good in two
    starts is rolled back by itself. A .raucb is a whole system: it goes beside the one that runs, for the next start.

    \b
    Example:
      pems update install 1.2.0.pems
    """
    from edge.appliance import release, updater

    if file.suffix == SYSTEM_SUFFIX:
        _install_system(file)
        return
    size = release.verify(file, places.key).tree_bytes
    with click.progressbar(length=size, label=f"Installing {file.name}", hidden=as_json) as bar:
        state = updater.install(places, file, bar.update)
    _show(state, as_json)
    if restart:
        _restart()


@group.command()
@json_option
@click.pass_obj
def status(places: Places, as_json: bool) -> None:
    """Show which release is in force, whether it is on trial, and what there is to go back to.

    \b
    Example:
      pems update status
    """
    from edge.appliance import updater

    _show(updater.status(places), as_json)


@group.command()
@json_option
@click.pass_obj
def recover(places: Places, as_json: bool) -> None:
    """Finish or undo what was cut off, and count a start of a release on trial; run at each start, by the good release.

    \b
    Example:
      pems update recover
    """
    from edge.appliance import updater

    _told(places, updater.recover, as_json)


@group.command()
@json_option
@click.pass_obj
def good(places: Places, as_json: bool) -> None:
    """Say that the release on trial has proved itself; nothing without a trial. The health gate does it.

    \b
    Example:
      pems update good
    """
    from edge.appliance import updater

    _told(places, updater.good, as_json)


@group.command()
@click.option("--why", default="the health gate said so", show_default=True, help="Reason, for people.")
@click.option("--restart/--no-restart", default=True, show_default=True, help="Start again at once.")
@json_option
@click.pass_obj
def failed(places: Places, why: str, restart: bool, as_json: bool) -> None:
    """Say that the release on trial is ill: it is started once more, then rolled back. Nothing without a trial.

    \b
    Example:
      pems update failed --why 'no verified cycle'
    """
    from edge.appliance import updater

    was_on_trial = updater.status(places).is_running
    _told(places, lambda at: updater.failed(at, why), as_json)
    if restart and was_on_trial:
        _restart()


@group.command()
@click.option("--restart/--no-restart", default=True, show_default=True, help="Start the other release at once.")
@json_option
@click.pass_obj
def rollback(places: Places, restart: bool, as_json: bool) -> None:
    """Go back to the release before.

    \b
    Example:
      pems update rollback
    """
    from edge.appliance import updater

    _told(places, updater.rollback, as_json)
    if restart:
        _restart()


@group.command()
@click.argument("release", type=_path)
@json_option
@click.pass_obj
def verify(places: Places, release: Path, as_json: bool) -> None:
    """Check every byte of a release's file or folder against its signature; changes nothing.

    \b
    Example:
      pems update --key release.pub verify 1.2.0.pems
    """
    from edge.appliance.release import verify as verified

    facts = verified(release, places.key).facts
    if as_json:
        click.echo(json.dumps(asdict(facts)))
        return
    click.echo(f"{release}: good")
    click.echo(f"  {facts.version}, seq {facts.seq}, for {facts.arch} with Python {facts.python}")


@group.command()
@click.argument("out", type=_path)
@click.option("--arch", type=click.Choice(["x86_64", "aarch64"]), required=True, help="Processor of the boxes.")
@click.option("--wheel", type=_path, required=True, help="The project's wheel (python -m build --wheel).")
@click.option("--sign-with", "private", type=_path, required=True, help="Private key (pems-train sign keygen).")
@click.option("--version", default="", help="Name of the release. [default: the wheel's version]")
def pack(out: Path, arch: str, wheel: Path, private: Path, version: str) -> None:
    """Build a release in a checkout, sign it, and write it as one file.

    \b
    Example:
      pems update pack 1.2.0.pems --arch aarch64 --wheel dist/pems_edge-1.2.0-py3-none-any.whl --sign-with release.key
    """
    import tempfile

    from edge.appliance import payload, release

    with tempfile.TemporaryDirectory(dir=out.resolve().parent) as folder:
        tree = Path(folder) / "tree"
        click.echo("wheels of requirements/device.lock ...", err=True)
        payload.build_tree(tree, arch, wheel, version=version)
        click.echo("packing ...", err=True)
        manifest = release.pack(tree, out, private)
    click.echo(f"{out}: {manifest.version} for {arch}, {out.stat().st_size / 1e6:.0f} MB, {len(manifest.files)} files")


@group.command()
@click.argument("release", type=_path)
@click.argument("out", type=_path)
@click.pass_obj
def deb(places: Places, release: Path, out: Path) -> None:
    """Wrap a release as a Debian package, with its public key and the installer.

    \b
    Example:
      pems update --key release.pub deb 1.2.0.pems pems-edge_1.2.0_arm64.deb
    """
    from edge.appliance.deb import build_deb

    build_deb(release, places.key, out)
    click.echo(f"{out}: {out.stat().st_size / 1e6:.0f} MB; install it with apt install ./{out.name}")


@group.command(hidden=True)
@click.argument("words", nargs=-1, required=True)
def slots(words: tuple[str, ...]) -> None:
    """Answer RAUC and the units on which of an image's two systems starts.

    \b
    Example:
      pems update slots status
    """
    from edge.appliance.slotcommands import answer, is_on_trial

    if words == ("ill",):
        if is_on_trial():
            subprocess.run(["systemctl", "reboot"], check=True)  # noqa: S607 -- systemd's own, wherever it lies
        return
    if text := answer(words):
        click.echo(text)


def _install_system(file: Path) -> None:
    from edge.appliance.systemupdate import install

    install(file)
    click.echo("installed beside the system that runs; it is on trial from the next start (systemctl reboot)")


def _told(places: Places, step: Callable[[Places], Trial], as_json: bool) -> None:
    _show(step(places), as_json)


def _show(state: Trial, as_json: bool) -> None:
    """The state, and that there is nothing to go back to where that is so."""
    if as_json:
        click.echo(json.dumps({**asdict(state), "on_trial": state.is_running}))
        return
    if not state.current:
        click.echo("no release is installed")
        return
    trial = f", on trial (start {state.starts_count})" if state.is_running else ""
    click.echo(f"in force: {state.current}{trial}")
    back = state.good if state.is_running else state.previous
    click.echo(f"to go back to: {back or 'nothing, redundancy is lost'}")
    if state.told:
        click.echo(f"last: {state.told}")


def _restart() -> None:
    """Have systemd start what is in force now; without it, whoever runs the box does."""
    if not _SYSTEMD.is_dir():
        click.echo("start the box again, so that what is in force runs", err=True)
        return
    for command in (["daemon-reload"], ["--no-block", "restart", *_UNITS]):
        subprocess.run(["systemctl", *command], check=False)  # noqa: S607 -- systemd's own, wherever it lies

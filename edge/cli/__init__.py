"""The ``pems`` command. Each group is one file; rooms are imported inside commands, so that ``--help`` is instant."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from edge.errors import EdgeError

_COMMANDS = {
    "bench": ("edge.cli.bench:command", "Timings beside the references, as ratios in one run."),
    "bundle": ("edge.cli.bundle:group", "Signed model bundles on the device."),
    "completion": ("edge.cli.completion:command", "What makes a shell complete commands and options."),
    "config": ("edge.cli.config:group", "The box's site.toml: show it, replace it after a full check."),
    "demo": ("edge.cli.demo:command", "The whole main job on this machine, on real wires and real data."),
    "device": ("edge.cli.device:group", "Read, watch and set one device on its wire."),
    "doctor": ("edge.cli.doctor:command", "Links, signs, clocks, bundle, store, last plan, wear."),
    "factory-reset": ("edge.cli.reset:command", "Make this box forget its house."),
    "feeds": ("edge.cli.feeds:command", "How prices and weather from outside fare."),
    "forecast": ("edge.cli.ask:forecast", "PV and load of the next 48 h, with their spread."),
    "health": ("edge.cli.health:group", "One verdict on this box: control, planner, models, disk, clock."),
    "image": ("edge.cli.image:group", "Images of a whole box: make one, put it on a disk."),
    "log": ("edge.cli.log:command", "The box's decisions and alarms."),
    "models": ("edge.cli.models:command", "The models in force, their stages, and how they hold."),
    "override": ("edge.cli.override:command", "Take the battery into one's own hands for a while."),
    "password": ("edge.cli.password:command", "Set the dashboard's password, show its tokens."),
    "plan": ("edge.cli.ask:plan", "What the box intends for the next 48 h."),
    "quality": ("edge.cli.quality:command", "Flags and the four scores of a table."),
    "replay": ("edge.cli.replay:command", "Closed loop over recorded days, without hardware."),
    "run": ("edge.cli.run:command", "The daemon: control, planner and web."),
    "savings": ("edge.cli.savings:command", "What the last days cost, beside rules and no battery."),
    "status": ("edge.cli.status:command", "What the box is doing now, in ten lines."),
    "twin": ("edge.cli.twin:command", "Serve a device, or a whole house, from a profile."),
    "update": ("edge.cli.update:group", "Releases on this box: install, prove, roll back; build and verify them."),
    "versus": ("edge.cli.versus:command", "Which of two settings is the cheaper one, by recorded days."),
    "warm": ("edge.cli.warm:command", "Compile and cache all kernels."),
    "watch": ("edge.cli.watch:command", "The house live, with sparklines."),
    "why": ("edge.cli.ask:why", "The reason for the running action, in words."),
}


class _LazyGroup(click.Group):
    """Imports a command only when it is called; the list of commands costs nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name][0].split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_COMMANDS.items())])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="pems-edge")
def group() -> None:
    """PEMS Edge: run a home's battery and PV from this box, and ask it questions.

    \b
    Example:
      pems demo
      pems run --site site.toml
      pems status --site site.toml
      pems why --site site.toml
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Console script; every error of ours becomes one line a problem and its exit code."""
    try:
        group.main(args=arguments, prog_name="pems")
    except EdgeError as error:
        click.echo("\n".join(f"pems: {line}" for line in str(error).splitlines()), err=True)
        sys.exit(error.exit_code)

"""``pems-train``: the workstation's command line. Each group is one file; a command is imported when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from training.errors import TrainingError

_COMMANDS = {
    "backtest": ("training.cli.backtest:command", "Train before A, forecast each day of [A, B), score."),
    "bench": ("training.cli.bench:command", "Figures of the models on measured data, beside references."),
    "demo-data": ("training.cli.demo_data:command", "Write the demo's measured house."),
    "export": ("training.cli.export:command", "Export to ONNX through the parity gate and pack a bundle."),
    "extract": ("training.cli.extract:command", "A site's data from its stores, and how good they are."),
    "fit": ("training.cli.fit:fit", "Fit the PV and load models of a site."),
    "fleet": ("training.cli.fleet:command", "Train the models of many homes on Dask workers."),
    "make-bundle": ("training.cli.fit:make_bundle", "Fit, export and sign in one go."),
    "registry": ("training.cli.registry:group", "Bundles kept for good: champion, shadow, previous."),
    "rooms": ("training.cli.rooms:command", "Identify the rooms of a house."),
    "sign": ("training.cli.sign:group", "Keys and signatures of bundles."),
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
    """Train PV and load models on a workstation and pack them for the box.

    \b
    Example:
      pems-train make-bundle --site site.toml --table train.parquet --key bundle.key --out bundle.zip
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Console script; every error of ours becomes one line a problem and its exit code."""
    try:
        group.main(args=arguments, prog_name="pems-train")
    except TrainingError as error:
        click.echo("\n".join(f"pems-train: {line}" for line in str(error).splitlines()), err=True)
        sys.exit(error.exit_code)

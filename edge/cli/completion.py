"""``pems completion``: the shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_PEMS_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> None:
    """Print what makes a SHELL complete the commands and options of pems.

    \b
    Example:
      pems completion bash > ~/.local/share/bash-completion/completions/pems
      pems completion zsh  > "${fpath[1]}/_pems"
      pems completion fish > ~/.config/fish/completions/pems.fish
    """
    from edge.cli import group

    found = get_completion_class(shell)
    assert found is not None, "click knows the shells that it completes"
    source = found(group, {}, "pems", _VARIABLE)
    click.echo(source.source_template % source.source_vars())

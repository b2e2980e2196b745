"""``pems password``: the dashboard's one password, set on the box itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edge.cli.options import site_option, state_folder, state_option


@click.command()
@site_option
@state_option
@click.option("--code", "show", flag_value="code", help="Print the setup code for the first visit instead.")
@click.option("--token", "show", flag_value="token", help="Print the token by which programs may read instead.")
def command(site_path: Path, state: Path | None, show: str | None) -> None:
    """Set or change the dashboard's password; whoever is logged in must log in again.

    Where it is piped in, its first line is taken.

    \b
    Example:
      pems password --site site.toml
      pems password --token --site site.toml
    """
    from edge.config import load_site
    from edge.daemon import KEYS_FOLDER
    from edge.errors import ConfigError
    from edge.web.keys import Keys

    load_site(site_path)
    keys = Keys(state_folder(site_path, state) / KEYS_FOLDER)
    if show == "token":
        click.echo(keys.read_token())
    elif show == "code":
        if keys.has_password:
            raise ConfigError("password", ["is set already: log in with it, or set another with pems password"])
        click.echo(keys.setup_code())
    else:
        if _is_terminal():
            password = click.prompt("New password", hide_input=True, confirmation_prompt=True)
        else:
            password = sys.stdin.readline().rstrip("\r\n")
        keys.set_password(password)
        click.echo("The password is set.")


def _is_terminal() -> bool:
    return sys.stdin.isatty()

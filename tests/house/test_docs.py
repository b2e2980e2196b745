"""What users can type is written down."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[2]


def commands(command: click.Command, words: tuple[str, ...]) -> Iterator[str]:
    """Every command below (and with) a command, as a user types it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands(child, (*words, name))
    else:
        yield " ".join(words)


def test_every_command_appears_in_the_docs():
    cli = pytest.importorskip("edge.cli")
    text = "\n".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    assert [name for name in commands(cli.group, ("pems",)) if name not in text] == []


def test_every_command_says_what_it_does():
    cli = pytest.importorskip("edge.cli")
    context = click.Context(cli.group)
    found = {name: cli.group.get_command(context, name) for name in cli.group.list_commands(context)}
    silent = [name for name, command in found.items() if not command.get_short_help_str()]
    assert silent == []


def test_the_example_and_the_documented_site_are_one_and_right():
    from edge.config import load_site

    site = load_site(ROOT / "examples" / "site.toml")
    assert site.battery is not None
    assert len(site.links) == 2
    example = (ROOT / "examples" / "site.toml").read_text().split("\n\n", 1)[1]
    assert example in (ROOT / "docs" / "install.md").read_text()


def test_the_documented_table_of_signals_is_the_codes_own():
    from core_kernels.signals import SIGNALS, is_extra

    text = (ROOT / "docs" / "data.md").read_text().split("## Signals")[1].split("\n## ")[0]
    rows = [f"| `{x.name}` | {x.unit} | {x.low:g} to {x.high:g} | {x.kind.name.lower()} |" for x in SIGNALS.values()]
    assert [line for line in text.splitlines() if line.startswith("| `")] == rows
    endings = [word.strip("`.") for word in text.split("one of the endings")[1].replace(",", " ").split()]
    assert len(endings) == 8
    assert all(is_extra(f"fc_some_word{ending}") for ending in endings)


def test_no_example_has_a_question_mark_that_a_shell_would_take():
    """Zsh ends with "no matches found" where a ? stands outside quotes; TOML and tables have theirs in quotes, too."""
    places = [ROOT / "README.md", ROOT / "firmware_profiles" / "README.md", *(ROOT / "docs").rglob("*.md"),
              *(ROOT / "edge" / "cli").rglob("*.py"), *(ROOT / "training" / "cli").rglob("*.py")]  # fmt: skip
    bare = re.compile(r"^\s*(?:\S*/)?pems(?:-train)? .*\s[^\s'\"]+\?[^\s'\"]+")
    found = [line for path in places for line in path.read_text().splitlines() if bare.match(line)]
    assert found == []
    assert bare.match("  pems device read --url serial:///dev/ttyUSB0?baud=9600")

"""``pems device scan``: what is connected, and the lines for site.toml."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from edge.cli.device.common import unit_option
from edge.cli.options import clock_option, json_option
from edge.clock import Clock

if TYPE_CHECKING:
    from edge.devices.finder import Candidate


_NO_PORT = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One port or host: what answers there."""

    url: str
    description: str
    answer: str
    candidates: tuple[Candidate, ...] = ()


@click.command()
@click.option("--tcp", "hosts", multiple=True, metavar="HOST[:PORT]", help="Ask this host as well; may be repeated.")
@click.option(
    "--port", "ports", multiple=True, metavar="PATH", help="Only these serial ports, or 'none'. [default: all]"
)
@click.option("--profile", "profiles", multiple=True, help="Look for this family only; may be repeated. [default: all]")
@unit_option
@click.option("--list", "only_list", is_flag=True, help="Name the serial ports and ask nothing.")
@json_option
@clock_option
def scan(
    *,
    hosts: Sequence[str],
    ports: Sequence[str],
    profiles: Sequence[str],
    unit: int | None,
    only_list: bool,
    as_json: bool,
    clock: Clock | None,
) -> None:
    """Find devices on serial ports and on the hosts that are named: which family answers, and its lines for site.toml.

    Asks each family's registers in turn, a second or two each where nothing answers; writes nothing. All serial ports
    are asked unless --port names some or 'none'; only hosts that are named are asked. Exit 1 when no device was found.

    \b
    Example:
      pems device scan
      pems device scan --port none --tcp 192.168.1.20 --tcp 192.168.1.21:1502 --json
    """
    from edge.devices.profile_file import load_profile, profile_names
    from edge.devices.transport import parse_url

    names = profiles or profile_names()
    facts = [load_profile(name).link for name in (*profiles, names[0])]
    targets = list(_targets(hosts, ports))
    for url, _ in targets:  # whoever cannot be is named before anybody is asked, which takes its time
        try:
            parse_url(url, facts[0])
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    rows: list[_Row] = []
    for url, description in targets:
        row = _Row(url=url, description=description, answer="not asked")
        if not only_list:
            row = _asked(row, names, unit, clock or Clock.real())
        rows.append(row)
    click.echo(json.dumps([_json_of(row) for row in rows]) if as_json else _text(rows))
    sys.exit(0 if any(row.candidates for row in rows) or (only_list and rows) else 1)


def _targets(hosts: Sequence[str], ports: Sequence[str]) -> Iterator[tuple[str, str]]:
    """URLs and descriptions of all that is to be asked; serial ports by the names that last."""
    from serial.tools import list_ports

    from edge.devices.transport import lasting_path

    if ports:
        yield from ((f"serial://{path}", "named") for path in ports if path != _NO_PORT)
    else:
        found = sorted(list_ports.comports(), key=lambda port: str(port.device))
        yield from ((f"serial://{lasting_path(port.device)}", str(port.description)) for port in found)
    yield from ((f"tcp://{host}", "named") for host in hosts)


def _asked(row: _Row, names: Sequence[str], unit: int | None, clock: Clock) -> _Row:
    """What answers at a port or host; a port that cannot be opened says why."""
    from edge.devices.finder import find
    from edge.errors import DeviceUnreachable

    try:
        found = tuple(find(row.url, names, unit, clock, lambda text: click.echo(f"... {text}", err=True)))
    except DeviceUnreachable as error:
        return _Row(url=row.url, description=row.description, answer=str(error))
    best = [f"{group[0].profile} unit {group[0].unit}: {group[0].reason}" for group in _by_unit(found)]
    answer = "; ".join(best) or "no family answers"
    return _Row(url=row.url, description=row.description, answer=answer, candidates=found)


def _by_unit(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """What answers at each unit, best first."""
    units = dict.fromkeys(candidate.unit for candidate in candidates)
    return [[candidate for candidate in candidates if candidate.unit == unit] for unit in units]


def _json_of(row: _Row) -> dict[str, Any]:
    from edge.messages import to_json

    links = [group[0].toml() for group in _by_unit(row.candidates)]
    return {**to_json(row), "link": "\n\n".join(links) or None}


def _text(rows: Sequence[_Row]) -> str:
    """The table, and below it what to paste."""
    if not rows:
        return "this machine has no serial port; name a host with --tcp HOST[:PORT]"
    lines = [f"{row.url:<44} {row.description:<24} {row.answer}" for row in rows]
    for best, *others in (group for row in rows for group in _by_unit(row.candidates)):
        lines += ["", best.toml()]
        if others:
            lines.append(f"# or {', '.join(f'{other.profile} unit {other.unit}' for other in others)}")
        lines.append(f"# next: pems device commission --profile {best.profile} --url '{best.url}' --unit {best.unit}")
    return "\n".join(lines)

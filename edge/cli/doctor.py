"""``pems doctor``: is the box healthy?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.options import json_option, site_option, state_folder, state_option
from edge.messages import to_json

if TYPE_CHECKING:
    from edge.config import Site

_BALANCE_TOLERANCE_W = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    name: str
    ok: bool
    text: str


@click.command()
@site_option
@state_option
@json_option
def command(site_path: Path, state: Path | None, as_json: bool) -> None:
    """Check the configuration, the models, the store, the devices, the balance and the plan.

    Exit code 0 when all is well, 1 when something was found.

    \b
    Example:
      pems doctor --site site.toml
    """
    from edge.config import load_site

    site = load_site(site_path)
    checks = list(_checks(site, state_folder(site_path, state)))
    if as_json:
        click.echo(json.dumps({"ok": all(c.ok for c in checks), "checks": to_json(checks)}))
    else:
        for check in checks:
            click.echo(f"{'ok     ' if check.ok else 'FINDING'}  {check.name:14} {check.text}")
    sys.exit(0 if all(check.ok for check in checks) else 1)


def _checks(site: Site, state: Path) -> Iterator[_Check]:
    from edge.box import SOCKET_NAME, STORE_NAME
    from edge.errors import StoreError
    from edge.ingest.store import StoreReader
    from edge.ipc import Client, IpcError
    from edge.preflight import check_site

    problems = check_site(site)
    yield _Check(name="configuration", ok=not problems, text="; ".join(problems) or "prices, weather and models load")
    try:
        StoreReader(state / STORE_NAME).close()
        yield _Check(name="store", ok=True, text=str(state / STORE_NAME))
    except StoreError as error:
        yield _Check(name="store", ok=False, text=str(error))
    try:
        status = Client(state / SOCKET_NAME).ask("status")
    except IpcError as error:
        yield _Check(name="control", ok=False, text=str(error))
        return
    yield from _live_checks(status)


def _live_checks(status: dict[str, Any]) -> Iterator[_Check]:
    """What a running control process says about devices, balance, plan and writes."""
    house = status["house"]
    if house is None:
        yield _Check(name="control", ok=False, text="has not finished its first cycle")
        return
    age_s = status["time_s"] - house["time_s"]
    yield _Check(name="control", ok=age_s < 10.0 * max(status["speed"], 1.0), text=f"last cycle {age_s:.1f} s ago")
    bad = house["findings"]
    yield _Check(name="registers", ok=not bad, text="; ".join(bad) or f"{len(status['readings'])} signals good")
    residual_w = house["residual_w"]
    closed = residual_w is not None and abs(residual_w) < _BALANCE_TOLERANCE_W
    words = "cannot be checked" if residual_w is None else f"leaves {residual_w:+.0f} W unexplained"
    yield _Check(name="balance", ok=closed, text=words)
    plan = status["plan"]
    fresh = plan is not None and status["time_s"] < plan["valid_until_s"]
    text = "none in force" if not fresh else f"{plan['source']}, issued {status['time_s'] - plan['issued_s']:.0f} s ago"
    yield _Check(name="plan", ok=fresh, text=text)
    result = status["result"]
    good = result["outcome"] in ("applied", "unchanged")
    yield _Check(name="last write", ok=good, text=f"{result['outcome']} {result['detail']}".strip())
    for alarm in status["alarms"]:
        yield _Check(name="alarm", ok=False, text=alarm)

"""``pems doctor``: is the box healthy?"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.options import json_option, site_option, state_folder, state_option
from edge.cli.talk import no_plan_words
from edge.messages import IN_FORCE, NEEDS_PERMISSION, to_json

if TYPE_CHECKING:
    from edge.config import Site
    from edge.config_links import Link
    from edge.devices.wear import RegisterWear

_BALANCE_TOLERANCE_W = 300.0
_SHORT_LIFE_YEARS = 10.0  # what a battery inverter is warranted for


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    name: str
    ok: bool
    text: str


@click.command()
@site_option
@state_option
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a support archive to this file: configuration without secrets, state, plans, frames, recordings.",
)
@json_option
def command(site_path: Path, state: Path | None, bundle: Path | None, as_json: bool) -> None:
    """Check configuration, models, store, commissioning, wear, devices, balance and plan.

    Exit code 0 when all is well, 1 when something was found.

    \b
    Example:
      pems doctor --site site.toml
      pems doctor --site site.toml --bundle support.zip
    """
    from edge.config import load_site

    site = load_site(site_path)
    folder = state_folder(site_path, state)
    answer = _ask(folder)
    now_s = time.time() if isinstance(answer, str) else answer["time_s"]
    wear = _wear(site, folder, now_s)
    checks = [*_checks(site, folder, wear), *_feed_checks(site, folder, now_s), *_live_checks(answer)]
    found = {"ok": all(c.ok for c in checks), "checks": to_json(checks), "wear": to_json(wear)}
    if bundle is not None:
        from edge.support import write_archive

        names = write_archive(bundle, site_path, site, folder, found, now_s)
        click.echo(f"{bundle}: {len(names)} files; it holds no secrets, but says how the house lives", err=True)
    if as_json:
        click.echo(json.dumps(found))
    else:
        for check in checks:
            click.echo(f"{'ok     ' if check.ok else 'FINDING'}  {check.name:14} {check.text}")
        for line in _wear_lines(wear):
            click.echo(line)
    sys.exit(0 if all(check.ok for check in checks) else 1)


def _checks(site: Site, state: Path, wear: list[RegisterWear]) -> Iterator[_Check]:
    from edge.errors import StoreError
    from edge.files import STORE_NAME
    from edge.ingest.store import StoreReader
    from edge.preflight import check_site

    problems = check_site(site)
    yield _Check(name="configuration", ok=not problems, text="; ".join(problems) or "prices, weather and models load")
    try:
        StoreReader(state / STORE_NAME).close()
        yield _Check(name="store", ok=True, text=str(state / STORE_NAME))
    except StoreError as error:
        yield _Check(name="store", ok=False, text=str(error))
    yield from _reports(site, state)
    yield from _wear_checks(wear)


def _feed_checks(site: Site, state: Path, now_s: float) -> Iterator[_Check]:
    """Whether prices and weather from outside are there and hold; silent where the site has no feed."""
    from edge.cli.feeds import is_well
    from edge.errors import StoreError
    from edge.supply import standings
    from edge.wording import age_words

    try:
        for row in standings(site, state, now_s):
            age = f"answered {age_words(now_s - row.issued_s)} ago" if row.issued_s else "never answered"
            text = f"{row.source}: {age}" + (f"; {row.error}" if row.error else "")
            yield _Check(name=row.feed, ok=is_well(row, now_s), text=text)
    except StoreError as error:
        yield _Check(name="feeds", ok=False, text=f"none was ever asked: {error}")


def _ask(state: Path) -> dict[str, Any] | str:
    """What control says now, or why it says nothing."""
    from edge.files import SOCKET_NAME
    from edge.ipc import Client, IpcError

    try:
        return dict(Client(state / SOCKET_NAME).ask("status"))
    except IpcError as error:
        return str(error)


def _reports(site: Site, state: Path) -> Iterator[_Check]:
    """What the last commissioning of each link said."""
    from edge.errors import StoreError
    from edge.files import STORE_NAME
    from edge.ingest.store import StoreReader

    try:
        reader = StoreReader(state / STORE_NAME)
    except StoreError:  # the store's own check says why
        return
    try:
        yield from [_report(link, reader.reports.newest(link)) for link in site.links]
    except StoreError as error:
        yield _Check(name="commissioning", ok=False, text=str(error))
    finally:
        reader.close()


def _report(link: Link, report: dict[str, Any] | None) -> _Check:
    """The verdict on one link; one that was never commissioned is no finding."""
    from datetime import UTC, datetime

    if report is None:
        return _Check(name="commissioning", ok=True, text=f"{link.name}: never done (pems device commission)")
    bad = [check["text"] for check in report["checks"] if check["state"] in ("finding", "refuse")]
    day = datetime.fromtimestamp(report["time_s"], UTC).date()
    text = f"{link.name}: " + "; ".join([f"{report['verdict']} on {day}", *bad])
    return _Check(name="commissioning", ok=report["verdict"] == "ok", text=text)


def _live_checks(status: dict[str, Any] | str) -> Iterator[_Check]:
    """What a running control process says about devices, balance, plan and writes; or that it does not run."""
    if isinstance(status, str):
        yield _Check(name="control", ok=False, text=status)
        return
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
    yield _Check(name="plan", ok=fresh, text=_plan_text(status, fresh=fresh))
    result = status["result"]
    good, barred = result["outcome"] in IN_FORCE, NEEDS_PERMISSION in result["detail"]
    text = f"the battery is left alone: {result['detail']}" if barred else f"{result['outcome']} {result['detail']}"
    yield _Check(name="permission" if barred else "last write", ok=good, text=text.strip())
    for alarm in status["alarms"]:
        yield _Check(name="alarm", ok=False, text=alarm)


def _plan_text(status: dict[str, Any], *, fresh: bool) -> str:
    """Whose plan is in force, or why there is none."""
    plan = status["plan"]
    if plan is None:
        return no_plan_words(status)
    if not fresh:
        return f"none in force: {status['no_plan'] or 'the last one has run out'}"
    return f"{plan['source']}, issued {status['time_s'] - plan['issued_s']:.0f} s ago"


def _wear(site: Site, state: Path, now_s: float) -> list[RegisterWear]:
    """How worn each written register is, by the box's own clock; nothing where there is no store yet."""
    from edge.errors import StoreError
    from edge.files import STORE_NAME
    from edge.writeledger import wear_table

    try:
        return wear_table(state / STORE_NAME, site, now_s)
    except StoreError:  # the store's own check says why
        return []


def _wear_checks(wear: list[RegisterWear]) -> Iterator[_Check]:
    """Whether every register outlives the inverter at the present rate; silent while nothing was ever written."""
    worn = [row for row in wear if row.left_years < _SHORT_LIFE_YEARS]
    text = "; ".join(f"{row.register} lasts {row.left_years:.1f} years more at this rate" for row in worn)
    if wear:
        yield _Check(name="wear", ok=not worn, text=text or f"{len(wear)} registers, none is being worn out")


def _wear_lines(wear: list[RegisterWear]) -> Iterator[str]:
    """The wear ledger as a table."""
    if not wear:
        return
    yield f"\n{'register':<40} {'wear':<9} {'today':>7} {'in all':>8} {'a day':>7}  years left"
    for row in wear:
        today = f"{row.today_count}" if row.budget_count is None else f"{row.today_count}/{row.budget_count}"
        left = f"{row.left_years:.1f}" if math.isfinite(row.left_years) else "-"
        counts = f"{today:>7} {row.lifetime_count:>8} {row.writes_per_day:>7.1f}"
        yield f"{row.register:<40} {row.wear:<9} {counts}  {left:>10}"

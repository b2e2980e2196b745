"""``pems device commission``: prove a device on its wire before control trusts it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from edge.cli.device.common import allow_option, site_of_one, unit_option
from edge.cli.options import FiniteFloatRange, clock_option, json_option, state_folder
from edge.clock import Clock

if TYPE_CHECKING:
    from edge.config import Site
    from edge.config_links import Link
    from edge.devices.commissioning.pulse import PulsePlan
    from edge.devices.commissioning.report import Report
    from edge.ingest.store import Store

_MARKS = {"ok": "ok     ", "unknown": "unknown", "finding": "FINDING", "refuse": "REFUSED"}


@click.command()
@click.option("--profile", help="One device: its family, for example growatt/sph.")
@click.option("--url", help="One device: serial:///dev/ttyUSB0?baud=9600 or tcp://HOST:PORT.")
@unit_option
@click.option("--site", "site_path", type=click.Path(path_type=Path), help="All devices of a site.toml.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="PEMS_STATE",
    help="Keep the report in this folder. [default with --site: 'state' beside site.toml; env PEMS_STATE]",
)
@click.option("--rated-w", type=FiniteFloatRange(min=1.0), help="The inverter's rating, for --pulse without --site.")
@click.option(
    "--minutes",
    type=FiniteFloatRange(0.1, 120.0),
    default=3.0,
    show_default=True,
    help="How long the balance is watched.",
)
@click.option("--pulse", is_flag=True, help="Also command the battery for ten minutes; asks before it does.")
@click.option("--pulse-w", type=FiniteFloatRange(min=50.0), help="Its power. [default: half of what the battery can]")
@allow_option
@click.option("--yes", is_flag=True, help="Do not ask before the pulses.")
@json_option
@clock_option
def commission(*, as_json: bool, clock: Clock | None, **options: Any) -> None:
    """Prove a device on its wire: who it is, how it talks, and whether signs, scales and word order are right.

    Reads only, unless --pulse is given. Exit code 0 when all is well, 1 when something was found. With --site, or
    --state, the report is kept, and control does not command a site with a link that was refused.

    \b
    Example:
      pems device commission --profile growatt/sph --url serial:///dev/ttyUSB0
      pems device commission --site site.toml --pulse
    """
    from edge.devices.commissioning.run import Wishes
    from edge.devices.commissioning.run import commission as ask_everything
    from edge.devices.driver import Devices

    subject = _subject(options)
    pulse = _pulse_plan(subject.site, options)
    time = clock or Clock.real()
    with ExitStack() as opened:
        opened.enter_context(_interruptible())
        store = opened.enter_context(_store(subject.state))
        devices = Devices(subject.site, time, ledger=_ledger(store, time, subject.site))
        opened.callback(devices.close)
        wishes = Wishes(minutes=options["minutes"], zone=subject.zone, pulse=pulse, previous=_previous(store))
        reports = ask_everything(devices, time, wishes, _progress)
        if store is not None:
            for report in reports:
                store.reports.add(report.time_s, report.link, report.verdict, report.body())
    if as_json:
        click.echo(json.dumps([report.body() for report in reports]))
    else:
        click.echo("\n\n".join(_text(report) for report in reports))
    sys.exit(0 if all(report.verdict == "ok" for report in reports) else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """What is commissioned, and where the reports are kept (nowhere: ``None``)."""

    site: Site
    zone: ZoneInfo | None
    state: Path | None


def _subject(options: Mapping[str, Any]) -> _Subject:
    """The site of the command line: a whole one, or one device."""
    from edge.config import load_site

    path, state = options["site_path"], options["state"]
    if path is not None:
        given = [
            f"--{name.replace('_', '-')}" for name in ("profile", "url", "unit", "rated_w", "allow") if options[name]
        ]
        if given:
            raise click.UsageError(f"--site says it all: leave out {', '.join(given)}")
        site = load_site(path)
        quiet = tuple(replace(link, proxy="") for link in site.links)  # nobody else asks through us meanwhile
        site = replace(site, links=quiet)
        return _Subject(site=site, zone=site.zone, state=state_folder(path, state))
    if not options["profile"] or not options["url"]:
        raise click.UsageError("give --profile and --url, or --site")
    site = site_of_one(options["profile"], options["url"], options["unit"], options["rated_w"], options["allow"])
    return _Subject(site=site, zone=None, state=state)


def _pulse_plan(site: Site, options: Mapping[str, Any]) -> PulsePlan | None:
    """The pulses that are wished for, once a person has agreed to them."""
    from edge.devices.commissioning.pulse import PulsePlan, default_power_w

    if not options["pulse"]:
        return None
    if site.battery is None:
        raise click.UsageError("--pulse needs a battery: give --rated-w, or [battery] in site.toml")
    power_w = options["pulse_w"] or default_power_w(site.battery)
    if power_w > min(site.battery.charge_w, site.battery.discharge_w):
        raise click.UsageError(f"--pulse-w {power_w:g} is more than the battery can")
    plan = PulsePlan(power_w=power_w, battery=site.battery, grid=site.grid)
    click.echo(plan.words(), err=True)
    if options["yes"]:
        return plan
    if not sys.stdin.isatty():
        raise click.UsageError("--pulse commands the battery: add --yes, or run it on a terminal to be asked")
    click.confirm("Do it?", abort=True, err=True)
    return plan


@contextmanager
def _store(state: Path | None) -> Iterator[Store | None]:
    """The store of a state folder, owned meanwhile: a running box commands the same devices."""
    from edge.files import STORE_NAME
    from edge.ingest.store import Store
    from edge.ipc import claim

    if state is None:
        yield None
        return
    with claim(state):
        store = Store(state / STORE_NAME)
        try:
            yield store
        finally:
            store.close()


def _ledger(store: Store | None, clock: Clock, site: Site) -> Any:
    from edge.devices.wear import MemoryLedger
    from edge.writeledger import StoreLedger

    return MemoryLedger(clock) if store is None else StoreLedger(store, clock, site)


def _previous(store: Store | None) -> Callable[[Link], Mapping[str, Any] | None]:
    return (lambda _: None) if store is None else store.reports.newest


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C, and only once: the way back to native must not be cut short by impatience."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 -- the handler's signature
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _progress(text: str) -> None:
    click.echo(f"... {text}", err=True)


def _text(report: Report) -> str:
    """A report for people: each check with what to do about it, and the verdict."""
    lines = [report.link.name]
    for check in report.checks:
        lines.append(f"  {_MARKS[check.state]}  {check.name:<10}  {check.text}")
        if check.advice and check.state != "ok":
            lines.append(f"{'':24}{check.advice}")
    rows: Sequence[Mapping[str, Any]] = next(
        (c.data["rows"] for c in report.checks if c.name == "latency" and c.data), ()
    )
    if rows:
        lines.append(f"  {'words':>9} {'measured':>10} {'fit':>8}")
        lines += [f"  {row['words']:>9} {row['measured_s']:>8.3f} s {row['fit_s']:>6.3f} s" for row in rows]
    return "\n".join([*lines, f"  verdict: {report.verdict}"])

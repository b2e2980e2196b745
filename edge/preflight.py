"""What would keep a box from running, found before it starts: configuration, devices, models, folder and port."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge.clock import Clock
from edge.config import Site, Web
from edge.devices.driver import Devices
from edge.devices.wear import MemoryLedger
from edge.errors import ConfigError, EdgeError
from edge.feeds.service import price_name, price_source
from edge.files import SOCKET_NAME, STORE_NAME
from edge.forecast.runtime import Forecaster
from edge.ingest.store import Store
from edge.ipc import Client, claim
from edge.supply import prices_of, weather_of
from edge.web.mqtt_login import read_secrets, tls_context
from edge.web.serving import listen


def check_site(site: Site) -> list[str]:
    """Problems of a configuration that only show when its parts are opened; empty when all is well.

    Nothing is sent on any wire.
    """
    problems: list[str] = []
    checks: list[Callable[[], object]] = [
        lambda: _try_devices(site),
        lambda: site.battery and (price_source(site) if price_name(site) else prices_of(site)),
        lambda: weather_of(site),
        lambda: site.mqtt and (read_secrets(site, site.mqtt), tls_context(site, site.mqtt)),
    ]
    if site.bundle is not None:
        bundle = site.bundle
        checks.append(lambda: Forecaster.load(site.path(bundle.path), site.path(bundle.public_key), site))
    for check in checks:
        problems += problems_of(check)
    return problems


def check_state(site: Site, state: Path) -> list[str]:
    """What would keep a box from starting in a state folder: no right to write, another box, a web port in use."""
    problems: list[str] = []
    web = site.web or Web()
    checks: list[Callable[[], object]] = [
        lambda: _try_state(state),
        lambda: Client(state / SOCKET_NAME),
        lambda: listen(web.host, web.port).close(),
    ]
    for check in checks:
        problems += problems_of(check)
    return problems


def _try_devices(site: Site) -> None:
    devices = Devices(site, Clock.real(), ledger=MemoryLedger(Clock.real()))
    try:
        devices.try_proxies()
    finally:
        devices.close()


def _try_state(state: Path) -> None:
    with claim(state):
        Store(state / STORE_NAME).close()


def problems_of(check: Callable[[], object]) -> tuple[str, ...]:
    """The problems that a check finds, each a line."""
    try:
        check()
    except ConfigError as error:
        return error.problems
    except EdgeError as error:
        return tuple(str(error).splitlines())
    return ()

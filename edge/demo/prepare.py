"""What a demo needs before it starts: a measured house, a trained and signed bundle, a site, prices, a history."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY
from edge.config import Battery, Site, load_site
from edge.errors import ConfigError, EdgeError
from edge.files import STORE_NAME
from edge.ingest.store import Store
from edge.ingest.table import read_table, write_csv
from edge.ingest.tariff import PriceBook, builtin_prices

PRICE_SEED = 7
INITIAL_SOC_FRAC = 0.5
_EXTRA_DAYS = 2  # plans look 48 h ahead

Firmware = Literal["vpp", "slots"]

REST_TOML = """
[battery]
capacity_wh = 10000
charge_w = 5000
discharge_w = 5000

[grid]
import_w = 17000
export_w = 10000

[tariff]
import_fee_eur_per_kwh = 0.08
export_fee_eur_per_kwh = 0.01
prices = "prices.csv"

[bundle]
path = "bundle.zip"
public_key = "bundle.pub"

[[link]]
profile = "growatt/sph"
url = "serial://{serial}?baud=9600"

[[link]]
profile = "eastron/sdm630"
url = "tcp://127.0.0.1:{meter_port}"

[web]
port = {web_port}
open_reads = true
"""


class DemoError(EdgeError):
    """The demo could not be prepared or run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the person asked for. ``start`` is a local date, empty for the default; ``firmware`` the twin inverter's."""

    out: Path
    days: int
    speed: float
    start: str = ""
    firmware: Firmware = "vpp"
    web_port: int = 8123


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A prepared demo: everything is in ``out``."""

    out: Path
    site: Site
    site_path: Path
    battery: Battery
    serial: Path
    meter_port: int
    start_s: int
    days: int
    book: PriceBook
    firmware: Firmware

    @property
    def end_s(self) -> int:
        """End of the days that count."""
        return self.start_s + self.days * SECONDS_PER_DAY

    @property
    def state(self) -> Path:
        """The box's own folder."""
        return self.out / "state"


def prepare(options: Options, say: Callable[[str], None]) -> House:
    """Make the demo's folder; raises :class:`DemoError` where a step fails."""
    out = options.out.resolve()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"{out}: cannot be made: {error.strerror}") from error
    _forget_last_run(out)
    say("1/4 Measured house: PV and weather of NREL PVDAQ system 50, load after the BDEW H25 profile")
    first = ["--from", options.start] if options.start else []
    _train("demo-data", "--out", str(out), "--days", str(options.days), *first)
    say("2/4 Training PV and load models on what was measured before the first day")
    site_path = out / "site.toml"
    start_s = round(read_table(out / "house.csv").times_s[0])
    files = ("--site", str(site_path), "--table", str(out / "train.parquet"))
    _train("make-bundle", *files, "--key", str(out / "bundle.key"), "--out", str(out / "bundle.zip"))
    say("3/4 Compiling kernels (once a machine)")
    _run([sys.executable, "-m", "edge.cli", "warm"])
    say("4/4 Site, prices and the history that the box brings along")
    return _furnish(options, out, site_path, start_s)


def _furnish(options: Options, out: Path, site_path: Path, start_s: int) -> House:
    """Write the rest of site.toml, the price table and the store."""
    serial, port = out / "inverter.tty", _free_port()
    rest = REST_TOML.format(serial=serial, meter_port=port, web_port=options.web_port)
    site_path.write_text(site_path.read_text(encoding="utf-8") + rest, encoding="utf-8")
    site = load_site(site_path)
    if site.battery is None:
        raise ConfigError(str(site_path), ["battery is missing"])
    store = Store(out / "state" / STORE_NAME)
    store.import_frame(read_table(out / "history.csv").frame())
    store.close()
    return House(
        out=out, site=site, site_path=site_path, battery=site.battery, serial=serial, meter_port=port,
        start_s=start_s, days=options.days, book=_write_prices(site, out / "prices.csv", start_s, options.days),
        firmware=options.firmware,
    )  # fmt: skip


def _write_prices(site: Site, path: Path, start_s: int, days: int) -> PriceBook:
    """The made example tariff of the days, and of the two that plans look ahead, as a table like a user's."""
    grid = TimeGrid(start_s=start_s - SECONDS_PER_DAY, slot_s=3600, count=24 * (1 + days + _EXTRA_DAYS))
    prices = builtin_prices(grid, site.zone, PRICE_SEED, site.tariff).actual(grid)
    columns = {
        "price_import_eur_per_kwh": prices.import_eur_per_kwh,
        "price_export_eur_per_kwh": prices.export_eur_per_kwh,
    }
    write_csv(path, grid.starts_s(), columns)
    return PriceBook.load(path, site)


def _forget_last_run(out: Path) -> None:
    """Remove what an earlier demo left here, and nothing else."""
    shutil.rmtree(out / "state", ignore_errors=True)
    shutil.rmtree(out / "journal", ignore_errors=True)


def _free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _train(*arguments: str) -> None:
    if importlib.util.find_spec("xgboost") is None:
        raise DemoError("the demo trains its models first: it needs pip install 'pems-edge[training]'")
    _run([sys.executable, "-m", "training.cli", *arguments])


def _run(command: list[str]) -> None:
    """Run a step; its progress goes to standard error, the demo's answer alone to standard output."""
    code = subprocess.run(command, check=False, stdout=sys.stderr).returncode
    if code != 0:
        raise DemoError(f"{' '.join(command[2:])}: ended with {code}")

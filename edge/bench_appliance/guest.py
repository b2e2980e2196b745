"""A box to be broken: the image that a workstation builds, with a house whose first plan is known. Needs root.

Its serial console is a shell, which no house's image has: there the kernel is crashed.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY
from edge.appliance.image import Order, build
from edge.appliance.systemupdate import make_keys
from edge.bench_appliance.virtual import Machine
from edge.errors import EdgeError
from edge.files import STORE_NAME
from edge.ingest.store import SLOT_S, Store
from edge.timetext import format_time

_SITE = """\
[site]
name = "bench"
latitude_deg = 49.2
longitude_deg = 16.6
timezone = "UTC"

[battery]
capacity_wh = 20000
charge_w = 5000
discharge_w = 5000

[grid]
import_w = 17000
export_w = 10000

[tariff]
prices = "prices.csv"

[[link]]
profile = "growatt/sph"
url = "serial:///dev/ttyS1?baud=9600"
"""
_HISTORY_DAYS = 14
_CHEAP_EUR_PER_KWH, _DEAR_EUR_PER_KWH = 0.05, 0.50
_CHEAP_S = 1800  # with the rest of its hour at most 90 minutes: half the battery needs two hours, so it begins at once


def make(folder: Path) -> Machine:
    """A box that has never run, for one run of the bench; raises :class:`EdgeError`."""
    if os.geteuid() != 0:
        raise EdgeError("a box's disk is made by root")
    folder.mkdir(exist_ok=True)
    site_path, state = house(folder / "house", time.time())
    keys = make_keys(folder / "keys", "bench")
    order = Order(
        arch="x86_64",
        site_path=site_path,
        out=folder / "box.img",
        authority=keys.authority,
        state=state,
        serial_shell=True,
    )
    return Machine(arch="x86_64", disk=build(order, lambda _: None).image)


def house(place: Path, now_s: float) -> tuple[Path, Path]:
    """A house that buys for the evening: its site file, with prices that rise, and a store with two weeks of it."""
    state, site_path = place / "state", place / "site.toml"
    state.mkdir(parents=True)
    site_path.write_text(_SITE, encoding="ascii")
    hours = range(int(now_s) // 3600 * 3600 - SECONDS_PER_DAY, int(now_s) + 4 * SECONDS_PER_DAY, 3600)
    prices = ((hour, _CHEAP_EUR_PER_KWH if hour < now_s + _CHEAP_S else _DEAR_EUR_PER_KWH) for hour in hours)
    rows = (f"{format_time(hour)},{price:.3f},{price / 2:.3f}\n" for hour, price in prices)
    header = "time_utc,price_import_eur_per_kwh,price_export_eur_per_kwh\n"
    (place / "prices.csv").write_text(header + "".join(rows), encoding="ascii")
    count = _HISTORY_DAYS * SECONDS_PER_DAY // SLOT_S
    grid = TimeGrid(start_s=int(now_s) // SLOT_S * SLOT_S - count * SLOT_S, slot_s=SLOT_S, count=count)
    store = Store(state / STORE_NAME)
    store.import_frame(Frame(grid=grid, columns={"load_w": np.full(count, 800.0), "pv_w": np.zeros(count)}))
    store.close()
    return site_path, state

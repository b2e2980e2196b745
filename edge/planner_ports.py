"""The planner's real ports: store, tariff, weather, models, and control at the other end of its socket."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.clock import Clock
from edge.config import Site
from edge.control.mpc import Effort, Mpc
from edge.control.peak import month_peak_w
from edge.control.said import heard
from edge.control.surroundings import Surroundings, surroundings_of
from edge.errors import BundleError, PlanError, StoreError
from edge.files import CALIBRATION_NAME, SOCKET_NAME, STORE_NAME
from edge.ingest.store import StoreReader
from edge.ingest.tariff import PriceBook, Prices
from edge.ipc import Client, IpcError
from edge.log import Log
from edge.messages import Plan
from edge.planning import Planner
from edge.supply import Supply, said_of_house

if TYPE_CHECKING:
    from core_kernels.bundle_rooms import BundledRooms
    from edge.forecast.calibrate import Calibrated, Forecasts
    from edge.forecast.proving import OnTrial
    from edge.forecast.runtime import Baseline, Forecaster
    from edge.forecast.shadowed import Shadow


_SHADOW_RATIO = 6  # a shadow's calibration is kept that much more seldom: five of them share the flash


class PlannerPorts:
    """The planner's side of ``edge.planning.PlanningPorts``: the store to read, control to ask and tell."""

    def __init__(self, site: Site, state: Path, clock: Clock) -> None:
        self._site, self._state, self._clock = site, state, clock
        self._store = StoreReader(state / STORE_NAME)
        self._control = Client(state / SOCKET_NAME)
        self._supply = Supply(site, state)

    def now_s(self) -> float:
        """Unix UTC [s]."""
        return self._clock.now_s()

    def window(self, until_s: float, days: int) -> Frame:
        """Measured quarter hours."""
        return self._store.window(until_s, days)

    def weather(self, issued_s: float, grid: TimeGrid) -> Frame | None:  # noqa: ARG002 -- the last issue has it all
        """The forecast weather of the site's table or feed."""
        return self._supply.weather(issued_s)

    def prices(self, grid: TimeGrid, issued_s: float) -> Prices:
        """Prices as the market had published them at ``issued_s``."""
        return self._supply.prices().forecast(grid, issued_s)

    def reached_peak_w(self, history: Frame, issued_s: float) -> float:
        """The running month's highest import of a quarter hour that the store has seen."""
        return month_peak_w(history.column("grid_w"), history.grid, issued_s, self._site.zone)

    def soc_frac(self) -> float:
        """What control last read; NaN where it could not; 0 where there is no battery."""
        if self._site.battery is None:
            return 0.0
        house = self._control.ask("status")["house"]
        value = house["soc_frac"] if house else None
        return math.nan if value is None else float(value)

    def publish(self, plan: Plan) -> None:
        """Hand a plan to control; raises :class:`PlanError` when control is away."""
        try:
            self._control.ask("publish_plan", plan=plan)
        except IpcError as error:
            raise PlanError(f"the plan could not be handed over: {error}") from error

    def surroundings(
        self, rooms: BundledRooms | None, grid: TimeGrid, history: Frame, weather: Frame | None
    ) -> Surroundings:
        """What weather, measurements, the bundle and the broker's users say of rooms and cars."""
        around = surroundings_of(self._site, grid, history, weather, rooms)
        if not (self._site.evs or self._site.zones):
            return around
        try:
            said = said_of_house(self._site, self._state)
        except StoreError as error:
            return replace(around, notes=(*around.notes, f"what the broker says is not known: {error}"))
        return heard(self._site, around, said, self._clock.now_s())

    def known_weather(self, now_s: float) -> Frame | None:
        """The forecast weather of the site's table or feed, whatever it covers."""
        return self._supply.weather(now_s)

    def price_book(self) -> PriceBook:
        """All prices that are known."""
        return self._supply.prices()

    def has_regret(self, day: str) -> bool:
        """Claims that a local day (ISO date) was looked back upon."""
        return any(body["day"] == day for body in self._store.regrets(day))

    def keep_regret(self, body: Mapping[str, Any]) -> None:
        """Hand over what looking back on a day found; raises :class:`IpcError` when control is away."""
        self._control.ask("regret", **body)

    def report(self, wall_s: float, effort: Effort | None) -> None:
        """Tell control what the plan took, for the metrics; raises :class:`IpcError` when control is away."""
        self._control.ask("planned", wall_s=wall_s, **(effort._asdict() if effort is not None else {}))

    def excuse(self, reason: str) -> None:
        """Tell control why there is no new plan; raises :class:`IpcError` when control is away."""
        self._control.ask("no_plan", reason=reason)


def forecaster_of(site: Site, log: Log) -> Baseline | Forecaster | OnTrial:
    """The signed bundle's models; the baseline where there is no bundle, or, loudly, where it must not be used."""
    from edge.forecast.proving import models_of
    from edge.forecast.runtime import Baseline  # only the planner pays for the models' runtime

    if site.bundle is None:
        return Baseline(site)
    try:
        return models_of(site, site.bundle, lambda text: log.event("models", text))
    except BundleError as error:
        log.event("alarm", f"models refused, the baseline forecasts instead: {error}")
        return Baseline(site)


def calibrated(forecaster: Forecasts, site: Site, state: Path, log: Log, shadow: str = "") -> Calibrated:
    """A forecaster that learns from its own past; for the planner alone, who asks in the order of time.

    A ``shadow`` learns in a file of its own. What was learned of a model outlives its promotion and its fall.
    """
    from edge.forecast.calibrate import KEEP_FILE_EVERY_S, Calibrated
    from edge.forecast.calibration_file import CalibrationFile, learned_elsewhere

    own = state / (f"calibration-{shadow}.json" if shadow else CALIBRATION_NAME)
    every_s = KEEP_FILE_EVERY_S * (_SHADOW_RATIO if shadow else 1)
    return Calibrated(forecaster, site, CalibrationFile(own), log, learned_elsewhere(own), every_s)


def shadow_planner(
    site: Site, state: Path, ports: PlannerPorts, log: Log, slice_s: float
) -> Callable[[Shadow], Planner]:
    """Makes the planner of a shadow, with an optimiser of its own; raises :class:`BundleError`."""
    from edge.forecast.runtime import Forecaster
    from edge.foresight import with_rooms

    def made(shadow: Shadow) -> Planner:
        assert site.bundle is not None
        forecaster = Forecaster.load(shadow.path, site.path(site.bundle.public_key), site)
        return Planner(
            forecaster=calibrated(forecaster, site, state, log, shadow.name),
            solve=Mpc(site, slice_s=slice_s).plan,
            look=partial(ports.surroundings, forecaster.rooms),
            foresee=partial(with_rooms, site, forecaster.rooms),
            consumers=site.consumers,
        )

    return made

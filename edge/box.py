"""The control process' real ports: what its cycle sees of devices and store, and its answers to the other processes."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.clock import Clock
from edge.config import Site
from edge.control.causes import checked_day
from edge.control.obedience import Obedience
from edge.control.override import Override, Overrides
from edge.control.peak import QuarterImport
from edge.devices.driver import Devices
from edge.devices.trace import Trace
from edge.devices.transport import open_wire
from edge.errors import StoreError
from edge.files import STORE_NAME
from edge.ingest.store import Store
from edge.log import Log
from edge.messages import IN_FORCE, Cause, Command, CycleRecord, Plan, Reading, WriteResult, plan_from_json
from edge.verified import VerifiedCycles
from edge.writeledger import StoreLedger

_MAX_LEASE_S = 3600.0
_MAX_PLAN_AGE_S = 900.0  # on its way from the planner; simulated time may run fast
_MAX_AHEAD_S = 60.0
_RELEASE_TRIES = 12  # rounds of reading: a slow line needs some seconds to be sure of its inverter twice
_READ_SHARE = 0.9  # of a period; the rest is for judging, writing and recording
_PLANNING = ("wall_s", "solve_s", "residual_w")
_RECORDED = ("pv_w", "load_w", "grid_w", "battery_w", "soc_frac", "grid_import_wh", "grid_export_wh")


class ControlPorts:
    """The control process' side of ``edge.cycle.Ports``, and its answers to the other processes."""

    def __init__(self, site: Site, state: Path, clock: Clock, *, period_s: float) -> None:
        self._site, self._clock, self._log = site, clock, Log("control")
        self._period_s = period_s
        self._alarms: deque[str] = deque(maxlen=20)
        self._to_keep: deque[Plan] = deque(maxlen=20)
        self._regrets: deque[dict[str, Any]] = deque(maxlen=20)
        self._store = self._open_store(state / STORE_NAME)
        self._trace = Trace(clock, open_wire)
        ledger = StoreLedger(self._store, clock, site)
        self._devices = Devices(site, clock, ledger=ledger, connect=self._trace.connect)
        for problem in self._devices.serve():
            self.alarm(problem)
        self._verified = VerifiedCycles(commands=self._devices.writer is not None)
        self._wanted = frozenset((*site.sensors, *site.consumers))
        self._obedience = Obedience(site.battery)
        self._quarter = QuarterImport()
        self._distrust = ""
        self._refusal = self._last_reports()
        self._plan = self._kept_plan()
        self._no_plan = ""
        self._planning: dict[str, float] = {}
        self._overrides = Overrides()
        self._last: CycleRecord | None = None
        self._readings: Sequence[Reading] = ()
        self._link_errors: Mapping[str, Mapping[Cause, int]] = {}
        self._mode = "unknown"

    def _open_store(self, path: Path) -> Store:
        """The store; where it cannot be opened, one in memory: control goes on, without a planner."""
        try:
            return Store(path)
        except StoreError as error:
            self.alarm(f"nothing is kept, the store cannot be opened: {error}")
            return Store(None)

    def _last_reports(self) -> str:
        """Why the last commissioning of a link forbids control; a report that cannot be read forbids nothing."""
        for link in self._site.links:
            try:
                if refusal := self._store.reports.refusal(link):
                    return refusal
            except StoreError as error:
                self.alarm(f"a commissioning report is left out: {error}")
        return ""

    def _kept_plan(self) -> Plan | None:
        """The newest plan of the store, so that a restart goes on with it while its lease runs."""
        try:
            kept = self._store.newest_plan()
            return believed(plan_from_json(kept), self._clock.now_s(), _MAX_LEASE_S) if kept is not None else None
        except (StoreError, ValueError) as error:
            self.alarm(f"the kept plan is not used: {error}")
            return None

    def now_s(self) -> float:
        """Unix UTC [s]."""
        return self._clock.now_s()

    def read(self) -> Sequence[Reading]:
        """The devices, within the cycle's budget."""
        return self._devices.read(_READ_SHARE * self._period_s)

    def plan(self) -> Plan | None:
        """The last plan that the planner published."""
        return self._plan

    def override(self) -> Override | None:
        """What a person asked for by hand."""
        return self._overrides.current(self._clock.now_s())

    def imported_wh(self, now_s: float, grid_w: float) -> float:
        """Import of the running quarter hour so far."""
        return self._quarter.add(now_s, grid_w)

    def distrust(self, now_s: float) -> str:
        """Why the battery is left alone: its link did not pass commissioning, or it did not do what it was told."""
        return self._refusal or self._obedience.distrust(now_s)

    def write(self, command: Command) -> WriteResult:
        """Through the device layer's write pipeline."""
        return self._devices.write(command)

    def record(self, record: CycleRecord, readings: Sequence[Reading]) -> None:
        """Publish the cycle to the screens and keep it in the store."""
        previous, self._last, self._readings = self._last, record, readings
        self._mode, self._link_errors = self._devices.mode(), self._devices.link_errors()
        self._obedience.observe(record)
        self._verified.observe(record, readings)
        self._note_trouble(previous, record)
        self._note_change(previous, record)
        while self._to_keep:
            self._store.add_plan(self._to_keep.popleft())
        while self._regrets:
            day = self._regrets.popleft()
            self._store.add_regret(day["day"], day)
        for time_s, text in self._overrides.news():
            self._store.add_event(time_s, "override", text)
        house = record.house
        values = {name: float(getattr(house, name)) for name in _RECORDED}
        self._store.add(house.time_s, values | self._further(readings), house.flags)

    def _further(self, readings: Sequence[Reading]) -> dict[str, float]:
        """Temperatures of the site's rooms and tank, and what its consumers draw, as far as a device says it."""
        return {r.signal: r.value if r.state == "good" else math.nan for r in readings if r.signal in self._wanted}

    def _note_trouble(self, previous: CycleRecord | None, record: CycleRecord) -> None:
        """Raise an alarm, once, for a command that did not stay, and for a battery that is no longer trusted."""
        house, result, found = record.house, record.result, []
        if result.outcome in ("ignored", "reverted") and (previous is None or previous.result != result):
            found.append(f"the inverter: {result.outcome}: {result.detail}")
        before, self._distrust = self._distrust, self._obedience.distrust(house.time_s)
        if self._distrust and self._distrust != before:
            found.append(self._distrust)
        for text in found:
            self.alarm(text)
            self._store.add_event(house.time_s, "alarm", text)

    def _note_change(self, previous: CycleRecord | None, record: CycleRecord) -> None:
        """Keep a change of mind as an event, with its reason."""
        command = record.command
        if previous is not None and previous.command.reason == command.reason:
            return
        power = "" if command.mode == "native" else f" {command.battery_w:+.0f} W"
        text = f"{command.mode}{power}: {command.reason}"
        self._store.add_event(record.house.time_s, "command", text)
        self._log.event("command", text, time_s=record.house.time_s, outcome=record.result.outcome)

    def alarm(self, text: str) -> None:
        """Show and log what a cycle survived."""
        self._alarms.append(text)
        self._log.event("alarm", text)

    def handlers(self) -> dict[str, Any]:
        """What the other processes may ask; see ``edge.ipc``."""
        return {
            "status": self._status,
            "publish_plan": self._publish_plan,
            "no_plan": self._note_no_plan,
            "planned": self._note_planned,
            "regret": self._note_regret,
            "frames": lambda _: self._trace.frames(),
            "override": self._take_override,
            "end_override": self._end_override,
        }

    def _status(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        last, plan, known_s = self._last, self._plan, payload.get("plan_known_s")
        is_known = plan is not None and plan.issued_s == known_s  # a plan is most of an answer's size
        return {
            "time_s": self._clock.now_s(),
            "speed": self._clock.speed,
            "period_s": self._period_s,
            "pid": os.getpid(),
            "site": {"name": self._site.name, "timezone": self._site.timezone},
            "house": last and last.house,
            "wish": last and last.wish,
            "command": last and last.command,
            "result": last and last.result,
            "mode": self._mode,
            "cycle_s": last.duration_s if last else math.nan,
            "plan": None if is_known else plan,
            **({"plan_is_known": True} if is_known else {}),
            "no_plan": self._no_plan,
            "planning": self._planning,
            "override": self.override(),
            "readings": list(self._readings),
            "link_errors": self._link_errors,
            "alarms": list(self._alarms),
            "verified": self._verified,
        }

    def _publish_plan(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        plan = plan_from_json(payload["plan"])
        self._plan = believed(plan, self._clock.now_s(), _MAX_PLAN_AGE_S)
        self._no_plan = ""
        self._to_keep.append(plan)  # the store belongs to the cycle's thread, this is a question's
        return {"accepted": True}

    def _note_no_plan(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        self._no_plan = str(payload["reason"])
        return {"accepted": True}

    def _note_planned(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        self._planning = {name: float(payload[name]) for name in _PLANNING if payload.get(name) is not None}
        return {"accepted": True}

    def _note_regret(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        self._regrets.append(checked_day(payload))  # as with plans: the store belongs to the cycle's thread
        return {"accepted": True}

    def _take_override(self, payload: Mapping[str, Any]) -> Override:
        if self._site.battery is None:
            raise ValueError("there is no battery to command")
        override = self._overrides.take(payload, self._clock.now_s())
        self._log.event("override", override.words, battery_w=override.battery_w)
        return override

    def _end_override(self, payload: Mapping[str, Any]) -> dict[str, bool]:  # noqa: ARG002 -- a handler's signature
        ended = self._overrides.end(self._clock.now_s())
        self._log.event("override", "ended by hand" if ended else "there was none to end")
        return {"ended": ended}

    def release(self) -> WriteResult:
        """Leave the inverter on its own rules and let go of everything."""
        command = Command.native("the box stops")
        result = self._devices.native_at_once(command.reason)
        for _ in range(_RELEASE_TRIES):  # a box that stops right after its start has not confirmed its inverter yet
            if result.outcome in IN_FORCE or self._site.battery is None:
                break
            self._devices.read(_READ_SHARE * max(self._period_s, 1.0))
            result = self._devices.write(command)
        self._log.event("release", f"native on stop: {result.outcome}", detail=result.detail)
        self._devices.close()
        try:
            self._store.close()
        except StoreError as error:
            self.alarm(str(error))
        return result


def believed(plan: Plan, now_s: float, max_age_s: float) -> Plan:
    """The plan, if it is of now and asks for no more than an hour's trust; raises ``ValueError``."""
    age_s, lease_s = now_s - plan.issued_s, plan.valid_until_s - plan.issued_s
    if not -_MAX_AHEAD_S <= age_s <= max_age_s:
        raise ValueError(f"the plan was issued {age_s:.0f} s ago")
    if not 0.0 < lease_s <= _MAX_LEASE_S:
        raise ValueError(f"the plan wants to be believed for {lease_s:.0f} s, at most {_MAX_LEASE_S:.0f} are given")
    return plan

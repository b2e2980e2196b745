"""Control and the store as the pages ask them: each question at most once in a while, however many look.

Control answers in its own process beside the field bus; two hundred visitors a second must cost it no more than one.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool

from edge.errors import EdgeError

LIVE_S = 0.5
FACTS_S = 10.0
_LOG_FORMS = 8


class Client(Protocol):
    """Asks control; raises :class:`EdgeError` where there is no answer."""

    def ask(self, verb: str, **payload: Any) -> Any:
        """The data of the answer."""
        ...


class Facts(Protocol):
    """What the box knows beyond this second, as JSON data; each raises :class:`EdgeError`."""

    def yesterday(self) -> dict[str, Any]:
        """Planned and measured."""
        ...

    def savings(self) -> dict[str, Any]:
        """Costs of the last days."""
        ...

    def models(self) -> dict[str, Any]:
        """The models in force."""
        ...

    def coverage(self) -> dict[str, Any]:
        """How often the forecasts' bands held."""
        ...

    def calibration(self) -> dict[str, Any]:
        """What calibration has learned."""
        ...

    def quality(self) -> dict[str, Any]:
        """Scores of the recorded signals."""
        ...

    def log(self, limit: int = ..., kind: str = ...) -> dict[str, Any]:
        """What happened, newest first."""
        ...

    def wear(self) -> dict[str, Any]:
        """Written registers."""
        ...

    def links(self) -> dict[str, Any]:
        """The site's links."""
        ...

    def settings(self) -> dict[str, Any]:
        """The site file without its secrets."""
        ...


class _Kept:
    """One answer, or one failure, for a while; who comes while it is being asked waits for it."""

    def __init__(self, keep_s: float, ask: Callable[[], dict[str, Any]]) -> None:
        self._keep_s, self._ask = keep_s, ask
        self._lock = asyncio.Lock()
        self._asked_s = -1e9
        self._answer: dict[str, Any] | EdgeError = EdgeError("not asked yet")

    def forget(self) -> None:
        """Ask anew the next time."""
        self._asked_s = -1e9

    async def get(self) -> dict[str, Any]:
        """The answer; raises :class:`EdgeError`."""
        async with self._lock:
            if time.monotonic() - self._asked_s >= self._keep_s:
                try:
                    self._answer = await run_in_threadpool(self._ask)
                except EdgeError as error:
                    self._answer = error
                self._asked_s = time.monotonic()
        if isinstance(self._answer, EdgeError):
            raise self._answer
        return self._answer


class House:
    """All that pages, API and metrics ask; raises :class:`EdgeError`. One for an application."""

    def __init__(self, control: Client, facts: Facts, *, live_s: float = LIVE_S, facts_s: float = FACTS_S) -> None:
        self._control, self._facts, self._facts_s = control, facts, facts_s
        self._status = _Kept(live_s, self._ask_status)
        self._live_s = live_s
        self._kept: dict[str, _Kept] = {}
        self._logs: OrderedDict[tuple[int, str], _Kept] = OrderedDict()
        self._plan: dict[str, Any] | None = None
        self.answered_s = -1.0

    async def status(self) -> dict[str, Any]:
        """Control's status, at most half a second old."""
        return await self._status.get()

    async def fact(self, name: str) -> dict[str, Any]:
        """An answer of :class:`Facts` by its name, some seconds old at most."""
        kept = self._kept.get(name)
        if kept is None:
            kept = self._kept[name] = _Kept(self._facts_s, getattr(self._facts, name))
        return await kept.get()

    async def log(self, limit: int, kind: str) -> dict[str, Any]:
        """The log, at most half a second old; only the forms that were asked for last are kept."""
        form = (limit, kind)
        kept = self._logs.setdefault(form, _Kept(self._live_s, lambda: self._facts.log(limit, kind)))
        self._logs.move_to_end(form)
        while len(self._logs) > _LOG_FORMS:
            self._logs.popitem(last=False)
        return await kept.get()

    async def command(self, verb: str, **payload: Any) -> dict[str, Any]:
        """Tell control something; the next status is asked anew."""
        answer = await run_in_threadpool(lambda: self._control.ask(verb, **payload))
        self._status.forget()
        return dict(answer)

    def _ask_status(self) -> dict[str, Any]:
        """The status, with the plan that is known already unless control has a newer one."""
        known_s = self._plan["issued_s"] if self._plan else None
        status = dict(self._control.ask("status", plan_known_s=known_s))
        if status.pop("plan_is_known", False):
            status["plan"] = self._plan
        else:
            self._plan = status.get("plan")
        self.answered_s = time.monotonic()
        return status

"""How commands talk to the running box; light, so that a question is answered at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli.options import state_folder
from edge.clock import Clock
from edge.errors import PlanError
from edge.files import SOCKET_NAME
from edge.ipc import Client, IpcError
from edge.messages import Plan, plan_from_json

if TYPE_CHECKING:
    from edge.facts import Facts


def ask_status(site_path: Path, state: Path | None) -> dict[str, Any]:
    """What control says now; raises ``ConfigError`` and ``IpcError``."""
    try:
        return dict(Client(state_folder(site_path, state) / SOCKET_NAME).ask("status"))
    except IpcError:
        from edge.config import load_site  # a quarter of the answer's time, for who gets none

        load_site(site_path)
        raise


def published_plan(status: Mapping[str, Any]) -> Plan:
    """The plan that control has, in force or not; raises :class:`PlanError` with the reason where there is none."""
    if status["plan"] is None:
        raise PlanError(f"{no_plan_words(status)}; the inverter follows its own rules")
    return plan_from_json(status["plan"])


def no_plan_words(status: Mapping[str, Any]) -> str:
    """That there is no plan yet, with the planner's reason."""
    return f"there is no plan yet: {status['no_plan'] or 'the planner has not finished its first one'}"


def facts_of(site_path: Path, state: Path | None, clock: Clock | None) -> Facts:
    """What the box knows beyond this second, by its own clock unless another one is given."""
    from edge.config import load_site
    from edge.facts import Facts

    site, folder = load_site(site_path), state_folder(site_path, state)
    return Facts(site, folder, clock or box_clock(folder))


def box_clock(folder: Path) -> Clock:
    """The running box's own clock, which may run fast; this machine's where no box runs."""
    real = Clock.real()
    try:
        status = Client(folder / SOCKET_NAME).ask("status")
    except IpcError:
        return real
    return Clock(start_s=status["time_s"], origin_s=real.origin_s, speed=status["speed"])

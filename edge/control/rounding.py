"""From shares of a quarter hour to on and off: sum-up rounding that keeps what a relay must stay on and off.

A device is switched on when the energy that the relaxed plan owes it reaches half of its shortest run, and off when it
has had half of a run more than planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.units import W_PER_KW, FloatArray

BoolArray = npt.NDArray[np.bool_]
_FREE_STEPS = 1_000_000
ROUNDING_KW = 1e-9


class Held(NamedTuple):
    """What a device is at the plan's begin: on or off, and for how many steps already."""

    is_on: bool = False
    steps: int = _FREE_STEPS

    def then(self, is_on: bool) -> Held:
        """What it is after a step on or off."""
        return Held(is_on, self.steps + 1 if is_on == self.is_on else 1)


class State(NamedTuple):
    """How a device stands at the plan's begin, and what the last plan has in mind for it from there, if that is known.

    ``again`` claims that the first step has begun under the last plan: what that said of it holds.
    """

    held: Held = Held()
    before: BoolArray | None = None
    again: bool = False


class Switch(NamedTuple):
    """A device that draws ``power_w`` or nothing, for at least ``on_steps`` and ``off_steps`` each.

    ``unknown`` is its power in the programme; ``allowed`` bool[n] are the steps in which it may be on; ``counted`` is
    the unknown that counts its energy, where whole steps may run over what is wanted by less than one.
    """

    name: str
    unknown: str
    power_w: float
    on_steps: int
    off_steps: int
    start_eur: float
    allowed: BoolArray
    state: State = State()
    counted: str = ""

    def within(self, steps: int) -> Switch:
        """The same in the first steps of its horizon."""
        before = self.state.before if self.state.before is None else self.state.before[:steps]
        return self._replace(allowed=self.allowed[:steps], state=self.state._replace(before=before))

    def forced(self) -> tuple[BoolArray, BoolArray]:
        """The steps in which it must be on, and in which it must be off, bool[n] each."""
        step = np.arange(self.allowed.size)
        held, before = self.state.held, self.state.before
        runs = held.is_on & (step < self.on_steps - held.steps) & self.allowed
        rests = ((not held.is_on) & (step < self.off_steps - held.steps)) | ~self.allowed
        if self.state.again and before is not None:
            runs[0], rests[0] = before[0], not before[0]
        return runs, rests

    def may_start(self) -> BoolArray:
        """The steps in which a run may begin that may also end, bool[n]."""
        n = self.allowed.size
        return np.array([bool(self.allowed[k : k + self.on_steps].all()) for k in range(n)])


def rounded(
    switches: Sequence[Switch], duty_frac: FloatArray, room_kw: FloatArray, ahead_frac: float = 0.0
) -> BoolArray:
    """The schedule of all devices, bool[devices, n].

    ``duty_frac`` float64[devices, n] is the share of each step that the relaxed plan lets a device run, ``room_kw``
    float64[n] what all of them may draw together; whom the plan owes most goes first. Devices run ahead of the relaxed
    plan by ``ahead_frac`` of their shortest run: a room at the edge of its band then swings above the edge, not across.
    """
    on = np.zeros(duty_frac.shape, dtype=np.bool_)
    owed = ahead_frac * np.array([float(switch.on_steps) for switch in switches])
    state = [switch.state.held for switch in switches]
    forced, may_start = [switch.forced() for switch in switches], [switch.may_start() for switch in switches]
    for k in range(duty_frac.shape[1]):
        owed += duty_frac[:, k]
        left_kw = float(room_kw[k])
        must = np.array([bool(forced[i][0][k]) or _runs_on(switches[i], held) for i, held in enumerate(state)])
        for i in np.lexsort((-owed, ~must)):
            switch, held = switches[i], state[i]
            free = must[i] or held.is_on or may_start[i][k]
            fits = free and switch.power_w / W_PER_KW <= left_kw + ROUNDING_KW and not forced[i][1][k]
            on[i, k] = fits and (bool(must[i]) or _wanted(switch, held, float(owed[i])))
            if on[i, k]:
                left_kw -= switch.power_w / W_PER_KW
                owed[i] -= 1.0
            state[i] = held.then(bool(on[i, k]))
    return on


def _runs_on(switch: Switch, held: Held) -> bool:
    """Claims that a device has begun a run that is too short yet to end."""
    return held.is_on and held.steps < switch.on_steps


def _wanted(switch: Switch, held: Held, owed_count: float) -> bool:
    """Claims that what is owed to a device is worth switching it on, or not yet worth switching it off."""
    half = 0.5 * switch.on_steps
    if held.is_on:
        return owed_count > 1.0 - half
    return held.steps >= switch.off_steps and owed_count >= half


def kept(switch: Switch, on: BoolArray) -> bool:
    """Claims that a schedule keeps the shortest run and rest of a device; the last spell may go on behind the end."""
    held = switch.state.held
    for is_on in on.tolist():
        if is_on != held.is_on and held.steps < (switch.on_steps if held.is_on else switch.off_steps):
            return False
        held = held.then(is_on)
    return not bool((on & ~switch.allowed).any())


def starts(switch: Switch, on: BoolArray) -> int:
    """How often a schedule switches a device on."""
    return int(np.count_nonzero(np.diff(np.concatenate(([switch.state.held.is_on], on)).astype(np.int8)) > 0))

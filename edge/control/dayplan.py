"""The day plan of what can only be on or off: relays of rooms and tank, programs that run through.

The relaxed plan, rounded so that every shortest run and rest is kept, is a schedule at once; the last plan's schedule
is another, and the cheapest one that the house's limits allow is the incumbent. HiGHS then improves it, a few hours or
a few devices at a time, until its slice of time is over or nothing better is found. So a plan never costs more than
the schedule before under the same inputs, and a slice of nothing still gives one that can be carried out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from core_kernels.qp import Structure
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, W_PER_KW, FloatArray
from edge.control.problem import Problem
from edge.control.repair import Fixed, Programme
from edge.control.rounding import BoolArray, Held, State, Switch, kept, rounded
from edge.control.solver import Solved
from edge.control.switching import Candidate, SwitchModel

SLICE_S = 10.0
# One question to HiGHS, and the longest it may think about it.
_WINDOW, _STRIDE, _DEVICES = 8, 4, 2
_QUESTION_S = 2.0
_JUDGE_S = 20.0
# How far roundings run ahead of the relaxed plan, in shortest runs.
_AHEAD_FRACS = (0.0, 0.5, 1.0, 2.0, 3.0)
_ROUNDS = 2


class Decision(NamedTuple):
    """The schedule bool[devices, decided] and what of it could not be kept."""

    on: BoolArray
    violations: tuple[str, ...] = ()


class Schedule(NamedTuple):
    """The bounds that hold the switched powers to the day plan, these powers by unknown, and what was not kept."""

    fixed: Fixed
    powers_kw: Mapping[str, FloatArray]
    violations: tuple[str, ...]


def decided_steps(count: int, slot_s: float) -> int:
    """The steps whose on and off is decided: a day; what comes later is planned as a mean power."""
    return min(count, int(SECONDS_PER_DAY // slot_s))


def decide(
    model: SwitchModel, switches: Sequence[Switch], relaxed_frac: FloatArray, free_kw: FloatArray, slice_s: float
) -> Decision:
    """The cheapest schedule found; ``relaxed_frac`` is the relaxed plan's duty, ``free_kw`` the room there is."""
    began_s = time.monotonic()
    proposals = [rounded(switches, relaxed_frac, free_kw, ahead_frac) for ahead_frac in _AHEAD_FRACS]
    before = [switch.state.before for switch in switches]
    if all(row is not None for row in before):
        proposals.append(np.array(before))
    best = _cheapest(model, switches, proposals)
    if best is None:
        return _nothing_more(model, switches, proposals[0])
    return Decision(_improved(model, best, began_s + slice_s).on)


def _cheapest(model: SwitchModel, switches: Sequence[Switch], proposals: Sequence[BoolArray]) -> Candidate | None:
    fit = [on for on in proposals if all(kept(switch, row) for switch, row in zip(switches, on, strict=True))]
    judged = [candidate for on in fit if (candidate := model.judge(on, _JUDGE_S)) is not None]
    return min(judged, key=lambda candidate: candidate.cost_eur, default=None)


def _nothing_more(model: SwitchModel, switches: Sequence[Switch], like: BoolArray) -> Decision:
    """Where no proposal fits the house: what runs goes on, if the limits allow it; else all off, and named."""
    runs = np.array([switch.forced()[0] for switch in switches])
    if model.judge(runs, _JUDGE_S) is not None:
        return Decision(runs)
    cut = [switch.name for switch, row in zip(switches, runs, strict=True) if row.any()]
    return Decision(
        np.zeros_like(like), tuple(f"{name} is switched off before its shortest run is over" for name in cut)
    )


def _improved(model: SwitchModel, best: Candidate, until_s: float) -> Candidate:
    for _ in range(_ROUNDS):
        begun_eur = best.cost_eur
        for free in _neighbourhoods(best.on.shape):
            left_s = until_s - time.monotonic()
            if left_s <= 0.0:
                return best
            best = model.improve(best, free, min(left_s, _QUESTION_S)) or best
        if best.cost_eur >= begun_eur:
            return best
    return best


def _neighbourhoods(shape: tuple[int, ...]) -> Iterator[BoolArray]:
    """What is set free at a time: all devices for some steps, then some devices for all steps."""
    for first in range(0, shape[1], _STRIDE):
        free = np.zeros(shape, dtype=np.bool_)
        free[:, first : first + _WINDOW] = True
        yield free
    for first in range(0, shape[0], _DEVICES):
        free = np.zeros(shape, dtype=np.bool_)
        free[first : first + _DEVICES] = True
        yield free


def scheduled(shape: Structure, posed: Problem, relaxed: Solved, slice_s: float) -> Schedule | None:
    """What the switched devices of a plan do, and the bounds that hold them to it; ``None`` for a house without any."""
    decided = decided_steps(shape.steps, shape.slot_s)
    switches = [component.switch.within(decided) for component in posed.components if component.switch is not None]
    if not switches:
        return None
    programme, fixed = Programme(shape, posed), Fixed({}, {})
    plain = programme.vectors(fixed)
    for switch in switches:
        if switch.counted:
            fixed.high[switch.counted] = programme.a_step_over(plain, switch.counted, switch.power_w)
    model = model_of(programme, switches, fixed)
    found = decide(model, switches, duty_frac(shape, relaxed, switches), room_kw(posed)[:decided], slice_s)
    powers_kw = {}
    for switch, on in zip(switches, found.on, strict=True):
        powers_kw[switch.unknown] = power_kw = np.where(on, switch.power_w / W_PER_KW, 0.0)
        later = programme.bound(plain.u, switch.unknown)[decided:]
        fixed.low[switch.unknown] = np.concatenate((power_kw, np.zeros(later.size)))
        fixed.high[switch.unknown] = np.concatenate((power_kw, later))
    return Schedule(fixed, powers_kw, found.violations)


def model_of(programme: Programme, switches: Sequence[Switch], fixed: Fixed) -> SwitchModel:
    """The mixed-integer programme of a problem, its switches decided as far as they reach."""
    squares = [square for component in programme.posed.components for square in component.part.squares]
    return SwitchModel(programme.shape, programme.vectors(fixed), switches, squares, switches[0].allowed.size)


def duty_frac(shape: Structure, relaxed: Solved, switches: Sequence[Switch]) -> FloatArray:
    """The share of each decided step that the relaxed plan lets a device run, float64[devices, decided]."""
    step, columns = shape.by_step(relaxed.x), shape.layout.columns
    shares = [step[: switch.allowed.size, columns[switch.unknown]] * W_PER_KW / switch.power_w for switch in switches]
    return np.clip(shares, 0.0, 1.0)


def room_kw(posed: Problem) -> FloatArray:
    """What all devices may draw together in each step without the battery's help."""
    return np.maximum(posed.slots.import_max_kw - posed.slots.net_load_kw, 0.0)


def exactly(shape: Structure, solved: Solved, schedule: Schedule) -> Solved:
    """The answer with the switched powers as they are, not as near as the solver comes."""
    x = solved.x.copy()
    step = shape.by_step(x)
    for unknown, power_kw in schedule.powers_kw.items():
        step[: power_kw.size, shape.layout.columns[unknown]] = power_kw
    return solved._replace(x=x)


Told = tuple[TimeGrid, Mapping[str, FloatArray]]


def states(told: Told | None, held: Mapping[str, Held], grid: TimeGrid) -> dict[str, State]:
    """How each device stands if all that the last plan told was done; ``held`` is how it stood at that plan's begin."""
    if told is None or told[0].slot_s != grid.slot_s:
        return {}
    begun, rows = told
    passed = (grid.start_s - begun.start_s) // grid.slot_s
    found = {}
    for name, row_w in rows.items():
        if not 0 <= passed < row_w.size:
            continue
        on = row_w > 0.5 * row_w.max()
        rest = np.zeros(grid.count, dtype=np.bool_)
        rest[: on.size - passed] = on[passed : passed + grid.count]
        found[name] = State(reduce(Held.then, on[:passed].tolist(), held.get(name, Held())), rest, passed == 0)
    return found

"""Signs and scales by the power balance: PV + battery + grid = load, whatever the house does meanwhile.

A wrong sign or a factor of ten leaves a residual; the change that makes it vanish names the culprit. What was near zero
all along cannot be told, and is said so.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge.devices.commissioning.report import Check

SIGNALS = ("pv_w", "battery_w", "grid_w", "load_w")
TELLING_W = 150.0  # less says nothing about a sign: standby, noise and the seconds between two reads
_TOLERANCE_W = 60.0
_TOLERANCE_FRAC = 0.06
_FEWEST_ROWS = 5
_SCALES = (10.0, 0.1, 100.0, 0.01)
_SIGNED = ("battery_w", "grid_w")

Row = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A signal that would have to be multiplied by a factor."""

    signal: str
    factor: float

    def words(self) -> str:
        """What is wrong with the signal as it is read."""
        size = abs(self.factor)
        wrong = [] if self.factor > 0.0 else ["has the wrong sign"]
        wrong += [] if size == 1.0 else [f"is {max(size, 1 / size):g} times too {'small' if size > 1.0 else 'large'}"]
        return f"{self.signal} {' and '.join(wrong)}"


def residual_w(rows: Sequence[Row], changes: Iterable[Change] = ()) -> float:
    """The median size of what PV + battery + grid - load leaves [W]."""
    factors = {change.signal: change.factor for change in changes}
    gains = {name: factors.get(name, 1.0) * (-1.0 if name == "load_w" else 1.0) for name in SIGNALS}
    return statistics.median(abs(math.fsum(gains[name] * row.get(name, 0.0) for name in SIGNALS)) for row in rows)


def tolerance_w(rows: Sequence[Row], changes: Iterable[Change] = ()) -> float:
    """What measuring at different moments with meters of 1 % explains [W]."""
    factors = {change.signal: change.factor for change in changes}
    largest = (max(abs(value * factors.get(name, 1.0)) for name, value in row.items()) for row in rows)
    return _TOLERANCE_W + _TOLERANCE_FRAC * statistics.median(largest)


def closes(rows: Sequence[Row], changes: Sequence[Change] = ()) -> bool:
    """The balance closes once these changes are made."""
    return residual_w(rows, changes) <= tolerance_w(rows, changes)


def explanations(rows: Sequence[Row]) -> list[tuple[Change, ...]]:
    """The smallest sets of changes that close the balance, best first: one signal, or both signs."""
    for candidates in (_single(rows), _both_signs(rows)):
        found = [changes for changes in candidates if closes(rows, changes)]
        if found:
            return sorted(found, key=lambda changes: residual_w(rows, changes))
    return []


def _single(rows: Sequence[Row]) -> Iterator[tuple[Change, ...]]:
    """One changed signal each; none that would be near zero afterwards: what vanishes explains nothing."""
    for name in SIGNALS:
        for factor in _factors(name):
            if _largest_w(rows, name) * abs(factor) >= TELLING_W:
                yield (Change(signal=name, factor=factor),)


def _both_signs(rows: Sequence[Row]) -> Iterator[tuple[Change, ...]]:
    """Both signs at once, a likely mistake; two scales, or a sign and a scale, would explain almost anything."""
    if all(_largest_w(rows, name) >= TELLING_W for name in _SIGNED):
        yield tuple(Change(signal=name, factor=-1.0) for name in _SIGNED)


def _factors(name: str) -> tuple[float, ...]:
    if name in _SIGNED:
        return (-1.0, *_SCALES, *(-scale for scale in _SCALES))
    return _SCALES


def _largest_w(rows: Sequence[Row], name: str) -> float:
    return max((abs(row[name]) for row in rows if name in row), default=0.0)


def judge_balance(rows: Sequence[Row]) -> Check:
    """The verdict over some minutes of powers that were read together."""
    whole = [row for row in rows if all(name in row for name in ("battery_w", "grid_w", "load_w"))]
    if len(whole) < _FEWEST_ROWS:
        return _without_load([row for row in rows if all(name in row for name in ("battery_w", "grid_w"))])
    left_w = residual_w(whole)
    data = {"rows": len(whole), "residual_w": left_w, "tolerance_w": tolerance_w(whole)}
    if not closes(whole):
        return _open(whole, data)
    dim = [name for name in _SIGNED if _largest_w(whole, name) < TELLING_W]
    text = f"PV + battery + grid = load within {left_w:.0f} W over {len(whole)} readings"
    if dim:
        return Check(
            name="balance",
            state="unknown",
            text=f"{text}, but {' and '.join(dim)} stayed under {TELLING_W:.0f} W: the sign cannot be told",
            advice="repeat while the battery works and the grid feeds the house, or add --pulse",
            data=data,
        )
    return Check(name="balance", state="ok", text=text, data=data)


def _open(rows: Sequence[Row], data: Mapping[str, float]) -> Check:
    """The balance does not close: name the change that would close it, if there is one."""
    found = explanations(rows)
    words = [" and ".join(change.words() for change in changes) for changes in found]
    named = f": {' or '.join(words[:3])}" if words else ": no wrong sign or scale explains it"
    return Check(
        name="balance",
        state="refuse",
        text=f"PV + battery + grid - load leaves {data['residual_w']:.0f} W{named}",
        advice="compare the named signal with the device's display and turn the meter's clamp or correct the profile"
        if words
        else "look for a second inverter, a second battery or a meter that sees only a part of the house",
        data={**data, "explanations": words},
    )


def _without_load(rows: Sequence[Row]) -> Check:
    """No load register: all that is known is that a house never produces."""
    if len(rows) < _FEWEST_ROWS:
        return Check(
            name="balance",
            state="unknown",
            text="grid, battery and load are not all there: nothing to compare",
            advice="commission with --site, so that meter and inverter are read together",
            data={"rows": len(rows)},
        )
    loads_w = [row.get("pv_w", 0.0) + row["battery_w"] + row["grid_w"] for row in rows]
    lowest_w = statistics.median(loads_w)
    data = {"rows": len(rows), "load_w": lowest_w}
    if lowest_w < -TELLING_W:
        return Check(
            name="balance",
            state="refuse",
            text=f"the house would feed {-lowest_w:.0f} W: battery or grid has the wrong sign, or PV is not measured",
            advice="compare all with the device's display, and turn the meter's clamp or correct the profile",
            data=data,
        )
    return Check(
        name="balance",
        state="unknown",
        text=f"without a load register only this is known: the house takes {lowest_w:.0f} W",
        advice="add --pulse: a known charge and discharge shows sign and scale at the meter",
        data=data,
    )

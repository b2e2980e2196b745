"""The power that an inverter follows now: when it counts as moved, when its lease is short, what is due for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edge.devices.permission import is_stored
from edge.devices.profile import BatteryMode, Control, Profile
from edge.devices.translate import MEASURED, Group, Target, Wish

# A lease is three refresh periods long, so that two may fail; where a refresh wears a register, it is used up further.
REFRESH_BELOW = 2.0 / 3.0
REFRESH_WORN_BELOW = 1.0 / 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The power command that was written and read back last."""

    control: str
    mode: BatteryMode
    signed_frac: float
    end_s: float
    refreshed_s: float

    def is_moved(self, wish: Wish, control: Control) -> bool:
        """The wish is another power than this one."""
        return wish.mode != self.mode or abs(wish.signed_frac - self.signed_frac) > control.power_step_frac

    def is_short(self, lease_s: float, control: Control, profile: Profile, now_s: float) -> bool:
        """So much of the lease is used up that it is time to extend it."""
        part = REFRESH_WORN_BELOW if is_stored(control, profile) else REFRESH_BELOW
        return self.end_s - now_s < part * lease_s and now_s - self.refreshed_s >= control.keep_s


def tracks_house(control: Control) -> bool:
    """What it writes hangs on the house's power of the moment, and must follow it."""
    return any(value in MEASURED for step in control.steps for value in step.values if isinstance(value, str))


def has_drifted(listed: Sequence[Group], expected: Mapping[str, Target], step_w: float) -> bool:
    """Whether a register that follows the house is off by more than a step."""
    targets = [target for group in listed for target in group.targets if target.write.name in expected]
    off_w = [abs(target.raw - expected[target.write.name].raw) * target.write.scale for target in targets]
    return max(off_w, default=0.0) > step_w


def due_groups(
    control: Control, listed: Sequence[Group], *, refresh: bool, differs: Callable[[Group, bool], bool]
) -> list[Group]:
    """What must be sent. While the lease is long enough, its registers do not count.

    ``differs`` says whether the device shows something else, without or with (second argument) the times.
    """
    if not refresh:
        return [group for group in listed if differs(group, False)]
    renews = any(group.refresh for group in listed) or math.isnan(control.silence_s)
    return [group for group in listed if group.refresh or not renews or differs(group, True)]

"""What may be written, and by which way: what stays if the box dies, or is disputed, only where the site says so."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from edge.devices.profile import Control, Profile
from edge.devices.unit import Unit
from edge.devices.wear import wears
from edge.messages import NEEDS_PERMISSION, Command


def why_nothing(unit: Unit, command: Command) -> str:
    """Why nothing may be sent at all, to a device that nobody is sure of or for want of a number; empty when it may."""
    if not unit.confirmed:
        return unit.why_unconfirmed
    if command.mode == "power" and not (math.isfinite(command.battery_w) and 0.0 < command.lease_s < math.inf):
        return "a power command needs a power and a lease"
    return ""


def permitted(controls: Sequence[Control], allowed: Collection[str], profile: Profile) -> list[Control]:
    """Those that may be used, what wears nothing first, else in the order of the profile."""
    free = [control for control in controls if not control.why_opt_in or control.name in allowed]
    return sorted(free, key=lambda control: is_stored(control, profile))


def why_none(device: str, controls: Sequence[Control], allowed: Collection[str]) -> str:
    """Why none of the ways of control may be used; empty when one may."""
    if not controls:
        return f"{device} answers to no way of control"
    if any(not control.why_opt_in or control.name in allowed for control in controls):
        return ""
    reasons = "; ".join(control.why_opt_in for control in controls)
    return f"{reasons}; {NEEDS_PERMISSION}"


def is_stored(control: Control, profile: Profile) -> bool:
    """A way of control that wears registers out."""
    return any(wears(profile.write_by_name[name].wear) for step in control.steps for name in step.writes)

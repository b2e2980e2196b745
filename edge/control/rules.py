"""When there is no plan: self-consumption, which is what the inverter does by itself.

The chain of answers: the MPC's plan, the last plan while its lease runs, these rules, the inverter's native mode.
"""

from __future__ import annotations

from edge.config import Site
from edge.messages import Command, House


def rules_command(house: House, site: Site) -> Command:
    """Leave the battery to the inverter: it covers deficits and stores surplus within a second."""
    if site.battery is None:
        return Command.native("there is no battery to command")
    return Command.native(f"self-consumption at SoC {house.soc_frac:.0%}: the inverter's own rules")

"""When there is no plan: self-consumption, which is what the inverter does by itself.

The chain of answers: the MPC's plan, the last plan while its lease runs, these rules, the inverter's native mode.
"""

from __future__ import annotations

from edge.config import Site
from edge.messages import Command


def rules_command(site: Site) -> Command:
    """Leave the battery to the inverter: it covers deficits and stores surplus within a second."""
    if site.battery is None:
        return Command.native("there is no battery to command")
    return Command.native("no plan in force: self-consumption by the inverter's own rules")

"""The water value under uncertainty: what a stored kWh is worth when load and PV may be other than their means.

Each slot's net load is one of nine: low, middle and high load against low, middle and high PV, by the forecasts' own
quantiles about their means, weighted as in :func:`core_kernels.quantiles.mean_of`.
"""

from __future__ import annotations

import numpy as np

from core_kernels.qp import Terms
from core_kernels.records import Forecast
from core_kernels.storedvalue import Curve, Storage, cost_to_come
from core_kernels.units import FloatArray
from edge.config import Battery, Site
from edge.control.problem import Inputs, battery_of, wear_eur_per_kwh
from edge.control.publish import Outcome
from edge.messages import WORTH_COUNT

# Beyond a day it hardly matters any more which kWh it is: 60 days of a measured home took the same share with 96 and
# 128 slots.
HORIZON_SLOTS = 96
_WEIGHTS_FRAC = np.array([0.3, 0.4, 0.3])


def stored_curve(
    site: Site,
    forecasts: tuple[Forecast, Forecast],
    known: Inputs,
    drawn_w: FloatArray,
    terms: Terms,
) -> Curve | None:
    """Cost to come over the energy in the battery; ``None`` where the battery has no room between its bounds.

    ``forecasts`` are PV and load; ``drawn_w`` (float64[n] or [1]) is what the plan gives to all else. [W]
    """
    battery = battery_of(site)
    if battery.soc_max_frac <= battery.soc_min_frac:
        return None
    count = min(known.pv_w.size, HORIZON_SLOTS)
    load_w, pv_w = (_possible_w(forecast, count) for forecast in reversed(forecasts))
    net_w = (load_w[:, :, None] - pv_w[:, None, :]).reshape(count, -1)
    net_w = net_w + np.broadcast_to(drawn_w, known.pv_w.shape)[:count, None]
    weight_frac = np.outer(_WEIGHTS_FRAC, _WEIGHTS_FRAC).ravel()
    import_eur, export_eur = (column[:count] for column in (known.import_eur_per_kwh, known.export_eur_per_kwh))
    storage = _storage(site, battery, terms.terminal_eur_per_kwh)
    return cost_to_come(net_w, weight_frac, import_eur, export_eur, known.slot_s, storage)


def valued_by(curve: Curve | None, found: Outcome, battery: Battery) -> Outcome:
    """A plan's outcome with the curve's worth of a kWh at the charge now and at every twentieth of it."""
    if curve is None:
        return found
    levels_wh = np.linspace(0.0, battery.capacity_wh, WORTH_COUNT)
    return found._replace(
        water_value_eur_per_kwh=curve.worth_eur_per_kwh(found.posed.terms.stored_wh),
        worth_eur_per_kwh=tuple(curve.worth_eur_per_kwh(level_wh) for level_wh in levels_wh.tolist()),
    )


def _possible_w(forecast: Forecast, count: int) -> FloatArray:
    """Low, middle and high power of the first slots about the forecast's mean, float64[count, 3] [W]."""
    levels = np.stack((forecast.p10, forecast.p50, forecast.p90), axis=1)[:count]
    about_mean = levels - (levels @ _WEIGHTS_FRAC)[:, None] + forecast.mean[:count, None]
    possible_w: FloatArray = np.maximum(about_mean, 0.0)
    return possible_w


def _storage(site: Site, battery: Battery, terminal_eur_per_kwh: float) -> Storage:
    return Storage(
        low_wh=battery.soc_min_frac * battery.capacity_wh,
        high_wh=battery.soc_max_frac * battery.capacity_wh,
        charge_w=battery.charge_w,
        discharge_w=battery.discharge_w,
        leg_efficiency_frac=battery.leg_efficiency_frac,
        export_limit_w=site.grid.export_w,
        wear_eur_per_kwh=wear_eur_per_kwh(battery),
        terminal_eur_per_kwh=terminal_eur_per_kwh,
    )

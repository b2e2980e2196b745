"""The device's own clock against ours: time slots run by it (faults.md, 33)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from edge.devices.commissioning.report import Check
from edge.devices.profile import Point

TOLERANCE_S = 60.0  # one minute is the step of every slot register we know
_ZONE_STEP_S = 900.0  # all time zones in use are whole quarters of an hour


def judge_clock(values: Sequence[float], now_s: float, zone: ZoneInfo | None, points: Sequence[Point]) -> Check:
    """``values``: year, month, day, hour, minute, second as the device says; without a zone any will do."""
    try:
        year, *rest = (int(value) for value in values)
        local = datetime(year + 2000 if year < 100 else year, *rest, tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        text = f"the device's clock says {values!r}, which is no time"
        return Check(name="clock", state="finding", text=text, advice=_advice(points))
    ahead_s = local.timestamp() - now_s
    if zone is not None:
        offset = datetime.fromtimestamp(now_s, zone).utcoffset()
        zone_s, named = offset.total_seconds() if offset is not None else 0.0, str(zone)
    else:
        zone_s = round(ahead_s / _ZONE_STEP_S) * _ZONE_STEP_S
        named = f"UTC{zone_s / 3600.0:+.2f} h" if zone_s else "UTC"
    error_s = ahead_s - zone_s
    data = {"error_s": error_s, "zone": named, "device_time": local.replace(tzinfo=None).isoformat()}
    way = "fast" if error_s > 0.0 else "slow"
    text = f"the device's clock is {_span(abs(error_s))} {way} of {named}"
    if abs(error_s) > TOLERANCE_S:
        return Check(name="clock", state="finding", text=text, advice=_advice(points), data=data)
    return Check(name="clock", state="ok", text=text, data=data)


def _span(span_s: float) -> str:
    if span_s < 120.0:
        return f"{span_s:.0f} s"
    return f"{span_s / 60.0:.0f} min" if span_s < 7200.0 else f"{span_s / 3600.0:.1f} h"


def _advice(points: Sequence[Point]) -> str:
    where = f" ({points[0].space} {points[0].address}..{points[-1].address}: year to second)" if points else ""
    return f"set it to local time at the device's display or in the vendor's app{where}: time slots run by it"

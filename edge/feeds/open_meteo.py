"""Open-Meteo's forecast: hourly values as JSON.

Radiation is the mean of the hour before its time, everything else the value at that time: both become the mean of the
hour that begins there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from core_kernels.signals import signal
from edge.errors import FeedError
from edge.feeds.model import Request, Span, json_answer, number

URL = "https://api.open-meteo.com/v1/forecast"
_HOUR_S = 3600
_FORECAST_DAYS, _PAST_DAYS = 4, 1


class _Column(NamedTuple):
    """One of our columns: their name and unit, what makes ours of it, whether it is the mean of the hour before."""

    theirs: str
    unit: str
    factor: float
    is_mean: bool


_COLUMNS = {
    "fc_temp_air_c": _Column("temperature_2m", "°C", 1.0, is_mean=False),
    "fc_wind_m_per_s": _Column("wind_speed_10m", "m/s", 1.0, is_mean=False),
    "fc_cloud_frac": _Column("cloud_cover", "%", 0.01, is_mean=False),
    "fc_ghi_w_per_m2": _Column("shortwave_radiation", "W/m²", 1.0, is_mean=True),
    "fc_dni_w_per_m2": _Column("direct_normal_irradiance", "W/m²", 1.0, is_mean=True),
    "fc_dhi_w_per_m2": _Column("diffuse_radiation", "W/m²", 1.0, is_mean=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMeteo:
    """The forecast of one place."""

    latitude_deg: float
    longitude_deg: float
    url: str = URL

    @property
    def name(self) -> str:
        """The source and its place."""
        return f"open-meteo {self.latitude_deg:g} {self.longitude_deg:g}"

    def request(self) -> Request:
        """Ask for the hours from yesterday to three days ahead."""
        query = {
            "latitude": f"{self.latitude_deg:g}",
            "longitude": f"{self.longitude_deg:g}",
            "hourly": ",".join(column.theirs for column in _COLUMNS.values()),
            "wind_speed_unit": "ms",
            "timeformat": "unixtime",
            "timezone": "GMT",
            "past_days": f"{_PAST_DAYS}",
            "forecast_days": f"{_FORECAST_DAYS}",
        }
        return Request(url=self.url, query=query)

    def parse(self, body: bytes) -> Mapping[str, Sequence[Span]]:
        """Our columns, an hour a span; hours that the model lacks are left out."""
        answer = json_answer(body)
        hourly, units = answer.get("hourly"), answer.get("hourly_units")
        if not isinstance(hourly, Mapping) or not isinstance(units, Mapping):
            raise FeedError("the answer has no hourly values")
        times_s = _times_s(hourly.get("time"))
        return {name: _spans(name, column, hourly, units, times_s) for name, column in _COLUMNS.items()}


def _times_s(times: object) -> list[int]:
    if not isinstance(times, list) or len(times) < 2:
        raise FeedError("the answer has no times")
    times_s = [int(number(value, "a time")) for value in times]
    if times_s[0] % _HOUR_S or any(b - a != _HOUR_S for a, b in pairwise(times_s)):
        raise FeedError("the answer's times are no row of hours")
    return times_s


def _spans(
    name: str, column: _Column, hourly: Mapping[str, object], units: Mapping[str, object], times_s: list[int]
) -> list[Span]:
    if units.get(column.theirs) != column.unit:
        raise FeedError(f"the answer has {column.theirs} in {units.get(column.theirs)!r:.20}, not in {column.unit}")
    values = hourly.get(column.theirs)
    if not isinstance(values, list) or len(values) != len(times_s):
        raise FeedError(f"the answer has another number of {column.theirs} than of times")
    known = [math.nan if value is None else column.factor * number(value, column.theirs) for value in values]
    row = signal(name)
    for value in known:
        if not math.isnan(value) and not row.low <= value <= row.high:
            raise FeedError(f"the answer has {value:g} {row.unit} for {column.theirs}")
    if column.is_mean:
        means = list(zip((time_s - _HOUR_S for time_s in times_s), known, strict=True))
    else:
        means = [(time_s, (a + b) / 2.0) for time_s, (a, b) in zip(times_s, pairwise(known), strict=False)]
    return [Span(start_s=t, end_s=t + _HOUR_S, value=mean) for t, mean in means if not math.isnan(mean)]

"""Public holidays of a site's country as plain days: shared code and box know neither countries nor this library."""

from __future__ import annotations

from datetime import UTC, date, datetime

import holidays

from training.errors import SetupError

_EPOCH = date(1970, 1, 1)
AHEAD_YEARS = 5  # a bundle older than this knows no holidays any more


def holiday_days(country: str, subdivision: str, from_s: float, until_s: float) -> tuple[int, ...]:
    """Days since 1970 of the public holidays from the year of ``from_s`` to five years after that of ``until_s``.

    Raises
    ------
    SetupError
        A country (ISO 3166: ``CZ``) or a subdivision (``BY`` of ``DE``) that the library does not know.
    """
    if not country:
        return ()
    first, last = (datetime.fromtimestamp(time_s, UTC).year for time_s in (from_s, until_s))
    years = range(first, last + AHEAD_YEARS + 1)
    try:
        found = holidays.country_holidays(country, subdiv=subdivision or None, years=years)
    except NotImplementedError as error:
        raise SetupError(f"site.country, site.subdivision: {str(error).splitlines()[0]}") from error
    return tuple(sorted((day - _EPOCH).days for day in found))


def iso_dates(days: tuple[int, ...], from_s: float) -> list[str]:
    """The days as ISO dates, from the year before an instant on: what a box can still see in its history."""
    first = (date(datetime.fromtimestamp(from_s, UTC).year - 1, 1, 1) - _EPOCH).days
    return [date.fromordinal(_EPOCH.toordinal() + day).isoformat() for day in days if day >= first]

"""``pems device read``: every signal once."""

from __future__ import annotations

import click

from edge.cli.device.common import fail_if_silent, open_devices, profile_option, read_all, show, unit_option, url_option
from edge.cli.options import clock_option, json_option
from edge.clock import Clock


@click.command()
@profile_option
@url_option
@unit_option
@json_option
@clock_option
def read(profile: str, url: str, unit: int | None, as_json: bool, clock: Clock | None) -> None:
    """Print every signal once: value, unit, age, state and reason. Exit 1 when nothing answers.

    \b
    Example:
      pems device read --profile eastron/sdm630 --url tcp://192.168.1.20:502 --json
    """
    time = clock or Clock.real()
    devices = open_devices(profile, url, unit, time, rated_w=None)
    try:
        readings = read_all(devices)
    finally:
        devices.close()
    if as_json:
        show(readings, time.now_s(), as_json)
    fail_if_silent(readings)
    if not as_json:
        show(readings, time.now_s(), as_json)

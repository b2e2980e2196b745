"""Who answers: is it a device of the profile's family, the same as last time, and does it give every signal?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge.devices.commissioning.report import Check
from edge.devices.commissioning.subject import Subject
from edge.messages import Reading

_LOOK = "check profile, url, unit and cable; `pems device scan` finds what answers"


def judge_identity(subject: Subject, previous: Mapping[str, Any] | None) -> Check:
    """The device's own words about itself, compared with the last report's."""
    unit = subject.unit
    serial_number, firmware = subject.serial_number, subject.firmware
    data = {"serial_number": serial_number, "firmware": firmware}
    if unit.doubt:
        return Check(name="identity", state="refuse", text=unit.doubt, advice=_LOOK, data=data)
    changes = [
        f"{name.replace('_', ' ')} was {previous[name]}, is {now}"
        for name, now in data.items()
        if previous is not None and previous.get(name) and now and previous[name] != now
    ]
    if changes:
        return Check(
            name="identity",
            state="finding",
            text="; ".join(changes),
            advice="firmware changes maps, signs and scales: compare the other checks with the last report",
            data=data,
        )
    if not serial_number:
        return Check(name="identity", state="unknown", text="the device tells no serial number", data=data)
    told = f", firmware {firmware}" if firmware else ""
    return Check(name="identity", state="ok", text=f"serial number {serial_number}{told}", data=data)


def judge_signals(readings: Sequence[Reading]) -> Check:
    """Every signal of the profile has a good value."""
    bad = [f"{reading.signal}: {reading.reason or reading.state}" for reading in readings if reading.state != "good"]
    data = {"good": len(readings) - len(bad), "bad": bad}
    if not readings or len(bad) == len(readings):
        return Check(
            name="signals",
            state="refuse",
            text=bad[0] if bad else "the profile has no signal",
            advice=_LOOK,
            data=data,
        )
    if bad:
        return Check(
            name="signals",
            state="finding",
            text=f"{len(bad)} of {len(readings)} signals have no good value ({bad[0]})",
            advice="an older or newer firmware may lack them; what depends on them is not done",
            data=data,
        )
    return Check(name="signals", state="ok", text=f"{len(readings)} signals good", data=data)

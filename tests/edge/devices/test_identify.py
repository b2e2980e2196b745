"""A device is of its family, or says why not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.devices.identify import stranger
from edge.devices.profile import Identity
from edge.devices.profile_file import load_profile

SPH = load_profile("growatt/sph")
KNOWN = replace(
    SPH,
    identify=(
        Identity(point="device_type_code", equals=(3501, 3502)),
        Identity(point="serial_number", prefix="TWN"),
    ),
)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({}, ""),
        ({"device_type_code": (3502,)}, ""),
        ({"device_type_code": (0xFFFF,)}, ""),
        ({"device_type_code": (9,)}, "this is no Growatt SPH: device_type_code says 9"),
        ({"serial_number": (0x5457, 0x4E30, 0x3132, 0x3334, 0x3536)}, ""),
        ({"serial_number": (0x4142, 0, 0, 0, 0)}, "this is no Growatt SPH: serial_number says 'AB'"),
    ],
)
def test_what_a_device_says_of_itself_decides(words, reason):
    assert stranger(KNOWN, words) == reason


def test_a_family_that_cannot_be_told_is_taken_as_it_comes():
    assert stranger(replace(SPH, identify=()), {"device_type_code": (9,)}) == ""

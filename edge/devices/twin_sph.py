"""A Growatt SPH around the plant: telemetry with noise, slots and VPP power, and the family's lies.

Facts from ``hardware/devices.yaml`` (growatt_sph): FC06 on a slot's start or end is acknowledged and reverts after
about 6 s while FC16 of the triple holds; unknown registers inside a window read 0 and swallow writes; VPP registers
exist on newer firmware only and are volatile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from edge.devices.image import (
    ILLEGAL_VALUE,
    WRITE_MANY,
    Registers,
    Values,
    check_range,
    check_state,
    identity,
)
from edge.devices.plant import HousePlant, PriorityRule
from edge.devices.profile import Profile, Space
from edge.errors import DeviceRejected

PROFILE = "growatt/sph"
_REVERT_S = 6.0
_CLOCK = 45  # year, month, day, hour, minute, second
_GRID_FIRST, _BATTERY_FIRST = 1070, 1090  # power %, stop SoC %, (ac charge)
_SLOTS = (1080, 1100)  # three triples start, end, enable each
_SLOT_WORDS = 9
_VPP_ENABLE, _VPP_MINUTES, _VPP_POWER = 30407, 30408, 30409
_VPP_SPACE = 30000
_DEFAULTS = {1070: 100, 1071: 10, 1090: 100, 1091: 100}
_HISTORY_WH = {"pv": 4_321_000.0, "load": 5_432_000.0, "grid": 2_345_000.0, "battery": 1_234_000.0}


class SphInverter:
    """The inverter as its registers show it. ``constants`` replace the plant's telemetry (a device on a bench)."""

    def __init__(self, profile: Profile, plant: HousePlant, *, has_vpp: bool, constants: Values | None = None) -> None:
        windows = profile.link.read_windows
        if not has_vpp:
            windows = {space: tuple(w for w in rows if w[0] < _VPP_SPACE) for space, rows in windows.items()}
        check_state(profile, constants or {})
        self._profile = profile
        self._plant = plant
        self._registers = Registers(profile, windows)
        self._is_constant = constants is not None
        self._reverts: list[tuple[float, int, int]] = []
        self._registers.show(identity(profile))
        for address, word in _DEFAULTS.items():
            self._registers.store(address, (word,))
        self._registers.show(constants or {})
        self._obey_slots()

    @property
    def profile(self) -> Profile:
        """The family's facts."""
        return self._profile

    @property
    def next_event_s(self) -> float:
        """When the device next changes its mind by itself."""
        return min((at_s for at_s, _, _ in self._reverts), default=math.inf)

    def settle(self, now_s: float) -> None:
        """Undo what is due, and clear the VPP enable when its duration is over; the plant has been advanced before."""
        due = [revert for revert in self._reverts if revert[0] <= now_s]
        if due:
            self._reverts = [revert for revert in self._reverts if revert[0] > now_s]
            for _, address, word in due:
                self._registers.store(address, (word,))
            self._obey_slots()
        if self._plant.lease_left_s == 0.0:
            self._registers.store(_VPP_ENABLE, (0,))

    def read(self, space: Space, first: int, count: int) -> Sequence[int]:
        """The words of a block; raises :class:`DeviceRejected`."""
        self._registers.show(self._clock())
        applied_raw = self._registers.word(_VPP_POWER) if self._registers.word(_VPP_ENABLE) else 0
        self._registers.show({"vpp_power_applied": -_signed(applied_raw) / 100.0})
        if not self._is_constant:
            self._registers.show(measured(self._plant))
        return self._registers.read(space, first, count)

    def write(self, function: int, first: int, words: Sequence[int]) -> None:
        """Take a write: all words are judged before any of them acts."""
        self._registers.require_window("holding", first, len(words))
        block = {first + offset: word for offset, word in enumerate(words)}
        for address, word in block.items():
            check_range(self._profile, address, word)
            _check_slot_word(address, word)
        self._set_clock({address: word for address, word in block.items() if _CLOCK <= address < _CLOCK + 6})
        slots = {address: word for address, word in block.items() if _slot_base(address) is not None}
        self._schedule_reverts(function, slots)
        for address, word in block.items():
            if address in slots or address in self._known():
                self._registers.store(address, (word,))
        self._obey_slots()
        if any(address in block for address in (_VPP_ENABLE, _VPP_MINUTES, _VPP_POWER)):
            self._obey_vpp(restarts=_VPP_ENABLE in block or _VPP_MINUTES in block)

    def _known(self) -> frozenset[int]:
        return frozenset(write.address for write in self._profile.writes)

    def _schedule_reverts(self, function: int, slots: Mapping[int, int]) -> None:
        """Note which slot times will not hold: those not written together with their whole triple."""
        for address in slots:
            base = _slot_base(address)
            assert base is not None
            whole = function == WRITE_MANY and all(base + offset in slots for offset in range(3))
            if whole:
                self._reverts = [revert for revert in self._reverts if revert[1] != address]
            elif address != base + 2 and all(revert[1] != address for revert in self._reverts):
                self._reverts.append((self._plant.time_s + _REVERT_S, address, self._registers.word(address)))

    def _obey_slots(self) -> None:
        word = self._registers.word
        self._plant.command_priorities(
            battery_first=PriorityRule(
                power_frac=word(_BATTERY_FIRST) / 100.0,
                stop_frac=word(_BATTERY_FIRST + 1) / 100.0,
                ac_charge=word(_BATTERY_FIRST + 2) == 1,
                slots_min=self._slots(_SLOTS[1]),
            ),
            grid_first=PriorityRule(
                power_frac=word(_GRID_FIRST) / 100.0,
                stop_frac=word(_GRID_FIRST + 1) / 100.0,
                slots_min=self._slots(_SLOTS[0]),
            ),
        )

    def _slots(self, first: int) -> tuple[tuple[int, int], ...]:
        word = self._registers.word
        return tuple(
            (_minute(word(base)), _minute(word(base + 1)))
            for base in range(first, first + _SLOT_WORDS, 3)
            if word(base + 2) == 1
        )

    def _obey_vpp(self, *, restarts: bool) -> None:
        if self._registers.word(_VPP_ENABLE) != 1:
            self._plant.command_native()
            return
        charge_frac = _signed(self._registers.word(_VPP_POWER)) / 100.0
        battery_w = -charge_frac * self._plant.params.rated_w
        minutes = self._registers.word(_VPP_MINUTES)
        lease_s = (60.0 * minutes if minutes else math.inf) if restarts else self._plant.lease_left_s
        self._plant.command_power(battery_w, lease_s)

    def _clock(self) -> dict[str, float | str]:
        local = datetime.fromtimestamp(self._plant.rtc_s, tz=UTC)
        fields = (local.year, local.month, local.day, local.hour, local.minute, local.second)
        return dict(zip(self._profile.clock, map(float, fields), strict=True))

    def _set_clock(self, words: Mapping[int, int]) -> None:
        if not words:
            return
        self._registers.show(self._clock())
        year, month, day, hour, minute, second = (
            words.get(address, self._registers.word(address)) for address in range(_CLOCK, _CLOCK + 6)
        )
        try:
            local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError as error:
            raise DeviceRejected(str(error), ILLEGAL_VALUE) from error
        self._plant.set_rtc(local.timestamp())


def measured(plant: HousePlant) -> dict[str, float | str]:
    """What the inverter says it measures: within 1 % of the truth, and a load that is only derived."""
    state = plant.snapshot()

    def seen_w(power_w: float, salt: int) -> float:
        return power_w * (1.0 + 0.005 * min(max(plant.noise(salt), -2.0), 2.0))

    pv_w, battery_w, grid_w = seen_w(state.pv_w, 1), seen_w(state.battery_w, 2), seen_w(state.grid_w, 3)
    size_w = abs(battery_w) + pv_w
    return {
        "pv_w": pv_w,
        "battery_w": battery_w,
        "grid_w": grid_w,
        "load_w": max(pv_w + battery_w + grid_w, 0.0),
        "soc_frac": max(state.soc_frac, 0.0),
        "soh_frac": 0.98,
        "battery_v": state.battery_v,
        "battery_c": 24.0 + size_w / 2000.0,
        "inverter_c": 31.0 + size_w / 400.0,
        "grid_v": 230.0 + 1.5 * plant.noise(4),
        "grid_hz": 50.0 + 0.02 * plant.noise(5),
        "system_work_mode": 5.0 if pv_w > 50.0 else 6.0,
        "pv_energy_wh": _HISTORY_WH["pv"] + state.pv_wh,
        "load_energy_wh": _HISTORY_WH["load"] + state.load_wh,
        "grid_import_wh": _HISTORY_WH["grid"] + state.grid_import_wh,
        "grid_export_wh": _HISTORY_WH["grid"] + state.grid_export_wh,
        "battery_charge_wh": _HISTORY_WH["battery"] + state.battery_charge_wh,
        "battery_discharge_wh": _HISTORY_WH["battery"] + state.battery_discharge_wh,
    }


def _slot_base(address: int) -> int | None:
    """First register of the slot triple that holds this address."""
    for first in _SLOTS:
        if first <= address < first + _SLOT_WORDS:
            return address - (address - first) % 3
    return None


def _check_slot_word(address: int, word: int) -> None:
    """An enable is 0 or 1, a time is one of the day; slots 2 and 3 are not in the profile, but the device has them."""
    base = _slot_base(address)
    if base is None:
        return
    fits = word <= 1 if address == base + 2 else word >> 8 < 24 and word & 0xFF < 60
    if not fits:
        raise DeviceRejected(f"slot register {address} = {word}", ILLEGAL_VALUE)


def _minute(word: int) -> int:
    """``hour * 256 + minute`` as minutes of the day."""
    return (word >> 8) * 60 + (word & 0xFF)


def _signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word

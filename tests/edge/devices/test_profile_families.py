"""Every family that ships: its signs, its balance partners, and what each step of its controls does to a battery.

The tables are by hand from the vendors' documents as read in devices.md, so that a flipped sign in a file fails here.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from itertools import product

import pytest
from hand_clock import NOON_S, HandClock

from core_kernels.signals import signal
from edge.devices.image import WRITE_MANY, WRITE_ONE
from edge.devices.profile import Control, Point, Profile
from edge.devices.profile_file import FOLDER, load_profile, profile_names
from edge.devices.sunspec_twin import served
from edge.devices.translate import Facts, Group, Wish, groups, scale_points, state_of, state_points
from edge.devices.twin_battery import BatteryDevice

RATED_W = 5000.0
FORCED_FRAC = {"charge": -0.4, "discharge": 0.6, "hold": 0.0}

# What a positive number in a register adds to our sign (import and discharge positive): point -> sign.
GRID_SIGNS: Mapping[str, Mapping[str, int]] = {
    "growatt/sph": {"grid_import_power": 1, "grid_export_power": -1},
    "growatt/mod_xh": {"grid_import_power": 1, "grid_export_power": -1},
    "deye/hybrid_1p": {"grid_power": 1},
    "deye/hybrid_3p_lv": {"grid_power": 1},
    "deye/hybrid_3p_hv": {"grid_power": 1},
    "sungrow/sh": {"grid_export_power": -1},
    "huawei/sun2000_luna": {"grid_export_power": -1},
    "goodwe/et": {"meter_export_power": -1},
    "goodwe/et_4mppt": {"meter_export_power": -1},
    "victron/gx": {"grid_l1": 1, "grid_l2": 1, "grid_l3": 1},
    "solax/hybrid": {"grid_export_power": -1},
    "eastron/sdm120": {"power": 1},
    "eastron/sdm630": {"power_total": 1},
    "carlo_gavazzi/em24": {"power_total": 1},
    "carlo_gavazzi/em24_e1": {"power_total": 1},
    "fronius/gen24": {},
    "fronius/meter": {"grid_power": 1, "grid_power_float": 1},
    "sma/hybrid": {"grid_import_power": 1, "grid_export_power": -1},
    "sma/hybrid_3mppt": {"grid_import_power": 1, "grid_export_power": -1},
    "solaredge/storedge": {"grid_power": -1},
    "sunspec/battery": {},
    "sunspec/inverter": {},
    "sunspec/meter": {"grid_power": 1, "grid_power_float": 1},
}
BATTERY_SIGNS: Mapping[str, Mapping[str, int]] = {
    "growatt/sph": {"battery_discharge_power": 1, "battery_charge_power": -1},
    "growatt/mod_xh": {"battery_discharge_power": 1, "battery_charge_power": -1},
    "deye/hybrid_1p": {"battery_power": 1},
    "deye/hybrid_3p_lv": {"battery_power": 1},
    "deye/hybrid_3p_hv": {"battery_power": 1},
    "sungrow/sh": {"battery_power": 1},
    "huawei/sun2000_luna": {"battery_charge_power": -1},
    "goodwe/et": {"battery_power": 1},
    "goodwe/et_4mppt": {"battery_power": 1},
    "victron/gx": {"battery_power": -1},
    "solax/hybrid": {"battery_charge_power": -1},
    "fronius/gen24": {"discharge_power": 1, "charge_power": -1},
    "sma/hybrid": {"battery_discharge_power": 1, "battery_charge_power": -1},
    "sma/hybrid_3mppt": {"battery_discharge_power": 1, "battery_charge_power": -1},
    "solaredge/storedge": {"battery_power": -1},
    "sunspec/battery": {"battery_power": 1},
}
# Addresses of the same registers, by hand from devices.yaml: a point cannot be moved to another register unnoticed.
ADDRESSES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "growatt/sph": {"grid_w": (1021, 1029), "battery_w": (1009, 1011), "soc_frac": (1014,)},
    "growatt/mod_xh": {"grid_w": (3041, 3043), "battery_w": (3178, 3180), "soc_frac": (3171,)},
    "deye/hybrid_1p": {"grid_w": (169,), "battery_w": (190,), "soc_frac": (184,), "grid_import_wh": (78,)},
    "deye/hybrid_3p_lv": {"grid_w": (625,), "battery_w": (590,), "soc_frac": (588,)},
    "deye/hybrid_3p_hv": {"grid_w": (625,), "battery_w": (590,), "soc_frac": (588,)},
    "sungrow/sh": {"grid_w": (13009,), "battery_w": (5213,), "soc_frac": (13022,)},
    "huawei/sun2000_luna": {"grid_w": (37113,), "battery_w": (37765,), "soc_frac": (37760,)},
    "goodwe/et": {"grid_w": (36025,), "battery_w": (35182,), "soc_frac": (37007,), "pv_w": (35105, 35109)},
    "goodwe/et_4mppt": {"grid_w": (36025,), "battery_w": (35182,), "pv_w": (35105, 35109, 35113, 35117)},
    "victron/gx": {"grid_w": (820, 821, 822), "battery_w": (842,), "soc_frac": (843,)},
    "solax/hybrid": {"grid_w": (70,), "battery_w": (22,), "soc_frac": (28,)},
    "eastron/sdm120": {"grid_w": (12,)},
    "eastron/sdm630": {"grid_w": (52,)},
    "carlo_gavazzi/em24": {"grid_w": (40,)},
    "carlo_gavazzi/em24_e1": {"grid_w": (40,)},
    # SunSpec: counted from the ID word of the model; the modules of 160 begin at 10, have 20 words, and DCW at 11.
    "fronius/gen24": {"battery_w": (61, 81), "pv_w": (21, 41), "soc_frac": (8,)},
    "fronius/meter": {"grid_w": (18, 28), "grid_import_wh": (46, 68), "grid_export_wh": (38, 60)},
    "sma/hybrid": {"grid_w": (30865, 30867), "battery_w": (31393, 31395), "pv_w": (30773, 30961)},
    "sma/hybrid_3mppt": {"soc_frac": (30845,), "pv_w": (30773, 30961, 30967)},
    "solaredge/storedge": {"grid_w": (18,), "battery_w": (57716,), "soc_frac": (57732,), "soh_frac": (57730,)},
    "sunspec/battery": {"battery_w": (10,), "soc_frac": (4, 11), "soh_frac": (5, 13)},
    "sunspec/inverter": {"pv_w": (14, 22, 10), "pv_energy_wh": (24, 32, 19)},
    "sunspec/meter": {"grid_w": (18, 28), "grid_import_wh": (46, 68), "grid_export_wh": (38, 60)},
}
SPLIT = {
    "deye/hybrid_1p": {"import_energy_total": (78, 80)},
    "deye/hybrid_3p_lv": {"grid_power": (625, 690), "grid_ct_power": (619, 708), "load_power": (653, 659)},
    "deye/hybrid_3p_hv": {"grid_power": (625, 690), "grid_ct_power": (619, 708), "load_power": (653, 659)},
}
LOW_WORD_FIRST = {"deye", "sungrow", "solax", "carlo_gavazzi"}
SUNSPEC_SENTINELS = {"s16": (0x8000,), "s32": (0x80000000,)}
SENTINELS = {  # pattern of a signed type that means "no value" there
    "growatt/sph": {"s16": (0xFFFF,)},  # a dead bus; costs -0.1 degC
    "sungrow/sh": {"s16": (0x7FFF,), "s32": (0x7FFFFFFF,)},
    "huawei/sun2000_luna": {"s16": (0x7FFF,), "s32": (0x7FFFFFFF,)},
    **dict.fromkeys(("fronius/gen24", "fronius/meter", "sma/hybrid", "sma/hybrid_3mppt"), SUNSPEC_SENTINELS),
    **dict.fromkeys(("solaredge/storedge", "sunspec/battery", "sunspec/inverter", "sunspec/meter"), SUNSPEC_SENTINELS),
}
PERSISTENT = {
    "sungrow/sh",
    "goodwe/et",
    "goodwe/et_4mppt",
    "victron/gx",
}  # devices.md, watchdogs: what stays for ever if the box dies

MINE = tuple(name for name in profile_names() if name in ADDRESSES)
CONTROLS = [(name, control.name) for name in MINE for control in load_profile(name).controls]
BLIND = {"sma/hybrid", "sma/hybrid_3mppt"}  # what is written there is never shown again


def control_of(profile: Profile, name: str) -> Control:
    return next(control for control in profile.controls if control.name == name)


def test_every_family_is_in_the_tables_of_this_file():
    assert set(ADDRESSES) == set(profile_names())


def test_readme_lists_every_family_and_its_ways_of_control():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in profile_names():
        assert f"`{name}`" in text
        assert all(f"`{control.name}`" in text for control in load_profile(name).controls)


@pytest.mark.parametrize("name", MINE)
def test_signs_of_grid_and_battery_are_those_of_the_vendor(name):
    signals = load_profile(name).signals()
    assert {point.name: point.sign for point in signals.get("grid_w", ())} == GRID_SIGNS[name]
    assert {point.name: point.sign for point in signals.get("battery_w", ())} == BATTERY_SIGNS.get(name, {})


@pytest.mark.parametrize("name", MINE)
def test_registers_are_those_of_the_documents(name):
    signals = load_profile(name).signals()
    found = {key: tuple(point.address for point in signals[key]) for key in ADDRESSES[name]}
    assert found == ADDRESSES[name]
    split = {p.name: p.addresses for p in load_profile(name).points if p.high_address is not None}
    assert SPLIT.get(name, {}).items() <= split.items()


@pytest.mark.parametrize("name", MINE)
def test_word_order_is_the_vendors(name):
    assert load_profile(name).link.word_order == ("little" if name.split("/")[0] in LOW_WORD_FIRST else "big")


@pytest.mark.parametrize("name", MINE)
def test_signed_sentinels_are_the_devices_own(name):
    for point in load_profile(name).points:
        if point.type in ("s16", "s32") and point.signal:
            assert point.sentinels == SENTINELS.get(name, {}).get(point.type, ()), point.name


@pytest.mark.parametrize("name", profile_names())
def test_a_family_knows_its_own_golden_image(name):
    profile = load_profile(name)
    for known in profile.identify:
        point = profile.by_name[known.point]
        own = str(point.golden_value).startswith(known.prefix) if known.prefix else point.golden_raw in known.equals
        assert own, known.point


def test_no_two_deye_files_take_the_same_device():
    codes = [
        code
        for name in ("deye/hybrid_1p", "deye/hybrid_3p_lv", "deye/hybrid_3p_hv")
        for code in load_profile(name).identify[0].equals
    ]
    assert len(codes) == len(set(codes)) == 11
    lv, hv = (load_profile(f"deye/hybrid_3p_{kind}").by_name for kind in ("lv", "hv"))
    tens = {name for name in lv if hv[name].scale == pytest.approx(10.0 * lv[name].scale)}
    assert tens == {"pv1_power", "pv2_power", "pv3_power", "pv4_power", "battery_power", "battery_voltage"}


def test_setpoints_have_the_vendors_direction():
    sign = {name: {w.name: w.sign for w in load_profile(name).writes} for name in MINE}
    assert sign["growatt/sph"]["vpp_power"] == -1  # positive charges
    assert sign["solax/hybrid"]["vpp_power"] == -1  # positive charges
    assert sign["victron/gx"]["grid_setpoint"] == 1  # positive imports


def test_setpoint_of_solax_is_the_inverters_power_and_that_of_victron_the_grids():
    for name, expression in (("solax/hybrid", "inverter_w"), ("victron/gx", "grid_setpoint_w")):
        actions = load_profile(name).controls[0].actions
        assert all(expression in actions[mode][0].values for mode in FORCED_FRAC)


@pytest.mark.parametrize("name", [name for name in profile_names() if load_profile(name).controls])
def test_modes_that_stay_for_ever_need_the_owners_word(name):
    for control in load_profile(name).controls:
        assert bool(control.why_opt_in) == (control.on_silence == "persists" or control.confidence == "C")
    if name in MINE:
        assert (name in PERSISTENT) == any(c.on_silence == "persists" for c in load_profile(name).controls)


@pytest.mark.parametrize("name", profile_names())
def test_balance_partners_are_read_in_one_request(name):
    for key, points in load_profile(name).signals().items():
        peers = [point for point in points if not point.instead_of]
        if len(peers) > 1 and not all(point.apart for point in peers):
            assert len({point.together for point in peers}) == 1, key
            assert peers[0].together, f"{key} has several points: together, or apart with a reason"


@pytest.mark.parametrize("name", profile_names())
def test_the_golden_house_stands_in_the_plausible_range(name):
    for key, points in load_profile(name).signals().items():
        row = signal(key)
        value = math.fsum(float(point.golden_value) for point in points if not point.instead_of)
        assert row.low <= value <= row.high, key


@pytest.mark.parametrize("name", [n for n in MINE if n != "growatt/sph" and "load_w" in load_profile(n).signals()])
def test_the_golden_house_balances(name):
    signals = load_profile(name).signals()
    total = {key: math.fsum(float(point.golden_value) for point in points) for key, points in signals.items()}
    assert total["load_w"] == pytest.approx(total["pv_w"] + total["battery_w"] + total["grid_w"], abs=0.11)


@pytest.mark.parametrize("name", profile_names())
def test_signed_values_that_can_be_negative_are_negative_in_the_golden_image(name):
    """Not so where two registers share the directions, or an offset keeps the raw number positive."""
    for key, points in load_profile(name).signals().items():
        both_ways = len({point.sign for point in points}) > 1
        for point in points:
            if point.type in ("s16", "s32", "s64") and signal(key).low < 0.0 and not both_ways and not point.offset:
                assert isinstance(point.golden_raw, int)
                assert point.golden_raw >> (16 * point.words - 1), point.name


@pytest.mark.parametrize("name", profile_names())
def test_every_write_has_what_safety_needs(name):
    profile = load_profile(name)
    for write in profile.writes:
        assert write.wear in ("volatile", "stored", "unknown")
        assert write.range[0] <= write.range[1]
        assert bool(write.readback) != write.write_only
        assert write.source
        assert write.confidence in "ABC"
    for control in profile.controls:
        assert control.actions["native"], "native must be reachable"
        assert {"native"} <= {rule.mode for rule in control.states}


# --- every prefix of every action leaves the battery safe -------------------------------------------------------------


class Bench:
    """A battery of a family, and the words that the box would write into it."""

    def __init__(self, name: str, control: str) -> None:
        self.profile = served(load_profile(name))
        self.blind = name in BLIND
        self.control = control_of(self.profile, control)
        self.clock = HandClock()
        self.device = BatteryDevice(self.profile, {}, self.clock, RATED_W)
        self.rest_w = self.device.battery_w

    def steps(self, mode: str) -> list[Group]:
        total = {
            key: math.fsum(float(point.golden_value) for point in points)
            for key, points in self.profile.signals().items()
        }
        scales = scale_points(self.profile, self.control.steps)
        wish = Wish(
            mode=mode,
            signed_frac=FORCED_FRAC.get(mode, 0.0),
            lease_s=900.0,
            soc_min_frac=0.2,
            soc_max_frac=0.9,
            rated_w=RATED_W,
            device_s=NOON_S % 86_400.0,
            facts=Facts(
                bus_w=total["battery_w"] + total.get("grid_w", math.nan),
                pv_w=total.get("pv_w", math.nan),
                exponents={name: int(float(self.profile.by_name[name].golden_value)) for name in scales},
            ),
        )
        return groups(self.profile, self.control.actions[mode], wish)

    def send(self, group: Group) -> None:
        alone = len(group.words) == 1 and self.profile.link.write_single
        self.device.write(WRITE_ONE if alone else WRITE_MANY, group.targets[0].write.address, group.words)

    def command(self, mode: str) -> None:
        for group in self.steps(mode):
            self.send(group)

    def shown_mode(self) -> str | None:
        """What the box makes of the device's registers."""
        names = dict.fromkeys([*state_points(self.control), *self.profile.clock])
        values = {}
        for name in names:
            point = self.profile.by_name[name]
            words = self.device.read(point.space, point.address, point.words)
            scale = self.profile.by_name[point.scale_point].golden_value if point.scale_point else 0
            values[name] = decode_point(self.profile, point, words) * 10.0 ** int(float(scale))
        return state_of(self.control, values, NOON_S % 86_400.0)


def decode_point(profile: Profile, point: Point, words: tuple[int, ...]) -> float:
    raw = 0
    if point.type == "f32":
        high_first = words if point.order(profile.link.word_order) == "big" else words[::-1]
        return struct.unpack(">f", struct.pack(">2H", *high_first))[0] * point.scale * point.sign
    for word in words if point.order(profile.link.word_order) == "big" else reversed(words):
        raw = raw * 65_536 + word
    if point.type[0] == "s" and raw >= 1 << (16 * point.words - 1):
        raw -= 1 << 16 * point.words
    if point.mask:
        raw = (raw & point.mask) // (point.mask & -point.mask)
    return (raw * point.scale + point.offset) * point.sign


@pytest.fixture(params=CONTROLS, ids="-".join)
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(*request.param)


def test_each_action_does_what_it_is_called(bench):
    for mode, frac in FORCED_FRAC.items():
        bench.command(mode)
        one_percent_w = 0.01 * RATED_W  # Growatt MOD-XH has no smaller power to hold with
        assert bench.device.battery_w == pytest.approx(frac * RATED_W, abs=one_percent_w), mode
        assert bench.shown_mode() == (None if bench.blind else mode)
        bench.command("native")
        assert bench.device.battery_w == bench.rest_w
        assert bench.shown_mode() == (None if bench.blind else "native")


def test_every_prefix_from_native_leaves_it_native_or_lesser(bench):
    for mode, frac in FORCED_FRAC.items():
        listed = bench.steps(mode)
        for count in range(len(listed)):
            for group in listed[:count]:
                bench.send(group)
            power_w = bench.device.battery_w
            lesser = min(frac, 0.0) * RATED_W <= power_w <= max(frac, 0.0) * RATED_W
            assert power_w == bench.rest_w or lesser, (mode, count)
            bench.command("native")


def test_every_prefix_between_two_modes_stays_between_them(bench):
    """Cut anywhere on the way from one forced mode to another, the battery does no more than either of them."""
    for before, after in product(FORCED_FRAC, repeat=2):
        bounds = [frac * RATED_W for frac in (FORCED_FRAC[before], FORCED_FRAC[after], 0.0)]
        listed = bench.steps(after)
        for count in range(len(listed)):
            bench.command(before)
            for group in listed[:count]:
                bench.send(group)
            power_w = bench.device.battery_w
            slack_w = 0.01 * RATED_W
            between = min(bounds) - slack_w <= power_w <= max(bounds) + slack_w
            assert power_w == bench.rest_w or between, (before, after, count)
            bench.command("native")
            assert bench.device.battery_w == bench.rest_w, (before, after, count)


def test_every_prefix_of_the_way_back_is_no_more_than_before(bench):
    for mode, frac in FORCED_FRAC.items():
        for count in range(len(bench.steps("native")) + 1):
            bench.command(mode)
            for group in bench.steps("native")[:count]:
                bench.send(group)
            power_w = bench.device.battery_w
            assert power_w == bench.rest_w or abs(power_w) <= abs(frac) * RATED_W + 0.01 * RATED_W
            bench.command("native")


def test_silence_ends_the_mode_or_does_not_as_the_profile_says(bench):
    ends = bench.control.on_silence != "persists"
    for mode in FORCED_FRAC:
        bench.command(mode)
        forced_w = bench.device.battery_w
        bench.clock.time_s = NOON_S + 599.0
        assert bench.device.battery_w == forced_w
        bench.clock.time_s = NOON_S + 961.0
        assert bench.device.battery_w == (bench.rest_w if ends else forced_w)
        bench.clock.time_s = NOON_S + 86_400.0
        recurs = bench.control.on_silence == "slot_ends"
        assert bench.device.battery_w == (bench.rest_w if ends and not recurs else forced_w)
        bench.clock.time_s = NOON_S
        bench.command("native")

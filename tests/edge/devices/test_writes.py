"""The write pipeline on every family that can be commanded: nothing unsafe on any path, native always reached."""

from __future__ import annotations

import math
from itertools import product

import pytest
from commanded import BATTERY, FAMILIES, RATED_W, Commanded, Killed

from edge.config import Battery, Grid
from edge.devices.checks import ALONE_S, TROUBLE_COUNT, WATCH_S
from edge.devices.profile_file import load_profile, profile_names
from edge.devices.wishes import within_site_w
from edge.errors import DeviceMismatch, StoreError
from edge.messages import Intent

WISHES_W = (-2000.0, 1500.0, 0.0)
DONE = ("applied", "unverifiable")  # SMA's setpoint cannot be read: only the meter tells
READABLE = [pair for pair in FAMILIES if not all(write.write_only for write in load_profile(pair[0]).writes)]
LEASED = [pair for pair in FAMILIES if load_profile(pair[0]).controls[0].on_silence == "reverts_after_s"]
OPT_IN = [(name, c.name) for name in profile_names() for c in load_profile(name).controls if c.why_opt_in]
STORED = [("growatt/sph", "slots"), ("growatt/mod_xh", "slots"), ("sungrow/sh", "forced_mode")]


def sent_by(family: tuple[str, str], wish_w: float) -> int:
    """How many requests bring this command out of native."""
    box = Commanded(*family)
    assert box.power(wish_w).outcome in DONE
    return len(box.imp.writes)


# --- faults 28 and 30: acknowledged and not taken, taken and reverted -------------------------------------------------


@pytest.mark.parametrize("family", READABLE)
def test_an_acknowledged_write_that_is_not_taken_is_ignored_and_never_counts_as_applied(family):
    box = Commanded(*family)
    box.imp.always = "ignore"
    result = box.power(-2000.0)
    assert result.outcome == "ignored"
    assert result.detail.startswith("acknowledged but not taken: ")
    assert math.isnan(result.battery_w)
    assert box.imp.is_free


@pytest.mark.parametrize("family", FAMILIES)
def test_a_refused_write_is_refused_with_the_devices_own_word(family):
    box = Commanded(*family)
    box.imp.tricks = {0: "refuse"}
    result = box.power(-2000.0)
    assert (result.outcome, "exception 03" in result.detail) == ("refused", True)
    assert box.imp.is_free


def test_a_foreign_writer_is_named_with_what_when_and_which_value():
    box = Commanded("growatt/sph")
    box.power(-2000.0)
    box.wait(2.5)
    box.set({"vpp_power": 0.8})
    box.clock.sleep(WATCH_S)
    result = box.power(-2000.0)
    assert result.outcome == "reverted"
    assert "vpp_power (holding 30409) was 40 at 2024-06-01T12:00:" in result.detail
    assert "and is -80 at 2024-06-01T12:01:" in result.detail
    assert "another writer" in result.detail
    assert box.imp.is_free, "no power of ours beside a register of somebody else's"


@pytest.mark.parametrize("after_s", [2.0, WATCH_S, 2.0 * WATCH_S, 3.0 * WATCH_S])
def test_a_later_look_sees_a_register_that_went_back_by_itself(after_s):
    box = Commanded("growatt/sph")
    box.power(-2000.0)
    written_s = box.clock.now_s()
    while box.clock.now_s() < written_s + after_s - 1.5:
        box.clock.sleep(0.5)
        assert box.power(-2000.0).outcome == "unchanged"
    box.set({"vpp_enable": 0.0})
    outcomes = []
    for _ in range(3):
        box.clock.sleep(1.0)
        outcomes.append(box.power(-2000.0).outcome)
    assert "reverted" in outcomes


def test_looks_cost_a_request_or_two_and_only_when_they_are_due():
    box = Commanded("growatt/sph")
    box.power(-2000.0)
    reads: list[int] = []
    answer = box.imp.answer

    def counted(request):
        reads.append(request[7])
        return answer(request)

    box.imp.answer = counted  # type: ignore[method-assign]
    box.devices.close()
    for _ in range(60):
        box.clock.sleep(1.0)
        box.power(-2000.0)
    assert 3 <= len(reads) <= 12, "2 s, 30 s and 60 s after the write"


@pytest.mark.parametrize("family", READABLE)
def test_after_three_troubles_in_an_hour_the_device_is_left_alone_for_an_hour(family):
    box = Commanded(*family)
    box.imp.always = "ignore"
    results = [box.power(-2000.0) for _ in range(TROUBLE_COUNT)]
    assert {result.outcome for result in results} == {"ignored"}
    count = len(box.imp.writes)
    box.imp.always = ""
    for _ in range(20):
        box.wait(60.0)
        result = box.power(-2000.0)
        assert (result.outcome, "left alone until" in result.detail) == ("refused", True)
        assert box.native().outcome == "unchanged"
    assert len(box.imp.writes) == count
    box.wait(ALONE_S)
    assert box.power(-2000.0).outcome in DONE


def test_nobody_fights_a_master_that_insists():
    """A cloud dongle forces a charge every minute: named three times, then left in peace; the reason says so."""
    box = Commanded("growatt/sph")
    assert box.native().outcome in ("applied", "unchanged")
    outcomes = []
    for _ in range(30):
        box.set({"vpp_duration": 1800.0, "vpp_power": -0.5, "vpp_enable": 1.0})
        box.wait(61.0)
        outcomes.append(box.native())
    assert [result.outcome for result in outcomes[:3]] == ["reverted"] * 3
    assert {result.outcome for result in outcomes[3:]} == {"unchanged"}
    assert "vpp_enable (holding 30407) was 0" in outcomes[3].detail
    assert sum(address == 30407 for address, _ in box.imp.writes) == 3


@pytest.mark.parametrize("family", LEASED)
def test_the_devices_own_watchdog_never_ends_a_mode_that_is_wanted(family):
    """Faults.md 30: the lease is extended when a third of it is used up (a stored one: two thirds), in time."""
    box = Commanded(*family)
    assert box.power(-2000.0).outcome in DONE
    for _ in range(4 * 60):
        box.wait(15.0)
        box.power(-2000.0)
        assert not box.imp.is_free
        assert box.device.battery_w == pytest.approx(-2000.0, abs=0.02 * RATED_W)


def test_a_mode_that_the_device_ends_too_early_is_noticed_and_started_again():
    """Fronius RvrtTms left by another script (evcc 33037): the device goes back long before our lease is over."""
    box = Commanded("growatt/sph")
    box.power(-2000.0)
    box.clock.sleep(100.0)
    box.set({"vpp_enable": 0.0})
    result = box.power(-2000.0)
    assert result.outcome == "reverted"
    assert "or the device itself" in result.detail
    assert box.power(-2000.0).outcome in DONE
    assert box.device.battery_w == pytest.approx(-2000.0)


def test_a_lease_that_ran_out_while_the_box_was_away_is_no_foreign_writer():
    box = Commanded("growatt/sph")
    box.power(-2000.0, lease_s=120.0)
    box.wait(130.0)
    box.ready()
    assert box.imp.is_free
    assert box.power(-2000.0).outcome in DONE


def test_a_write_that_nobody_can_read_back_is_unverifiable_and_looked_at_again():
    box = Commanded("growatt/sph")
    answer = box.imp.answer

    def deaf_after_writes(request):
        reply = answer(request)
        box.imp.silent = len(box.imp.writes) == 2
        return reply

    box.imp.answer = deaf_after_writes  # type: ignore[method-assign]
    box.start()
    result = box.power(-2000.0)
    assert (result.outcome, result.battery_w) == ("unverifiable", -2000.0)
    assert "acknowledged, but not read back" in result.detail
    box.imp.answer, box.imp.silent = answer, False  # type: ignore[method-assign]
    box.wait(10.0)
    assert box.power(-2000.0).outcome == "unchanged"
    assert len(box.imp.writes) == 2


# --- fault 29: a sequence that breaks off -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "trick"), [*product(FAMILIES, ("refuse", "silent", "mute")), *product(READABLE, ("ignore",))]
)
def test_a_sequence_that_breaks_off_anywhere_leads_back_to_native(family, trick):
    """Sungrow stuck in forced mode by an exception half way (evcc 26337)."""
    for wish_w in WISHES_W:
        for step in range(sent_by(family, wish_w)):
            box = Commanded(*family)
            box.imp.tricks = {step: trick}
            result = box.power(wish_w)
            assert result.outcome in ("refused", "failed", "ignored"), (wish_w, step, result)
            assert math.isnan(result.battery_w)
            box.wait(20.0)
            box.native()
            assert box.imp.is_free, (wish_w, step)
            box.wait(5.0)
            assert box.power(wish_w).outcome in DONE, "it may try again"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_change_of_mode_that_breaks_off_never_leaves_the_old_mode_running(family):
    for first_w, second_w in ((-2000.0, 1500.0), (1500.0, 0.0), (0.0, -2000.0)):
        box = Commanded(*family)
        box.power(first_w)
        box.imp.tricks = {len(box.imp.writes): "refuse"}
        assert box.power(second_w).outcome == "refused"
        assert box.imp.is_free


@pytest.mark.parametrize("family", FAMILIES)
def test_native_releases_all_that_it_can_when_one_write_is_refused(family):
    box = Commanded(*family)
    box.power(-2000.0)
    box.imp.tricks = {len(box.imp.writes): "refuse"}
    assert box.native().outcome in ("refused", "applied")
    box.wait(5.0)
    assert box.native().outcome in ("applied", "unchanged")
    assert box.imp.is_free


def test_a_native_that_never_sticks_is_tried_less_and_less_often():
    box = Commanded("sungrow/sh")
    box.power(-2000.0)
    box.imp.always = "ignore"
    before = len(box.imp.writes)
    for _ in range(600):
        box.clock.sleep(1.0)
        box.devices.read(0.5)
        box.native()
    assert 5 <= len(box.imp.writes) - before <= 30
    box.imp.always = ""
    box.wait(301.0)
    assert box.native().outcome == "applied"


def test_a_box_that_stops_tries_native_once_more_even_within_the_pause():
    box = Commanded("sungrow/sh")
    box.power(-2000.0)
    box.imp.always = "ignore"
    while "tried again in" not in box.native().detail:
        box.wait(1.0)
    count = len(box.imp.writes)
    assert (box.native().outcome, len(box.imp.writes)) == ("failed", count)
    assert box.devices.native_at_once("the box stops").outcome == "ignored"
    assert len(box.imp.writes) > count
    box.imp.always = ""
    assert box.devices.native_at_once("the box stops").outcome == "applied"


# --- part 3: the box dies ---------------------------------------------------------------------------------------------


def lives(family: tuple[str, str]) -> list[tuple[int, str]]:
    """Every place at which a box can die while it does all that a way of control can do."""
    box = Commanded(*family)
    play(box)
    return list(product(range(len(box.imp.writes)), ("die", "die after")))


def play(box: Commanded) -> None:
    """Charge, discharge, hold, another charge, native; each from the one before."""
    for wish_w in (*WISHES_W, -2500.0):
        assert box.power(wish_w).outcome in DONE
        box.wait(1.0)
    assert box.native().outcome == "applied"


@pytest.mark.parametrize("family", FAMILIES)
def test_wherever_the_box_dies_the_next_one_reaches_native_before_any_power(family):
    for number, how in lives(family):
        box = Commanded(*family)
        box.imp.tricks = {number: how}
        with pytest.raises(Killed):
            play(box)
        box.imp.tricks = {}
        box.clock.sleep(5.0)
        box.start()
        if number % 3 == 0:
            assert box.native().outcome in ("applied", "unchanged"), "it may want nothing else"
            assert box.imp.is_free
            continue
        was_free, count = box.imp.is_free, len(box.imp.free)
        result = box.power(1500.0)
        assert result.outcome in DONE, (number, how, result)
        states = [was_free, *box.imp.free[count:]]
        forced = next(k for k in range(len(states)) if not any(states[k:]))
        assert any(states[:forced]), (number, how, states)
        assert box.device.battery_w == pytest.approx(1500.0, abs=0.02 * RATED_W)
        assert box.native().outcome == "applied"
        assert box.imp.is_free
        assert box.ledger.unreleased(f"{family[0]}#{box.profile.link.default_unit}") == []


@pytest.mark.parametrize("family", FAMILIES)
def test_what_runs_at_a_start_is_brought_to_native_even_without_a_journal(family):
    """A new disk, a lost store, another program: the inverter's own registers tell."""
    box = Commanded(*family)
    box.power(-2000.0)
    box.wait(5.0)
    fresh = Commanded(*family)
    fresh.imp = box.imp
    fresh.clock = box.clock
    fresh.start()
    count = len(box.imp.free)
    assert fresh.power(1500.0).outcome in DONE
    assert any(box.imp.free[count:]), "native came first"


def test_a_start_beside_an_inverter_at_rest_costs_no_write():
    box = Commanded("growatt/sph", "slots")
    box.power(-2000.0)
    box.native()
    count = len(box.imp.writes)
    box.start()
    assert box.power(-2000.0).outcome in DONE
    assert len(box.imp.writes) - count == len(box.imp.writes[count:]) <= 2


@pytest.mark.parametrize("family", FAMILIES)
def test_intents_are_journalled_with_their_steps_and_end_with_native(family):
    box = Commanded(*family)
    box.power(-2000.0)
    (held,) = box.ledger.unreleased(f"{family[0]}#{box.profile.link.default_unit}")
    assert (held.mode, held.control, held.state) == ("charge", family[1], "held")
    assert 1 <= len(held.steps) <= len(box.imp.writes)
    box.native()
    states = {intent.mode: intent.state for intent in box.ledger.intents.values()}
    assert set(states.values()) == {"released"}


# --- permission, preference, restore ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "control"), OPT_IN)
def test_what_stays_for_ever_or_is_disputed_needs_permission(name, control):
    box = Commanded(name, control, allow=())
    others = [c for c in box.profile.controls if not c.why_opt_in]
    result = box.power(-2000.0)
    if not others:
        assert (result.outcome, "only with allow_control" in result.detail) == ("refused", True)
        assert box.native().outcome == "unchanged"
        assert box.imp.writes == []


def test_a_permission_that_is_withdrawn_while_a_mode_runs_ends_the_mode():
    box = Commanded("goodwe/et")
    box.power(-2000.0)
    box.allow = ()
    box.start()
    assert box.power(-2000.0).outcome == "refused"
    assert box.imp.is_free
    count = len(box.imp.writes)
    assert (box.native().outcome, len(box.imp.writes)) == ("unchanged", count)


@pytest.mark.parametrize("family", [pair for pair in FAMILIES if pair[0] in ("goodwe/et", "sungrow/sh", "growatt/sph")])
def test_a_mode_without_an_end_does_not_outlive_its_lease_when_nothing_can_be_translated(family, monkeypatch):
    box = Commanded(*family)
    box.power(-2000.0, lease_s=300.0)

    def unknown(*_: object, **__: object) -> None:
        raise DeviceMismatch("the battery's limit is not known now")

    monkeypatch.setattr("edge.devices.wishes.Wishes.power", unknown)
    for _ in range(32):
        box.wait(10.0)
        assert box.power(-2000.0).outcome == "failed"
    assert box.imp.is_free


def test_permission_for_another_way_is_no_permission():
    from edge.devices.permission import why_none

    controls = load_profile("goodwe/et").controls
    assert "only with allow_control" in why_none("goodwe/et#247", controls, ("slots",))
    assert why_none("goodwe/et#247", controls, ("ems_mode",)) == ""


def test_the_way_that_wears_nothing_is_preferred_whatever_the_order_of_the_file():
    from edge.devices.permission import permitted

    profile = load_profile("growatt/sph")
    assert [c.name for c in permitted(profile.controls[::-1], (), profile)] == ["vpp", "slots"]


RESTORING = [pair for pair in FAMILIES if any(c.restore for c in load_profile(pair[0]).controls)]


@pytest.mark.parametrize("family", RESTORING)
def test_settings_are_put_back_as_the_owner_had_them_even_by_the_next_life(family):
    box = Commanded(*family)
    control = next(c for c in box.profile.controls if c.name == family[1])
    owned = {name: box.device._held[name] for name in control.restore}
    for write in (box.profile.write_by_name[name] for name in control.restore):
        box.device._hold(write, (write.range[0] * write.scale + write.offset) * write.sign)
    owned = {name: box.device._held[name] for name in control.restore}
    box.ready()
    for wish_w in (1500.0, -2000.0, -2500.0):
        box.power(wish_w)
    assert {name: box.device._held[name] for name in control.restore} != owned
    box.start()
    assert box.native().outcome == "applied"
    assert {name: box.device._held[name] for name in control.restore} == owned
    assert box.ledger.kept(f"{family[0]}#{box.profile.link.default_unit}") == {}


def test_a_setting_that_the_device_takes_no_more_is_given_up_with_a_remark():
    box = Commanded("huawei/sun2000_luna")
    box.device._hold(box.profile.write_by_name["grid_charge"], 0.0)
    box.ready()
    box.power(-2000.0)
    box.imp.always = "ignore"
    box.set({"forced_command": 0.0})
    results = [box.native() for _ in range(4)]
    assert "not as it was before: grid_charge" in results[1].detail
    assert box.ledger.kept("huawei/sun2000_luna#1") == {}
    count = len(box.imp.writes)
    assert (box.native().outcome, len(box.imp.writes)) == ("unchanged", count)


@pytest.mark.parametrize(("name", "raw"), [("old_name", 5), ("grid_charge", 1 << 16), ("grid_charge", -1)])
def test_a_kept_setting_that_this_release_cannot_put_back_is_left_out_with_a_remark(name, raw):
    box = Commanded("huawei/sun2000_luna")
    box.ledger.keep("huawei/sun2000_luna#1", name, raw)
    box.start()
    count = len(box.imp.writes)
    result = box.native()
    assert (result.outcome, len(box.imp.writes)) == ("unchanged", count)
    assert f"not as it was before: {name} = {raw}" in result.detail


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("power_w", "bus_w", "allowed_w"),
    [
        (-5000.0, 1000.0, -2000.0),  # 3 kW may be bought, the house takes 1
        (-5000.0, 4000.0, 0.0),  # the house alone takes more: no charge, and no forced discharge either
        (5000.0, -500.0, 1500.0),  # 2 kW may be sold, 0.5 is sold already
        (5000.0, -9000.0, 0.0),
        (1000.0, 500.0, 1000.0),
        (1000.0, math.nan, 1000.0),
    ],
)
def test_a_power_stays_within_the_connection_point(power_w, bus_w, allowed_w):
    assert within_site_w(power_w, bus_w, Grid(import_w=3000.0, export_w=2000.0)) == allowed_w


def test_the_site_limits_hold_in_the_pipeline_too():
    box = Commanded("growatt/sph", grid=Grid(import_w=1000.0, export_w=500.0))
    bus_w = box.device._house.bus_w
    result = box.power(-5000.0)
    assert result.battery_w == pytest.approx(min(0.0, bus_w - 1000.0), abs=0.5)
    assert box.device.battery_w >= min(0.0, bus_w - 1000.0) - 0.01 * RATED_W


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("wish_w", [-1e9, 1e9, -6000.0, 4200.0])
def test_no_wish_is_wider_than_the_batterys_limits(family, wish_w):
    battery = Battery(capacity_wh=10_000.0, charge_w=1500.0, discharge_w=1000.0, rated_w=RATED_W)
    box = Commanded(*family, battery=battery)
    assert box.power(wish_w).outcome in DONE
    assert -1500.0 - 25.0 <= box.device.battery_w <= 1000.0 + 25.0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("wish_w", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_never_written(family, wish_w):
    box = Commanded(*family)
    assert box.power(wish_w).outcome == "refused"
    assert box.power(100.0, lease_s=math.nan).outcome == "refused"
    assert box.imp.writes == []


def test_what_the_battery_management_allows_now_narrows_and_moves_the_command():
    box = Commanded("huawei/sun2000_luna", state={"max_charge_power": 1200.0})
    result = box.power(-3000.0)
    assert (result.outcome, result.battery_w) == ("applied", -1200.0)
    assert box.device.battery_w == pytest.approx(-1200.0)
    box.device._registers.show({"max_charge_power": 600.0})
    box.wait(WATCH_S + 1.0)
    assert box.power(-3000.0).battery_w == pytest.approx(-600.0)
    assert box.device.battery_w == pytest.approx(-600.0)


# --- fault 31: wear ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", STORED)
def test_an_hour_of_the_same_command_writes_stored_registers_hardly_ever(family):
    box = Commanded(*family)
    for _ in range(240):
        box.wait(15.0)
        assert box.power(-2000.0).outcome in ("applied", "unchanged")
    per_register: dict[str, int] = {}
    for _, write in box.ledger.rows:
        per_register[write.register] = per_register.get(write.register, 0) + 1
    assert max(per_register.values()) <= 8, "an extension every 9 minutes"


@pytest.mark.parametrize("family", STORED)
def test_no_stored_register_gets_more_than_its_budget_for_powers_whatever_is_wanted(family):
    box = Commanded(*family)
    for turn in range(90):
        box.wait(20.0)
        box.power(-1000.0 - 40.0 * turn if turn % 2 else 1000.0 + 40.0 * turn)
    counts: dict[str, int] = {}
    for _, write in box.ledger.rows:
        if write.reason == "test":
            counts[write.register] = counts.get(write.register, 0) + 1
    assert max(counts.values()) <= 20
    assert "wear budget" in box.power(3000.0).detail
    assert box.native().outcome in ("applied", "unchanged")
    assert box.imp.is_free, "native is exempt"


def test_every_register_that_the_wire_saw_is_in_the_ledger():
    for family in FAMILIES:
        box = Commanded(*family)
        play(box)
        seen = sum(len(words) for _, words in box.imp.writes)
        words = {write.address: write.words for write in box.profile.writes}
        noted = sum(words[int(write.register.rsplit(" ", 1)[1])] for _, write in box.ledger.rows)
        assert noted == seen, family


# --- a journal that fails ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["begin", "note", "finish", "keep", "unreleased"])
def test_a_broken_journal_refuses_powers_but_never_native(family, method, monkeypatch):
    box = Commanded(*family)
    box.power(-2000.0)

    def broken(*_: object) -> Intent:
        raise StoreError("database or disk is full")

    monkeypatch.setattr(type(box.ledger), method, broken)
    box.wait(5.0)
    result = box.power(1500.0)
    assert result.outcome in (*DONE, "refused")
    if method in ("begin", "note"):
        assert "no journal, no power" in result.detail
        assert box.imp.is_free
    box.wait(5.0)
    assert box.native().outcome in ("applied", "unchanged")
    assert box.imp.is_free


def test_the_default_battery_of_these_tests_is_rated_like_the_device():
    assert BATTERY.register_w == RATED_W

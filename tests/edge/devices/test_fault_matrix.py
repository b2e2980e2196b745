"""The 35 faults of a field bus, one row each: what is read meanwhile, how soon all is well again, and the tests of it.

A row's tests state that no wrong value counts as good, how long the recovery takes, and that nothing is written
meanwhile. They stand in this file or beside the code that copes; a row names them as ``file.py::test``.
"""

from __future__ import annotations

import ast
import math
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_house import SPEED, TIMEOUT_WALL_S, FaultHouse, fault_house, open_line
from lagging_device import NAME, SERIAL_NUMBER, SPH, URLS, Device, Now, outcomes
from memory_wire import connect_to
from wires import RegisterBank, TcpServer, mbap

from edge.clock import Clock
from edge.devices import bus
from edge.devices.bus import Link
from edge.devices.profile_file import load_profile
from edge.devices.transport import parse_url
from edge.devices.twin_faults import WIRE_FAULTS, script_of
from edge.devices.twin_lies import FAULTS
from edge.devices.twin_wire import faithful
from edge.errors import DeviceUnreachable

FOLDER = Path(__file__).parent
ON_THE_WIRE = "test_fault_matrix.py::test_a_fault_on_the_wire_brings_no_wrong_value_and_is_over_soon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault: its name on the command line of the twin, and what a reader of the bus gets from it."""

    fault: str
    read: str
    recovery: str
    tests: tuple[str, ...]


MATRIX = {
    1: Row(
        fault="late-serial",
        read="stale, then unreachable; late answers are passed over",
        recovery="next request",
        tests=(
            ON_THE_WIRE,
            "test_lockstep.py::test_one_late_answer_costs_one_request",
            "test_lockstep.py::test_four_silent_reads_whose_answers_all_come_late_bring_no_wrong_word",
        ),
    ),
    2: Row(
        fault="late-tcp",
        read="stale; the transaction id tells",
        recovery="next request, on a new connection",
        tests=(ON_THE_WIRE,),
    ),
    3: Row(
        fault="gateway-replay",
        read="stale: the length gives the older answer away",
        recovery="next request, once the gateway is in step",
        tests=(
            ON_THE_WIRE,
            "test_lockstep.py::test_a_stream_that_lags_by_one_or_two_answers_for_ever_never_brings_a_wrong_word",
        ),
    ),
    4: Row(
        fault="transaction-rewritten",
        read="good with id 0 and without its high byte, else stale",
        recovery="next request",
        tests=(
            ON_THE_WIRE,
            "test_modbus_faults.py::test_a_rewritten_transaction_id_of_0_is_accepted_and_an_older_one_skipped",
        ),
    ),
    5: Row(
        fault="replies-swapped",
        read="stale: another client's ids are not ours",
        recovery="next request",
        tests=(ON_THE_WIRE,),
    ),
    6: Row(
        fault="wrong-count",
        read="stale: the count is not the one asked for",
        recovery="next request",
        tests=(
            ON_THE_WIRE,
            "test_modbus_faults.py::test_a_well_formed_wrong_answer_is_a_mismatch",
        ),
    ),
    7: Row(
        fault="wrong-function",
        read="stale: the function is not the one asked for",
        recovery="next request",
        tests=(
            ON_THE_WIRE,
            "test_modbus_faults.py::test_a_well_formed_wrong_answer_is_a_mismatch",
        ),
    ),
    8: Row(
        fault="closed-gap",
        read="refused before control begins: no check of one answer can see it",
        recovery="none by itself; found at commissioning",
        tests=("test_commissioning_wires.py::test_a_device_that_closes_gaps_is_found_by_single_reads",),
    ),
    9: Row(
        fault="illegal-address",
        read="its own point is refused; the others stay good",
        recovery="found by halving in some 10 requests; asked again after an hour",
        tests=(
            "test_device_faults.py::test_a_refused_register_costs_its_own_value_only_and_is_asked_for_again_after_an_hour",
            "test_device_faults.py::test_a_refusal_on_a_troubled_line_parts_nothing",
        ),
    ),
    10: Row(
        fault="busy",
        read="the old value ages to stale",
        recovery="at the next request, 1 s to 60 s after the last",
        tests=(
            "test_device_faults.py::test_a_busy_device_is_asked_later_and_later_and_its_old_values_age",
            "test_device_faults.py::test_a_device_failure_that_never_ends_is_a_missing_register",
        ),
    ),
    11: Row(
        fault="gateway-target-silent",
        read="the unit's values go stale; its neighbours stay good",
        recovery="at the next probe; anew connected when nobody answers",
        tests=(
            "test_device_faults.py::test_a_gateway_marks_its_dead_unit_and_keeps_the_living_one",
            "test_device_faults.py::test_a_gateway_on_which_nothing_answers_is_connected_to_anew",
        ),
    ),
    12: Row(
        fault="bit-flip",
        read="stale: the checksum is wrong",
        recovery="next request",
        tests=(
            ON_THE_WIRE,
            "test_modbus_faults.py::test_one_flipped_bit_is_never_data",
        ),
    ),
    13: Row(
        fault="glitch-bytes",
        read="good",
        recovery="at once",
        tests=(
            ON_THE_WIRE,
            "test_modbus_faults.py::test_glitch_bytes_before_a_frame_are_skipped",
        ),
    ),
    14: Row(
        fault="echo",
        read="good",
        recovery="at once",
        tests=(
            ON_THE_WIRE,
            "test_modbus_faults.py::test_an_adapter_that_echoes_is_found_out_by_the_first_read_and_then_trusted_with_a_write",
        ),
    ),
    15: Row(
        fault="foreign-frame",
        read="good",
        recovery="at once",
        tests=(
            ON_THE_WIRE,
            "test_modbus_faults.py::test_whatever_stands_before_the_answer_is_skipped_also_in_one_burst",
        ),
    ),
    16: Row(
        fault="split-frame",
        read="good",
        recovery="at once",
        tests=(
            ON_THE_WIRE,
            "test_modbus_faults.py::test_an_answer_may_come_in_any_pieces",
        ),
    ),
    17: Row(
        fault="hasty-turnaround",
        read="good where the profile names the pause, else stale",
        recovery="next request",
        tests=(
            ON_THE_WIRE,
            "test_modbus_faults.py::test_a_pause_after_the_reply_is_kept",
            "test_modbus_faults.py::test_the_command_period_is_kept",
        ),
    ),
    18: Row(
        fault="adapter-vanishes",
        read="stale, with the port's name",
        recovery="3 s after it is back",
        tests=("test_fault_matrix.py::test_an_adapter_that_comes_back_is_read_within_three_seconds",),
    ),
    19: Row(
        fault="single-client",
        read="stale: it took the connection and may serve another client",
        recovery="next request after the other left",
        tests=(
            ON_THE_WIRE,
            "test_fault_matrix.py::test_a_device_for_one_client_is_read_when_the_other_leaves",
        ),
    ),
    20: Row(
        fault="half-open",
        read="stale: our own deadline ends it",
        recovery="next request, on a new connection",
        tests=(
            ON_THE_WIRE,
            "test_fault_matrix.py::test_a_stopped_server_costs_one_request",
        ),
    ),
    21: Row(
        fault="hang-up",
        read="good: one new try on a new connection",
        recovery="at once; 2 s after a restart",
        tests=(
            ON_THE_WIRE,
            "test_modbus_faults.py::test_a_hang_up_is_noticed_before_a_write_is_sent",
            "test_fault_matrix.py::test_a_server_that_was_restarted_is_read_within_two_seconds",
        ),
    ),
    22: Row(
        fault="night",
        read="asleep: totals kept, nothing else, no 0",
        recovery="at the next probe, within 5 minutes of the first answer",
        tests=(
            "test_device_faults.py::test_an_inverter_without_sun_is_asleep_keeps_its_totals_and_says_no_zero",
            "test_device_faults.py::test_a_sleeping_inverter_is_looked_at_now_and_then_only",
            "test_device_faults.py::test_the_same_silence_in_the_sun_is_a_fault_and_not_sleep",
        ),
    ),
    23: Row(
        fault="sentinels",
        read="no value",
        recovery="next request",
        tests=("test_device_faults.py::test_a_sentinel_of_any_family_is_no_value",),
    ),
    24: Row(
        fault="failed-block",
        read="the old value ages to stale, never 0",
        recovery="next request",
        tests=(
            "test_device_faults.py::test_a_block_that_fails_keeps_its_values_until_they_are_stale_and_never_shows_0",
        ),
    ),
    25: Row(
        fault="wrong-sign",
        read="implausible",
        recovery="next request",
        tests=(
            "test_device_faults.py::test_a_power_of_millions_of_watts_is_not_passed_on",
            "test_device_faults.py::test_a_battery_beyond_its_rating_is_not_believed",
        ),
    ),
    26: Row(
        fault="torn-value",
        read="the old value until a second read agrees, else torn",
        recovery="next request",
        tests=(
            "test_device_faults.py::test_a_power_whose_words_are_of_two_instants_is_never_good",
            "test_device_faults.py::test_partners_of_a_balance_are_of_one_instant",
        ),
    ),
    27: Row(
        fault="scale-apart",
        read="good: value and factor are of one answer",
        recovery="at once",
        tests=("test_device_faults.py::test_a_value_is_scaled_by_the_factor_of_its_own_answer",),
    ),
    28: Row(
        fault="write-ignored",
        read="ignored, refused or reverted, never applied; a foreign writer is named with register, value and time",
        recovery="native at once, the next command a cycle later; after three in an hour left alone for an hour",
        tests=(
            "test_writes.py::test_an_acknowledged_write_that_is_not_taken_is_ignored_and_never_counts_as_applied",
            "test_writes.py::test_a_refused_write_is_refused_with_the_devices_own_word",
            "test_writes.py::test_a_later_look_sees_a_register_that_went_back_by_itself",
            "test_writes.py::test_a_foreign_writer_is_named_with_what_when_and_which_value",
            "test_writes.py::test_nobody_fights_a_master_that_insists",
        ),
    ),
    29: Row(
        fault="sequence-broken",
        read="refused or failed, and the device is on its own rules",
        recovery="native at once; after a death of the box at the next start, before any power",
        tests=(
            "test_writes.py::test_a_sequence_that_breaks_off_anywhere_leads_back_to_native",
            "test_writes.py::test_a_change_of_mode_that_breaks_off_never_leaves_the_old_mode_running",
            "test_writes.py::test_wherever_the_box_dies_the_next_one_reaches_native_before_any_power",
            "test_writes_killed.py::test_a_killed_box_is_followed_by_one_that_reaches_native_first",
        ),
    ),
    30: Row(
        fault="watchdog",
        read="reverted: the register, its value, the time",
        recovery="none needed: extended in time; a mode that ends too early is started again a cycle after it is seen",
        tests=(
            "test_writes.py::test_the_devices_own_watchdog_never_ends_a_mode_that_is_wanted",
            "test_writes.py::test_a_mode_that_the_device_ends_too_early_is_noticed_and_started_again",
        ),
    ),
    31: Row(
        fault="wear",
        read="refused by the budget of 20 a day and register; what the registers hold already is not written",
        recovery="at the site's midnight; native is always written",
        tests=(
            "test_writes.py::test_an_hour_of_the_same_command_writes_stored_registers_hardly_ever",
            "test_writes.py::test_no_stored_register_gets_more_than_its_budget_for_powers_whatever_is_wanted",
            "test_writes.py::test_every_register_that_the_wire_saw_is_in_the_ledger",
            "test_writes.py::test_a_start_beside_an_inverter_at_rest_costs_no_write",
        ),
    ),
    32: Row(
        fault="counter-steps-back",
        read="invalid: reset",
        recovery="next request; a counter begun anew after three readings over a minute",
        tests=("test_device_faults.py::test_a_counter_that_steps_back_or_leaps_is_invalid_until_it_is_itself_again",),
    ),
    33: Row(
        fault="clock-drift",
        read="good: slots are written by the device's own clock",
        recovery="told at commissioning with how to set it",
        tests=(
            "test_commissioning_wires.py::test_a_clock_that_is_off_is_told_with_what_to_do",
            "test_commissioning.py::test_a_device_clock_is_judged",
        ),
    ),
    34: Row(
        fault="other-firmware",
        read="no device of the family where its type says so; else refused at commissioning by the balance",
        recovery="when the profile fits",
        tests=(
            "test_commissioning_wires.py::test_a_firmware_that_changed_a_scale_is_found_and_the_change_of_firmware_named",
            "test_commissioning_wires.py::test_a_device_of_another_family_is_refused_by_what_it_says_of_itself",
        ),
    ),
    35: Row(
        fault="not-modbus",
        read="stale: not Modbus, or not the count asked for",
        recovery="next request",
        tests=(
            ON_THE_WIRE,
            "test_modbus_faults.py::test_what_is_not_modbus_says_so",
        ),
    ),
}

WIRES = [(name, wire) for name, fault in WIRE_FAULTS.items() for wire in fault.wires]
HARMLESS = {"glitch-bytes", "echo", "foreign-frame", "split-frame", "hang-up"}  # read through while they last
# Some answers are right, if only the first one: before it there is nothing to replay, and nothing to be hasty after.
PASSING = {"late-serial", "late-tcp", "transaction-rewritten", "bit-flip", "gateway-replay", "hasty-turnaround"}
PATIENCE_S = 200.0  # a unit that was silent is probed in a tenth of the link's time


def functions_of(name: str) -> set[str]:
    tree = ast.parse((FOLDER / name).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_matrix_has_all_35_faults_by_number_and_name():
    assert list(MATRIX) == list(range(1, 36))
    assert len({row.fault for row in MATRIX.values()}) == 35


def test_every_row_says_what_is_read_and_how_soon_it_is_over_and_names_its_tests():
    assert [number for number, row in MATRIX.items() if not (row.tests and row.read and row.recovery)] == []


def test_every_test_that_a_row_names_exists():
    named = [test.split("::") for row in MATRIX.values() for test in row.tests]
    assert [f"{name}::{function}" for name, function in named if function not in functions_of(name)] == []


def test_the_twin_knows_every_fault_by_the_name_of_its_row():
    by_number = {fault.number: name for name, fault in WIRE_FAULTS.items()}
    assert by_number == {number: MATRIX[number].fault for number in by_number}
    assert {row.fault for row in MATRIX.values()} - set(FAULTS) == {"adapter-vanishes"}


@pytest.mark.parametrize(("name", "wire"), WIRES, ids=[f"{name} {wire}" for name, wire in WIRES])
def test_a_fault_on_the_wire_brings_no_wrong_value_and_is_over_soon(name, wire, tmp_path, monkeypatch):
    with fault_house(wire, tmp_path, monkeypatch) as house:
        story = house.story(name)
    assert story.wrong == []
    assert house.bank.writes == []
    assert story.good_count > 0 if name in HARMLESS else name in PASSING or story.good_count == 0
    assert story.recovery_s <= (10.0 if name in HARMLESS else PATIENCE_S)


@pytest.mark.parametrize(("name", "wire"), WIRES, ids=[f"{name} {wire}" for name, wire in WIRES])
def test_after_a_fault_on_the_wire_at_most_one_request_is_lost(name, wire):
    device = Device(wire)
    playing = [faithful]

    def script(frame):
        sent = device.script(frame)
        return list(playing[0](frame, *sent)) if sent else []

    link = Link(parse_url(URLS[wire], SPH), SPH, Now(), connect=connect_to(script))
    link.know(1, SERIAL_NUMBER, NAME)
    plan = [("input", 1000, 7), ("input", 0, 7), ("input", 1040, 9)]
    assert set(outcomes(link, device, plan, 4)) == {"right"}
    playing[0] = script_of(name, tcp=wire == "tcp")
    assert "WRONG" not in outcomes(link, device, plan, 8)
    playing[0] = faithful
    found = outcomes(link, device, plan, 4)
    assert set(found[1:]) == {"right"}
    assert "WRONG" not in found


def test_the_matrix_would_notice_a_wrong_value(tmp_path, monkeypatch):
    with fault_house("tcp", tmp_path, monkeypatch) as house:
        house.settle()

        def lie(pdu: bytes) -> bytes:
            answer = house.bank.answer(pdu)
            return answer if pdu[0] != 4 else bytes(byte ^ (at % 2 and at > 2) for at, byte in enumerate(answer))

        house.line.answer = lie
        assert house.told(8, 0.0).wrong != []


def first_fresh_s(house: FaultHouse, since_s: float) -> float:
    """When the first good value came after an instant."""
    for _ in range(30):
        found = house.cycle().values()
        fresh = [r.measured_s for r in found if r.state == "good" and r.measured_s >= since_s]
        if fresh:
            return min(fresh)
    return math.inf


def test_an_adapter_that_comes_back_is_read_within_three_seconds(tmp_path, monkeypatch):
    with fault_house("serial", tmp_path, monkeypatch, speed=5.0) as house:
        house.settle()
        house.line.close()
        for _ in range(12):
            assert house.wrong(house.cycle(), math.inf, 0) == []
        assert "cannot be opened" in house.cycle()["battery_w"].reason
        house.line = open_line("serial", tmp_path, house.clock, house.bank)
        back_s = house.clock.now_s()
        assert first_fresh_s(house, back_s) - back_s <= 3.0
    assert house.bank.writes == []


def test_a_server_that_was_restarted_is_read_within_two_seconds(tmp_path, monkeypatch):
    with fault_house("tcp", tmp_path, monkeypatch, speed=5.0) as house:
        house.settle()
        port = house.line.port
        house.line.close()
        for _ in range(8):
            house.cycle()
        house.line = open_line("tcp", tmp_path, house.clock, house.bank, port)
        back_s = house.clock.now_s()
        assert first_fresh_s(house, back_s) - back_s <= 2.0
    assert house.bank.writes == []


def test_a_device_for_one_client_is_read_when_the_other_leaves(monkeypatch):
    monkeypatch.setattr(bus, "MIN_TIMEOUT_WALL_S", TIMEOUT_WALL_S)
    bank = RegisterBank()
    facts = load_profile("eastron/sdm630").link
    clock = Clock(start_s=0.0, origin_s=time.monotonic(), speed=SPEED)
    with TcpServer(bank.tcp) as server, socket.create_connection(("127.0.0.1", server.port)) as other:
        other.sendall(mbap(1, 1, b"\x04\x00\x34\x00\x02"))
        other.recv(64)
        link = Link(parse_url(server.url, facts), facts, clock)
        with pytest.raises(DeviceUnreachable, match="it may be serving another client"):
            link.read(1, "input", 52, 2)
        other.close()
        assert link.read(1, "input", 52, 2) == (0, 0)
        link.close()


def test_a_stopped_server_costs_one_request(tmp_path, monkeypatch):
    monkeypatch.setattr(bus, "MIN_TIMEOUT_WALL_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"tcp://127.0.0.1:{port}"
    command = [sys.executable, "-m", "edge.cli", "twin", "--profile", "eastron/sdm630", "--url", url]
    facts = load_profile("eastron/sdm630").link
    clock = Clock(start_s=0.0, origin_s=time.monotonic(), speed=SPEED)
    with subprocess.Popen([*command, "--state", "grid_w=1234"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline() == "up\n"
            link = Link(parse_url(url, facts), facts, clock)
            before = link.read(1, "input", 52, 2)
            server.send_signal(signal.SIGSTOP)
            os.waitpid(server.pid, os.WUNTRACED)
            started_s = time.monotonic()
            with pytest.raises(DeviceUnreachable, match="does not answer"):
                link.read(1, "input", 52, 2)
            assert time.monotonic() - started_s < 1.0
            server.send_signal(signal.SIGCONT)
            assert link.read(1, "input", 52, 2) == before
            link.close()
        finally:
            server.kill()

"""Lies of a device behind a sound wire: each changes what it says it changes, and nothing else."""

from __future__ import annotations

import struct

import pytest
from click.testing import CliRunner
from wires import RegisterBank

from edge.cli import group
from edge.devices.profile_file import load_profile
from edge.devices.registers import split_words
from edge.devices.transport import Address
from edge.devices.twin_lies import FAULTS, LIES, Liar, play
from edge.devices.twin_wire import TcpLine

SPH = load_profile("growatt/sph")
FUNCTION = {"holding": 3, "input": 4}


def liar(name: str, profile=SPH) -> tuple[Liar, RegisterBank]:
    bank = RegisterBank()
    for point in profile.points:
        raw = point.golden_raw
        words = raw if isinstance(raw, tuple) else split_words(raw, point.words, profile.link.word_order)
        bank.put(FUNCTION[point.space], point.address, *words)
    return Liar(answer=bank.answer, profile=profile, lie=LIES[name]), bank


def read(device: Liar, function: int, address: int, count: int) -> list[int]:
    answer = device(struct.pack(">BHH", function, address, count))
    assert answer[0] == function, answer
    return list(struct.unpack(f">{count}H", answer[2:]))


def write(device: Liar, address: int, word: int) -> bytes:
    return device(struct.pack(">BHH", 6, address, word))


def point_words(device: Liar, name: str) -> list[int]:
    point = SPH.by_name[name]
    return read(device, FUNCTION[point.space], point.address, point.words)


@pytest.mark.parametrize(
    ("name", "point", "words"),
    [
        ("night", "pv_power", [0, 0]),
        ("sentinels", "pv_power", [0xFFFF, 0xFFFF]),
        ("wrong-sign", "pv_power", [0xFFFF, 0xFFFE]),
        ("counter-steps-back", "pv_energy_total", [1, 57920]),
        ("other-firmware", "pv_power", [0, 0x7FFF]),
        ("torn-value", "pv_energy_total", [1, 3]),
    ],
)
def test_a_lie_changes_its_points_and_leaves_texts_alone(name, point, words):
    device, _ = liar(name)
    assert point_words(device, point) == words
    serial = SPH.by_name["serial_number"]
    assert read(device, 3, serial.address, serial.words) == list(serial.golden_raw)


def test_a_torn_value_has_another_high_word_every_other_time():
    device, _ = liar("torn-value")
    assert [point_words(device, "pv_energy_total")[0] for _ in range(4)] == [1, 2, 1, 2]


def test_counters_begin_anew_from_time_to_time():
    device, _ = liar("counter-steps-back")
    found = [point_words(device, "pv_energy_total") for _ in range(45)]
    assert found[0] == found[44] == [1, 57920]
    assert found[25] == [0, 0]


def test_a_closed_gap_moves_everything_behind_it_up():
    device, bank = liar("closed-gap")
    straight = [bank.words.get((4, address), 0) for address in range(1009, 1049)]
    declared = {address for point in SPH.points if point.space == "input" for address in point.addresses}
    gap = next(index for index in range(40) if 1009 + index not in declared)
    assert read(device, 4, 1009, 40) == [*straight[:gap], *straight[gap + 1 :], 0]
    assert read(device, 4, 1009, gap) == straight[:gap]


def test_a_missing_register_refuses_every_block_that_touches_it():
    device, _ = liar("illegal-address")
    points = [point for point in SPH.points if point.signal]
    missing = points[len(points) // 2]
    function = FUNCTION[missing.space]
    assert device(struct.pack(">BHH", function, missing.address, 1)) == bytes((function | 0x80, 2))
    assert device(struct.pack(">BHH", function, missing.last + 1, 1))[0] == function


def test_a_failed_block_is_that_of_the_powers():
    device, _ = liar("failed-block")
    power = SPH.by_name["battery_discharge_power"]
    assert device(struct.pack(">BHH", 4, power.address - 1, 4)) == b"\x84\x04"
    assert device(struct.pack(">BHH", 4, 0, 2))[0] == 4
    assert device(struct.pack(">BHH", 6, power.address, 2))[0] == 6


def test_a_clock_that_is_ten_minutes_ahead():
    honest, _ = liar("wear")
    ahead, _ = liar("clock-drift")
    (minute,) = point_words(honest, "clock_minute")
    assert point_words(ahead, "clock_minute") == [(minute + 10) % 60]
    assert point_words(ahead, "clock_hour") == point_words(honest, "clock_hour")


def test_a_scale_that_moves_with_every_read():
    profile = load_profile("sunspec/inverter")
    device, _ = liar("scale-apart", profile)
    scale = profile.by_name[next(point.scale_point for point in profile.points if point.scale_point)]
    function = FUNCTION[scale.space]
    first, second = (read(device, function, scale.address, 1)[0] for _ in range(2))
    assert abs(first - second) in (1, 0xFFFF)


def test_writes_are_ignored_refused_or_worn_out():
    ignoring, bank = liar("write-ignored")
    assert write(ignoring, 30407, 1) == struct.pack(">BHH", 6, 30407, 1)
    assert bank.writes == []
    breaking, bank = liar("sequence-broken")
    assert [write(breaking, 30407, word)[0] for word in range(4)] == [6, 0x86, 6, 0x86]
    worn, bank = liar("wear")
    for word in range(25):
        assert write(worn, 1070, word)[0] == 6
    assert len(bank.writes) == 20
    assert [read(lie, 3, 45, 1) for lie in (ignoring, breaking, worn)] == [[bank.words[3, 45]]] * 3


def test_a_watchdog_takes_back_what_was_written():
    device, bank = liar("watchdog")
    before = bank.words[3, 30407]
    write(device, 30407, before + 1)
    device(struct.pack(">BHHBHH", 16, 1080, 2, 4, 7, 8))
    seen = [read(device, 3, 30407, 1)[0] for _ in range(40)]
    assert seen[0] == before + 1
    assert seen[-1] == before


def test_a_fault_is_played_on_a_wire_that_can_have_it():
    anywhere = Address(url="tcp://127.0.0.1", kind="tcp", place="127.0.0.1")
    line = TcpLine(anywhere, 1, RegisterBank().answer)
    try:
        for name in ("hang-up", "night"):
            play(line, SPH, name)
        assert isinstance(line.answer, Liar)
        for name in ("late-serial", "nonsense"):
            with pytest.raises(ValueError, match=f"{name} is no fault of a tcp line"):
                play(line, SPH, name)
    finally:
        line.close()


def test_the_twin_names_its_faults():
    result = CliRunner().invoke(group, ["twin", "--fault", "list"])
    assert result.exit_code == 0
    assert result.output.split() == list(FAULTS)


def test_a_fault_that_cannot_be_played_is_said_in_one_line():
    for arguments in (
        ["--profile", "growatt/sph", "--url", "tcp://127.0.0.1:20533", "--fault", "late-serial"],
        ["--profile", "growatt/sph", "--url", "tcp://127.0.0.1:20533", "--fault", "nonsense"],
    ):
        result = CliRunner().invoke(group, ["twin", *arguments])
        assert result.exit_code != 0
        assert "is no fault of a tcp line" in str(result.exception or result.output)

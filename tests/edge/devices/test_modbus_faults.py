"""What can go wrong on a wire (shared/hardware/faults.md): wrong data must never count as good."""

from __future__ import annotations

import os
import re
import socket
import struct
import termios
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import PtyServer, RegisterBank, TcpServer, crc, mbap, rtu, words_pdu

from edge.clock import Clock
from edge.devices.bus import Link
from edge.devices.modbus import (
    answer,
    checksum,
    drop_echo,
    read_request,
    rtu_frame,
    take_rtu,
    take_tcp,
    tcp_frame,
    write_request,
)
from edge.devices.profile_file import load_profile
from edge.devices.transport import LinkDown, advice, lasting_path, parse_url
from edge.errors import DeviceError, DeviceMismatch, DeviceRejected, DeviceUnreachable

SPH = load_profile("growatt/sph").link
METER = load_profile("eastron/sdm630").link
ASK = read_request("input", 1000, 3)
GOOD = rtu(1, words_pdu(4, (7, 8, 9)))
FAST = 20.0  # keeps timeouts at their floor of 0.3 s


def fast_clock(speed: float = FAST) -> Clock:
    return Clock(start_s=1_717_200_000.0, origin_s=time.monotonic(), speed=speed)


def send_all(wire, parts: list[bytes]) -> None:
    for part in parts:
        wire.send(part)


def link_to(url: str, facts=SPH, speed: float = FAST) -> Link:
    return Link(parse_url(url, facts), facts, fast_clock(speed))


# --- frames, without a wire -------------------------------------------------------------------------------------------


def test_request_frames_are_those_of_the_standard():
    # Modbus over Serial Line: 01 04 00 01 00 02 has the checksum 20 0B (computed bit by bit in wires.crc).
    assert rtu_frame(1, read_request("input", 1, 2)) == b"\x01\x04\x00\x01\x00\x02" + crc(b"\x01\x04\x00\x01\x00\x02")
    assert rtu_frame(1, write_request(30407, (1,)))[:6] == b"\x01\x06\x76\xc7\x00\x01"
    assert rtu_frame(1, write_request(1080, (1, 2, 3)))[:13] == bytes.fromhex("01100438000306000100020003")
    assert tcp_frame(5, 9, read_request("holding", 2, 1)) == bytes.fromhex("000500000006090300020001")
    assert checksum(b"\x01\x02\x03") == crc(b"\x01\x02\x03")


@given(st.lists(st.integers(1, 20), max_size=8))
def test_an_answer_may_come_in_any_pieces(cuts):
    buffer, words, start = bytearray(), None, 0
    for cut in [*cuts, len(GOOD)]:
        buffer += GOOD[start : start + cut]
        start += cut
        words = words or take_rtu(buffer, 1, ASK)
    assert words == (7, 8, 9)


@pytest.mark.parametrize("glitch", [b"\x00", b"\xff", b"\xff\xfe", b"\x00\x00\x00"])
def test_glitch_bytes_before_a_frame_are_skipped(glitch):
    assert take_rtu(bytearray(glitch + GOOD), 1, ASK) == (7, 8, 9)


def test_a_frame_of_another_unit_is_skipped():
    assert take_rtu(bytearray(rtu(2, words_pdu(4, (1, 1, 1))) + GOOD), 1, ASK) == (7, 8, 9)


@pytest.mark.parametrize(
    ("pdu", "words"),
    [
        (words_pdu(4, (7, 8)), "2 words came for 3 asked"),
        (words_pdu(4, (7, 8, 9, 9)), "4 words came for 3 asked"),
        (words_pdu(3, (7, 8, 9)), "function 3 answered function 4"),
        (b"\x04\x05\x00\x01\x00\x02\x00", "words came for 3 asked"),
    ],
)
def test_a_well_formed_wrong_answer_is_a_mismatch(pdu, words):
    with pytest.raises(DeviceMismatch, match=words):
        take_rtu(bytearray(rtu(1, pdu)), 1, ASK)
    with pytest.raises(DeviceMismatch, match=words):
        take_tcp(bytearray(mbap(5, 1, pdu)), 5, 1, ASK)


@given(st.integers(0, len(GOOD) * 8 - 1))
def test_one_flipped_bit_is_never_data(bit):
    frame = bytearray(GOOD)
    frame[bit // 8] ^= 1 << bit % 8
    try:
        words = take_rtu(frame, 1, ASK)
    except DeviceError:
        words = None
    assert words is None


@given(st.binary(max_size=40))
def test_noise_is_never_data(noise):
    try:
        words = take_rtu(bytearray(noise), 1, ASK)
    except DeviceError:
        words = None
    assert words is None


def test_endless_noise_ends():
    with pytest.raises(DeviceMismatch, match="without a valid frame"):
        take_rtu(bytearray(b"\x55" * 600), 1, ASK)


def test_a_refusal_carries_its_code():
    with pytest.raises(DeviceRejected, match="exception 02 .illegal address.") as caught:
        answer(b"\x84\x02", ASK)
    assert caught.value.exception_code == 2


def test_a_wrong_echo_is_a_mismatch():
    with pytest.raises(DeviceMismatch, match="is not the write"):
        answer(struct.pack(">BHH", 6, 30407, 0), write_request(30407, (1,)))
    assert answer(struct.pack(">BHH", 16, 1080, 3), write_request(1080, (1, 2, 3))) == (1, 2, 3)


def test_a_rewritten_transaction_id_of_0_is_accepted_and_an_older_one_skipped():
    old, zero = mbap(4, 1, words_pdu(4, (1, 1, 1))), mbap(0, 1, words_pdu(4, (7, 8, 9)))
    assert take_tcp(bytearray(old + zero), 5, 1, ASK) == (7, 8, 9)


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request", struct.pack(">HHHB", 5, 0, 3000, 1) + b"x"])
def test_what_is_not_modbus_says_so(noise):
    with pytest.raises(DeviceMismatch, match="not Modbus TCP"):
        take_tcp(bytearray(noise), 5, 1, ASK)


def test_another_unit_on_tcp_is_a_mismatch():
    with pytest.raises(DeviceMismatch, match="unit 7 answered for unit 1"):
        take_tcp(bytearray(mbap(5, 7, words_pdu(4, (7, 8, 9)))), 5, 1, ASK)


# --- whole transactions on a pty and on TCP ---------------------------------------------------------------------------


def test_a_late_answer_is_never_taken_for_the_next_one():
    bank = RegisterBank()
    bank.put(4, 1000, 1, 2, 3)
    bank.put(4, 0, 51, 52, 53)
    late = iter([True])

    def script(request: bytes):
        # The first answer comes after the timeout and after the drain, in the middle of the next question.
        return [0.5, *bank.rtu(request)] if next(late, False) else bank.rtu(request)

    with PtyServer(script) as server:
        link = link_to(server.url)
        outcomes = []
        for address in (1000, 0, 1000, 0, 1000, 0):
            try:
                outcomes.append(link.read(1, "input", address, 3) == ((1, 2, 3) if address else (51, 52, 53)))
            except DeviceError as error:
                outcomes.append(type(error).__name__)
        link.close()
    assert outcomes[0] == "DeviceUnreachable"
    assert False not in outcomes
    assert outcomes[-3:] == [True, True, True]


def test_after_silence_the_line_is_probed_with_another_length():
    bank = RegisterBank()
    with PtyServer(bank.rtu) as server:
        link = link_to(server.url)
        bank.silent = True
        for _ in range(2):
            with pytest.raises(DeviceUnreachable, match="unit 1 does not answer"):
                link.read(1, "input", 1000, 1)
        bank.silent = False
        assert link.read(1, "input", 1000, 1) == (0,)
        link.close()
    lengths = [struct.unpack(">H", request[4:6])[0] for request in server.requests]
    assert lengths == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (lambda _: [b"\x00\x11\x22\x33\x44\x55\x66\x77"], DeviceMismatch),
        (lambda _: [GOOD[:-1] + b"\x00"], DeviceMismatch),
        (lambda _: [rtu(1, words_pdu(4, (7, 8)))], DeviceMismatch),
        (lambda _: [rtu(1, words_pdu(3, (7, 8, 9)))], DeviceMismatch),
        (lambda _: [rtu(2, words_pdu(4, (7, 8, 9)))], DeviceUnreachable),
        (lambda _: [rtu(1, b"\x84\x06")], DeviceRejected),
        (lambda _: [], DeviceUnreachable),
    ],
    ids=["garbage", "checksum", "short", "function", "unit", "busy", "silence"],
)
def test_serial_faults_have_their_own_names(script, error):
    with PtyServer(script) as server:
        link = link_to(server.url)
        with pytest.raises(error):
            link.read(1, "input", 1000, 3)
        link.close()


def test_a_glitch_byte_costs_nothing_and_pieces_are_joined():
    with PtyServer(lambda _: [b"\x00" + GOOD[:4], 0.01, GOOD[4:]]) as server:
        link = link_to(server.url)
        assert link.read(1, "input", 1000, 3) == (7, 8, 9)
        link.close()


def test_a_hang_up_on_an_old_connection_is_tried_once_more():
    bank = RegisterBank()
    bank.put(4, 52, 1, 2)
    turns = iter([False, True])

    def script(request: bytes):
        return [None] if next(turns, False) else bank.tcp(request)

    with TcpServer(script) as server:
        link = link_to(server.url, METER)
        assert link.read(1, "input", 52, 2) == (1, 2)
        assert link.read(1, "input", 52, 2) == (1, 2)
        link.close()
    assert server.connections == 2


def test_a_hang_up_on_a_new_connection_is_an_error():
    with TcpServer(lambda _: [None]) as server:
        link = link_to(server.url, METER)
        with pytest.raises(DeviceUnreachable, match="hung up"):
            link.read(1, "input", 52, 2)
        link.close()


def test_tcp_silence_reconnects_at_the_next_request():
    bank = RegisterBank()
    bank.silent = True
    with TcpServer(bank.tcp) as server:
        link = link_to(server.url, METER)
        with pytest.raises(DeviceUnreachable, match="does not answer"):
            link.read(1, "input", 52, 2)
        bank.silent = False
        assert link.read(1, "input", 52, 2) == (0, 0)
        link.close()
    assert server.connections == 2


def test_a_reset_connection_is_our_error():
    def reset(connection: socket.socket):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = link_to(f"tcp://127.0.0.1:{listener.getsockname()[1]}", METER)
        wire = link._opened(1.0)
        peer, _ = listener.accept()
        reset(peer)
        peer.close()
        time.sleep(0.05)
        with pytest.raises(DeviceUnreachable, match="hung up: Connection reset"):
            wire.receive(0.1)
        with pytest.raises(DeviceUnreachable, match="hung up"):
            send_all(wire, [b"x"] * 3)
        link.close()


def test_the_command_period_is_kept():
    bank = RegisterBank()
    with PtyServer(bank.rtu) as server:
        link = link_to(server.url, SPH, speed=10.0)
        for _ in range(4):
            link.read(1, "input", 1000, 3)
        link.close()
    gaps_s = [later - earlier for earlier, later in zip(server.times_s, server.times_s[1:], strict=False)]
    assert min(gaps_s) * 10.0 >= 0.85


def test_the_slower_device_sets_the_pace_of_a_shared_line():
    link = link_to("serial:///dev/null", METER)
    before_s = link.ready_s
    link.share(2, SPH)
    assert link.ready_s - before_s >= 0.85


# --- urls and ports ---------------------------------------------------------------------------------------------------


def test_urls_take_what_is_missing_from_the_profile():
    serial_line = parse_url("serial:///dev/ttyUSB0?baud=38400&parity=E&stopbits=2", SPH)
    assert (serial_line.place, serial_line.baud, serial_line.parity, serial_line.stopbits) == (
        "/dev/ttyUSB0",
        38400,
        "E",
        2,
    )
    assert parse_url("serial:///dev/ttyUSB0", SPH).baud == 9600
    assert (parse_url("tcp://box", SPH).place, parse_url("tcp://box", SPH).port) == ("box", 502)


@pytest.mark.parametrize(
    "url",
    [
        "ttyUSB0",
        "serial://ttyUSB0",
        "serial:///dev/x?baud=quick",
        "serial:///dev/x?baud=0",
        "serial:///dev/x?baud=4000001",
        f"serial:///dev/x?baud={'9' * 5000}",
        "serial:///dev/x?parity=X",
        "serial:///dev/x?speed=9600",
        "tcp://",
        "tcp://box/path",
        "tcp://box:99999",
        "http://box",
    ],
)
def test_a_bad_url_is_refused(url):
    with pytest.raises(ValueError, match=r".+"):
        parse_url(url, SPH)


@pytest.mark.parametrize("error", [OverflowError("int too large"), termios.error(22, "Invalid argument")])
def test_a_baud_rate_that_the_port_cannot_do_is_one_line_with_the_url(monkeypatch, error):
    url = "serial:///dev/null?baud=3999999"

    def refusing(*_, **__):
        raise error

    monkeypatch.setattr("edge.devices.transport.serial.Serial", refusing)
    with pytest.raises(DeviceUnreachable, match=rf"^{re.escape(url)} cannot be opened: {error.args[-1]}$"):
        link_to(url).read(1, "input", 0, 1)


def test_an_absent_port_is_one_line_with_the_url():
    with pytest.raises(DeviceUnreachable, match=r"^serial:///dev/ttyNONE cannot be opened: No such file or directory$"):
        link_to("serial:///dev/ttyNONE").read(1, "input", 0, 1)


def test_a_closed_tcp_port_is_one_line_with_the_url():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DeviceUnreachable, match=rf"^tcp://127.0.0.1:{port} cannot be reached: Connection refused$"):
        link_to(f"tcp://127.0.0.1:{port}").read(1, "input", 0, 1)


def test_a_port_in_use_says_so():
    with PtyServer(RegisterBank().rtu) as server:
        first, second = link_to(server.url), link_to(server.url)
        first.read(1, "input", 0, 1)
        with pytest.raises(DeviceUnreachable, match="in use by another program"):
            second.read(1, "input", 0, 1)
        first.close()


def test_an_adapter_that_vanishes_and_returns_is_found_again(tmp_path: Path):
    bank = RegisterBank()
    path = tmp_path / "tty"
    with PtyServer(bank.rtu) as server:
        path.symlink_to(server.path)
        link = link_to(f"serial://{path}")
        assert link.read(1, "input", 0, 1) == (0,)
    path.unlink()
    with pytest.raises(DeviceUnreachable, match="cannot be opened|is gone"):
        link.read(1, "input", 0, 1)
    with PtyServer(bank.rtu) as server:
        path.symlink_to(server.path)
        assert link.read(1, "input", 0, 1) == (0,)
        link.close()


def test_a_serial_port_that_takes_nothing_is_our_error():
    master, slave = os.openpty()
    link = link_to(f"serial://{os.ttyname(slave)}")
    wire = link._opened(0.05)
    with pytest.raises(DeviceUnreachable, match="is gone"):
        send_all(wire, [b"x" * 4096] * 200)
    link.close()
    os.close(master)
    os.close(slave)


# --- pauses and ways of writing that a device asks for ----------------------------------------------------------------


def test_a_pause_after_the_reply_is_kept():
    bank = RegisterBank()
    facts = replace(METER, min_reply_pause_s=2.0)
    with TcpServer(lambda request: [0.05, *bank.tcp(request)]) as server:
        link = link_to(server.url, facts)
        for _ in range(4):
            link.read(1, "input", 52, 2)
        link.close()
    gaps_s = [later - earlier for earlier, later in zip(server.times_s, server.times_s[1:], strict=False)]
    assert min(gaps_s) >= 0.05 + 2.0 / FAST


def test_a_device_is_left_alone_for_a_while_after_connecting():
    bank = RegisterBank()
    accepted_s = []

    def script(request: bytes):
        accepted_s.append(time.monotonic())
        return bank.tcp(request)

    with TcpServer(script) as server:
        link = link_to(server.url, replace(METER, connect_pause_s=3.0))
        started_s = time.monotonic()
        link.read(1, "input", 52, 2)
        link.read(1, "input", 52, 2)
        link.close()
    assert accepted_s[0] - started_s >= 3.0 / FAST
    assert accepted_s[1] - accepted_s[0] < 3.0 / FAST


def test_a_device_without_single_writes_gets_a_group_of_one():
    bank = RegisterBank()
    with TcpServer(bank.tcp) as server:
        link = link_to(server.url, replace(METER, write_single=False))
        link.write(1, 12, (7,))
        link.close()
    assert bank.writes == [(16, 12, (7,))]


def test_a_new_process_waits_for_the_devices_period_before_its_first_question():
    bank = RegisterBank()
    asked_s = []

    def mind(request: bytes):
        asked_s.append(time.monotonic())
        hasty = len(asked_s) > 1 and asked_s[-1] - asked_s[-2] < 0.085
        return [] if hasty else bank.rtu(request)

    with PtyServer(mind) as server:
        for _ in range(3):  # as three calls of `pems device` in a row
            link = link_to(server.url, SPH, speed=10.0)
            assert link.read(1, "input", 1000, 3) == (0, 0, 0)
            link.close()


# --- adapters and buses that add bytes --------------------------------------------------------------------------------


def test_an_adapter_that_echoes_is_found_out_by_the_first_read_and_then_trusted_with_a_write():
    bank = RegisterBank()
    bank.put(4, 1000, 7, 8, 9)
    with PtyServer(lambda request: [request, *bank.rtu(request)]) as server:
        link = link_to(server.url)
        assert link.read(1, "input", 1000, 3) == (7, 8, 9)
        link.write(1, 30407, (1,))
        bank.refused_writes.add(30408)
        with pytest.raises(DeviceRejected):
            link.write(1, 30408, (5,))
        bank.silent = True
        with pytest.raises(DeviceError):
            link.write(1, 30407, (0,))
        link.close()
    assert bank.writes == [(6, 30407, (1,))]


def test_an_echo_in_the_middle_of_an_answer_is_data():
    sent = rtu_frame(1, ASK)
    assert not drop_echo(bytearray(b"\x00" * 4 + sent), sent)
    buffer = bytearray(b"\xff" + sent + b"rest")
    assert drop_echo(buffer, sent)
    assert buffer == b"rest"


@pytest.mark.parametrize(
    "before", [b"\x00", b"\xff\xfe\x00" * 3, rtu(2, words_pdu(4, (1,) * 120)), b"\x01\x04\x06\x00"]
)
def test_whatever_stands_before_the_answer_is_skipped_also_in_one_burst(before):
    assert take_rtu(bytearray(before + rtu(9, b"\x84\x02") + GOOD), 1, ASK) == (7, 8, 9)


def test_bytes_inside_an_answer_that_is_still_coming_are_no_frame():
    inner = rtu(1, b"\x84\x02")
    ask = read_request("input", 0, 10)
    frame = rtu(1, b"\x04\x14" + inner.ljust(20, b"\x00"))
    buffer = bytearray()
    for byte in frame[:-1]:
        buffer.append(byte)
        assert take_rtu(buffer, 1, ask) is None
    buffer.append(frame[-1])
    assert len(take_rtu(buffer, 1, ask)) == 10


# --- links that are gone ----------------------------------------------------------------------------------------------


def test_a_hang_up_is_noticed_before_a_write_is_sent():
    bank = RegisterBank()
    with TcpServer(lambda request: [*bank.tcp(request), None]) as server:
        link = link_to(server.url, METER)
        link.read(1, "input", 52, 2)
        time.sleep(0.05)
        link.write(1, 12, (7,))
        link.close()
    assert bank.writes == [(6, 12, (7,))]
    assert server.connections == 2


def test_a_hang_up_is_no_timeout():
    with TcpServer(lambda _: [None]) as server:
        link = link_to(server.url, METER, speed=1.0)
        started_s = time.monotonic()
        with pytest.raises(DeviceUnreachable, match="hung up"):
            link.read(1, "input", 52, 2)
        link.close()
    assert time.monotonic() - started_s < 0.5


def test_a_device_that_takes_the_connection_and_says_nothing_may_serve_another_client():
    with TcpServer(lambda _: []) as server:
        link = link_to(server.url, METER)
        with pytest.raises(DeviceUnreachable, match="it may be serving another client"):
            link.read(1, "input", 52, 2)
        link.close()


def test_a_half_open_connection_costs_one_request():
    bank = RegisterBank()
    mute = iter([False, True])

    def script(request: bytes):
        return [] if next(mute, False) else bank.tcp(request)

    with TcpServer(script) as server:
        link = link_to(server.url, METER)
        link.read(1, "input", 52, 2)
        with pytest.raises(DeviceUnreachable, match="does not answer$"):
            link.read(1, "input", 52, 2)
        assert link.read(1, "input", 52, 2) == (0, 0)
        link.close()
    assert server.connections == 2


def test_an_absent_port_is_told_from_a_silent_device():
    with pytest.raises(LinkDown):
        link_to("serial:///dev/ttyNONE").read(1, "input", 0, 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(LinkDown):
        link_to(f"tcp://127.0.0.1:{port}").read(1, "input", 0, 1)


def test_a_port_has_a_name_that_lasts(tmp_path: Path):
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-path").mkdir()
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "by-path" / "pci-0").symlink_to(tmp_path / "ttyUSB0")
    assert lasting_path(str(tmp_path / "ttyUSB0"), tmp_path) == str(tmp_path / "by-path" / "pci-0")
    (tmp_path / "by-id" / "usb-FTDI-A1").symlink_to(tmp_path / "ttyUSB0")
    assert lasting_path(str(tmp_path / "ttyUSB0"), tmp_path) == str(tmp_path / "by-id" / "usb-FTDI-A1")
    assert lasting_path("/dev/ttyS9", tmp_path) == "/dev/ttyS9"
    assert "usb-FTDI-A1: a name that lasts" in advice(str(tmp_path / "ttyUSB1"), tmp_path)
    assert advice(str(tmp_path / "ttyUSB0"), tmp_path) == ""


def test_a_connection_to_oneself_is_no_device(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    alone = socket.socket()
    alone.bind(("127.0.0.1", port))
    alone.connect(("127.0.0.1", port))  # what the system may do by chance with a free port of its own range
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: alone)
    with pytest.raises(LinkDown, match="nobody listens there"):
        link_to(f"tcp://127.0.0.1:{port}").read(1, "input", 0, 1)
    assert alone.fileno() == -1

"""The twin's wires, seen by a client of bytes that shares no code with them."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import serial

from edge.clock import Clock
from edge.devices.twin import Twin, open_device
from edge.devices.twin_wire import crc16, seal
from edge.errors import ConfigError, DeviceUnreachable, ProfileError

FAST = 200.0  # 125 words at 9600 baud take 1.5 ms of the wall
READ_ONE = struct.pack(">BBHH", 1, 4, 1014, 1)
READ_MOST = struct.pack(">BBHH", 1, 4, 1000, 125)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def clock(speed: float) -> Clock:
    return Clock(start_s=1_717_200_000.0, origin_s=time.monotonic(), speed=speed)


def serial_twin(opened: ExitStack, folder: Path, *, speed: float = FAST, unit: int = 1) -> serial.Serial:
    url = f"serial://{folder}/sph?baud=9600"
    twin = open_device("growatt/sph", url, unit=unit, clock=clock(speed), state={"soc_frac": 0.5})
    opened.callback(twin.close)
    port = serial.Serial(str(folder / "sph"), baudrate=9600, timeout=1.0, exclusive=True)
    opened.callback(port.close)
    return port


def tcp_twin(opened: ExitStack, *, unit: int = 1) -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = int(probe.getsockname()[1])
    twin = open_device(
        "eastron/sdm630",
        f"tcp://127.0.0.1:{port}",
        unit=unit,
        clock=clock(1.0),
        state={"grid_w": -1234.5, "grid_import_wh": 5000.0},
    )
    opened.callback(twin.close)
    return port


def exchange(port: serial.Serial, request: bytes, size: int) -> bytes:
    port.write(seal(request))
    reply = bytes(port.read(size))
    if reply:
        assert seal(reply[:-2]) == reply
    return reply


def connect(opened: ExitStack, port: int) -> socket.socket:
    return opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=2.0))


def modbus_tcp(client: socket.socket, pdu: bytes, *, unit: int = 1, transaction: int = 7) -> bytes:
    client.sendall(struct.pack(">HHHB", transaction, 0, 1 + len(pdu), unit) + pdu)
    head = client.recv(7, socket.MSG_WAITALL)
    got, protocol, size, who = struct.unpack(">HHHB", head)
    assert (got, protocol, who) == (transaction, 0, unit)
    return client.recv(size - 1, socket.MSG_WAITALL)


def test_checksum_of_a_known_frame() -> None:
    # Modbus over Serial Line V1.02, appendix B example style: 02 07 has the checksum 41 12 on the wire
    assert crc16(b"\x02\x07") == 0x1241
    assert seal(b"\x02\x07") == b"\x02\x07\x41\x12"


def test_serial_client_reads_a_register(opened: ExitStack, tmp_path: Path) -> None:
    reply = exchange(serial_twin(opened, tmp_path), READ_ONE, 7)
    assert reply[:5] == b"\x01\x04\x02\x00\x32"


def test_request_in_pieces_is_put_together(opened: ExitStack, tmp_path: Path) -> None:
    port = serial_twin(opened, tmp_path)
    request = seal(struct.pack(">BBHHB2H", 1, 16, 1090, 2, 4, 50, 90))
    for piece in (request[:1], request[1:6], request[6:9], request[9:]):
        port.write(piece)
        time.sleep(0.001)
    assert port.read(8) == seal(request[:6])


def test_other_units_garbage_and_broken_checksums_get_silence(opened: ExitStack, tmp_path: Path) -> None:
    port = serial_twin(opened, tmp_path)
    port.timeout = 0.1
    for bad in (
        seal(b"\x02" + READ_ONE[1:]),
        READ_ONE + b"\0\0",
        b"\xff\x00",
        seal(b"\x01")[:2],
        b"\x55" * 300,
    ):
        port.write(bad)
        assert port.read(300) == b""
    port.timeout = 1.0
    assert len(exchange(port, READ_ONE, 7)) == 7


def test_unknown_function_is_refused_on_the_line(opened: ExitStack, tmp_path: Path) -> None:
    port = serial_twin(opened, tmp_path)
    port.write(seal(b"\x01\x2b\x0e\x01\x00"))
    assert port.read(5) == seal(b"\x01\xab\x01")


def test_vanished_reader_does_not_stop_the_line(opened: ExitStack, tmp_path: Path) -> None:
    port = serial_twin(opened, tmp_path, speed=20_000.0)
    for _ in range(100):
        port.write(seal(READ_MOST))
        time.sleep(0.002)
    port.timeout = 0.2
    while port.read(4096):
        pass
    port.timeout = 2.0
    assert len(exchange(port, READ_ONE, 7)) == 7


def test_command_sooner_than_its_period_gets_no_answer(opened: ExitStack, tmp_path: Path) -> None:
    port = serial_twin(opened, tmp_path, speed=4.0)
    port.timeout = 0.15
    period_wall_s = 0.85 / 4.0
    begin = time.monotonic()
    assert len(exchange(port, READ_ONE, 7)) == 7
    assert exchange(port, READ_ONE, 7) == b""
    time.sleep(max(0.0, begin + period_wall_s + 0.005 - time.monotonic()))
    assert len(exchange(port, READ_ONE, 7)) == 7


@pytest.mark.realtime
@pytest.mark.parametrize(("request_frame", "words"), [(READ_ONE, 1), (READ_MOST, 125)])
def test_line_is_truly_9600_baud(opened: ExitStack, tmp_path: Path, request_frame: bytes, words: int) -> None:
    port = serial_twin(opened, tmp_path, speed=1.0)
    line_s = (8 + 5 + 2 * words) * 10 / 9600
    took_s = []
    for _ in range(25):  # the best of many: a busy machine adds to a time, it never takes away
        begin = time.monotonic()
        assert len(exchange(port, request_frame, 5 + 2 * words)) == 5 + 2 * words
        took_s.append(time.monotonic() - begin)
        if took_s[-1] < 1.15 * (line_s + 0.020) + 0.005:
            break
        time.sleep(0.9)
    assert line_s < min(took_s) < 1.15 * (line_s + 0.020) + 0.005


@pytest.mark.realtime
def test_bytes_arrive_one_by_one_at_speed_one(opened: ExitStack, tmp_path: Path) -> None:
    port = serial_twin(opened, tmp_path, speed=1.0)
    begin = time.monotonic()
    port.write(seal(READ_MOST))
    port.read(1)
    time.sleep(0.08)
    waiting_count = port.in_waiting
    assert 10 < waiting_count <= (time.monotonic() - begin) * 960


def test_link_is_removed_when_the_twin_closes_and_a_stale_one_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / "sph"
    link.symlink_to("/dev/pts/stale")
    with ExitStack() as opened:
        serial_twin(opened, tmp_path)
        assert link.resolve().exists()
    assert not link.is_symlink()


def test_path_that_is_taken_or_not_writable_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("keep me")
    for place in (tmp_path / "file", tmp_path / "absent" / "sph"):
        with pytest.raises(DeviceUnreachable, match=str(place)):
            open_device("growatt/sph", f"serial://{place}", unit=1, clock=clock(1.0), state={})
    assert (tmp_path / "file").read_text() == "keep me"


def test_tcp_clients_are_served_side_by_side(opened: ExitStack) -> None:
    port = tcp_twin(opened)
    clients = [connect(opened, port) for _ in range(3)]
    for number, client in enumerate(clients):
        pdu = modbus_tcp(client, struct.pack(">BHH", 4, 52, 2), transaction=number)
        assert pdu[:2] == b"\x04\x04"
        assert struct.unpack(">f", pdu[2:]) == (-1234.5,)
    assert struct.unpack(">f", modbus_tcp(clients[0], struct.pack(">BHH", 4, 72, 2))[2:]) == (5.0,)


def test_meter_refuses_odd_addresses_long_reads_and_all_writes(opened: ExitStack) -> None:
    client = connect(opened, tcp_twin(opened))
    assert modbus_tcp(client, struct.pack(">BHH", 4, 53, 2)) == b"\x84\x02"
    assert modbus_tcp(client, struct.pack(">BHH", 4, 52, 3)) == b"\x84\x02"
    assert modbus_tcp(client, struct.pack(">BHH", 4, 0, 82)) == b"\x84\x03"
    assert modbus_tcp(client, struct.pack(">BHH", 6, 18, 1)) == b"\x86\x02"


def test_another_unit_on_tcp_gets_the_gateways_exception(opened: ExitStack) -> None:
    client = connect(opened, tcp_twin(opened, unit=3))
    assert modbus_tcp(client, struct.pack(">BHH", 4, 52, 2), unit=1) == b"\x84\x0b"


def test_tcp_requests_may_come_in_pieces_or_together(opened: ExitStack) -> None:
    client = connect(opened, tcp_twin(opened))
    request = struct.pack(">HHHBBHH", 9, 0, 6, 1, 4, 52, 2)
    client.sendall(request[:5])
    time.sleep(0.01)
    client.sendall(request[5:10])
    time.sleep(0.01)
    client.sendall(request[10:] + request)
    assert client.recv(26, socket.MSG_WAITALL)[:2] == b"\x00\x09"


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", struct.pack(">HHHBB", 1, 0, 3000, 1, 4)])
def test_what_is_not_modbus_is_hung_up_on_and_others_live_on(opened: ExitStack, noise: bytes) -> None:
    port = tcp_twin(opened)
    other = connect(opened, port)
    client = connect(opened, port)
    client.sendall(noise)
    assert client.recv(10) == b""
    assert modbus_tcp(other, struct.pack(">BHH", 4, 52, 2))[0] == 4


def test_client_that_resets_does_not_stop_the_listener(opened: ExitStack) -> None:
    port = tcp_twin(opened)
    rude = socket.create_connection(("127.0.0.1", port))
    rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    rude.sendall(b"\x00")
    rude.close()
    assert modbus_tcp(connect(opened, port), struct.pack(">BHH", 4, 52, 2))[0] == 4


def test_port_in_use_is_named(opened: ExitStack) -> None:
    port = tcp_twin(opened)
    with pytest.raises(DeviceUnreachable, match=f"tcp://127.0.0.1:{port} cannot be served"):
        open_device("eastron/sdm630", f"tcp://127.0.0.1:{port}", unit=1, clock=clock(1.0), state={})


@pytest.mark.parametrize("url", ["tcp://", "serial://host/x", "tcp://127.0.0.1:99999", "nonsense"])
def test_bad_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError):
        open_device("growatt/sph", url, unit=1, clock=clock(1.0), state={})


def test_unknown_profile_is_named() -> None:
    with pytest.raises(ProfileError, match="acme/none"):
        open_device("acme/none", "tcp://127.0.0.1:5020", unit=1, clock=clock(1.0), state={})


def test_twin_of_a_device_knows_no_plant_when_the_profile_is_a_meter(opened: ExitStack) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = int(probe.getsockname()[1])
    twin: Twin = open_device("eastron/sdm630", f"tcp://127.0.0.1:{port}", unit=1, clock=clock(1.0), state={})
    opened.callback(twin.close)
    assert twin.world.snapshot() is None

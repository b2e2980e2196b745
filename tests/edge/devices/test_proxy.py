"""Other programs on our link: served from fresh words or in the last lane, and never in control's way."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hand_wires import METER, golden_bank
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymodbus.client import ModbusTcpClient
from wires import RegisterBank, TcpServer

from edge.clock import Clock
from edge.config import Site, parse_site
from edge.config_links import Link
from edge.devices import proxy as proxy_module
from edge.devices.driver import Devices
from edge.devices.proxy import take_question
from edge.devices.wear import MemoryLedger
from edge.errors import ConfigError, StoreError
from edge.messages import RegisterWrite
from edge.preflight import check_site


class Shared:
    """A meter on TCP, control's devices, and the proxy's port."""

    def __init__(self, stack: ExitStack, *, writes: bool = False, slow_wall_s: float = 0.0) -> None:
        self.bank: RegisterBank = golden_bank(METER)
        self.server = stack.enter_context(TcpServer(lambda request: [slow_wall_s, *self.bank.tcp(request)]))
        link = Link(profile=METER, url=self.server.url, proxy=f"tcp://127.0.0.1:{free_port()}", proxy_writes=writes)
        self.clock = Clock.real()
        self.ledger = MemoryLedger(self.clock)
        self.site = Site(name="t", latitude_deg=49.0, longitude_deg=16.0, links=(link,))
        self.devices = Devices(self.site, self.clock, ledger=self.ledger)
        stack.callback(self.devices.close)
        assert self.devices.serve() == []
        (self.proxy,) = self.devices._proxies

    def guest(self, stack: ExitStack) -> ModbusTcpClient:
        client = ModbusTcpClient("127.0.0.1", port=self.proxy.port, timeout=3.0, retries=0)
        assert client.connect()
        stack.callback(client.close)
        return client


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def golden_words(bank: RegisterBank, address: int, count: int) -> list[int]:
    return [bank.words.get((4, address + offset), 0) for offset in range(count)]


def test_what_control_has_just_read_is_answered_without_asking_the_device(stack):
    shared = Shared(stack)
    shared.devices.read(1.0)
    before = len(shared.server.requests)
    reply = shared.guest(stack).read_input_registers(52, count=2, device_id=1)
    assert reply.registers == golden_words(shared.bank, 52, 2)
    assert len(shared.server.requests) == before


def test_what_control_does_not_read_is_asked_of_the_device(stack):
    shared = Shared(stack)
    shared.bank.put(3, 100, 7, 8, 9)
    reply = shared.guest(stack).read_holding_registers(100, count=3, device_id=1)
    assert reply.registers == [7, 8, 9]


def test_words_that_are_no_longer_fresh_are_asked_again(stack, monkeypatch):
    shared = Shared(stack)
    shared.devices.read(1.0)
    monkeypatch.setattr(proxy_module, "FRESH_S", 0.0)
    before = len(shared.server.requests)
    shared.guest(stack).read_input_registers(52, count=2, device_id=1)
    assert len(shared.server.requests) > before


@pytest.mark.parametrize("write", [(6, b"\x00\x0a\x00\x07"), (16, b"\x00\x0a\x00\x01\x02\x00\x07"), (5, b"\0\0\xff\0")])
def test_writes_are_refused_with_exception_01(stack, write):
    shared = Shared(stack)
    function, body = write
    assert shared.proxy.answer(1, bytes([function]) + body, "test") == bytes([function | 0x80, 1])
    assert shared.bank.writes == []


def test_with_permission_a_guest_writes_and_the_ledger_counts_it(stack):
    shared = Shared(stack, writes=True)
    client = shared.guest(stack)
    assert not client.write_register(10, 7, device_id=1).isError()
    assert not client.write_registers(20, [1, 2], device_id=1).isError()
    assert client.write_coil(1, True, device_id=1).exception_code == 1
    assert shared.bank.writes == [(6, 10, (7,)), (16, 20, (1, 2))]
    shared.devices.read(1.0)
    noted = [write for _, write in shared.ledger.rows]
    assert [(write.register, write.raw, write.wear) for write in noted] == [
        ("eastron/sdm630#1 holding 10", 7, "unknown"),
        ("eastron/sdm630#1 holding 20", 1, "unknown"),
        ("eastron/sdm630#1 holding 21", 2, "unknown"),
    ]
    assert all("through the proxy" in write.reason for write in noted)


def test_a_write_that_the_ledger_cannot_take_is_noted_when_it_can(stack):
    shared = Shared(stack, writes=True)
    kept: list[RegisterWrite] = []
    shared.devices._ledger = FullThenKept(kept)
    shared.guest(stack).write_register(10, 7, device_id=1)
    assert {reading.state for reading in shared.devices.read(1.0)} == {"good"}
    assert kept == []
    shared.devices.read(1.0)
    assert [write.raw for write in kept] == [7]


class FullThenKept:
    """A ledger whose disk is full once."""

    def __init__(self, kept: list[RegisterWrite]) -> None:
        self.kept, self.is_full = kept, True

    def note(self, writes, sequence) -> None:
        if self.is_full:
            self.is_full = False
            raise StoreError("disk full")
        self.kept += writes


def test_the_devices_own_refusal_comes_through_and_silence_is_a_gateways_0b(stack):
    shared = Shared(stack)
    shared.bank.refused = {(4, 300)}
    client = shared.guest(stack)
    assert client.read_input_registers(300, count=1, device_id=1).exception_code == 2
    shared.bank.silent = True
    assert client.read_input_registers(400, count=1, device_id=1).exception_code == 11


def test_an_impossible_question_is_refused(stack):
    shared = Shared(stack)
    assert shared.proxy.answer(0, b"\x04\x00\x00\x00\x01", "test") == b"\x84\x0a"
    assert shared.proxy.answer(1, b"\x04\x00\x00\x00\x00", "test") == b"\x84\x03"
    assert shared.proxy.answer(1, b"\x04\x00\x00\x00\x7e", "test") == b"\x84\x03"
    assert shared.proxy.answer(1, b"\x04\xff\xff\x00\x02", "test") == b"\x84\x03"
    assert shared.proxy.answer(1, b"\x04\x00", "test") == b"\x84\x03"


def test_an_absent_device_is_a_gateways_0a(stack):
    link = Link(profile=METER, url=f"tcp://127.0.0.1:{free_port()}", proxy=f"tcp://127.0.0.1:{free_port()}")
    site = Site(name="t", latitude_deg=49.0, longitude_deg=16.0, links=(link,))
    devices = Devices(site, Clock.real(), ledger=MemoryLedger(Clock.real()))
    stack.callback(devices.close)
    assert devices.serve() == []
    assert devices._proxies[0].answer(1, b"\x04\x00\x00\x00\x01", "test") == b"\x84\x0a"


def test_a_guest_that_never_stops_asking_does_not_slow_control(stack):
    shared = Shared(stack, slow_wall_s=0.02)

    def cycles(count: int) -> list[float]:
        taken_s = []
        for _ in range(count):
            begun_s = time.monotonic()
            readings = shared.devices.read(0.5)
            taken_s.append(time.monotonic() - begun_s)
            assert {reading.state for reading in readings} == {"good"}
            time.sleep(0.05)
        return taken_s

    alone_s = cycles(15)
    client = shared.guest(stack)
    stop: list[bool] = []
    answered: list[bool] = []

    def hammer() -> None:
        while not stop:
            answered.append(client.read_holding_registers(1000, count=2, device_id=1).isError())

    thread = threading.Thread(target=hammer, daemon=True)
    thread.start()
    beside_s = cycles(25)
    stop.append(True)
    thread.join(5.0)
    assert len(answered) > 2
    one_request_s = 0.02
    assert statistics.median(beside_s) <= statistics.median(alone_s) + one_request_s + 0.02


def test_mbpoll_reads_through_the_proxy(stack):
    if shutil.which("mbpoll") is None:
        pytest.skip("needs the Debian package mbpoll")
    shared = Shared(stack)
    shared.devices.read(1.0)
    command = f"mbpoll -m tcp -p {shared.proxy.port} -a 1 -0 -r 52 -c 2 -t 3:hex -1 -o 3 127.0.0.1".split()
    told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    first, second = golden_words(shared.bank, 52, 2)
    assert f"0x{first:04X}" in told
    assert f"0x{second:04X}" in told


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5))
def test_no_bytes_make_the_questions_parser_do_more_than_wait_or_refuse(chunks):
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        try:
            while (question := take_question(buffer)) is not None:
                assert len(question[2]) >= 1
        except ValueError:
            buffer.clear()
        assert len(buffer) <= 260 + 300


def test_hostile_bytes_end_their_own_connection_only(stack):
    shared = Shared(stack)
    shared.devices.read(1.0)
    good = struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 52, 2)
    hostile = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\xff" * 300,
        struct.pack(">HHHB", 1, 0, 3000, 1) + b"\x04" * 200,
        struct.pack(">HHHBB", 1, 7, 2, 1, 4),
        os.urandom(4096),
        good[:5],
        b"",
        *(struct.pack(">HHHB", 1, 0, 2, unit) + bytes([function]) for unit in (0, 1, 255) for function in range(256)),
    ]
    for data in hostile:
        with socket.create_connection(("127.0.0.1", shared.proxy.port), timeout=2.0) as guest:
            guest.sendall(data)
            if len(data) == 8 and data[3] == 0:
                assert guest.recv(100)[7] & 0x80
    client = shared.guest(stack)
    assert client.read_input_registers(52, count=2, device_id=1).registers == golden_words(shared.bank, 52, 2)
    assert shared.bank.writes == []


def read_of(connection: socket.socket) -> bytes:
    connection.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 52, 2))
    connection.settimeout(3.0)
    return connection.recv(260)


def test_a_newcomer_takes_the_place_of_the_guest_that_has_been_silent_longest(stack):
    shared = Shared(stack)
    guests = [stack.enter_context(socket.create_connection(("127.0.0.1", shared.proxy.port))) for _ in range(8)]
    assert all(read_of(guest) for guest in guests)
    assert read_of(guests[0])
    newcomer = stack.enter_context(socket.create_connection(("127.0.0.1", shared.proxy.port)))
    assert read_of(newcomer)
    assert guests[1].recv(1) == b""
    assert read_of(guests[0])


def test_a_guest_that_asks_nothing_for_too_long_is_let_go(stack, monkeypatch):
    monkeypatch.setattr(proxy_module, "_IDLE_WALL_S", 0.5)
    shared = Shared(stack)
    silent, half = (
        stack.enter_context(socket.create_connection(("127.0.0.1", shared.proxy.port), timeout=5.0)) for _ in range(2)
    )
    half.sendall(b"\x00\x01")  # bytes alone are no question
    assert (silent.recv(1), half.recv(1)) == (b"", b"")


def test_a_port_in_use_is_said_and_control_goes_on(stack):
    shared = Shared(stack)
    other = Devices(shared.site, shared.clock, ledger=MemoryLedger(shared.clock))
    stack.callback(other.close)
    (problem,) = other.serve()
    assert "cannot be opened: Address already in use" in problem
    assert {reading.state for reading in other.read(1.0)} == {"good"}


def test_proxies_that_make_no_sense_are_configuration_errors():
    links = (
        Link(profile=METER, url="tcp://a", proxy="serial:///dev/x"),
        Link(profile=METER, url="tcp://b", proxy="tcp://127.0.0.1:1502"),
        Link(profile=METER, url="tcp://c", proxy="tcp://127.0.0.1:1502"),
        Link(profile=METER, url="tcp://d", proxy="1502"),
    )
    site = Site(name="t", latitude_deg=0.0, longitude_deg=0.0, links=links)
    with pytest.raises(ConfigError) as caught:
        Devices(site, Clock.real(), ledger=MemoryLedger(Clock.real()))
    assert [problem.split(" ")[0] for problem in caught.value.problems] == [
        "link[0].proxy",
        "link[2].proxy",
        "link[3].proxy",
    ]


def test_a_proxy_where_a_device_itself_is_asked_is_a_configuration_error():
    links = (Link(profile=METER, url="tcp://localhost:1502", proxy="tcp://127.0.0.1:1502"),)
    with pytest.raises(ConfigError, match="where a device itself is asked"):
        Devices(site_with(links), Clock.real(), ledger=MemoryLedger(Clock.real()))


@pytest.mark.parametrize("place", ["192.0.2.1", "a..b"])  # TEST-NET-1 (RFC 5737) is nobody's; no name has an empty part
def test_a_proxy_at_an_address_that_this_machine_lacks_is_found_before_the_start(place):
    links = (Link(profile=METER, url="tcp://b", proxy=f"tcp://{place}:1502"),)
    (problem,) = proxy_problems(site_with(links))
    assert problem.startswith(f"the proxy tcp://{place}:1502 cannot be opened: ")


def test_a_proxy_that_a_running_box_holds_is_no_problem(stack):
    shared = Shared(stack)
    assert proxy_problems(shared.site) == []


def proxy_problems(site: Site) -> list[str]:
    return [line for line in check_site(site) if "proxy" in line]


def site_with(links: tuple[Link, ...]) -> Site:
    return Site(name="t", latitude_deg=0.0, longitude_deg=0.0, links=links)


def test_the_site_file_names_a_proxy_and_its_rights(tmp_path):
    row = {"profile": METER, "url": "tcp://a", "proxy": "tcp://127.0.0.1:1502", "proxy_writes": True}
    head = {"name": "t", "latitude_deg": 0.0, "longitude_deg": 0.0}
    (link,) = parse_site({"site": head, "link": [row]}, "site.toml", tmp_path).links
    assert (link.proxy, link.proxy_writes) == ("tcp://127.0.0.1:1502", True)
    with pytest.raises(ConfigError, match="proxy_writes must be true or false, got 1"):
        parse_site({"site": head, "link": [{**row, "proxy_writes": 1}]}, "site.toml", tmp_path)

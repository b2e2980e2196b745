"""An independent codec at the other end: a small C server built on libmodbus, over TCP and over a serial pty pair."""

from __future__ import annotations

import os
import pty
import select
import shutil
import socket
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edge.bench_devices.recovery import quiet_port
from edge.clock import Clock
from edge.devices.bus import Link
from edge.devices.profile import LinkFacts
from edge.devices.profile_file import load_profile
from edge.devices.transport import parse_url
from edge.errors import DeviceRejected, DeviceUnreachable

SPH = load_profile("growatt/sph").link
SOURCE = r"""
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* usage: server tcp PORT | server rtu PATH; input register i holds 3 * i + 1, holding register i holds i;
   a single write to 1180 + code is refused with that exception */
int main(int argc, char **argv) {
    int rtu = argc > 2 && !strcmp(argv[1], "rtu"), listener = -1;
    modbus_t *context = rtu ? modbus_new_rtu(argv[2], 9600, 'N', 8, 1) : modbus_new_tcp("127.0.0.1", atoi(argv[2]));
    modbus_mapping_t *map = modbus_mapping_new(0, 0, 1200, 1200);
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    for (int i = 0; i < 1200; i++) { map->tab_input_registers[i] = 3 * i + 1; map->tab_registers[i] = i; }
    modbus_set_slave(context, 1);
    if (rtu) { if (modbus_connect(context) < 0) return 1; }
    else if ((listener = modbus_tcp_listen(context, 1)) < 0) return 1;
    printf("up\n"); fflush(stdout);
    for (;;) {
        if (!rtu && modbus_tcp_accept(context, &listener) < 0) return 1;
        for (;;) {
            int length = modbus_receive(context, query);
            uint8_t *pdu = query + modbus_get_header_length(context);
            int address = pdu[1] << 8 | pdu[2];
            if (length > 0 && pdu[0] == 6 && address > 1180 && address < 1192)
                modbus_reply_exception(context, query, address - 1180);
            else if (length > 0) modbus_reply(context, query, length, map);
            else if (length < 0 && !rtu) break;
        }
    }
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled server; the test is skipped where libmodbus or a compiler is missing."""
    folder = tmp_path_factory.mktemp("libmodbus")
    (folder / "server.c").write_text(SOURCE, encoding="utf-8")
    if shutil.which("cc") is None or not Path("/usr/include/modbus/modbus.h").exists():
        pytest.skip("needs cc and the Debian package libmodbus-dev")
    command = ["cc", "-o", "server", "server.c", "-I/usr/include/modbus", "-lmodbus"]
    subprocess.run(command, cwd=folder, check=True, timeout=60)
    return folder / "server"


@contextmanager
def running(*arguments: str) -> Iterator[None]:
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "up\n"
            yield
        finally:
            process.kill()


@contextmanager
def pty_pair() -> Iterator[tuple[str, str]]:
    """Two serial ports joined by a wire."""
    ends = [pty.openpty(), pty.openpty()]
    for end in ends:
        tty.setraw(end[0])
        tty.setraw(end[1])
    stopped = threading.Event()

    def pump() -> None:
        one, other = ends[0][0], ends[1][0]
        while not stopped.is_set():
            for source in select.select([one, other], [], [], 0.02)[0]:
                os.write(other if source == one else one, os.read(source, 512))

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()
    try:
        yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
    finally:
        stopped.set()
        thread.join(5.0)
        for end in ends:
            os.close(end[0])
            os.close(end[1])


@contextmanager
def linked(server: Path, kind: str, facts: LinkFacts = SPH) -> Iterator[Link]:
    clock = Clock(start_s=0.0, origin_s=time.monotonic(), speed=100.0)
    if kind == "tcp":
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with running(str(server), "tcp", str(port)):
            link = Link(parse_url(f"tcp://127.0.0.1:{port}", facts), facts, clock)
            yield link
            link.close()
        return
    with pty_pair() as (ours, theirs), running(str(server), "rtu", theirs):
        link = Link(parse_url(f"serial://{ours}?baud=9600", facts), facts, clock)
        yield link
        link.close()


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_libmodbus_and_we_agree(server, kind):
    with linked(server, kind) as link:
        assert link.read(1, "input", 1000, 125) == tuple(3 * i + 1 for i in range(1000, 1125))
        assert link.read(1, "holding", 0, 2) == (0, 1)
        link.write(1, 1080, (2600, 2816, 1))
        link.write(1, 1070, (55,))
        assert link.read(1, "holding", 1080, 3) == (2600, 2816, 1)
        assert link.read(1, "holding", 1070, 1) == (55,)
        with pytest.raises(DeviceRejected, match="illegal address") as caught:
            link.read(1, "input", 1190, 20)
        assert caught.value.exception_code == 2
        assert link.read(1, "holding", 1080, 1) == (2600,)


def test_libmodbus_is_silent_for_another_unit_on_a_serial_line(server):
    with linked(server, "rtu") as link, pytest.raises(DeviceUnreachable, match="unit 9 does not answer"):
        link.read(9, "input", 0, 1)


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 10, 11])
def test_the_exceptions_of_libmodbus_keep_their_codes_and_cost_nothing(server, kind, code):
    with linked(server, kind) as link:
        with pytest.raises(DeviceRejected) as caught:
            link.write(1, 1180 + code, (7,))
        assert caught.value.exception_code == code
        assert link.read(1, "holding", 1180 + code, 1) == (1180 + code,)


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_the_last_register_of_libmodbus_is_read_again_and_again(server, kind):
    with linked(server, kind) as link:
        for _ in range(7):
            assert link.read(1, "input", 1196, 4) == (3589, 3592, 3595, 3598)


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_libmodbus_takes_a_group_of_one_and_echoes_it(server, kind):
    facts = replace(SPH, write_single=False)
    with linked(server, kind, facts) as link:
        link.write(1, 1070, (55,))
        link.write(1, 1071, (0xFFFF,))
        assert link.read(1, "holding", 1070, 2) == (55, 0xFFFF)


def test_a_libmodbus_server_that_was_restarted_is_found_at_once(server):
    clock = Clock(start_s=0.0, origin_s=time.monotonic(), speed=100.0)
    port = quiet_port()
    link = Link(parse_url(f"tcp://127.0.0.1:{port}", SPH), SPH, clock)
    for _ in range(3):
        with running(str(server), "tcp", str(port)):
            assert link.read(1, "input", 1000, 2) == (3001, 3004)
            link.write(1, 1070, (55,))
        with pytest.raises(DeviceUnreachable, match="hung up|refused"):
            link.read(1, "input", 1000, 2)
    link.close()

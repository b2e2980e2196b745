"""The faults of a wire, one after the other, under our link and under raw pymodbus: how often is a wrong word believed?

A device in memory answers behind a real serial line or TCP socket; every word tells by which question it was made, so
that a late, repeated or foreign answer is always seen to be one.
"""

from __future__ import annotations

import logging
import math
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Protocol

from pymodbus import FramerType, ModbusException
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

from core_kernels.figures import Row
from edge.clock import Clock
from edge.devices.bus import Link
from edge.devices.lockstep import Place
from edge.devices.profile_file import load_profile
from edge.devices.transport import Address, parse_url
from edge.devices.twin_faults import WIRE_FAULTS, script_of
from edge.devices.twin_wire import SerialLine, TcpLine, faithful
from edge.errors import DeviceError

TIMEOUT_S = 0.3
LATE_WALL_S = 0.4  # after the timeout
HEALTHY_COUNT, FAULTY_COUNT, AFTER_COUNT = 4, 5, 5
ASKED_COUNT = FAULTY_COUNT + AFTER_COUNT
BLOCKS = ((1000, 8), (0, 8), (1040, 8))  # of one length, as in many maps
CONSTANT = Place(space="holding", address=23, count=5)
NAME = (18, 52, 86, 120, 137)
BAUD = 115_200
FACTS = replace(load_profile("growatt/sph").link, min_command_period_s=0.0, baud=BAUD)


class Client(Protocol):
    """A reader of input registers."""

    def __call__(self, first: int, count: int) -> Sequence[int] | None:
        """The words, if they are believed."""

    def close(self) -> None:
        """Let go of the port."""


class Witness:
    """A device that remembers what is true about the last question."""

    def __init__(self) -> None:
        self.asked_count = 0
        self.truth: dict[int, int] = {}

    def answer(self, pdu: bytes) -> bytes:
        """The right answer to a read."""
        function, first, count = struct.unpack_from(">BHH", pdu)
        self.asked_count += 1
        words = {place: 97 * place + 1009 * self.asked_count & 0xFFFF for place in range(first, first + count)}
        if function == 3:
            words |= {CONSTANT.address + offset: word for offset, word in enumerate(NAME)}
        self.truth = words
        return struct.pack(
            f">BB{count}H", function, 2 * count, *(words[place] for place in range(first, first + count))
        )


@dataclass(slots=True)
class Tally:
    """What came of the reads of one fault. ``lost_count``: reads after its end until the first right one."""

    right_count: int = 0
    wrong_count: int = 0
    failed_count: int = 0
    lost_count: float = math.inf


def measure(name: str, wire: str, connect: Callable[[str], Client]) -> Tally:
    """Healthy reads, reads under the fault, and reads after it, with a client of one's choice."""
    witness, tally = Witness(), Tally()
    with _served(witness, wire) as (line, url), closing(connect(url)) as client:
        for turn in range(HEALTHY_COUNT):
            _read(client, witness, turn, Tally())
        line.script = script_of(name, tcp=wire == "tcp", late_wall_s=LATE_WALL_S)
        for turn in range(FAULTY_COUNT):
            _read(client, witness, turn, tally)
        line.script = faithful
        for turn in range(AFTER_COUNT):
            if _read(client, witness, turn, tally):
                tally.lost_count = min(tally.lost_count, turn)
    return tally


def _read(client: Client, witness: Witness, turn: int, tally: Tally) -> bool:
    """One read, and whether it brought the truth."""
    first, count = BLOCKS[turn % len(BLOCKS)]
    words = client(first, count)
    right = words is not None and list(words) == [witness.truth.get(place) for place in range(first, first + count)]
    tally.right_count += right
    tally.wrong_count += words is not None and not right
    tally.failed_count += words is None
    return right


@contextmanager
def _served(witness: Witness, wire: str) -> Iterator[tuple[SerialLine | TcpLine, str]]:
    with tempfile.TemporaryDirectory(prefix="pems-bench-") as folder:
        url = f"serial://{folder}/tty?baud={BAUD}"
        line: SerialLine | TcpLine
        if wire == "serial":
            line = SerialLine(parse_url(url, FACTS), 1, Clock.real(), witness.answer, min_command_period_s=0.0)
        else:
            line = TcpLine(Address(url="tcp://127.0.0.1", kind="tcp", place="127.0.0.1"), 1, witness.answer)
            url = f"tcp://127.0.0.1:{line.port}"
        try:
            yield line, url
        finally:
            line.close()


class Ours:
    """Reads through our link."""

    def __init__(self, url: str) -> None:
        self._link = Link(parse_url(url, FACTS), FACTS, Clock.real(), timeout_s=TIMEOUT_S)
        self._link.know(1, CONSTANT, NAME)

    def __call__(self, first: int, count: int) -> Sequence[int] | None:
        """The words, if they are believed."""
        try:
            return self._link.read(1, "input", first, count)
        except DeviceError:
            return None

    def close(self) -> None:
        """Let go of the port."""
        self._link.close()


class Theirs:
    """Reads through pymodbus' own client, without its retries, which only repeat the same."""

    def __init__(self, url: str) -> None:
        address = parse_url(url, FACTS)
        self._client: ModbusSerialClient | ModbusTcpClient
        if address.kind == "serial":
            self._client = ModbusSerialClient(
                address.place, framer=FramerType.RTU, baudrate=BAUD, timeout=TIMEOUT_S, retries=0
            )
        else:
            self._client = ModbusTcpClient(address.place, port=address.port, timeout=TIMEOUT_S, retries=0)
        self._client.connect()

    def __call__(self, first: int, count: int) -> Sequence[int] | None:
        """The words, if they are believed."""
        try:
            answer = self._client.read_input_registers(first, count=count, device_id=1)
        except (ModbusException, OSError):
            return None
        return None if answer.isError() else list(answer.registers)

    def close(self) -> None:
        """Let go of the port."""
        self._client.close()  # type: ignore[no-untyped-call]  # pymodbus


def fault_rows(names: Sequence[str] = tuple(WIRE_FAULTS)) -> tuple[Row, ...]:
    """One row a fault and wire, and the sums."""
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    reference = f"pymodbus {version('pymodbus')}"
    found = {
        (name, wire): (measure(name, wire, Ours), measure(name, wire, Theirs))
        for name in names
        for wire in WIRE_FAULTS[name].wires
    }
    rows = [
        _row(
            f"fault {WIRE_FAULTS[name].number} {name}, {wire}: wrong answers believed, of {ASKED_COUNT}",
            ours.wrong_count,
            reference,
            theirs.wrong_count,
        )
        for (name, wire), (ours, theirs) in found.items()
    ]
    ours_count, theirs_count = (
        len({WIRE_FAULTS[name].number for (name, _), pair in found.items() if pair[side].wrong_count})
        for side in (0, 1)
    )
    rows.append(_row("faults of the 35 with a wrong answer believed", ours_count, reference, theirs_count))
    if ("late-serial", "serial") in found:
        ours, theirs = found["late-serial", "serial"]
        rows.append(_late_row(ours, theirs, reference))
    return tuple(rows)


def _row(name: str, value_count: float, reference: str, reference_count: float) -> Row:
    return Row(
        name=name,
        value=value_count,
        unit="count",
        reference=reference,
        reference_value=reference_count,
        ratio=value_count / reference_count if reference_count else math.nan,
        target="0",
        ok=value_count == 0,
    )


def _late_row(ours: Tally, theirs: Tally, reference: str) -> Row:
    """How many requests after a late one are lost; NaN for a client that never recovers."""
    ours_lost, theirs_lost = (
        float(tally.failed_count + tally.wrong_count) if math.isfinite(tally.lost_count) else math.nan
        for tally in (ours, theirs)
    )
    return Row(
        name="requests lost after one late RTU answer",
        value=ours_lost - 1.0,
        unit="count",
        reference=reference,
        reference_value=theirs_lost - 1.0,
        ratio=math.nan,
        target="<= 1",
        ok=ours_lost - 1.0 <= 1.0,
    )

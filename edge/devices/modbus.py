"""The pymodbus door: one request, one checked answer, for RTU and TCP frames. Pure; bytes in, words out.

pymodbus makes the questions. It does not check the function code, the register count or a write's echo (measured with
3.16.1), so every check of an answer stands here. An answer that fails one is :class:`DeviceMismatch`, never data.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pymodbus.framer import FramerRTU
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from edge.errors import DeviceMismatch, DeviceRejected

READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 3, 4, 6, 16
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledged, not done",
    6: "busy",
    10: "gateway path unavailable",
    11: "gateway target does not answer",
}
MAX_GLITCH_BYTES = 3  # a bus without bias adds a few 00, FF or FE bytes at the turnaround
MAX_FRAME_BYTES = 260
MAX_NOISE_BYTES = 2 * MAX_FRAME_BYTES  # another unit's longest answer may stand before ours
_EXCEPTION_BIT = 0x80
_READS = (1, 2, READ_HOLDING, READ_INPUT)
_FUNCTIONS = (*_READS, 5, WRITE_ONE, 15, WRITE_MANY)
_SHORTEST_FRAME_BYTES = 5
_WRITE_ANSWER_BYTES = 8
_LAST_UNIT = 247
_MBAP_BYTES = 7

Shape = tuple[int, int]  # what tells answers apart: function and number of words (0: a write's)


class OtherAnswer(DeviceMismatch):
    """A well-formed answer, but to another question: perhaps a late one. ``shape`` is its function and word count."""

    def __init__(self, message: str, pdu: bytes) -> None:
        super().__init__(message)
        self.shape: Shape = (pdu[0], pdu[1] // 2 if pdu[0] in _READS and pdu[1] == len(pdu) - 2 else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A read of ``count`` words, or a write of ``words``."""

    function: int
    address: int
    count: int
    words: tuple[int, ...] = ()

    @property
    def shape(self) -> Shape:
        """Function and number of words of the right answer."""
        return self.function, 0 if self.words else self.count

    def pdu(self) -> bytes:
        """Function code and data."""
        return bytes([self.function]) + _message(self).encode()


def _message(request: Request) -> ModbusPDU:
    if request.function == WRITE_ONE:
        return WriteSingleRegisterRequest(address=request.address, registers=list(request.words))
    if request.function == WRITE_MANY:
        return WriteMultipleRegistersRequest(address=request.address, registers=list(request.words))
    kind = ReadInputRegistersRequest if request.function == READ_INPUT else ReadHoldingRegistersRequest
    return kind(address=request.address, count=request.count)


def read_request(space: str, address: int, count: int) -> Request:
    """FC04 for input registers, FC03 for holding registers."""
    return Request(function=READ_INPUT if space == "input" else READ_HOLDING, address=address, count=count)


def write_request(address: int, words: tuple[int, ...], *, single: bool = True) -> Request:
    """FC06 for one register, FC16 for a group and for devices that know no single write."""
    function = WRITE_ONE if len(words) == 1 and single else WRITE_MANY
    return Request(function=function, address=address, count=len(words), words=words)


def checksum(data: bytes | bytearray) -> bytes:
    """The two CRC bytes of an RTU frame, in wire order."""
    return FramerRTU.compute_CRC(bytes(data)).to_bytes(2, "big")


def rtu_frame(unit: int, request: Request) -> bytes:
    """The request as it goes on a serial line."""
    body = bytes([unit]) + request.pdu()
    return body + checksum(body)


def tcp_frame(transaction: int, unit: int, request: Request) -> bytes:
    """The request with its MBAP header."""
    pdu = request.pdu()
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def take_rtu(buffer: bytearray, unit: int, request: Request) -> tuple[int, ...] | None:
    """The answer, if the buffer holds it whole; ``None`` while bytes are missing. Used bytes leave the buffer.

    What stands before it is skipped: glitch bytes of a bus without bias, frames of other units, also in one burst.
    """
    head = bytes([unit]) + expected_head(request)
    while (found := _first_rtu_frame(buffer, head)) is not None:
        start, size = found
        frame = bytes(buffer[start : start + size])
        del buffer[: start + size]
        if frame[0] == unit:
            return answer(frame[1:-2], request)
    if len(buffer) > MAX_NOISE_BYTES:
        raise DeviceMismatch(f"{len(buffer)} bytes without a valid frame")
    return None


def expected_head(request: Request) -> bytes:
    """How the right answer's PDU begins: function and byte count, or a write's function and address."""
    return request.pdu()[:3] if request.words else bytes([request.function, 2 * request.count])


def _first_rtu_frame(buffer: bytearray, head: bytes) -> tuple[int, int] | None:
    """Start and size of the first whole frame with a good checksum; none while the expected one is still arriving."""
    for start in range(len(buffer) - _SHORTEST_FRAME_BYTES + 1):
        size = _rtu_size(buffer, start)
        if size == 0:
            continue
        if start + size > len(buffer):
            if buffer.startswith(head, start):
                return None
            continue
        if checksum(buffer[start : start + size - 2]) == buffer[start + size - 2 : start + size]:
            return start, size
    return None


def _rtu_size(buffer: bytearray, start: int) -> int:
    """How long an answer that began here would be; 0 where none can begin."""
    unit, function = buffer[start], buffer[start + 1]
    if not 1 <= unit <= _LAST_UNIT:
        return 0
    if function & _EXCEPTION_BIT:
        return _SHORTEST_FRAME_BYTES if function ^ _EXCEPTION_BIT in _FUNCTIONS else 0
    if function in _READS:
        return _SHORTEST_FRAME_BYTES + buffer[start + 2]
    return _WRITE_ANSWER_BYTES if function in _FUNCTIONS else 0


def drop_echo(buffer: bytearray, sent: bytes) -> bool:
    """Remove our own request, which a two-wire adapter hands back; whether it was there."""
    start = buffer.find(sent, 0, len(sent) + MAX_GLITCH_BYTES)
    if start >= 0:
        del buffer[: start + len(sent)]
    return start >= 0


def take_tcp(buffer: bytearray, transaction: int, unit: int, request: Request) -> tuple[int, ...] | None:
    """The answer with this transaction id (or 0, as some gateways send); others are dropped."""
    while (frame := _first_tcp_frame(buffer)) is not None:
        found, sender = frame[0] << 8 | frame[1], frame[6]
        if found not in (0, transaction):
            continue
        if sender != unit:
            raise DeviceMismatch(f"unit {sender} answered for unit {unit}")
        return answer(frame[7:], request)
    return None


def drop_tcp(buffer: bytearray) -> None:
    """Drop whole frames that came unasked; the beginning of one more stays, so that the stream keeps its frames."""
    while _first_tcp_frame(buffer) is not None:
        pass


def _first_tcp_frame(buffer: bytearray) -> bytes | None:
    """Take the frame that begins the buffer, if it is whole."""
    if len(buffer) < _MBAP_BYTES:
        return None
    _, protocol, length, _ = struct.unpack_from(">HHHB", buffer)
    if protocol != 0 or not 3 <= length <= MAX_FRAME_BYTES - 6:
        raise DeviceMismatch("what answers is not Modbus TCP")
    frame = bytes(buffer[: 6 + length])
    if len(frame) < 6 + length:
        return None
    del buffer[: 6 + length]
    return frame


def answer(pdu: bytes, request: Request) -> tuple[int, ...]:
    """The words of a good answer; raises :class:`DeviceRejected` or :class:`DeviceMismatch`."""
    if pdu[0] == request.function | _EXCEPTION_BIT and len(pdu) == 2:
        meaning = EXCEPTIONS.get(pdu[1], "unknown exception")
        raise DeviceRejected(f"refused with exception {pdu[1]:02d} ({meaning})", pdu[1])
    if pdu[0] != request.function:
        raise OtherAnswer(f"function {pdu[0]} answered function {request.function}", pdu)
    if request.words:
        expected = request.pdu()[:5]
        if pdu != expected:
            raise OtherAnswer(f"the echo {pdu.hex()} is not the write {expected.hex()}", pdu)
        return request.words
    if len(pdu) != 2 + 2 * request.count or pdu[1] != 2 * request.count:
        raise OtherAnswer(f"{(len(pdu) - 2) / 2:g} words came for {request.count} asked", pdu)
    return struct.unpack_from(f">{request.count}H", pdu, 2)

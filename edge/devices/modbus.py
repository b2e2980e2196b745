"""The pymodbus door: one request, one checked answer, for RTU and TCP frames. Pure; bytes in, words out.

pymodbus is only the codec. It does not check the function code, the register count or a write's echo (measured with
3.16.1), so every check of an answer stands here. An answer that fails one is :class:`DeviceMismatch`, never data.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ModbusPDU
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
_EXCEPTION_BIT = 0x80
_DECODER = DecodePDU(is_server=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A read of ``count`` words, or a write of ``words``."""

    function: int
    address: int
    count: int
    words: tuple[int, ...] = ()

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


def write_request(address: int, words: tuple[int, ...]) -> Request:
    """FC06 for one register, FC16 for a group."""
    function = WRITE_ONE if len(words) == 1 else WRITE_MANY
    return Request(function=function, address=address, count=len(words), words=words)


def checksum(data: bytes) -> bytes:
    """The two CRC bytes of an RTU frame, in wire order."""
    return FramerRTU.compute_CRC(data).to_bytes(2, "big")


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

    Skips a few glitch bytes before the frame, and whole frames of other units.
    """
    while buffer:
        for offset in range(min(MAX_GLITCH_BYTES + 1, len(buffer))):
            frame = _whole_rtu_frame(buffer, offset)
            if frame and frame[0] == unit:
                del buffer[: offset + len(frame)]
                return answer(frame[1:-2], request)
        other = _whole_rtu_frame(buffer, 0)
        if not other:
            break
        del buffer[: len(other)]
    if len(buffer) > MAX_FRAME_BYTES:
        raise DeviceMismatch(f"{len(buffer)} bytes without a valid frame")
    return None


def _whole_rtu_frame(buffer: bytearray, offset: int) -> bytes:
    """The frame that starts at the offset, with a good checksum; empty where there is none."""
    if len(buffer) - offset < 5:
        return b""
    function = buffer[offset + 1]
    if function & _EXCEPTION_BIT:
        size = 5
    elif function in (1, 2, READ_HOLDING, READ_INPUT):
        size = 5 + buffer[offset + 2]
    else:
        size = 8
    frame = bytes(buffer[offset : offset + size])
    return frame if len(frame) == size and checksum(frame[:-2]) == frame[-2:] else b""


def take_tcp(buffer: bytearray, transaction: int, unit: int, request: Request) -> tuple[int, ...] | None:
    """The answer with this transaction id (or 0, as some gateways send); older answers are dropped."""
    while len(buffer) >= 7:
        found, protocol, length, sender = struct.unpack_from(">HHHB", buffer)
        if protocol != 0 or not 3 <= length <= MAX_FRAME_BYTES - 6:
            raise DeviceMismatch("what answers is not Modbus TCP")
        if len(buffer) < 6 + length:
            return None
        pdu = bytes(buffer[7 : 6 + length])
        del buffer[: 6 + length]
        if found not in (0, transaction):
            continue
        if sender != unit:
            raise DeviceMismatch(f"unit {sender} answered for unit {unit}")
        return answer(pdu, request)
    return None


def answer(pdu: bytes, request: Request) -> tuple[int, ...]:
    """The words of a good answer; raises :class:`DeviceRejected` or :class:`DeviceMismatch`."""
    if pdu[0] == request.function | _EXCEPTION_BIT and len(pdu) == 2:
        meaning = EXCEPTIONS.get(pdu[1], "unknown exception")
        raise DeviceRejected(f"refused with exception {pdu[1]:02d} ({meaning})", pdu[1])
    if pdu[0] != request.function:
        raise DeviceMismatch(f"function {pdu[0]} answered function {request.function}")
    if request.words:
        expected = request.pdu()[:5]
        if pdu != expected:
            raise DeviceMismatch(f"the echo {pdu.hex()} is not the write {expected.hex()}")
        return request.words
    if len(pdu) != 2 + 2 * request.count or pdu[1] != 2 * request.count:
        raise DeviceMismatch(f"{(len(pdu) - 2) / 2:g} words came for {request.count} asked")
    decoded = _DECODER.decode(pdu)
    if decoded is None or len(decoded.registers) != request.count:
        raise DeviceMismatch(f"the answer {pdu.hex()} cannot be decoded")
    return tuple(decoded.registers)

"""ONNX graphs byte by byte, for tests that must do without the onnx package (protobuf's wire format, onnx.proto)."""

from __future__ import annotations


def varint(number: int) -> bytes:
    """A whole number, a negative one in two's complement of 64 bits."""
    number &= (1 << 64) - 1
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def part(tag: int, value: int | str | bytes) -> bytes:
    """One protobuf field: a number, text or bytes."""
    if isinstance(value, int):
        return varint(tag << 3) + varint(value)
    body = value.encode() if isinstance(value, str) else value
    return varint(tag << 3 | 2) + varint(len(body)) + body


def value_info(name: str, width: int) -> bytes:
    """A float32 input or output of N rows."""
    shape = part(1, part(2, "N")) + part(1, part(1, width))
    return part(1, name) + part(2, part(1, part(1, 1) + part(2, shape)))

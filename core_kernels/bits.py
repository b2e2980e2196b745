"""The bits of a float64 that :mod:`core_kernels.vmath` needs: compiled as single instructions, or by ``struct``.

Both forms give the same bits for every input, so that a compiled kernel and its plain Python twin agree exactly.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from core_kernels.jit import JIT_ENABLED

_EXPONENT_OF_ONE = 1023
_MANTISSA_BITS = 52
_MANTISSA = (1 << _MANTISSA_BITS) - 1
_ONE = _EXPONENT_OF_ONE << _MANTISSA_BITS
_TWO_52 = 0x4330000000000000  # bits of 2.0**52: an integer below 2**52 put into its mantissa is that integer above it
_WORD = (1 << 64) - 1
_SIGN = 1 << 63


def _bits(x: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", x))[0])


def _float(word: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", word & _WORD))[0])


def two_to_the(x: float) -> float:
    """2**n of a whole number n in -1022..1023 that is given as ``x = n + 1.5 * 2**52``."""
    return _float((_bits(x) + _EXPONENT_OF_ONE) << _MANTISSA_BITS)


def exponent_of(x: float) -> float:
    """Whole number e of the positive normal number ``x = m * 2**e`` with m in 1..2."""
    return _float(_bits(x) >> _MANTISSA_BITS | _TWO_52) - (2.0**52 + _EXPONENT_OF_ONE)


def mantissa_of(x: float) -> float:
    """The m in 1..2 of the positive normal number ``x = m * 2**e``."""
    return _float(_bits(x) & _MANTISSA | _ONE)


def with_sign_of(x: float, y: float) -> float:
    """``x`` with the sign bit of ``y``, as ``math.copysign``."""
    return math.copysign(x, y)


if JIT_ENABLED:
    from numba import types
    from numba.extending import intrinsic

    class _Code:
        """LLVM's builder with the few steps that the functions below are made of."""

        def __init__(self, context: Any, builder: Any) -> None:
            self.context, self.builder = context, builder
            self.double, self.word = (context.get_value_type(kind) for kind in (types.float64, types.uint64))

        def bits(self, x: Any) -> Any:
            return self.builder.bitcast(x, self.word)

        def number(self, word: Any) -> Any:
            return self.builder.bitcast(word, self.double)

        def constant(self, word: int) -> Any:
            return self.context.get_constant(types.uint64, word)

    def _two_to_the(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        code = _Code(context, builder)
        word = builder.add(code.bits(values[0]), code.constant(_EXPONENT_OF_ONE))
        return code.number(builder.shl(word, code.constant(_MANTISSA_BITS)))

    def _exponent_of(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        code = _Code(context, builder)
        word = builder.lshr(code.bits(values[0]), code.constant(_MANTISSA_BITS))
        biased = code.number(builder.or_(word, code.constant(_TWO_52)))
        return builder.fsub(biased, context.get_constant(types.float64, 2.0**52 + _EXPONENT_OF_ONE))

    def _mantissa_of(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        code = _Code(context, builder)
        word = builder.and_(code.bits(values[0]), code.constant(_MANTISSA))
        return code.number(builder.or_(word, code.constant(_ONE)))

    def _with_sign_of(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        code = _Code(context, builder)
        size = builder.and_(code.bits(values[0]), code.constant(_SIGN - 1))
        sign = builder.and_(code.bits(values[1]), code.constant(_SIGN))
        return code.number(builder.or_(size, sign))

    def _instruction(name: str, arguments: int, code: Any) -> Any:
        """A Numba intrinsic of float64 arguments from its LLVM code."""
        signature = types.float64(*[types.float64] * arguments)

        def of_one(_typing: Any, _x: Any) -> Any:
            return signature, code

        def of_two(_typing: Any, _x: Any, _y: Any) -> Any:
            return signature, code

        typed = of_one if arguments == 1 else of_two
        typed.__name__ = name
        return intrinsic(typed)

    two_to_the = _instruction("two_to_the", 1, _two_to_the)
    exponent_of = _instruction("exponent_of", 1, _exponent_of)
    mantissa_of = _instruction("mantissa_of", 1, _mantissa_of)
    with_sign_of = _instruction("with_sign_of", 2, _with_sign_of)

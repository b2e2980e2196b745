"""What noise, bad adapters and bad gateways do to the bytes of an answer; seeded, so that a find can be found again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise

Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def flip(rng: random.Random, frame: bytes, _older: Sequence[bytes]) -> bytes:
    """One to six bits are wrong."""
    mutated = bytearray(frame)
    for _ in range(rng.randint(1, 6)):
        bit = rng.randrange(8 * len(mutated))
        mutated[bit // 8] ^= 1 << bit % 8
    return bytes(mutated)


def burst(rng: random.Random, frame: bytes, _older: Sequence[bytes]) -> bytes:
    """A stretch of the frame is noise."""
    start = rng.randrange(len(frame))
    size = rng.randint(1, 12)
    return frame[:start] + rng.randbytes(size) + frame[start + size :]


def drop(rng: random.Random, frame: bytes, _older: Sequence[bytes]) -> bytes:
    """Some bytes are lost."""
    start = rng.randrange(len(frame))
    return frame[:start] + frame[start + rng.randint(1, 4) :]


def insert(rng: random.Random, frame: bytes, _older: Sequence[bytes]) -> bytes:
    """Bytes that nobody sent stand in the middle."""
    start = rng.randrange(len(frame) + 1)
    return frame[:start] + rng.randbytes(rng.randint(1, 4)) + frame[start:]


def truncate(rng: random.Random, frame: bytes, _older: Sequence[bytes]) -> bytes:
    """The end never comes."""
    return frame[: rng.randrange(len(frame))]


def splice(rng: random.Random, frame: bytes, older: Sequence[bytes]) -> bytes:
    """The head of one frame goes on as the tail of another."""
    other = rng.choice(older) if older else frame
    cut = rng.randrange(min(len(frame), len(other)) + 1)
    return rng.choice((frame[:cut] + other[cut:], other[:cut] + frame[cut:]))


def older_first(rng: random.Random, frame: bytes, older: Sequence[bytes]) -> bytes:
    """One of the last answers comes again, before the present one or instead of it."""
    other = rng.choice(older) if older else frame
    return rng.choice((other + frame, other, frame + other))


def noise(rng: random.Random, frame: bytes, _older: Sequence[bytes]) -> bytes:
    """Bytes before, behind, or instead."""
    before, behind = rng.randbytes(rng.randrange(20)), rng.randbytes(rng.randrange(20))
    return rng.choice((before + frame, frame + behind, before + frame + behind, before + behind))


MUTATIONS: tuple[Mutation, ...] = (flip, burst, drop, insert, truncate, splice, older_first, noise)


def pieces(rng: random.Random, data: bytes) -> list[bytes]:
    """The bytes as a wire hands them over: in one to four parts."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(4)))
    edges = [0, *cuts, len(data)]
    return [data[start:end] for start, end in pairwise(edges) if end > start]

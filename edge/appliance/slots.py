"""Which of an image's two systems starts: a double-buffered record on the boot partition that GRUB reads and counts in.

Each record fills one sector of 512 bytes, in GRUB's own format, and begins and ends with its number: a disk that tears
between sectors cannot mix two, and one that tears within a sector leaves numbers that differ. A write goes to the older
of the two, in place, so that the newer one is whole at every instant. GRUB itself only lowers a slot's tries, in the
record in force, before it starts the slot; what it cannot read counts as absent; without any record A starts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edge.errors import UpdateError

Slot = Literal["A", "B"]
SLOTS: tuple[Slot, Slot] = ("A", "B")
RECORDS = ("slots0", "slots1")
RECORD_BYTES = 512
TRIES, TRIAL_TRIES = 3, 2
ESP = Path("/efi/pems")
_HEADER = "# GRUB Environment Block\n"
_FIRST_SEQ = 10_000_000  # eight digits for ever: a record keeps its places
_KEYS = ("seq", "order", "a_left", "b_left", "trial", "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """The order of the systems, the starts that each may still try, and which one is on trial."""

    seq: int = _FIRST_SEQ
    order: tuple[Slot, Slot] = SLOTS
    left: tuple[int, int] = (TRIES, TRIES)
    trial: Slot | None = None

    def with_left(self, slot: Slot, left: int) -> Slots:
        """The same with so many starts left for a slot."""
        a, b = self.left
        return replace(self, left=(left, b) if slot == "A" else (a, left))

    def left_of(self, slot: Slot) -> int:
        """The starts that a slot may still try."""
        return self.left[SLOTS.index(slot)]

    def preferring(self, slot: Slot) -> Slots:
        """The same with a slot first."""
        return replace(self, order=("A", "B") if slot == "A" else ("B", "A"))


def encoded(slots: Slots) -> bytes:
    """A record's sector."""
    values = (slots.seq, "".join(slots.order), *slots.left, slots.trial or "-", slots.seq)
    lines = "".join(f"{key}={value}\n" for key, value in zip(_KEYS, values, strict=True))
    return (_HEADER + lines).encode().ljust(RECORD_BYTES, b"#")


def decoded(raw: bytes) -> Slots | None:
    """What a record says; None where it is torn or no record."""
    try:
        text = raw.decode("ascii")
        fields = dict(line.split("=", 1) for line in text.removeprefix(_HEADER).rstrip("#").splitlines())
        seq, end, left = int(fields["seq"]), int(fields["end"]), (int(fields["a_left"]), int(fields["b_left"]))
        order, trial = fields["order"], fields["trial"]
    except (KeyError, ValueError):
        return None
    whole = len(raw) == RECORD_BYTES and text.startswith(_HEADER) and set(fields) == set(_KEYS) and seq == end
    known = order in ("AB", "BA") and trial in ("-", *SLOTS) and all(0 <= tries <= TRIES for tries in left)
    if not whole or not known or seq < _FIRST_SEQ:
        return None
    sides: tuple[Slot, Slot] = ("A", "B") if order == "AB" else ("B", "A")
    return Slots(seq=seq, order=sides, left=left, trial=None if trial == "-" else "A" if trial == "A" else "B")


def read(folder: Path = ESP) -> Slots:
    """The record in force; raises :class:`UpdateError` where neither is whole."""
    found = [record for name in RECORDS if (record := _one(folder / name)) is not None]
    if not found:
        raise UpdateError(f"{folder}: no record says which system starts")
    return max(found, key=lambda record: record.seq)


def write(slots: Slots, folder: Path = ESP) -> Slots:
    """Put the next record in force, over the older one; once this returns it lasts. Raises ``OSError``."""
    ages = [(record.seq if (record := _one(folder / name)) is not None else 0, name) for name in RECORDS]
    newest = max(ages)[0]
    record = replace(slots, seq=max(newest, _FIRST_SEQ) + 1)
    handle = os.open(folder / min(ages)[1], os.O_WRONLY)
    try:
        os.pwrite(handle, encoded(record), 0)
        os.fsync(handle)
    finally:
        os.close(handle)
    return record


def _one(path: Path) -> Slots | None:
    try:
        return decoded(path.read_bytes())
    except OSError:
        return None


def booted(command_line: str) -> Slot | None:
    """The system that runs, by the kernel's command line; None where this is no image."""
    words = command_line.split()
    return next((slot for slot in SLOTS if f"rauc.slot={slot}" in words), None)

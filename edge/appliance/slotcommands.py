"""RAUC's questions about the two systems, answered from the boot record (RAUC's "custom bootloader backend")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

from edge.appliance import slots
from edge.appliance.slots import TRIAL_TRIES, TRIES, Slot, Slots
from edge.errors import UpdateError

COMMAND_LINE = Path("/proc/cmdline")


def running(command_line: Path = COMMAND_LINE) -> Slot | None:
    """The system that runs now; None where this is no image."""
    try:
        return slots.booted(command_line.read_text(encoding="ascii"))
    except OSError:
        return None


def primary(record: Slots) -> Slot:
    """The system that would start next."""
    first, second = record.order
    return first if record.left_of(first) > 0 or record.left_of(second) == 0 else second


def made_primary(record: Slots, slot: Slot, now: Slot | None) -> Slots:
    """A system first; another than the one that runs is on trial until the health gate says good."""
    on_trial = slot != now
    chosen = record.preferring(slot).with_left(slot, TRIAL_TRIES if on_trial else TRIES)
    return replace(chosen, trial=slot if on_trial else None)


def judged(record: Slots, slot: Slot, *, good: bool) -> Slots:
    """A system that proved itself has all its tries again; a bad one has none, and is not the first choice."""
    found = record.with_left(slot, TRIES if good else 0)
    if not good and record.order[0] == slot:
        found = found.preferring(record.order[1])
    return replace(found, trial=None) if record.trial == slot else found


def settled(record: Slots, now: Slot) -> Slots:
    """What a start of the box means: a system that is not on trial has proved that it starts; one that was on trial
    and does not run was given up by GRUB."""
    if record.trial is None:
        return judged(record, now, good=True)
    return record if record.trial == now else judged(judged(record, record.trial, good=False), now, good=True)


def told(record: Slots, now: Slot) -> str:
    """The state in words."""
    other: Slot = "B" if now == "A" else "A"
    trial = f", on trial ({record.left_of(now)} more starts)" if record.trial == now else ""
    back = other if record.left_of(other) > 0 else "nothing, redundancy is lost"
    return f"system {now} runs{trial}; to go back to: {back}"


def answer(words: tuple[str, ...], folder: Path = slots.ESP, command_line: Path = COMMAND_LINE) -> str:
    """One question or order, RAUC's or our units': what is to be printed. Raises :class:`UpdateError` for any other."""
    record, now = slots.read(folder), running(command_line)
    questions: dict[tuple[str, int], Callable[[Slots, tuple[str, ...]], str]] = {
        ("get-primary", 0): lambda record, _: primary(record),
        ("get-current", 0): lambda *_: now or "",
        ("get-state", 1): lambda record, rest: "good" if record.left_of(_slot(rest[0])) > 0 else "bad",
        ("set-primary", 1): lambda record, rest: _put(made_primary(record, _slot(rest[0]), now), folder),
        ("started", 0): lambda record, _: _put(settled(record, _here(now)), folder),
        ("healthy", 0): lambda record, _: _put(judged(record, _here(now), good=True), folder),
        ("status", 0): lambda record, _: told(record, _here(now)),
        ("set-state", 2): lambda record, rest: _put(judged(record, _slot(rest[0]), good=rest[1] == "good"), folder),
    }
    found = questions.get((words[0], len(words) - 1)) if words else None
    if found is None:
        raise UpdateError(f"{' '.join(words)!r}: no such question about the two systems")
    return found(record, words[1:])


def is_on_trial(folder: Path = slots.ESP, command_line: Path = COMMAND_LINE) -> bool:
    """Whether the system that runs has still to prove itself."""
    return slots.read(folder).trial == running(command_line)


def _here(now: Slot | None) -> Slot:
    if now is None:
        raise UpdateError("this box has no two systems: it was not started from an image")
    return now


def _put(record: Slots, folder: Path) -> str:
    slots.write(record, folder)
    return ""


def _slot(name: str) -> Slot:
    for slot in get_args(Slot):
        if name == slot:
            return slot  # type: ignore[no-any-return]
    raise UpdateError(f"{name!r} is neither system A nor B")

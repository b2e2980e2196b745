"""The boot record: of its two sectors one is whole at every instant; what starts, trials and failures make of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from edge.appliance import slots
from edge.appliance.slotcommands import answer, is_on_trial, judged, made_primary, primary, settled, told
from edge.appliance.slots import RECORD_BYTES, RECORDS, SLOTS, TRIAL_TRIES, TRIES, Slots, decoded, encoded
from edge.cli.update import group
from edge.errors import UpdateError

tries = st.integers(0, TRIES)
records = st.builds(
    Slots,
    seq=st.integers(10_000_000, 99_999_999),
    order=st.sampled_from((("A", "B"), ("B", "A"))),
    left=st.tuples(tries, tries),
    trial=st.sampled_from((None, *SLOTS)),
)


@pytest.fixture
def esp(tmp_path: Path) -> Path:
    for name in RECORDS:
        (tmp_path / name).write_bytes(encoded(Slots()))
    return tmp_path


@pytest.fixture
def runs_a(tmp_path: Path) -> Path:
    path = tmp_path / "cmdline"
    path.write_text("BOOT_IMAGE=(hd0,gpt2)/vmlinuz root=PARTLABEL=pems-a ro rauc.slot=A quiet")
    return path


@given(record=records)
def test_a_record_fills_one_sector_in_grubs_own_format_and_says_what_was_written(record):
    raw = encoded(record)
    assert len(raw) == RECORD_BYTES
    assert raw.startswith(b"# GRUB Environment Block\nseq=")
    assert decoded(raw) == record


@given(old=records, new=records, cut=st.integers(0, RECORD_BYTES))
def test_a_torn_sector_is_the_old_record_the_new_one_or_none(old, new, cut):
    found = decoded(encoded(new)[:cut] + encoded(old)[cut:])
    assert found is None or found in (old, new) or found.seq == old.seq == new.seq


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"#" * RECORD_BYTES,
        b"\xff" * RECORD_BYTES,
        encoded(Slots())[:-1],
        encoded(Slots()).replace(b"a_left=3", b"a_left=9"),
        encoded(Slots()).replace(b"order=AB", b"order=AA"),
        encoded(Slots()).replace(b"trial=-", b"trial=C"),
        encoded(replace(Slots(), seq=7)),
    ],
)
def test_what_is_no_record_is_none(raw):
    assert decoded(raw) is None


def test_the_older_record_is_overwritten_and_the_newest_whole_one_counts(esp):
    first = slots.write(replace(Slots(), order=("B", "A")), esp)
    second = slots.write(replace(Slots(), trial="B"), esp)
    assert second.seq == first.seq + 1
    assert slots.read(esp) == second
    newest = next(name for name in RECORDS if decoded((esp / name).read_bytes()) == second)
    (esp / newest).write_bytes(b"#" * RECORD_BYTES)
    assert slots.read(esp) == first
    third = slots.write(Slots(), esp)
    assert third.seq == first.seq + 1


def test_without_a_whole_record_there_is_an_error_and_the_next_write_mends_it(esp):
    for name in RECORDS:
        (esp / name).write_bytes(b"")
    with pytest.raises(UpdateError, match="no record says which system starts"):
        slots.read(esp)
    written = slots.write(Slots(), esp)
    assert slots.read(esp) == written


def test_killed_at_any_instant_a_writer_leaves_one_of_its_records(esp):
    loop = textwrap.dedent(f"""
        from dataclasses import replace
        from pathlib import Path
        from edge.appliance import slots
        esp = Path({str(esp)!r})
        print("ready", flush=True)
        while True:
            slots.write(replace(slots.read(esp), trial="B"), esp)
    """)
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", loop], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        writer.stdout.close()
        before = slots.read(esp).seq
        while slots.read(esp).seq < before + 20:
            assert writer.poll() is None
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        assert slots.read(esp).seq >= before + 20


def test_the_running_system_is_on_the_kernels_command_line(runs_a, tmp_path):
    assert slots.booted(runs_a.read_text()) == "A"
    assert slots.booted("root=/dev/sda1 rauc.slot=AB") is None
    with pytest.raises(UpdateError, match="not started from an image"):
        answer(("started",), _written(tmp_path, Slots()), tmp_path / "nothing")


def _written(folder: Path, record: Slots) -> Path:
    for name in RECORDS:
        (folder / name).write_bytes(encoded(record))
    return folder


def test_an_update_goes_on_trial_and_a_good_start_of_it_ends_the_trial(esp, runs_a):
    def ask(*words: str) -> str:
        return answer(words, esp, runs_a)

    assert (ask("get-primary"), ask("get-current"), ask("get-state", "B")) == ("A", "A", "good")
    ask("set-state", "B", "bad")  # as RAUC does before it writes to a system
    assert (ask("get-primary"), ask("get-state", "B")) == ("A", "bad")
    ask("set-primary", "B")
    assert ask("get-primary") == "B"
    assert slots.read(esp).left == (TRIES, TRIAL_TRIES)
    assert not is_on_trial(esp, runs_a)
    assert "to go back to: B" in ask("status")
    runs_a.write_text("rauc.slot=B")
    ask("started")
    assert is_on_trial(esp, runs_a)
    assert "on trial (2 more starts)" in ask("status")
    ask("healthy")
    assert not is_on_trial(esp, runs_a)
    assert slots.read(esp).left == (TRIES, TRIES)
    assert ask("get-primary") == "B"


def test_a_system_given_up_by_the_boot_loader_is_bad_and_redundancy_is_reported_lost(esp, runs_a):
    answer(("set-primary", "B"), esp, runs_a)
    record = slots.read(esp)
    slots.write(record.with_left("B", 0), esp)  # GRUB counted two starts, then took A
    answer(("started",), esp, runs_a)
    assert slots.read(esp).trial is None
    assert slots.read(esp).order == ("A", "B")
    assert answer(("status",), esp, runs_a) == "system A runs; to go back to: nothing, redundancy is lost"


def test_a_start_that_is_no_trial_gives_all_tries_back():
    worn = replace(Slots(), left=(1, TRIES))
    assert settled(worn, "A").left == (TRIES, TRIES)


@given(record=records, slot=st.sampled_from(SLOTS), now=st.sampled_from(SLOTS))
def test_whatever_happens_something_is_to_start(record, slot, now):
    for after in (
        made_primary(record, slot, now),
        judged(record, slot, good=True),
        judged(record, slot, good=False),
        settled(record, now),
    ):
        assert primary(after) in SLOTS
        assert decoded(encoded(after)) == after
        assert told(after, now).startswith(f"system {now} runs")
    assert primary(made_primary(record, slot, now)) == slot
    assert judged(record, slot, good=False).order[0] != slot
    assert settled(record, now).left_of(now) == (record.left_of(now) if record.trial == now else TRIES)


@pytest.mark.parametrize("words", [(), ("get-state",), ("get-state", "C"), ("set-primary", "a"), ("eat",)])
def test_other_questions_are_refused(esp, runs_a, words):
    with pytest.raises(UpdateError):
        answer(words, esp, runs_a)


def test_a_box_without_two_systems_says_so():
    assert not is_image()
    result = CliRunner().invoke(group, ["slots", "status"])
    assert isinstance(result.exception, UpdateError)
    whole = CliRunner().invoke(group, ["install", "any.raucb"])
    assert isinstance(whole.exception, UpdateError)
    assert "installs releases" in str(whole.exception)


def is_image() -> bool:
    return slots.booted(Path("/proc/cmdline").read_text()) is not None

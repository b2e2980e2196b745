"""The plug is pulled: real processes' writes on a real ext4, and every disk that they could leave."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.bench_appliance import cutrows, recorded
from edge.bench_appliance.blocklog import KINDS
from edge.bench_appliance.keys import Password
from edge.bench_appliance.models import Models
from edge.bench_appliance.powercut import Verdict, pull
from edge.bench_appliance.releases import Releases
from edge.bench_appliance.telemetry import Telemetry
from edge.errors import StoreError
from edge.files import replace_whole

REASON = recorded.missing()
needs_disks = pytest.mark.skipif(bool(REASON), reason=REASON)


@dataclass(frozen=True)
class Setting:
    """A file replaced some times; without ``synced`` the new one is renamed into place and nothing more."""

    synced: bool
    times: int = 9
    name: str = "a setting"
    disk: recorded.Disk = recorded.EXT4

    def prepare(self, root: Path) -> None:
        replace_whole(root / "setting", b"0" * 600)

    def work(self, root: Path, done) -> None:
        for number in range(1, 1 + self.times):
            content = str(number).encode() * 600
            if self.synced:
                replace_whole(root / "setting", content)
            else:
                (root / "draft").write_bytes(content)
                (root / "draft").replace(root / "setting")
            done()
        os.sync()

    def judge(self, root: Path, done_count: int) -> Verdict:
        content = (root / "setting").read_bytes()
        allowed = [str(number).encode() * 600 for number in (done_count, done_count + 1)]
        return Verdict(findings=() if content in allowed else (f"after {done_count}: {content[:1]!r}",))


@needs_disks
def test_a_file_replaced_whole_survives_every_cut_and_a_bare_rename_is_found_out():
    with recorded.workplace() as folder:
        safe = pull(Setting(synced=True), folder, stride=3)
    with recorded.workplace() as folder:
        unsafe = pull(Setting(synced=False, times=2), folder)
    assert safe.findings == ()
    assert set(safe.judged) == set(KINDS)
    assert any("a setting, cache lost" in finding for finding in unsafe.findings)


@needs_disks
def test_a_tenth_of_the_cuts_of_telemetry_loses_no_more_than_five_minutes():
    with recorded.workplace() as folder:
        tally = pull(Telemetry(minutes_count=17), folder, stride=10)
    assert tally.findings == ()
    assert tally.skipped_count == pytest.approx(9 * tally.state_count, abs=4 * 9)
    assert tally.lost_s == 300.0


@pytest.mark.appliance
@needs_disks
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "writer", [Telemetry(minutes_count=20), Models(), Releases(), Password()], ids=lambda writer: writer.name
)
def test_no_cut_at_any_write_loses_what_was_acknowledged(writer):
    with recorded.workplace() as folder:
        tally = pull(writer, folder)
    assert tally.findings == ()
    assert (tally.skipped_count, tally.write_count > 20) == (0, True)


@needs_disks
def test_a_sample_of_the_cuts_of_an_update_of_the_release_leaves_one_that_is_whole():
    with recorded.workplace() as folder:
        tally = pull(Releases(), folder, stride=25)
    assert tally.findings == ()
    assert (set(tally.judged), tally.write_count > 50) == (set(KINDS), True)


@needs_disks
def test_the_rows_tell_writes_disks_and_loss(monkeypatch):
    monkeypatch.setattr(cutrows, "WRITERS", (Telemetry(minutes_count=3),))
    broken, lost = cutrows.rows(stride=20)
    assert (broken.value, broken.ok, broken.target) == (0.0, True, "0")
    assert "each 20th state of telemetry and journal" in broken.name
    assert broken.reference_value > 0
    assert lost.value in (0.0, 60.0, 120.0, 180.0)
    assert (lost.reference_value, lost.ok) == (300.0, True)


def test_a_tool_that_fails_is_told_in_its_own_words():
    with pytest.raises(StoreError, match=r"(?s)e2fsck -fn /nowhere.*No such file"):
        recorded.call("e2fsck", "-fn", "/nowhere")


def test_without_the_tools_nothing_is_recorded(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert "qemu-storage-daemon" in recorded.missing()
    with pytest.raises(StoreError, match="not installed"), recorded.workplace():
        pass

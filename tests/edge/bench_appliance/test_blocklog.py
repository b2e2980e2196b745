"""The log of a disk's writes: its format, and the states that a power cut can leave."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bench_appliance.blocklog import KINDS, MAGIC, SECTOR_BYTES, Write, cuts, epochs
from edge.errors import StoreError

FLUSH, DISCARD = 1, 4


def entry(sector: int, data: bytes = b"", flags: int = 0, sectors: int | None = None) -> bytes:
    count = len(data) // SECTOR_BYTES if sectors is None else sectors
    return struct.pack("<QQQQ", sector, count, flags, 0).ljust(SECTOR_BYTES, b"\0") + data


def log(*entries: bytes, magic: int = MAGIC, sector_bytes: int = SECTOR_BYTES) -> bytes:
    # dm-log-writes.c: struct log_write_super {magic, version, nr_entries, sectorsize}; its count is left behind here.
    return struct.pack("<QQQI", magic, 1, 0, sector_bytes).ljust(SECTOR_BYTES, b"\0") + b"".join(entries)


def filled(byte: int, sectors: int = 1) -> bytes:
    return bytes([byte]) * (SECTOR_BYTES * sectors)


def applied(image: bytes, patches: object) -> bytes:
    disk = bytearray(image)
    for offset, data in patches:
        disk[offset : offset + len(data)] = data
    return bytes(disk)


def test_writes_between_two_flushes_are_one_epoch_and_what_follows_the_last_flush_is_the_open_one():
    raw = log(entry(2, filled(1)), entry(4, filled(2, 2)), entry(0, flags=FLUSH), entry(9, filled(3)))
    first, last = epochs(raw)
    assert [(write.offset_bytes, len(write.data)) for write in first.writes] == [(1024, 512), (2048, 1024)]
    assert [write.offset_bytes for write in last.writes] == [9 * 512]
    assert first.writes[1].log_bytes == 512 + (512 + 512) + (512 + 1024)
    assert first.log_bytes == first.writes[1].log_bytes + 512 - 1
    assert last.log_bytes == len(raw)


def test_a_discard_has_no_data_in_the_log_and_reads_as_zeros():
    (only,) = epochs(log(entry(8, flags=DISCARD, sectors=2), entry(1, filled(7))))
    assert [(write.offset_bytes, write.data) for write in only.writes] == [(4096, bytes(1024)), (512, filled(7))]


def test_a_flush_without_writes_since_the_last_one_is_an_epoch_of_nothing():
    first, last = epochs(log(entry(0, flags=FLUSH)))
    assert (first.writes, last.writes) == ((), ())
    assert [cut.kind for cut in cuts(first, seed=0)] == ["cache lost"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"short", "no superblock"),
        (log(magic=1), "not a log"),
        (log(sector_bytes=4096), "4096 bytes"),
        (log(entry(0, filled(1, 2)))[:-1], "within a write"),
    ],
)
def test_what_is_no_whole_log_is_refused(raw, reason):
    with pytest.raises(StoreError, match=reason):
        epochs(raw)


def test_the_states_of_three_sectors_are_those_that_can_be_counted_by_hand():
    (epoch,) = epochs(log(entry(0, filled(1)), entry(1, filled(2, 2))))
    states = [(cut.kind, applied(bytes(4 * 512), cut.patches)[::512]) for cut in cuts(epoch, seed=1)]
    assert states[:-1] == [
        ("cache lost", bytes([0, 0, 0, 0])),
        ("prefix", bytes([1, 0, 0, 0])),
        ("torn", bytes([1, 2, 0, 0])),
        ("prefix", bytes([1, 2, 2, 0])),
    ]
    assert states[-1][0] == "scattered"


writes = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4), st.integers(1, 255)), min_size=1, max_size=8)


@given(told=writes, seed=st.integers(0, 1000))
def test_no_state_holds_anything_that_was_not_written_there(told, seed):
    (epoch,) = epochs(log(*(entry(sector, filled(byte, count)) for sector, count, byte in told)))
    allowed = [{0} for _ in range(16)]
    for sector, count, byte in told:
        for index in range(sector, sector + count):
            allowed[index].add(byte)
    disk = applied(bytes(16 * 512), [(w.offset_bytes, w.data) for w in epoch.writes])
    seen = list(cuts(epoch, seed))
    for cut in seen:
        state = applied(bytes(16 * 512), cut.patches)
        for index in range(16):
            sector = state[index * 512 : (index + 1) * 512]
            assert sector == filled(sector[0])
            assert sector[0] in allowed[index]
    assert {cut.kind for cut in seen} <= set(KINDS)
    assert [cut for cut in seen if cut.kind == "prefix"][-1].patches == tuple(
        (write.offset_bytes, write.data) for write in epoch.writes
    )
    assert applied(bytes(16 * 512), [c for c in seen if c.kind == "prefix"][-1].patches) == disk


@given(told=writes, seed=st.integers(0, 1000))
def test_a_cut_demands_only_what_was_acknowledged_before_it(told, seed):
    raw = log(*(entry(sector, filled(byte, count)) for sector, count, byte in told), entry(0, flags=FLUSH))
    first, _ = epochs(raw)
    flush_in = len(raw)
    for cut in cuts(first, seed):
        assert cut.log_bytes < flush_in
    torn = [cut for cut in cuts(first, seed) if cut.kind == "torn"]
    assert all(sum(len(data) for _, data in cut.patches) % SECTOR_BYTES == 0 for cut in torn)


def test_a_part_of_a_write_lies_where_its_sectors_do():
    write = Write(offset_bytes=1024, data=filled(1) + filled(2) + filled(3), log_bytes=0)
    assert write.sector_count == 3
    assert write.part(1, 2) == (1536, filled(2) + filled(3))

"""Tables: what is read is what stands there; what cannot be read is named with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import StoreError
from edge.ingest.table import Table, read_table, write_csv
from edge.timetext import format_time, parse_time_s

GOOD = "time_utc,pv_w,load_w\n2024-06-01T00:00:00Z,1,\n2024-06-01T00:15:00Z,2.5,7\n2024-06-01T00:45:00Z,3,8\n"


def make(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(text)
    return path


def test_an_empty_field_is_missing_and_a_missing_row_too(tmp_path: Path) -> None:
    frame = read_table(make(tmp_path, GOOD)).frame()
    assert frame.grid.slot_s == 900
    assert frame.grid.count == 4
    assert np.isnan(frame.column("load_w")[0])
    assert np.isnan(frame.column("pv_w")[2])
    assert frame.column("pv_w")[3] == 3.0


def test_a_time_without_zone_is_utc_and_an_offset_counts(tmp_path: Path) -> None:
    assert parse_time_s("2024-06-01T00:00:00") == parse_time_s("2024-06-01T02:00:00+02:00") == 1717200000.0
    assert format_time(1717200000.0) == "2024-06-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column time_utc"),
        ("a,b\n1,2\n", "no column time_utc"),
        ("time_utc,pv_w\n", "is empty"),
        ("time_utc,pv_w\nyesterday,2\n", "line 2.*yesterday"),
        ("time_utc,pv_w\n2024-06-01,2\n2024-06-02,x\n", "line 3, pv_w: 'x'"),
        ("time_utc,pv_w\n2024-06-01,2,3\n", "line 2 has 3 fields"),
        ("time_utc;pv_w\n2024-06-01;2\n", "separated by semicolons; commas"),
        ("time_utc\tpv_w\n2024-06-01\t2\n", "separated by tabs; commas"),
        ("time_utc,pv_w\n9999-12-31T23:59:59-05:00,2\n", "line 2: .* from 1970 to 9998"),
        ("time_utc,pv_w\n0001-01-01T00:00:00+05:00,2\n", "line 2: .* from 1970 to 9998"),
        ("time_utc,pv_w\n1969-12-31T23:59:59,2\n", "line 2: .* from 1970 to 9998"),
        ("time_utc,pv_w\n12024-01-01,2\n", "line 2: .* from 1970 to 9998"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        read_table(make(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time_utc,pv_w\n2024-06-01T00:15,2\n2024-06-01T00:00,2\n2024-06-01T00:30,2\n2024-06-01T00:45,2\n", "row 2"),
        ("time_utc,pv_w\n2024-06-01T00:15,2\n2024-06-01T00:15,2\n", "row 2"),
        ("time_utc,pv_w\n2024-06-01T00:01,2\n2024-06-01T00:16,2\n", "slots of 900"),
        ("time_utc,pv_w\n2024-06-01T00:01,2\n", "two rows"),
        (GOOD + "9998-06-01T00:00:00Z,1,1\n", "row 4, 9998-06-01T00:00:00Z, is more than 10,000,000 slots"),
    ],
)
def test_times_off_the_grid_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        read_table(make(tmp_path, text)).frame()


def test_no_file_and_no_text_are_errors_of_ours(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        read_table(tmp_path / "none.csv")
    for odd in (tmp_path, Path("/dev/null")):
        with pytest.raises(StoreError, match=f"{odd}: is not a regular file"):
            read_table(odd)
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StoreError, match="cannot be read"):
        read_table(tmp_path / "b.csv")


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert list(read_table(tmp_path / "bom.csv").columns) == ["pv_w", "load_w"]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    times = np.array([0.0, 900.0])
    write_csv(tmp_path / "o.csv", times, {"pv_w": [1.25, float("nan")]})
    table = read_table(tmp_path / "o.csv")
    assert table.times_s.tolist() == [0.0, 900.0]
    assert table.columns["pv_w"][0] == 1.25
    assert np.isnan(table.columns["pv_w"][1])


def test_parquet_without_pyarrow_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="needs pyarrow"):
        read_table(tmp_path / "t.parquet")


@pytest.mark.training
class TestParquet:
    def test_timestamps_and_texts_are_read(self, tmp_path: Path) -> None:
        import pandas as pd

        times = pd.date_range("2024-06-01", periods=3, freq="15min", tz="UTC")
        frame = pd.DataFrame({"time_utc": times, "pv_w": [1.0, None, 3.0], "note": ["a", "b", "c"]})
        frame.to_parquet(tmp_path / "t.parquet")
        table = read_table(tmp_path / "t.parquet")
        assert table.times_s[0] == 1717200000.0
        assert np.isnan(table.columns["pv_w"][1])
        assert list(table.columns) == ["pv_w"]
        frame.assign(time_utc=times.strftime("%Y-%m-%dT%H:%M:%SZ")).to_parquet(tmp_path / "u.parquet")
        assert read_table(tmp_path / "u.parquet").times_s.tolist() == table.times_s.tolist()

    def test_broken_files_are_named(self, tmp_path: Path) -> None:
        import pandas as pd

        (tmp_path / "t.parquet").write_bytes(b"PAR1garbage")
        with pytest.raises(StoreError, match="cannot be read"):
            read_table(tmp_path / "t.parquet")
        pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "t.parquet")
        with pytest.raises(StoreError, match="no column"):
            read_table(tmp_path / "t.parquet")
        pd.DataFrame({"time_utc": [pd.Timestamp("2024-06-01"), pd.NaT]}).to_parquet(tmp_path / "t.parquet")
        with pytest.raises(StoreError, match="row 2 has no time from 1970 to 9998"):
            read_table(tmp_path / "t.parquet")
        pd.DataFrame({"time_utc": ["soon"]}).to_parquet(tmp_path / "t.parquet")
        with pytest.raises(StoreError, match="soon"):
            read_table(tmp_path / "t.parquet")


def test_a_table_of_two_distances_is_refused_but_gaps_are_not(tmp_path):
    quarters, minutes = [900 * k for k in range(40)], [36_000 + 60 * k for k in range(200)]
    mixed = Table(source="mixed.csv", times_s=np.array(quarters + minutes, dtype=float), columns={})
    with pytest.raises(
        StoreError, match="from row 1 on rows are 900 s apart, most are 60 s; bring them to one distance"
    ):
        mixed.frame()
    with_gaps = np.array([60.0 * k for k in range(400) if k % 50 < 40])
    assert Table(source="gaps.csv", times_s=with_gaps, columns={}).frame().grid.count == 390

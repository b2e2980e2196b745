"""Files of all kinds through the extractor: bad rows are named and counted, what is on disk is not read again."""

import numpy as np
import pandas as pd
import pytest
from extraction import extract, rows

from core_kernels.flags import Flag
from training.errors import SetupError, TrainingError

pytestmark = pytest.mark.training

START_S = 1_672_531_200
DAY_S = 86_400
SPAN = (START_S, START_S + DAY_S)


def table(slots=96, **columns):
    times = pd.to_datetime(START_S + 900 * np.arange(slots), unit="s", utc=True)
    return pd.DataFrame({"time_utc": times, **(columns or {"pv_w": 100.0 + np.arange(slots)})})


def test_a_parquet_of_our_own_names_needs_no_mapping(tmp_path):
    table(pv_w=np.arange(96.0), strange=1.0).to_parquet(tmp_path / "house.parquet")
    found = extract([str(tmp_path / "house.parquet")], None, tmp_path / "cache", SPAN)
    assert found.column("pv_w").tolist() == list(range(96))
    assert [text.rpartition(": ")[2] for text in found.unmapped] == ["strange"]


def test_csv_parquet_a_folder_and_memory_say_the_same(tmp_path):
    import fsspec

    data = table()
    folder = tmp_path / "folder"
    folder.mkdir()
    data[:40].to_csv(folder / "a.csv", index=False)
    data[40:].to_parquet(folder / "b.parquet")
    data.to_csv(tmp_path / "all.csv.gz", index=False)
    with fsspec.open("memory://there/house.csv", "w") as file:
        data.to_csv(file, index=False)
    places = [str(folder), f"file://{folder}", str(tmp_path / "all.csv.gz"), "memory://there/house.csv"]
    for place in places:
        found = extract([place], None, tmp_path / "cache", SPAN)
        assert found.column("pv_w").tolist() == data["pv_w"].tolist(), place


def test_rows_twice_and_backwards_are_counted_and_flagged(tmp_path):
    data = table()
    later = data[20:21].assign(pv_w=7.0)
    pd.concat([data[:30], later, data[30:]]).to_csv(tmp_path / "t.csv", index=False)
    found = extract([str(tmp_path / "t.csv")], None, tmp_path / "cache", SPAN)
    counts = found.counts("pv_w")
    assert (counts.rows, counts.duplicate, counts.backwards) == (97, 1, 1)
    assert found.column("pv_w")[20] == 7.0
    assert found.flags("pv_w")[20] & int(Flag.DUPLICATE)


def test_local_time_without_a_zone_is_refused_until_the_zone_is_said(tmp_path):
    local = pd.date_range("2023-10-28", "2023-10-30", freq="15min", inclusive="left", tz="Europe/Prague")
    data = pd.DataFrame({"clock": local.tz_localize(None).astype(str), "pv_w": np.arange(float(len(local)))})
    data.to_csv(tmp_path / "t.csv", index=False)
    span = (local[0].timestamp(), local[-1].timestamp() + 900)
    with pytest.raises(SetupError, match="times without a zone"):
        extract([f"{tmp_path}/t.csv?time=clock"], None, tmp_path / "cache", span)
    found = extract([f"{tmp_path}/t.csv?time=clock&zone=Europe/Prague"], None, tmp_path / "cache", span)
    assert "8 rows" in found.notes[0]
    column = found.column("pv_w")
    unknown = np.isnan(column)
    assert unknown.sum() == 8
    assert np.array_equal(column[~unknown], np.arange(196.0)[~unknown])


def test_a_column_without_values_and_texts_are_missing(tmp_path):
    data = table(pv_w=np.where(np.arange(96) == 5, np.nan, 1.0), load_w=np.nan).astype({"pv_w": object})
    data.loc[7, "pv_w"] = "error"
    data.to_csv(tmp_path / "t.csv", index=False)
    found = extract([str(tmp_path / "t.csv")], None, tmp_path / "cache", SPAN)
    assert np.isnan(found.column("load_w")).all()
    assert np.flatnonzero(np.isnan(found.column("pv_w"))).tolist() == [5, 7]
    assert found.counts("pv_w").no_value == 2


def test_the_second_run_reads_from_disk_and_a_changed_file_is_read_again(tmp_path):
    place = tmp_path / "t.parquet"
    table().to_parquet(place)
    extract([str(place)], None, tmp_path / "cache", SPAN)
    parts = sorted((tmp_path / "cache").rglob("*.npz"))
    stamps = [part.stat().st_mtime_ns for part in parts]
    extract([str(place)], None, tmp_path / "cache", SPAN)
    assert [part.stat().st_mtime_ns for part in parts] == stamps
    table(pv_w=np.full(96, 3.0), load_w=1.0).to_parquet(place)
    found = extract([str(place)], None, tmp_path / "cache", SPAN)
    assert np.all(found.column("pv_w") == 3.0)


def test_a_damaged_part_is_read_again(tmp_path):
    table().to_parquet(tmp_path / "t.parquet")
    extract([str(tmp_path / "t.parquet")], None, tmp_path / "cache", SPAN)
    for part in (tmp_path / "cache").rglob("*.npz"):
        part.write_bytes(part.read_bytes()[:100])
    found = extract([str(tmp_path / "t.parquet")], None, tmp_path / "cache", SPAN)
    assert found.column("pv_w")[-1] == 195.0


def test_chunks_are_seamless(tmp_path):
    times_s = START_S - 3600 + np.cumsum(np.random.default_rng(3).uniform(100.0, 400.0, 40_000))
    data = pd.DataFrame({"time_utc": pd.to_datetime(times_s, unit="s", utc=True)})
    data["temp_air_c"] = 10.0 + np.sin(times_s / 9000.0)
    data["grid_import_wh"] = np.cumsum(np.full(times_s.size, 20.0))
    data.to_parquet(tmp_path / "t.parquet")
    import dataclasses

    from extraction import QUICK

    span = (START_S, START_S + 90 * DAY_S)
    whole = dataclasses.replace(QUICK, chunk_s=1000 * DAY_S)
    small = dataclasses.replace(QUICK, chunk_s=3 * DAY_S)
    one = extract([str(tmp_path / "t.parquet")], None, tmp_path / "one", span, whole)
    many = extract([str(tmp_path / "t.parquet")], None, tmp_path / "many", span, small)
    assert len(many.chunks) > 29
    for name in one.signals:
        assert many.column(name) == pytest.approx(one.column(name), rel=1e-9, nan_ok=True)


def test_the_table_that_is_written_is_the_one_that_training_reads(tmp_path):
    from zoneinfo import ZoneInfo

    from training.read import read_series

    table(pv_w=np.arange(96.0), load_w=200.0).to_csv(tmp_path / "t.csv", index=False)
    found = extract([str(tmp_path / "t.csv")], None, tmp_path / "cache", SPAN)
    found.write(tmp_path / "out.parquet")
    series = read_series(tmp_path / "out.parquet", ZoneInfo("UTC"))
    assert series.frame.column("pv_w").tolist() == list(range(96))
    assert series.frame.grid.start_s == START_S
    with pytest.raises(SetupError, match=r"written as \.parquet"):
        found.write(tmp_path / "out.csv")
    with pytest.raises(SetupError, match="cannot be written"):
        found.write(tmp_path / "no" / "out.parquet")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nowhere.parquet", "no such file"),
        ("empty.csv", "no column time_utc"),
        ("text.parquet", "cannot be read"),
        ("nothing://there/t.csv", "nothing"),
        ("influxdb://host", "needs a host and a database"),
        ("influxdb://host:port/home", "influxdb"),
        ("victoriametrics://", "needs a host"),
        ("store:///nowhere.sqlite", "no such file"),
    ],
)
def test_a_place_that_cannot_be_read_is_a_setup_error(tmp_path, place, words):
    (tmp_path / "empty.csv").write_text("a,b\n1,2\n")
    (tmp_path / "text.parquet").write_text("no parquet")
    url = place if "://" in place else str(tmp_path / place)
    with pytest.raises(SetupError, match=words):
        extract([url], rows(pv_w=("a", "W")), tmp_path / "cache", SPAN)


def test_a_span_without_slots_and_a_store_without_signals_are_named(tmp_path):
    table(strange=1.0).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(SetupError, match="holds no slot"):
        extract([str(tmp_path / "t.parquet")], None, tmp_path / "cache", (START_S, START_S))
    with pytest.raises(TrainingError, match="no signal was found in any store"):
        extract([str(tmp_path / "t.parquet")], None, tmp_path / "cache", SPAN)

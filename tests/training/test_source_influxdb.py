"""InfluxDB 1.6 of Debian, really: a year of 20 signals, tags, bad input, wrong credentials, a server that dies."""

import numpy as np
import pytest
from extraction import QUICK, extract, extract_by_command, listed, rows
from stores import YEAR_START_S, influx_query, influx_write, made_year, running, start_influxdb

from core_kernels.flags import Flag
from training.errors import SetupError, TrainingError

pytestmark = [pytest.mark.training, pytest.mark.services]

NAMES = [f"s{i:02d}" for i in range(20)]
DAY_S = 86_400
YEAR = ("--from", "2023-01-01", "--until", "2024-01-01")
SPAN = (YEAR_START_S, YEAR_START_S + 365 * DAY_S)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(start_influxdb(tmp_path_factory.mktemp("influx"))) as server:
        for name in ("home", "empty", "bad"):
            influx_query(server, f"CREATE DATABASE {name}")
        yield server


@pytest.fixture(scope="module")
def year(server):
    """A year of 20 fields at 15 min, rooms beside them."""
    times_s, columns = made_year(NAMES)
    texts = [[f"{name}={value}" for value in columns[name].tolist()] for name in NAMES]
    ends = [f" {int(time_s)}" for time_s in times_s]
    influx_write(server, "home", ["solar " + ",".join(row) + end for *row, end in zip(*texts, ends, strict=True)])
    few = [
        f"temperature,room={room},tag1=air temperature={20 + i} {int(t)}"
        for i, room in enumerate(("kitchen", "bath\\ 2"))
        for t in times_s[:96]
    ]
    influx_write(server, "home", few)
    return times_s, columns


def url(server, database="home", credentials="", options=""):
    return f"influxdb://{credentials}127.0.0.1:{server.port}/{database}{options}"


def test_a_year_of_twenty_signals_comes_back_as_it_was_written(server, year, tmp_path):
    signals = {f"room_{name}_c": f"solar.{name}" for name in NAMES}
    found = extract_by_command(url(server), signals, tmp_path, YEAR)
    for name in NAMES:
        assert found[f"room_{name}_c"] == pytest.approx(year[1][name], abs=1e-9)


def test_a_room_is_a_tag_and_a_star_finds_them_all(server, year, tmp_path):
    labels = {field.label for field in listed(url(server))}
    assert "temperature.temperature[room=bath 2,tag1=air]" in labels
    mapping = rows(**{"room_*_c": ("temperature.temperature[room=*]", "degC")})
    found = extract([url(server)], mapping, tmp_path, (YEAR_START_S, YEAR_START_S + DAY_S))
    assert found.signals == ("room_bath_2_c", "room_kitchen_c")
    assert np.all(found.column("room_bath_2_c") == 21.0)


def test_a_field_of_two_series_is_ambiguous_and_not_read(server, year, tmp_path):
    mapping = rows(temp_air_c=("temperature.temperature", "degC"), pv_w=("solar.s00", "W"), load_w=("solar.no", "W"))
    found = extract([url(server)], mapping, tmp_path, (YEAR_START_S, YEAR_START_S + DAY_S))
    assert found.signals == ("pv_w",)
    assert "temp_air_c: temperature.temperature may be" in found.ambiguous[0]
    assert found.absent == ("load_w: solar.no is in no store",)
    assert any(text.endswith("solar.s07") for text in found.unmapped)


def test_unit_sign_and_terms_lead_to_our_convention(server, year, tmp_path):
    terms = [{"field": "solar.s01", "unit": "kW"}, {"field": "solar.s02", "unit": "kW", "sign": -1}]
    mapping = rows(grid_w={"terms": terms}, temp_air_c=("solar.s03", "degF"))
    found = extract([url(server)], mapping, tmp_path, (YEAR_START_S, YEAR_START_S + DAY_S))
    expected = 1000.0 * (year[1]["s01"] - year[1]["s02"])[:96]
    assert found.column("grid_w") == pytest.approx(expected, abs=1e-6)
    assert found.column("temp_air_c") == pytest.approx((year[1]["s03"][:96] - 32.0) / 1.8, abs=1e-9)


def test_an_empty_database_is_one_clear_line(server, tmp_path):
    with pytest.raises(TrainingError, match="no signal was found in any store\npv_w: solar.x is in no store"):
        extract([url(server, "empty")], rows(pv_w=("solar.x", "W")), tmp_path, SPAN)


def test_a_database_that_does_not_exist_is_a_setup_error(server, tmp_path):
    with pytest.raises(SetupError, match="database not found: nowhere"):
        extract([url(server, "nowhere")], rows(pv_w=("solar.x", "W")), tmp_path, SPAN)


def test_sentinels_texts_and_a_column_without_values_are_counted_not_filled(server, tmp_path):
    lines = [f"m pv={-1e6 if 10 <= i < 14 else 500.0 + i},dead=0 {YEAR_START_S + 900 * i}" for i in range(96)]
    influx_write(server, "bad", lines)
    mapping = rows(
        pv_w={"field": "m.pv", "unit": "W", "missing": [-1e6]}, load_w=("m.pv", "W"), battery_c=("m.dead", "degC")
    )
    found = extract([url(server, "bad")], mapping, tmp_path, (YEAR_START_S, YEAR_START_S + DAY_S))
    assert found.counts("pv_w").sentinel == 4
    assert found.counts("load_w").out_of_range == 4
    assert np.flatnonzero(np.isnan(found.column("pv_w"))).tolist() == [10, 11, 12, 13]
    assert np.isnan(found.column("load_w")[10:14]).all()
    assert (found.flags("load_w")[10:14] & int(Flag.RANGE)).all()
    assert found.counts("battery_c").stuck == 96


def test_wrong_credentials_are_a_setup_error_without_the_password(tmp_path, monkeypatch):
    folder = tmp_path / "locked"
    folder.mkdir()
    with running(start_influxdb(folder, auth=True)) as locked:
        influx_query(locked, "CREATE USER owner WITH PASSWORD 'right' WITH ALL PRIVILEGES")
        influx_query(locked, "CREATE DATABASE home", u="owner", p="right")
        influx_write(locked, "home", [f"m v=5 {YEAR_START_S + 900 * i}" for i in range(96)], u="owner", p="right")
        mapping, span = rows(pv_w=("m.v", "W")), (YEAR_START_S, YEAR_START_S + DAY_S)
        with pytest.raises(SetupError, match="wrong credentials") as refused:
            extract([url(locked, credentials="owner:leaky@")], mapping, tmp_path / "cache", span)
        assert "leaky" not in str(refused.value)
        monkeypatch.setenv("SECRET", "right")
        found = extract(
            [url(locked, credentials="owner@", options="?password_env=SECRET")], mapping, tmp_path / "cache", span
        )
        assert np.all(found.column("pv_w") == 5.0)


def test_a_server_that_dies_leaves_a_partial_result_that_the_next_run_completes(tmp_path):
    folder, cache = tmp_path / "mortal", tmp_path / "cache"
    folder.mkdir()
    mapping = rows(pv_w=("m.v", "W"))
    span = (YEAR_START_S, YEAR_START_S + 200 * DAY_S)
    first = start_influxdb(folder)
    try:
        influx_query(first, "CREATE DATABASE home")
        influx_write(first, "home", [f"m v={i % 7} {YEAR_START_S + 900 * i}" for i in range(200 * 96)])
        found = _killed_after(2, first, mapping, cache, span)
    finally:
        first.stop()
    lost = [item for item in found.missing if item.signal == "pv_w"]
    assert len(lost) >= 3
    assert "127.0.0.1" in lost[0].reason
    column = found.column("pv_w")
    kept = np.isfinite(column)
    assert 0 < kept.sum() < column.size
    assert np.array_equal(column[kept], (np.arange(column.size) % 7)[kept])
    with running(start_influxdb(folder, port=first.port)) as again:
        asked = []
        whole = _counted(asked, again, mapping, cache, span)
    assert whole.missing == ()
    assert len(asked) == len(lost)
    assert np.array_equal(whole.column("pv_w"), np.arange(column.size) % 7)


def _killed_after(count, server, mapping, cache, span):
    """Extract with one worker; the server is killed when ``count`` queries are answered."""

    def progress(done, total, text):
        if done == count:
            server.process.kill()
            server.process.wait(30)

    return _with(progress, server, mapping, cache, span)


def _counted(asked, server, mapping, cache, span):
    return _with(lambda done, total, text: asked.append(text), server, mapping, cache, span)


def _with(progress, server, mapping, cache, span):
    import asyncio
    import dataclasses

    from training.cache import PartCache
    from training.extract import UnifiedDataExtractor
    from training.sources.urls import open_source

    async def run():
        settings = dataclasses.replace(QUICK, workers=1)
        extractor = UnifiedDataExtractor([open_source(url(server))], mapping, PartCache(cache), settings, progress)
        try:
            return await extractor.extract(*span)
        finally:
            await extractor.aclose()

    return asyncio.run(run())

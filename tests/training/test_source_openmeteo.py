"""Open-Meteo: answers as its API gives them, recorded and over HTTP; means before their label; the time of issue."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow.parquet
import pytest
from extraction import QUICK, extract, listed, rows

from training.cache import PartCache
from training.errors import SetupError
from training.extract import UnifiedDataExtractor
from training.mapping import load_mapping
from training.sources.base import SourceUnreachable
from training.sources.urls import open_source

pytestmark = pytest.mark.training

START_S = 1_672_531_200
SPAN = (START_S, START_S + 86_400)
MAPPING = Path(__file__).resolve().parents[2] / "training" / "mappings" / "open-meteo.toml"


def answer(first_s=START_S, hours=48, shift=0.0, iso=True):
    """The shape of api.open-meteo.com/v1/forecast?hourly=...&timezone=GMT."""
    times_s = [first_s + 3600 * i for i in range(hours)]
    labels = [datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M") for t in times_s] if iso else times_s
    return {
        "latitude": 49.2,
        "longitude": 16.6,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "hourly_units": {
            "time": "iso8601" if iso else "unixtime",
            "temperature_2m": "°C",
            "cloud_cover": "%",
            "wind_speed_10m": "km/h",
            "shortwave_radiation": "W/m²",
        },
        "hourly": {
            "time": labels,
            "temperature_2m": [shift + i for i in range(hours)],
            "cloud_cover": [None if i == 3 else 50 for i in range(hours)],
            "wind_speed_10m": [36.0] * hours,
            "shortwave_radiation": [10.0 * i for i in range(hours)],
        },
    }


def test_a_recording_is_read_with_its_units_and_radiation_is_the_hour_before(tmp_path):
    (tmp_path / "archive.json").write_text(json.dumps(answer()))
    mapping = rows(
        temp_air_c={"field": "hourly.temperature_2m"},
        cloud_frac={"field": "hourly.cloud_cover"},
        wind_m_per_s={"field": "hourly.wind_speed_10m"},
        ghi_w_per_m2={"field": "hourly.shortwave_radiation"},
    )
    found = extract([f"openmeteo://{tmp_path}/archive.json"], mapping, tmp_path / "cache", SPAN)
    hour = np.repeat(np.arange(24), 4)
    assert np.array_equal(found.column("temp_air_c"), hour)
    assert found.column("wind_m_per_s") == pytest.approx(np.full(96, 10.0))
    assert np.array_equal(found.column("ghi_w_per_m2"), 10.0 * (hour + 1))
    assert np.array_equal(np.isnan(found.column("cloud_frac")), hour == 3)
    assert listed(f"openmeteo://{tmp_path}/archive.json")[0].unit == "°C"


def test_a_slot_takes_the_newest_forecast_that_was_issued_before_it(tmp_path):
    (tmp_path / "20221231T0600Z.json").write_text(json.dumps(answer(shift=100.0)))
    (tmp_path / "20230101T1200Z.json").write_text(json.dumps(answer(shift=200.0)))
    mapping = rows(fc_temp_air_c={"field": "hourly.temperature_2m"})
    found = extract([f"openmeteo://{tmp_path}/*.json"], mapping, tmp_path / "cache", SPAN)
    hour = np.repeat(np.arange(24), 4)
    expected = np.where(hour < 12, 0.0, 100.0) + hour
    expected[:] = np.where(hour < 12, 100.0, 200.0) + hour
    inside = expected <= 60.0
    assert np.isnan(found.column("fc_temp_air_c")[~inside]).all()  # 100 degC and more are out of range
    assert found.counts("fc_temp_air_c").out_of_range == 24
    found.write(tmp_path / "out.parquet")
    issued = pyarrow.parquet.read_table(tmp_path / "out.parquet")["fc_issued_utc"].to_pylist()
    assert issued[0] == datetime(2022, 12, 31, 6, tzinfo=UTC)
    assert issued[95] == datetime(2023, 1, 1, 12, tzinfo=UTC)
    ahead = extract([f"openmeteo://{tmp_path}/*.json?lead_h=6"], mapping, tmp_path / "cache", SPAN)
    ahead.write(tmp_path / "ahead.parquet")
    issued = pyarrow.parquet.read_table(tmp_path / "ahead.parquet")["fc_issued_utc"].to_pylist()
    assert issued[4 * 17] == datetime(2022, 12, 31, 6, tzinfo=UTC)
    assert issued[4 * 18] == datetime(2023, 1, 1, 12, tzinfo=UTC)


def test_what_cannot_be_dated_or_read_is_refused(tmp_path):
    local = answer() | {"timezone": "Europe/Prague"}
    (tmp_path / "local.json").write_text(json.dumps(local))
    mapping = rows(temp_air_c={"field": "hourly.temperature_2m"})
    for name, text, words in (
        ("local.json", json.dumps(local), "local times"),
        ("cut.json", json.dumps(answer())[:300], "not whole JSON"),
        ("nested.json", "[" * 100_000, "not whole JSON: maximum recursion"),
        ("daily.json", '{"daily": {}}', "neither hourly nor minutely_15"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises((SetupError, SourceUnreachable), match=words):
            extract([f"openmeteo://{tmp_path}/{name}"], mapping, tmp_path / "cache", SPAN)
    with pytest.raises(SetupError, match="cannot be read"):
        listed(f"openmeteo://{tmp_path}/none.json")
    with pytest.raises(SetupError, match="issued needs a zone"):
        listed(f"openmeteo://{tmp_path}/local.json?issued=2023-01-01T00:00")
    with pytest.raises(SetupError, match="issued"):
        listed(f"openmeteo://{tmp_path}/local.json?issued=yesterday")


def test_the_api_is_asked_for_the_days_of_the_span_and_asked_again_when_it_is_busy(tmp_path):
    asked = []

    async def serve(reader, writer):
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        query = parse_qs(urlsplit(request.split()[1]).query)
        asked.append(query)
        first_s = datetime.fromisoformat(query["start_date"][0]).replace(tzinfo=UTC).timestamp()
        body = json.dumps(answer(first_s, hours=96, iso=False)).encode()
        head = b"HTTP/1.1 200 OK" if len(asked) != 2 else b"HTTP/1.1 503 Service Unavailable"
        writer.write(head + b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async def run():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"openmeteo+http://127.0.0.1:{port}/v1/forecast?latitude=49.2&longitude=16.6&hourly=temperature_2m"
        extractor = UnifiedDataExtractor([open_source(url)], load_mapping(MAPPING), PartCache(tmp_path), QUICK)
        try:
            return await extractor.extract(*SPAN)
        finally:
            await extractor.aclose()
            server.close()

    found = asyncio.run(run())
    assert set(found.signals) == {"fc_temp_air_c", "fc_cloud_frac", "fc_wind_m_per_s", "fc_ghi_w_per_m2"}
    assert len(found.absent) == 2
    assert np.isfinite(found.column("fc_temp_air_c")).all()
    assert len(asked) == 3
    assert asked[-1]["latitude"] == ["49.2"]
    assert asked[-1]["start_date"] == ["2022-12-31"]

"""Each source reads its own answers, and refuses what is not the answer that was asked for."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from edge.errors import FeedError
from edge.feeds import priceline
from edge.feeds.awattar import Awattar
from edge.feeds.entsoe import Entsoe
from edge.feeds.model import Span, day_span_s, even_spans, whole_day
from edge.feeds.nordpool import NordPool
from edge.feeds.open_meteo import OpenMeteo
from edge.feeds.ote import Ote
from edge.timetext import format_time, parse_time_s

DATA = Path(__file__).resolve().parents[2] / "data" / "feeds"
NORDPOOL, AWATTAR, OTE = NordPool(area="CZ"), Awattar(area="at"), Ote()
ENTSOE = Entsoe(area="10YCZ-CEPS-----N", token="secret")
METEO = OpenMeteo(latitude_deg=49.2, longitude_deg=16.6)


def body(name: str) -> bytes:
    return (DATA / name).read_bytes()


def slots(source, name: str, day: date) -> list[tuple[str, int, float]]:
    spans = whole_day(source.parse(body(name), day), day)
    return [(format_time(span.start_s), (span.end_s - span.start_s) // 60, span.value) for span in spans]


# First and last prices as OTE published them for the Czech zone (shared/data/prices_day_ahead).
@pytest.mark.parametrize(
    ("source", "name", "day", "count", "first", "last"),
    [
        (NORDPOOL, "nordpool_2025-10-01.json", date(2025, 10, 1), 96, ("2025-09-30T22:00:00Z", 15, 97.21), None),
        (ENTSOE, "entsoe_2025-10-02.xml", date(2025, 10, 2), 96, ("2025-10-01T22:00:00Z", 15, 99.66), None),
        (AWATTAR, "awattar_2024-10-27.json", date(2024, 10, 27), 25, ("2024-10-26T22:00:00Z", 60, 92.37), None),
        (OTE, "ote_2024-03-31.json", date(2024, 3, 31), 23, ("2024-03-30T23:00:00Z", 60, 65.63), None),
        (OTE, "ote_2025-10-26.json", date(2025, 10, 26), 100, None, ("2025-10-26T22:45:00Z", 15, 22.01)),
    ],
)
def test_a_day_is_read_whole_also_when_it_has_23_or_25_hours(source, name, day, count, first, last) -> None:
    found = slots(source, name, day)
    assert len(found) == count
    assert first is None or found[0] == first
    assert last is None or found[-1] == last
    assert sum(minutes for _, minutes, _ in found) * 60 == day_span_s(day)[1] - day_span_s(day)[0]


def test_entsoe_repeats_what_curve_type_a03_leaves_out_and_takes_the_first_auction() -> None:
    found = slots(ENTSOE, "entsoe_2025-10-02.xml", date(2025, 10, 2))
    assert [price for _, _, price in found[3:7]] == [87.72, 87.72, 87.72, 85.18]
    assert 999.0 not in [price for _, _, price in found]


def test_entsoe_mixes_resolutions_and_the_finer_one_counts() -> None:
    text = body("entsoe_2025-10-02.xml").decode().replace(">2</classificationSequence", ">1</classificationSequence")
    found = whole_day(ENTSOE.parse(text.encode(), date(2025, 10, 2)), date(2025, 10, 2))
    assert len(found) == 96
    hourly = text.replace("<resolution>PT15M", "<resolution>PT60M", 1)
    with pytest.raises(FeedError, match="period of 24 slots|does not cover|slots"):
        whole_day(
            ENTSOE.parse(hourly.replace("<position>1<", "<position>99<", 1).encode(), date(2025, 10, 2)),
            date(2025, 10, 2),
        )


def test_requests_name_zone_day_and_unit() -> None:
    day = date(2025, 10, 26)
    assert ENTSOE.request(day).query["periodStart"] == "202510252200"
    assert ENTSOE.request(day).query["periodEnd"] == "202510262300"
    assert NORDPOOL.request(day).query == {
        "date": "2025-10-26", "market": "DayAhead", "deliveryArea": "CZ", "currency": "EUR",
    }  # fmt: skip
    assert AWATTAR.request(day).url == "https://api.awattar.at/v1/marketdata"
    assert AWATTAR.request(day).query["start"] == "1761429600000"
    assert OTE.request(day).query["report_date"] == "2025-10-26"
    assert METEO.request().query["wind_speed_unit"] == "ms"


HTML = b"<!doctype html><html><body>Please accept our cookies</body></html>"


@pytest.mark.parametrize("source", [NORDPOOL, AWATTAR, OTE, ENTSOE])
@pytest.mark.parametrize("bad", [HTML, b"", b"[]", b"null", b'{"data": 5}', b"\xff\xfe", b"[" * 100_000, b'{"a":'])
def test_what_is_no_answer_is_refused(source, bad: bytes) -> None:
    with pytest.raises(FeedError, match="answer"):
        source.parse(bad, date(2025, 10, 1))


@pytest.mark.parametrize(
    ("source", "name", "old", "new", "words"),
    [
        (NORDPOOL, "nordpool_2025-10-01.json", '"currency":"EUR"', '"currency":"SEK"', "in 'SEK', EUR is needed"),
        (NORDPOOL, "nordpool_2025-10-01.json", '{"CZ":97.21}', '{"AT":97.21}', "without a price of CZ"),
        (NORDPOOL, "nordpool_2025-10-01.json", ":97.21", ':"97.21"', "'97.21' for entryPerArea"),
        (NORDPOOL, "nordpool_2025-10-01.json", "2025-09-30T22:00:00Z", "2025-09-30T22:00:00", "no time zone"),
        (NORDPOOL, "nordpool_2025-10-01.json", "2025-09-30T22:00:00Z", "yesterday", "'yesterday' for deliveryStart"),
        (AWATTAR, "awattar_2024-10-27.json", "Eur/MWh", "Ct/kWh", "not in Eur/MWh"),
        (OTE, "ote_2025-10-26.json", "15min price (EUR", "15min price (CZK", "in 'CZK'"),
        (OTE, "ote_2025-10-26.json", "26.10.2025", "25.10.2025", "the answer is of 25.10.2025"),
        (OTE, "ote_2025-10-26.json", "rice (EUR/MWh)", "olume (MWh)", "no prices of 2025-10-26 yet"),
        (OTE, "ote_2025-10-26.json", '"x":"2"', '"x":"3"', "out of order"),
        (ENTSOE, "entsoe_2025-10-02.xml", ">EUR<", ">GBP<", "in 'GBP'"),
        (ENTSOE, "entsoe_2025-10-02.xml", ">MWH<", ">KWH<", "'KWH', MWH is needed"),
        (ENTSOE, "entsoe_2025-10-02.xml", "PT15M", "P1D", "resolution of 'P1D'"),
        (ENTSOE, "entsoe_2025-10-02.xml", ">99.66<", ">cheap<", "no number"),
        (
            ENTSOE,
            "entsoe_2025-10-02.xml",
            "<Publication",
            "<!DOCTYPE x [<!ENTITY a 'b'>]><Publication",
            "document type",
        ),
        (ENTSOE, "entsoe_2025-10-02.xml", "Publication_", "Balancing_", "is a Balancing_MarketDocument"),
        (ENTSOE, "entsoe_none.xml", "a7", "a8", "no prices: No matching data found"),
    ],
)
def test_another_currency_unit_or_shape_is_named(source, name: str, old: str, new: str, words: str) -> None:
    text = body(name).decode()
    assert old in text
    with pytest.raises(FeedError, match=words):
        source.parse(text.replace(old, new).encode(), date(2025, 10, 26))


@pytest.mark.parametrize("cut", [100, 2000, 5000, -30])
def test_a_truncated_answer_is_refused(cut: int) -> None:
    for source, name in ((ENTSOE, "entsoe_2025-10-02.xml"), (NORDPOOL, "nordpool_2025-10-01.json")):
        with pytest.raises(FeedError, match="not whole XML|not JSON"):
            source.parse(body(name)[:cut], date(2025, 10, 2))


def test_yesterdays_answer_does_not_cover_today() -> None:
    day = date(2025, 10, 2)
    with pytest.raises(FeedError, match="does not cover 2025-10-02"):
        whole_day(NORDPOOL.parse(body("nordpool_2025-10-01.json"), day), day)


@pytest.mark.parametrize(
    ("price", "is_taken"), [(4000.0, True), (-4000.0, True), (20_000.0, False), (float("nan"), False)]
)
def test_extreme_prices_are_taken_and_impossible_ones_are_not(price: float, is_taken: bool) -> None:
    day = date(2025, 10, 1)
    spans = [*even_spans(day, [50.0] * 23 + [price])]
    if is_taken:
        assert whole_day(spans, day)[-1].value == price
    else:
        with pytest.raises(FeedError, match="price of"):
            whole_day(spans, day)


def test_gaps_doubles_and_odd_slots_are_named() -> None:
    day = date(2025, 10, 1)
    whole = list(even_spans(day, [50.0] * 24))
    with pytest.raises(FeedError, match="a price not at 2025-10-01T03:00:00Z"):
        whole_day(whole[:5] + whole[6:], day)
    with pytest.raises(FeedError, match="a price twice"):
        whole_day([*whole, whole[3]], day)
    with pytest.raises(FeedError, match="prices end at 2025-10-01T21:00:00Z"):
        whole_day(whole[:-1], day)
    with pytest.raises(FeedError, match="slot of 7200 s"):
        whole_day([Span(start_s=whole[0].start_s, end_s=whole[1].end_s, value=1.0), *whole[2:]], day)
    with pytest.raises(FeedError, match="has 23 prices for the 24 hours"):
        even_spans(day, [1.0] * 23)
    with pytest.raises(FeedError, match="has 0 prices"):
        even_spans(day, [])


def test_slots_of_15_30_and_60_minutes_may_be_mixed() -> None:
    day = date(2025, 10, 1)
    start_s, _ = day_span_s(day)
    sizes = [900] * 4 + [1800] * 2 + [3600] * 22
    spans, at_s = [], start_s
    for size in sizes:
        spans.append(Span(start_s=at_s, end_s=at_s + size, value=float(size)))
        at_s += size
    assert len(whole_day(list(reversed(spans)), day)) == 28


def test_a_forecast_becomes_means_of_hours_in_our_units() -> None:
    columns = METEO.parse(body("open_meteo_2025-10-01.json"))
    raw = json.loads(body("open_meteo_2025-10-01.json"))["hourly"]
    noon_s = int(parse_time_s("2025-10-01T12:00:00Z"))
    at = {name: {span.start_s: span.value for span in spans} for name, spans in columns.items()}
    index = raw["time"].index(noon_s)
    assert at["fc_temp_air_c"][noon_s] == pytest.approx(sum(raw["temperature_2m"][index : index + 2]) / 2)
    assert at["fc_cloud_frac"][noon_s] == pytest.approx(sum(raw["cloud_cover"][index : index + 2]) / 200)
    assert at["fc_ghi_w_per_m2"][noon_s] == raw["shortwave_radiation"][index + 1], "stamped at the end of its hour"
    assert len(columns["fc_dhi_w_per_m2"]) == len(raw["time"]) - 1, "what the model lacks is left out"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"m/s"', '"km/h"', "wind_speed_10m in 'km/h'"),
        ('"hourly":{"time":[', '"hourly":{"time":[5,', "no row of hours"),
        ('"cloud_cover":[0,', '"cloud_cover":[0,0,', "another number of cloud_cover"),
        ('"cloud_cover":[0,', '"cloud_cover":[400,', "4 frac for cloud_cover"),
        ('"cloud_cover":[0,', '"cloud_cover":["x",', "'x' for cloud_cover"),
        ('"hourly":', '"daily":', "no hourly values"),
    ],
)
def test_a_forecast_in_other_units_or_shapes_is_refused(old: str, new: str, words: str) -> None:
    text = body("open_meteo_2025-10-01.json").decode()
    assert old in text
    with pytest.raises(FeedError, match=words):
        METEO.parse(text.replace(old, new, 1).encode())


def message(**changes: object) -> bytes:
    rows = [
        {"start": format_time(span.start_s), "end": format_time(span.end_s), "price": span.value}
        for span in even_spans(date(2025, 10, 1), [0.1] * 24)
    ]
    return json.dumps({"currency": "EUR", "unit": "EUR/kWh", "prices": rows, **changes}).encode()


def test_prices_on_the_broker_come_in_either_unit() -> None:
    assert {span.value for span in priceline.parse(message())} == {100.0}
    assert {span.value for span in priceline.parse(message(unit="EUR/MWh"))} == {0.1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"currency": "CZK"}, "in 'CZK'"),
        ({"unit": "ct"}, "in 'ct'"),
        ({"unit": []}, "EUR/kWh is needed"),
        ({"prices": []}, "no prices"),
        ({"prices": [5]}, "is none: 5"),
        ({"prices": [{"start": "2025-10-01T00:00:00Z", "end": "2025-10-01T01:00:00Z", "price": 1}]}, "does not cover"),
    ],
)
def test_a_message_that_is_no_price_list_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(FeedError, match=words):
        priceline.parse(message(**changes))

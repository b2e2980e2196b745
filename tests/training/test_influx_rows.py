"""Pieces of InfluxDB's answers: rows of plain numbers read as a table, all others as JSON, with the same result."""

import asyncio
import json
import math

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import SetupError
from training.sources.base import SourceUnreachable
from training.sources.http import lines
from training.sources.influxdb import _columns

pytestmark = pytest.mark.training

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
ROWS = st.lists(st.tuples(st.integers(-(2**50), 2**50), NUMBERS | st.none()), min_size=1, max_size=20)


def piece(rows, **around):
    series = [{"name": "room", "columns": ["time", "t0"], "values": rows, **around}]
    return json.dumps({"results": [{"statement_id": 0, "series": series}]}, separators=(",", ":")).encode()


@given(rows=ROWS)
def test_a_table_of_numbers_is_what_json_says_to_the_last_bit(rows):
    ((times_s, values, bad),) = _columns(piece(rows, partial=True), "influxdb://x/y")
    assert np.array_equal(times_s, np.array([time for time, _ in rows]) / 1000.0)
    expected = [math.nan if value is None else float(value) for _, value in rows]
    assert np.array_equal(values, expected, equal_nan=True)
    assert bad == 0


@pytest.mark.parametrize(
    ("values", "read", "bad_count"),
    [
        ([True, False, None], [1.0, 0.0, math.nan], 0),
        ([1.5, "on", None], [1.5, math.nan, math.nan], 1),
        (["1.5", "]]", "],["], [1.5, math.nan, math.nan], 2),
    ],
)
def test_what_is_no_plain_number_is_read_as_json_and_counted(values, read, bad_count):
    rows = [[1000 * k, value] for k, value in enumerate(values)]
    ((times_s, found, bad),) = _columns(piece(rows), "influxdb://x/y")
    assert times_s.tolist() == [0.0, 1.0, 2.0]
    assert np.array_equal(found, read, equal_nan=True)
    assert bad == bad_count


def test_two_series_in_a_piece_stay_two():
    series = [
        {"name": name, "columns": ["time", "v"], "values": [[1000, value]]} for name, value in (("a", 1), ("b", 2))
    ]
    line = json.dumps({"results": [{"series": series}]}, separators=(",", ":")).encode()
    assert [values.tolist() for _, values, _ in _columns(line, "p")] == [[1.0], [2.0]]


@pytest.mark.parametrize("line", [b'{"results":[{"statement_id":0}]}', b"{}", piece([])])
def test_an_answer_without_rows_has_none(line):
    assert all(values.size == 0 for _, values, _ in _columns(line, "p"))


def test_an_error_beside_rows_is_raised():
    with pytest.raises(SetupError, match="p: out of time"):
        list(_columns(piece([[1, 2.0]], error="x").replace(b'"statement_id":0', b'"error":"out of time"'), "p"))


@pytest.mark.parametrize("cut", [10, 60, 90, 100, 108])
def test_a_piece_that_was_cut_off_is_asked_for_again(cut):
    whole = piece([[1000, 1.0], [2000, 2.0], [3000, 3.0]])
    with pytest.raises(SourceUnreachable, match="broken answer"):
        list(_columns(whole[:cut], "p"))


@given(parts=st.lists(st.sampled_from([b"", b"a", b"bc\n", b"\n", b"\n\nd", b"e\nf\ng"]), max_size=8))
def test_lines_are_the_same_however_the_bytes_come(parts):
    class Pieces(httpx.AsyncByteStream):
        async def __aiter__(self):
            for part in parts:
                yield part

    async def read():
        return [line async for line in lines(httpx.Response(200, stream=Pieces()))]

    assert asyncio.run(read()) == [line for line in b"".join(parts).split(b"\n") if line]

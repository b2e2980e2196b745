"""JSON from outside is one thing or nothing: no second value of a key, no number that is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import strictjson
from edge.errors import FeedError
from edge.feeds.model import json_answer

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_plain_json_comes_back_as_it_was(value: object) -> None:
    assert strictjson.loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"power_w": 0, "power_w": 5000}', "the key 'power_w' stands twice"),
        ('{"plan": [{"a": 1, "b": 2, "a": 1}]}', "the key 'a' stands twice"),
        ('{"price": NaN}', "NaN is no JSON number"),
        ("[-Infinity]", "-Infinity is no JSON number"),
        ("{", "Expecting property name"),
    ],
)
def test_what_has_two_readings_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        strictjson.loads(text)


def test_a_feed_that_says_two_prices_for_one_hour_says_none() -> None:
    with pytest.raises(FeedError, match="the answer is not to be taken: the key 'CZ' stands twice"):
        json_answer(b'{"entryPerArea": {"CZ": 50.0, "CZ": -500.0}}')

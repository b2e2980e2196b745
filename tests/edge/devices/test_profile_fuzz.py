"""Whatever stands in a profile file, it is either a profile or a list of its problems; nothing else comes out."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

import pytest
from acme import ACME_SUN
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.devices.profile import Profile
from edge.devices.profile_file import FOLDER, parse_profile
from edge.errors import ProfileError

SPH = tomllib.loads((FOLDER / "growatt/sph.toml").read_text(encoding="utf-8"))
DATA = {
    "sunspec": ACME_SUN,
    "slots": {**SPH, "point": [row for row in SPH["point"] if row["space"] == "holding"]},
}
SCALARS = st.one_of(
    st.integers(-2, 70_000),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.sampled_from(["", "u16", "str", "f32", "native", "moon", "serial_number", "persists", "little", "holding"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "name", "point", "native", "writes", "holding"]), inner, max_size=3),
    ),
    max_leaves=5,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a file, as the keys and indices that lead to it."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


PLACES = {name: places(data)[1:] for name, data in DATA.items()}


def edited(data: Any, path: tuple[Any, ...], how: str, value: Any) -> Any:
    """The data with one edit: another value, nothing, or one more key. What is not on the way is shared."""
    if not path:
        return value
    changed = copy.copy(data)
    if len(path) > 1:
        changed[path[0]] = edited(data[path[0]], path[1:], how, value)
    elif how == "drop":
        del changed[path[0]]
    elif how == "add" and isinstance(changed, dict):
        changed["moon"] = value
    else:
        changed[path[0]] = value
    return changed


@pytest.mark.parametrize("name", DATA)
@settings(max_examples=100)
@given(drawn=st.data())
def test_an_edited_file_is_a_profile_or_its_problems(name, drawn):
    path, how = drawn.draw(st.sampled_from(PLACES[name])), drawn.draw(st.sampled_from(["set", "set", "drop", "add"]))
    data = edited(DATA[name], path, how, drawn.draw(VALUES))
    try:
        assert isinstance(parse_profile("x/y", data), Profile)
    except ProfileError as error:
        assert all(line.startswith("x/y: ") for line in str(error).splitlines())


@given(st.dictionaries(st.sampled_from(["profile", "link", "clock", "identify", "point", "write", "control"]), VALUES))
def test_any_table_at_all_is_a_list_of_problems(data):
    with pytest.raises(ProfileError):
        parse_profile("x/y", data)

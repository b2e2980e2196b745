"""Reading a profile file: TOML into the records of ``profile``, with every problem reported at once."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import firmware_profiles
from edge.devices.profile import (
    WORDS,
    Condition,
    Control,
    Header,
    Identity,
    LinkFacts,
    Point,
    Profile,
    StateRule,
    Step,
    Test,
    Write,
)
from edge.devices.profile_rules import problems_of
from edge.errors import ProfileError

Record = TypeVar("Record")
Problems = list[str]
FOLDER = Path(firmware_profiles.__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    """The device's own clock: the points year to second, where it has one."""

    points: tuple[str, ...] = ()


def profile_names(folder: Path = FOLDER) -> tuple[str, ...]:
    """All profiles that exist, as ``vendor/family``."""
    return tuple(sorted(f"{path.parent.name}/{path.stem}" for path in folder.glob("*/*.toml")))


@lru_cache(maxsize=32)
def load_profile(name: str, folder: Path = FOLDER) -> Profile:
    """A profile by its name ``vendor/family``; raises :class:`ProfileError` with everything that is wrong with it."""
    if name not in profile_names(folder):
        raise ProfileError(f"{name}: no such profile{_nearest(name, profile_names(folder))}")
    try:
        data = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"{name}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{name}: is not TOML: {error}") from error
    return parse_profile(name, data)


def _nearest(name: str, known: Sequence[str]) -> str:
    """What may have been meant, and all that there is."""
    close = get_close_matches(name, known, n=1)
    return f"{f'; did you mean {close[0]}?' if close else ''}; known are {', '.join(known)}"


def parse_profile(name: str, data: Mapping[str, Any]) -> Profile:
    """A profile from parsed TOML; raises :class:`ProfileError`."""
    problems: Problems = []
    known = {"profile", "link", "clock", "identify", "point", "write", "control"}
    problems += [f"{key} is not a known section" for key in data if key not in known]
    header = _record(Header, "profile", data.get("profile", {}), problems)
    link = _record(LinkFacts, "link", data.get("link", {}), problems)
    points = _rows(data, "point", lambda path, row: _sized(_record(Point, path, row, problems)), problems)
    writes = _rows(data, "write", lambda path, row: _sized(_record(Write, path, row, problems)), problems)
    controls = _rows(data, "control", lambda path, row: _control(path, row, problems), problems)
    identify = _rows(data, "identify", lambda path, row: _record(Identity, path, row, problems), problems)
    clock = _record(_Clock, "clock", data.get("clock", {}), problems)
    if header is not None and link is not None and clock is not None and not problems:
        profile = Profile(
            name=name,
            header=header,
            link=link,
            points=points,
            writes=writes,
            controls=controls,
            clock=clock.points,
            identify=identify,
        )
        problems += problems_of(profile)
        if not problems:
            return profile
    raise ProfileError("\n".join(f"{name}: {problem}" for problem in problems))


def _rows(
    data: Mapping[str, Any], key: str, read: Callable[[str, Any], Record | None], problems: Problems, path: str = ""
) -> tuple[Record, ...]:
    rows, where = data.get(key, []), f"{path}.{key}" if path else key
    if not isinstance(rows, list):
        problems.append(f"{where} must be a list of tables")
        return ()
    found = (read(f"{where}[{i}]{_named(row)}", row) for i, row in enumerate(rows))
    return tuple(row for row in found if row is not None)


def _named(row: Any) -> str:
    return f" ({row['name']})" if isinstance(row, Mapping) and "name" in row else ""


def _sized(item: Record | None) -> Record | None:
    """A point or write with its word count from its type."""
    if isinstance(item, (Point, Write)) and item.type in WORDS and not item.words:
        return replace(item, words=WORDS[item.type])
    return item


def _record(kind: type[Record], path: str, data: Any, problems: Problems) -> Record | None:
    """One table as its record; ``None`` with the problems noted."""
    if not isinstance(data, Mapping):
        problems.append(f"{path} must be a table")
        return None
    before = len(problems)
    hints = get_type_hints(kind)
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    problems += [f"{path}.{key} is not a known key" for key in data if key not in known]
    required = [key for key, item in known.items() if item.default is MISSING and item.default_factory is MISSING]
    problems += [f"{path}.{key} is missing" for key in required if key not in data]
    values = {key: _coerce(f"{path}.{key}", value, hints[key], problems) for key, value in data.items() if key in known}
    return kind(**values) if len(problems) == before else None


def _coerce(path: str, value: Any, hint: Any, problems: Problems) -> Any:
    """A TOML value as the annotated type, lists as tuples; a problem is noted where it does not fit."""
    if _fits(value, hint):
        return _frozen(value, hint)
    problems.append(f"{path} must be {_words_for(hint)}, got {value!r}")
    return value


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in arguments
    if origin is Union or (origin is not None and str(origin) == "<class 'types.UnionType'>"):
        return any(_fits(value, choice) for choice in arguments)
    if origin is tuple:
        several = arguments[1:] == (...,)
        expected = [arguments[0]] * len(value) if several and isinstance(value, list) else list(arguments)
        return isinstance(value, list) and len(value) == len(expected) and all(map(_fits, value, expected))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(_fits(item, arguments[1]) for item in value.values())
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return type(value) is hint


def _frozen(value: Any, hint: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(item, None) for item in value)
    if isinstance(value, Mapping):
        return {key: _frozen(item, None) for key, item in value.items()}
    return float(value) if hint is float else value


def _words_for(hint: Any) -> str:
    names = {float: "a finite number", int: "a whole number", str: "a text", bool: "true or false"}
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    return names.get(hint, str(hint).replace("typing.", "").replace("collections.abc.", ""))


def _control(path: str, row: Any, problems: Problems) -> Control | None:
    """One ``[[control]]`` with its nested actions and states."""
    if not isinstance(row, Mapping):
        problems.append(f"{path} must be a table")
        return None
    before = len(problems)
    head = {key: value for key, value in row.items() if key not in ("actions", "states", "enter", "compensation")}
    nested: dict[str, Any] = {"actions": {}, "states": []}
    bare = _record(Control, path, {**head, **nested}, problems)
    actions = row.get("actions", {})
    if not isinstance(actions, Mapping):
        problems.append(f"{path}.actions must be a table")
        actions = {}
    steps = {mode: _steps(f"{path}.actions.{mode}", listed, problems) for mode, listed in actions.items()}
    enter = _steps(f"{path}.enter", row.get("enter", []), problems)
    compensation = _steps(f"{path}.compensation", row.get("compensation", []), problems)
    states = _rows(row, "states", lambda where, state: _state(where, state, problems), problems, path)
    if bare is None or len(problems) > before:
        return None
    return replace(bare, actions=steps, states=states, enter=enter, compensation=compensation)


def _steps(path: str, listed: Any, problems: Problems) -> tuple[Step, ...]:
    if not isinstance(listed, list):
        problems.append(f"{path} must be a list of steps")
        return ()
    found = (_record(Step, f"{path}[{i}]", step, problems) for i, step in enumerate(listed))
    return tuple(step for step in found if step is not None)


def _state(path: str, row: Any, problems: Problems) -> StateRule | None:
    if not isinstance(row, Mapping):
        problems.append(f"{path} must be a table")
        return None
    before = len(problems)
    conditions = _rows(row, "when", lambda where, item: _condition(where, item, problems), problems, path)
    bare = _record(StateRule, path, {**row, "when": []}, problems)
    return None if bare is None or len(problems) > before else replace(bare, when=conditions)


def _condition(path: str, row: Any, problems: Problems) -> Condition | None:
    tests = [key for key in row if key in get_args(Test)] if isinstance(row, Mapping) else []
    if len(tests) != 1 or set(row) != {"point", tests[0]}:
        problems.append(f"{path} must hold point and one of {', '.join(get_args(Test))}")
        return None
    return _record(Condition, path, {"point": row["point"], "test": tests[0], "value": row[tests[0]]}, problems)

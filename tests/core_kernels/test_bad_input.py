"""Every public function of the core under bad input: the documented value, or an error that names the argument."""

import inspect
import math

import numpy as np
import pytest

from core_kernels import clear_sky as clear_sky_kernels
from core_kernels import decomposition, disc, planes, registry
from core_kernels.irradiance import clear_sky
from core_kernels.jit import JIT_ENABLED
from core_kernels.plant import LINKE_DEFAULT, PvArray
from core_kernels.pv import clear_sky_power_w
from core_kernels.solar import Location, sun_position
from core_kernels.sun_events import sun_events
from core_kernels.transposition import MODELS, Sky, Surface

# Without the compiler a fit takes seconds: its input is spoilt in the compiled run of these tests.
SLOW = set() if JIT_ENABLED else {"identification.fit"}
ENTRIES = {name: entry for name, entry in registry.discover().items() if name not in SLOW}
POWERS = ("grid_w", "pv_w", "battery_w", "load_w")
OPTIONAL = {("pv.plant_power_w", "ghi_w_per_m2")}  # nothing known of the sky is a cloudless one
WRONG = {
    "float32": lambda array: array.astype(np.float32),
    "whole numbers": lambda array: np.ones(array.shape, dtype=np.int64),
    "a list": lambda array: array.tolist(),
    "nothing": lambda array: None,
    "a dimension too many": lambda array: array[None],
    "text": lambda array: np.full(array.shape, "x"),
}


def leaves(arguments):
    """Path of each array of numbers among a function's arguments, also inside records."""
    for place, argument in enumerate(arguments):
        if isinstance(argument, np.ndarray) and argument.dtype == np.float64:
            yield (place,)
        elif isinstance(argument, tuple):
            yield from ((place, *path) for path in leaves(argument))


def name_of(entry, path):
    """What the function calls an argument."""
    if len(path) == 1:
        return list(inspect.signature(entry.function).parameters)[path[0]]
    record = entry.example()[path[0]]
    for step in path[1:-1]:
        record = record[step]
    return (POWERS if type(record) is tuple else record._fields)[path[-1]]


def changed(arguments, path, change):
    """The arguments with one array changed."""
    items = list(arguments)
    here = items[path[0]]
    if len(path) == 1:
        items[path[0]] = change(here)
    else:
        parts = changed(here, path[1:], change)
        items[path[0]] = parts if type(here) is tuple else here._make(parts)
    return tuple(items)


def array_at(arguments, path):
    for step in path:
        arguments = arguments[step]
    return arguments


def outcome(entry, arguments):
    """The result, or the error that the thin layer raised."""
    try:
        return entry.function(*arguments)
    except (TypeError, ValueError) as error:
        return error


def refused_by_name(result, names):
    return isinstance(result, TypeError | ValueError) and any(name in str(result) for name in names)


PLACES = [(name, path) for name, entry in ENTRIES.items() for path in leaves(entry.example())]
IDS = [f"{name}-{name_of(ENTRIES[name], path)}" for name, path in PLACES]


@pytest.mark.parametrize(("name", "path"), PLACES, ids=IDS)
def test_an_array_of_another_kind_is_refused_by_name(name, path):
    entry = ENTRIES[name]
    results = {kind: outcome(entry, changed(entry.example(), path, change)) for kind, change in WRONG.items()}
    taken = {kind for kind, result in results.items() if not refused_by_name(result, [name_of(entry, path)])}
    assert taken == ({"nothing"} if (name, name_of(entry, path)) in OPTIONAL else set()), results


@pytest.mark.parametrize(("name", "path"), PLACES, ids=IDS)
def test_a_strided_array_gives_the_same_bits_or_is_refused_by_name(name, path):
    entry = ENTRIES[name]

    def strided(array):
        return np.repeat(array, 2, axis=-1)[..., ::2]

    result = outcome(entry, changed(entry.example(), path, strided))
    if not refused_by_name(result, [name_of(entry, path)]):
        assert registry.digest(result) == registry.digest(entry.function(*entry.example()))


@pytest.mark.parametrize(("name", "path"), PLACES, ids=IDS)
def test_an_array_that_is_too_short_is_refused_by_name(name, path):
    entry = ENTRIES[name]
    arguments = entry.example()
    result = outcome(entry, changed(arguments, path, lambda array: array[:-1]))
    lengths = [array_at(arguments, other).shape[0] for other in leaves(arguments)]
    if lengths.count(array_at(arguments, path).shape[0]) > 1:
        assert refused_by_name(result, [name_of(entry, other) for other in leaves(arguments)]), repr(result)
    else:
        assert not isinstance(result, TypeError | ValueError) or refused_by_name(result, [name_of(entry, path)])


def all_cut(arguments, count):
    """The arguments with only the first rows of all arrays that are as long as the longest."""
    longest = max(array_at(arguments, path).shape[0] for path in leaves(arguments))
    for path in leaves(arguments):
        if array_at(arguments, path).shape[0] == longest:
            arguments = changed(arguments, path, lambda array: array[:count])
    return arguments


def names_of(entry):
    return [name_of(entry, path) for path in leaves(entry.example())]


WITH_ARRAYS = sorted({name for name, _ in PLACES})


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("name", WITH_ARRAYS)
def test_no_row_one_row_or_two_have_a_result_or_are_refused_by_name(name, count):
    entry = ENTRIES[name]
    result = outcome(entry, all_cut(entry.example(), count))
    if isinstance(result, TypeError | ValueError):
        assert refused_by_name(result, names_of(entry)), repr(result)
    else:
        sizes = [array.shape[-1] for array in registry.arrays_of(result) if array.ndim]
        assert all(size <= count + 1 or size > 2 for size in sizes)


def spoilt(value):
    """A change that puts a value into the middle of an array."""

    def change(array):
        array = array.copy()
        array.flat[array.size // 2] = value
        return array

    return change


@pytest.mark.parametrize(("name", "path"), PLACES, ids=IDS)
def test_an_odd_number_has_a_result_or_is_refused_by_name(name, path):
    entry = ENTRIES[name]
    for value in (math.nan, math.inf, -math.inf, 1e300, -1e300, 5e-324):
        result = outcome(entry, changed(entry.example(), path, spoilt(value)))
        if isinstance(result, TypeError | ValueError):
            assert refused_by_name(result, [name_of(entry, path)]), (value, result)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("name", "place"), [(name, place) for name, entry in ENTRIES.items() for place in entry.missing]
)
def test_a_bad_sample_leaves_its_neighbours_as_they_were(name, place, value):
    entry = ENTRIES[name]
    arguments = entry.example()
    where = len(arguments[place]) // 2
    want = list(registry.arrays_of(entry.function(*arguments)))
    have = list(registry.arrays_of(entry.function(*changed(arguments, (place,), spoilt(value)))))
    for a, b in zip(want, have, strict=True):
        assert np.array_equal(np.delete(a, where, axis=-1), np.delete(b, where, axis=-1), equal_nan=True)


def scalars(arguments):
    """Path of each number among a function's arguments, also inside records."""
    for place, argument in enumerate(arguments):
        if type(argument) in (float, int):
            yield (place,)
        elif isinstance(argument, tuple) and hasattr(argument, "_fields"):
            yield from ((place, *path) for path in scalars(argument))


NUMBERS = [(name, path) for name, entry in ENTRIES.items() for path in scalars(entry.example())]


@pytest.mark.parametrize(("name", "path"), NUMBERS, ids=[f"{n}-{name_of(ENTRIES[n], p)}" for n, p in NUMBERS])
def test_an_odd_parameter_has_a_result_or_is_refused_by_name(name, path):
    entry = ENTRIES[name]
    whole = isinstance(array_at(entry.example(), path), int)
    for value in (-1, 0) if whole else (math.nan, math.inf, -math.inf, -1.0, 1e300):
        result = outcome(entry, changed(entry.example(), path, lambda _, value=value: value))
        if isinstance(result, TypeError | ValueError):
            assert refused_by_name(result, [name_of(entry, path)]), (value, result)


TIMED = [(name, path) for name, path in PLACES if name_of(ENTRIES[name], path) == "times_s"]
TIMES = {
    "unsorted": lambda times_s: np.concatenate([times_s[1:2], times_s[:1], times_s[2:]]),
    "backwards": lambda times_s: times_s[::-1].copy(),
    "duplicate": lambda times_s: np.concatenate([times_s[:1], times_s[:1], times_s[2:]]),
    "all equal": lambda times_s: np.full(times_s.shape, times_s[0]),
    "the leap second of 2016": lambda times_s: times_s - times_s[times_s.size // 2] + 1483228800.0 - 0.5,
    "1900": lambda times_s: times_s - times_s[0] - 2208988800.0,
    "2100": lambda times_s: times_s - times_s[0] + 4102444800.0,
    "a day that is none": lambda times_s: np.full(times_s.shape, math.nan),
    "for ever": lambda times_s: np.full(times_s.shape, math.inf),
    "the far future": lambda times_s: times_s + 1e15,
}


@pytest.mark.parametrize(("name", "path"), TIMED, ids=[name for name, _ in TIMED])
def test_odd_times_have_a_result_or_are_refused_by_name(name, path):
    entry = ENTRIES[name]
    for kind, change in TIMES.items():
        result = outcome(entry, changed(entry.example(), path, change))
        if isinstance(result, TypeError | ValueError):
            assert refused_by_name(result, ["times_s"]), (kind, result)


DAY_S = 86400.0
TROMSO = Location(69.65, 18.96, 10.0)
ROOF = (PvArray(35.0, 180.0, 10000.0, 8000.0),)


def test_in_polar_night_the_sun_gives_nothing_and_does_not_rise():
    times_s = 1703116800.0 + 900.0 * np.arange(96.0)  # 2023-12-21
    assert (sun_position(times_s, TROMSO).zenith_deg > 90.0).all()
    assert np.isnan(sun_events(times_s[:1], TROMSO).sunrise_s).all()
    assert (clear_sky_power_w(times_s, TROMSO, ROOF) == 0.0).all()
    assert (clear_sky(times_s, TROMSO, LINKE_DEFAULT).ghi_w_per_m2 == 0.0).all()


def test_in_polar_day_the_sun_does_not_set_but_culminates():
    events = sun_events(np.array([1718928000.0]), TROMSO)  # 2024-06-21
    assert np.isnan(events.sunrise_s[0])
    assert np.isnan(events.sunset_s[0])
    assert math.isfinite(events.transit_s[0])


@pytest.mark.parametrize("zenith_deg", [90.0, np.nextafter(90.0, 91.0), np.nextafter(90.0, 89.0), 180.0, 0.0])
def test_at_the_horizon_and_straight_up_light_is_finite_and_not_negative(zenith_deg):
    zenith, ghi, extra = (np.full(3, x) for x in (zenith_deg, 5.0, 1360.0))
    dark = np.zeros(3)
    for result in (
        clear_sky_kernels.ineichen(zenith, np.full(3, 38.0), 3.0, 200.0, extra),
        clear_sky_kernels.haurwitz(zenith),
        decomposition.erbs(ghi, zenith, extra),
        decomposition.erbs_driesse(ghi, zenith, extra),
        disc.disc(1.7e9 + np.arange(3.0), ghi, zenith, 101325.0)[0],
        *(planes.transpose(Surface(35.0, 180.0), zenith, ghi, Sky(ghi, dark, ghi), extra, model) for model in MODELS),
    ):
        assert all(np.isfinite(array).all() and (array >= 0.0).all() for array in registry.arrays_of(result))


@pytest.mark.parametrize("model", MODELS)
def test_without_diffuse_light_a_plane_gets_the_direct_alone(model):
    zenith, azimuth, dark = np.full(3, 50.0), np.full(3, 170.0), np.zeros(3)
    parts = planes.transpose(
        Surface(35.0, 180.0, 0.0), zenith, azimuth, Sky(dark, np.full(3, 600.0), dark), np.full(3, 1360.0), model
    )
    assert (parts.sky_w_per_m2 == 0.0).all()
    assert parts.direct_w_per_m2 == pytest.approx(600.0 * math.cos(math.radians(15.9)), abs=2.0)


def test_a_leap_second_is_the_second_it_repeats():
    """Unix time has no name for 2016-12-31 23:59:60; half a second around it the sun moves by 0.004 degrees at most."""
    azimuth_deg = sun_position(1483228800.0 + np.array([-0.5, 0.0, 0.5]), TROMSO).azimuth_deg
    assert np.abs(np.diff(azimuth_deg)).max() < 0.004


@pytest.mark.parametrize("year_s", [-2208988800.0, 4102444800.0])
def test_from_1900_to_2100_noon_is_within_a_quarter_of_an_hour_of_the_mean_noon(year_s):
    noons_s = year_s + 0.5 * DAY_S + DAY_S * np.arange(0.0, 365.0, 30.0)
    transit_s = sun_events(noons_s, Location(50.0, 0.0, 0.0)).transit_s
    assert np.abs(transit_s - noons_s).max() < 17 * 60.0


@pytest.mark.parametrize("far_s", [1.3e11, -1.3e11, math.nan, math.inf])
def test_a_time_outside_the_algorithm_is_refused_by_name(far_s):
    with pytest.raises(ValueError, match="times_s must be finite, and between the years -2000 and 6000"):
        sun_position(np.array([far_s]), TROMSO)

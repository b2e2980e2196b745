"""The fused monitor: its batch is its stream, its flags are those of the single tests, its state survives."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels import checks
from core_kernels.flags import Flag
from core_kernels.monitor import STATE_SIZE, Monitor, MonitorRules, watch

nan = math.nan
SAME = Flag.MISSING | Flag.RANGE | Flag.RATE | Flag.COUNTER_RESET | Flag.DUPLICATE | Flag.GAP | Flag.IRREGULAR_TIME
RULES = MonitorRules(low=-5.0, high=5.0, slot_s=10.0, max_rate_per_s=0.2, step=0.5, rest=0.0, stuck_s=60.0)
SAMPLES = st.lists(
    st.tuples(
        st.sampled_from([0.0, 5.0, 10.0, 10.0, 10.0, 11.0, 30.0, -10.0]),
        st.one_of(st.sampled_from([nan, math.inf, 0.0, 1.0, 1.0, 2.0]), st.floats(-6.0, 6.0)),
    ),
    max_size=60,
)


def columns(samples):
    table = np.array(samples, dtype=np.float64).reshape(-1, 2)
    return 1.7e9 + np.cumsum(table[:, 0]), np.ascontiguousarray(table[:, 1])


@given(SAMPLES, st.booleans(), st.integers(0, 60))
def test_batch_stream_and_restored_state_say_the_same(samples, counter, cut):
    times_s, values = columns(samples)
    rules = RULES._replace(counter=counter, spike_minimum=0.5, memory_count=5.0)
    batch = watch(times_s, values, rules)
    stream = Monitor(rules)
    assert [stream.push(*pair) for pair in zip(times_s.tolist(), values.tolist(), strict=True)] == batch.tolist()
    first = Monitor(rules)
    head = first.run(times_s[:cut], values[:cut])
    second = Monitor.restore(first.state)
    assert np.array_equal(np.concatenate((head, second.run(times_s[cut:], values[cut:]))), batch)
    assert np.array_equal(second.state, stream.state, equal_nan=True)


@given(SAMPLES, st.booleans())
def test_its_flags_are_those_of_the_single_tests(samples, counter):
    times_s, values = columns(samples)
    flags = np.zeros(values.shape[0], dtype=np.uint16)
    checks.flag_range(values, RULES.low, RULES.high, flags)
    checks.flag_times(times_s, RULES.slot_s, flags)
    with np.errstate(invalid="ignore"):
        checks.flag_rate(times_s, values, RULES.max_rate_per_s, RULES.step, counter, flags)
    have = watch(times_s, values, RULES._replace(counter=counter))
    assert np.array_equal(have & int(SAME), flags)


@given(SAMPLES)
def test_a_run_is_stuck_from_where_it_is_long_enough(samples):
    times_s, values = columns([(10.0, value) for _, value in samples])
    have = watch(times_s, values, RULES) & int(Flag.STUCK) != 0
    whole = np.zeros(values.shape[0], dtype=np.uint16)
    checks.flag_stuck(times_s, values, RULES.rest, RULES.stuck_s, whole)
    for i in range(len(values)):
        back = [values[k] == values[i] for k in range(max(i - 6, 0), i + 1)]
        assert have[i] == (len(back) == 7 and all(back) and values[i] != 0.0)
        assert whole[i] or not have[i]


def test_a_spike_is_found_once_and_teaches_nothing():
    values = 230.0 + np.sin(np.arange(200.0))
    values[100] = 260.0
    monitor = Monitor(MonitorRules(spike_minimum=10.0))
    flags = monitor.run(np.arange(200.0), values)
    assert np.flatnonzero(flags).tolist() == [100]
    assert flags[100] == int(Flag.SPIKE)


def test_a_new_level_is_accepted_after_five_spikes():
    values = 230.0 + np.sin(np.arange(400.0))
    values[200:] += 50.0
    flags = watch(np.arange(400.0), values, MonitorRules(spike_minimum=10.0))
    assert np.flatnonzero(flags).tolist() == [200, 201, 202, 203, 204]


def test_the_summary_is_that_of_the_good_samples():
    values = np.random.default_rng(3).normal(20.0, 4.0, 1000)
    values[::10] = nan
    values[1] = 1e6
    monitor = Monitor(MonitorRules(low=-100.0, high=100.0))
    flags = monitor.run(np.arange(1000.0), values)
    good = values[flags == 0].tolist()
    summary = monitor.summary
    assert (summary.good_count, summary.least, summary.greatest) == (len(good), min(good), max(good))
    assert summary.mean == pytest.approx(statistics.fmean(good), rel=1e-12)
    assert summary.variance == pytest.approx(statistics.variance(good), rel=1e-12)


def test_nothing_seen_has_no_summary():
    assert Monitor(RULES).summary == pytest.approx((0, nan, nan, nan, nan), nan_ok=True)
    one = Monitor(RULES)
    one.push(0.0, 1.5)
    assert one.summary == pytest.approx((1, 1.5, nan, 1.5, 1.5), nan_ok=True)


def test_a_time_that_is_none_is_flagged_and_forgotten():
    monitor = Monitor(RULES)
    assert monitor.push(nan, 1.0) == Flag.IRREGULAR_TIME
    assert monitor.push(math.inf, nan) == Flag.IRREGULAR_TIME | Flag.MISSING
    assert monitor.push(0.0, 1.0) == 0
    assert monitor.push(10.0, 1.0) == 0


def test_the_state_is_a_copy_of_fixed_size():
    monitor = Monitor(RULES)
    before = monitor.state
    monitor.push(0.0, 1.0)
    assert before.shape == (STATE_SIZE,)
    assert not np.array_equal(before, monitor.state, equal_nan=True)


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (lambda: Monitor(RULES._replace(slot_s=0.0)), "slot_s"),
        (lambda: Monitor(RULES._replace(memory_count=0.0)), "memory_count"),
        (lambda: Monitor.restore(np.zeros(3)), "state has 3"),
        (lambda: watch(np.zeros(2), np.zeros(3), RULES), "values must .*got 3"),
        (lambda: watch(np.full(2, nan), np.zeros(2), RULES), "times_s"),
    ],
)
def test_unfit_input_is_refused_by_name(work, problem):
    with pytest.raises(ValueError, match=problem):
        work()


@pytest.mark.training
@pytest.mark.data
def test_the_real_plant_is_stuck_and_missing_where_it_is(shared_data):
    """NREL system 15, plane-of-array irradiance, 15 min (shared data, quality_labels): gaps are real."""
    pd = pytest.importorskip("pandas")
    table = pd.read_parquet(shared_data / "quality_labels" / "nrel_system15_poa_15min.parquet")
    times_s = table["t_utc"].dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.float64)
    values = table["poa_irradiance__484"].to_numpy().astype(np.float64)
    flags = watch(times_s, values, MonitorRules(low=-10.0, high=1600.0, slot_s=900.0))
    assert np.array_equal(flags & int(Flag.MISSING) != 0, np.isnan(values))
    assert np.array_equal(np.flatnonzero(flags & int(Flag.GAP)), np.flatnonzero(np.diff(times_s) > 1700.0) + 1)

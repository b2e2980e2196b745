import numpy as np

from edge.bench_control import memory, plans, report, windows


def test_plans_cost_no_more_than_the_issue_allows_over_the_exact_optimum():
    median, p95 = plans.rows()
    assert median.ok, median
    assert p95.ok, p95
    assert median.value >= -0.01


def test_windows_follow_each_other_by_a_quarter_hour_and_are_the_same_each_time():
    first, again = windows.windows(6), windows.windows(6)
    np.testing.assert_array_equal(first.net_kw, again.net_kw)
    np.testing.assert_array_equal(first.net_kw[1:, :-1], first.net_kw[:-1, 1:])


def test_re_solves_are_all_accepted_and_leave_nothing_behind():
    grown, refused = memory.rows(400)
    assert refused.value == 0.0
    assert grown.value < 5.0
    assert memory.resident_mb() > 10.0


def test_a_part_that_cannot_be_measured_is_left_out_with_its_reason(tmp_path):
    found = report(("loops",), tmp_path, ("b1",), 1)
    assert found.rows == ()
    assert "no such file" in found.left_out[0]

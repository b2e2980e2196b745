import itertools
import json

import pytest

from edge.bench_control import emhass, windows
from edge.control.oracle import Linear


class Answering:
    """A peer that finds costs off by a share of what ours are, in a second of its first call and 100 ms later on."""

    def __init__(self, given, off_frac):
        self.stdin, self.stdout = self, self
        self.given, self.off_frac, self.calls = given, off_frac, itertools.count()
        self.cost_eur = 0.0

    def write(self, line):
        request = json.loads(line)
        assert request["stored_kwh"] == 5.5
        self.cost_eur = emhass.exact(Linear(), self.given, request["window"])[0] * (1.0 + self.off_frac)

    def flush(self):
        pass

    def readline(self):
        spent_ms = 100.0 if next(self.calls) else 1000.0
        return json.dumps({"ms": spent_ms, "cost_eur": self.cost_eur, "rss_mb": 1000.0})


@pytest.mark.parametrize(("off_frac", "equal"), [(0.0, True), (1e-3, False)])
def test_costs_count_as_equal_within_a_ten_thousandth(monkeypatch, off_frac, equal):
    given = windows.windows(9)
    monkeypatch.setattr(emhass, "planner_mb", lambda: 400.0)  # measured below
    cost, cached, first, memory = emhass.beside(Answering(given, off_frac), given)
    assert cost.ok == equal
    assert cost.error == pytest.approx(off_frac / (1.0 + off_frac), abs=1e-7)
    assert (cached.reference_value, first.reference_value) == (100.0, 1000.0)
    assert cached.value == first.value > 0.0
    assert memory.ratio == 0.4
    assert not memory.ok


def test_a_planner_by_itself_takes_tens_of_megabytes():
    assert 20.0 < emhass.planner_mb() < 1000.0

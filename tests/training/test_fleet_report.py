"""The page of a fleet: skill, the worst homes and why, and what failed."""

import json

import pytest

from training.cli.fleet import _lines
from training.fleet.outcome import Facts, Outcome, failed
from training.fleet.report import fleet_report, page, summary

pytestmark = pytest.mark.training


def outcome(home, ours, **changed):
    facts = Facts(
        history_days=changed.get("days", 300.0),
        judged_days=28,
        known_frac={"load_w": changed.get("known", 1.0)},
        level_ratio={"load_w": changed.get("level", 1.0)},
    )
    scores = {
        "load_w": {
            "ours": {"pinball": ours, "coverage_80": changed.get("coverage", 0.8)},
            "climatology_28d": {"pinball": 100.0},
        }
    }
    return Outcome(home=home, state="trained", scores=scores, facts=facts, cpu_s=2.0, peak_rss_bytes=400_000_000)


def test_the_worst_home_comes_first_with_what_may_explain_it():
    found = [
        outcome("good", 80.0),
        outcome("bad<", 190.0, days=30.0, known=0.5, level=1.9, coverage=0.2),
        outcome("fair", 95.0),
        failed("gone", "has no site.toml"),
    ]
    report = fleet_report(found)
    (item,) = report.signals
    assert [bad.home for bad in item.worst] == ["bad<", "fair", "good"]
    assert item.worst[0].why == (
        "only 30 days of history",
        "50 % of its slots are missing",
        "the judged days had 1.90 times the mean of the four weeks before",
        "P10-P90 holds 20 % of what came",
    )
    assert item.worst[1].why == ()
    assert item.below_zero_count == 1
    assert sum(bar.home_count for bar in item.bars) == 3
    assert item.bars[0].home_count == 1  # far below the axis, and not lost
    data = json.loads(json.dumps(summary(report), allow_nan=False))
    assert data["failed"] == [{"home": "gone", "reason": "has no site.toml"}]
    assert data["skill"]["load_w"]["p50"] == pytest.approx(0.05)
    text = page(report)
    assert "bad&lt;" in text
    assert "bad<" not in text
    assert "nothing of the usual stands out" in text
    assert "http" not in text


def test_a_fleet_of_failures_has_a_page_as_well():
    report = fleet_report([failed("a", "b")])
    assert summary(report)["home_cpu_s"] is None
    assert "Failed" in page(report)
    assert "nan" not in page(report)
    assert "nan" not in "".join(_lines(report, "fleet.html"))

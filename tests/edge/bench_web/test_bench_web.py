"""The bench of the dashboard measures what it says, on a real box, a real server and a real browser."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from web_rig import web_rig

from edge.bench_web import p99
from edge.bench_web.box import cpu_share_frac, private_bytes, running_box
from edge.bench_web.load import Load, viewers
from edge.bench_web.paint import Browser
from edge.errors import EdgeError


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.0], 1.0), (list(range(1, 101)), 99), (list(range(1, 201)), 198), ([3.0, 1.0, 2.0], 3.0)],
)
def test_the_99th_percentile_is_a_value_that_was_seen(values: list[float], expected: float) -> None:
    assert p99(values) == expected


def test_a_box_starts_and_its_costs_are_read(tmp_path: Path) -> None:
    with running_box(tmp_path) as box:
        box.wait_ready()
        late_ms = box.lateness_ms(1.5)
        assert len(late_ms) >= 2
        assert all(0.0 <= value < 250.0 for value in late_ms)
        assert private_bytes(box.web_pid) > box.bare_bytes() > 1e6
        assert 0.0 <= cpu_share_frac(box.web_pid, 0.2) < 2.0


def test_requests_are_counted_and_viewers_are_served(tmp_path: Path) -> None:
    with web_rig(tmp_path, open_reads=True) as rig:
        host, port = rig.url.removeprefix("http://").rstrip("/").split(":")
        with (
            viewers(host, int(port), 2),
            Load(host, int(port), ["/healthz", "/nowhere"], 40.0) as load,
            rig.client() as client,
        ):
            until = time.monotonic() + 2.0
            while time.monotonic() < until:
                assert client.get("/").status_code == 200
    assert load.answered_count > 0
    assert load.failed_count > 0


@pytest.mark.services
def test_a_browser_paints_and_weighs(tmp_path: Path) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed (scripts/debian-packages)")
    pytest.importorskip("playwright", reason="needs the dev extra")
    with web_rig(tmp_path, open_reads=True) as rig, Browser(rig.url.rstrip("/")) as browser:
        assert all(value > 0.0 for value in browser.first_paints_ms("/"))
        assert 50_000 < browser.weight_bytes("/plan") < 300_000


def test_without_a_browser_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EdgeError, match="chromium"):
        Browser("http://127.0.0.1")

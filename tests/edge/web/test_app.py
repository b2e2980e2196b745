"""The dashboard over a real socket: what a browser gets, and what it never gets."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from web_rig import HOUSE, NOW_S, Rig, day_plan, web_rig

from edge.errors import ConfigError, EdgeError
from edge.messages import Command, Reading
from edge.web.looks import PAGES, setting_words
from edge.web.serving import listen

PATHS = [path for path, _ in PAGES]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with web_rig(tmp_path_factory.mktemp("web"), open_reads=True) as rig:
        yield rig


@pytest.fixture
def rig(server: Rig) -> Rig:
    server.control.changes, server.control.away = {}, None
    server.control.told.clear()
    return server


def get(rig: Rig, path: str) -> httpx.Response:
    with rig.client() as client:
        return client.get(path)


def test_the_first_page_shows_the_house(rig: Rig) -> None:
    answer = get(rig, "/")
    assert answer.status_code == 200
    for part in ("3.24 kW", "812 W", "430 W", "export", "2.00 kW", "64 %", "Mon 3 Jun 2024", "Charging the battery"):
        assert part in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_whole_and_knows_where_it_is(rig: Rig, path: str) -> None:
    text = get(rig, path).text
    assert text.rstrip().endswith("</html>")
    assert f'<a href="{path}" aria-current="page">' in text
    assert 'class="banner" role="alert">' not in text
    assert "nan" not in text.lower().replace("financ", "")


@pytest.mark.parametrize("path", PATHS)
def test_no_page_needs_inline_code_or_another_host(rig: Rig, path: str) -> None:
    text = get(rig, path).text
    assert "<script>" not in text
    assert " style=" not in text
    assert " onclick" not in text
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize("path", PATHS)
def test_no_page_breaks_while_control_and_store_are_away(rig: Rig, path: str) -> None:
    rig.control.away = EdgeError("control.sock: control <does> not answer")
    store = rig.folder / "store.sqlite"
    store.rename(rig.folder / "hidden")
    try:
        text = get(rig, path).text
    finally:
        (rig.folder / "hidden").rename(store)
    assert text.rstrip().endswith("</html>")
    assert "<does>" not in text
    assert "3.24 kW" not in text


def test_without_control_there_is_a_banner_and_no_number(rig: Rig) -> None:
    rig.control.away = EdgeError("control.sock: control <does> not answer")
    text = get(rig, "/").text
    assert "Control does not answer." in text
    assert "control &lt;does&gt; not answer" in text
    assert "64 %" not in text
    rig.control.away = None
    assert "Control does not answer." not in get(rig, "/").text


def test_words_from_outside_are_text_and_never_markup(rig: Rig) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7777 }}"
    reading = Reading(signal=evil, value=1.0, unit=evil, measured_s=NOW_S, state="good", reason=evil, device=evil)
    rig.control.changes = {
        "house": replace(HOUSE, findings=(evil,)), "command": Command.native(evil), "readings": [reading],
        "alarms": [evil], "no_plan": evil, "plan": None,
    }  # fmt: skip
    for path in PATHS:
        text = get(rig, path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "54439" not in text
    assert "&lt;script&gt;alert(1)" in get(rig, "/").text
    assert "&lt;reverted&gt;" in get(rig, "/log").text


def test_without_a_plan_the_planners_reason_is_shown(rig: Rig) -> None:
    rig.control.changes = {"plan": None, "no_plan": "no prices for tomorrow"}
    for path in ("/", "/plan"):
        assert "There is no plan yet: no prices for tomorrow." in get(rig, path).text
    assert get(rig, "/api/v1/plan").json() == {"error": "no prices for tomorrow"}
    assert get(rig, "/plan.svg").status_code == 404
    assert get(rig, "/api/v1/charts/plan").status_code == 404


def test_an_expired_plan_has_no_numbers_in_force(rig: Rig) -> None:
    rig.control.changes = {"plan": day_plan(valid_until_s=NOW_S - 1.0)}
    text = get(rig, "/").text
    assert "20.0 ct/kWh" not in text
    assert "nobody follows it any more" in text


def test_the_plan_comes_as_table_chart_and_picture(rig: Rig) -> None:
    text = get(rig, "/plan").text
    assert "Mon 14:00" in text
    chart = get(rig, "/api/v1/charts/plan").json()
    assert {len(column) for column in chart.values() if isinstance(column, list)} == {192}
    assert chart["price_import"][0] == pytest.approx(32.0)
    assert chart["soc"][-1] == 90.0
    wide, narrow = get(rig, "/plan.svg"), get(rig, "/plan-narrow.svg")
    assert wide.headers["content-type"] == "image/svg+xml"
    assert 'width="1200"' in wide.text
    assert 'width="420"' in narrow.text


def test_rooms_and_cars_of_the_plan_are_drawn(rig: Rig) -> None:
    setpoints, temperatures = {"ev.car": (3700.0,) * 192}, {"zone.living": (21.0,) + (21.5,) * 192}
    rig.control.changes = {"plan": day_plan(setpoint_w=setpoints, expected_c=temperatures)}
    chart = get(rig, "/api/v1/charts/plan").json()
    assert chart["drawn"] == {"ev.car": [3.7] * 192}
    assert chart["warm"] == {"zone.living": [21.5] * 192}


def test_yesterday_stands_beside_its_plan(rig: Rig) -> None:
    chart = get(rig, "/api/v1/charts/yesterday").json()
    assert {len(column) for column in chart.values() if isinstance(column, list)} == {96}
    assert chart["load_p50"] == [0.6] * 96
    assert chart["load_measured"] == [0.6] * 96


def test_the_other_pages_show_what_the_box_knows(rig: Rig) -> None:
    savings = get(rig, "/savings").text
    assert "2024-06-02" in savings
    assert "PV error" in savings
    assert "1 plans failed" not in savings
    assert "1 plan failed when it was lived again, the first: 2024-06-02T10:00:00Z: &lt;the solver" in savings
    assert "2024-06-01: only 58% of its quarter hours were measured" in savings
    devices = get(rig, "/devices").text
    assert all(part in devices for part in ("growatt/sph", "holding 1090", "not read in time", "3,240 W"))
    models = get(rig, "/models").text
    assert "averages of the last days" in models
    assert "Calibration of load_w" in models
    assert "0 % of 40 judged outcomes lay within" in models
    assert "<td>+540 W</td>" in models
    assert "soc_frac" in get(rig, "/quality").text
    assert "power -2000 W: cheap" in get(rig, "/log").text
    assert "power -2000 W: cheap" not in get(rig, "/log?kind=alarm").text
    assert "capacity_wh" in get(rig, "/settings").text


def test_settings_are_words_and_not_raw_numbers(rig: Rig) -> None:
    text = get(rig, "/settings").text
    assert "<dd>0.33333, 0.33333, 0.33333</dd>" in text
    assert "<dd>None</dd>" not in text
    assert setting_words([True, 1e6, 49.2, "lfp"]) == "yes, 1000000, 49.2, lfp"


def test_live_parts_come_as_events(rig: Rig) -> None:
    with rig.client() as client, client.stream("GET", "/live/now") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        first = next(line for line in lines if line.startswith("data: "))
        rig.control.changes = {"house": replace(HOUSE, pv_w=5550.0)}
        seen = (json.loads(line[6:]) for line in lines if line.startswith("data: "))
        assert any("5.55 kW" in part for part, _ in zip(seen, range(20), strict=False))
    assert "3.24 kW" in json.loads(first[6:])


def test_there_is_no_live_part_of_another_name(rig: Rig) -> None:
    assert get(rig, "/live/password").status_code == 404


def test_programs_get_the_status_as_json_with_null_for_missing(rig: Rig) -> None:
    rig.control.changes = {"house": replace(HOUSE, grid_w=math.nan)}
    answer = get(rig, "/api/v1/status")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["house"]["grid_w"] is None
    assert answer.json()["house"]["pv_w"] == 3240.0


@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/plan", "/plan.svg", "/api/v1/charts/plan"])
def test_programs_get_503_while_control_is_away(rig: Rig, path: str) -> None:
    rig.control.away = EdgeError("away")
    answer = get(rig, path)
    assert answer.status_code == 503
    assert "away" in answer.text


def test_health_says_whether_control_answers_and_no_more(rig: Rig) -> None:
    assert get(rig, "/healthz").json() == {"web": "ok", "control": "ok"}
    rig.control.away = EdgeError("/secret/path is away")
    assert get(rig, "/healthz").status_code == 503
    assert "secret" not in get(rig, "/healthz").text


@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/static/style.css", "/nowhere", "/plan.svg"])
def test_every_answer_forbids_foreign_and_inline_code(rig: Rig, path: str) -> None:
    headers = get(rig, path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "server" not in headers


def test_live_numbers_are_not_kept_by_caches(rig: Rig) -> None:
    assert get(rig, "/").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_is_read_cannot_be_written(rig: Rig, method: str) -> None:
    with rig.client() as client:
        for path in ("/", "/api/v1/status", "/metrics", "/log"):
            assert client.request(method, path).status_code == 405
    assert rig.control.told == []


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"]
)
def test_static_files_stay_in_their_folder(rig: Rig, path: str) -> None:
    host, port = rig.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = link.makefile("rb").read()
    assert b" 404 " in answer.splitlines()[0]
    assert get(rig, "/static/app.js").status_code == 200


def test_the_log_is_asked_for_in_whole_numbers(rig: Rig) -> None:
    assert len(get(rig, "/api/v1/log?limit=1").json()["events"]) == 1
    for wrong in ("0", "-1", "1001", "x", "1.5", "٣", "9" * 400):
        assert get(rig, f"/api/v1/log?limit={wrong}").status_code == 422


def test_many_visitors_cost_control_one_question(tmp_path: Path) -> None:
    with web_rig(tmp_path, open_reads=True, live_s=600.0) as rig, rig.client() as client:
        for _ in range(20):
            assert client.get("/").status_code == 200
        assert rig.control.asked_count == 1


def test_a_port_in_use_is_one_line_of_configuration_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigError, match=f"web: cannot listen on 127.0.0.1:{port}: Address already in use"
        ) as caught:
            listen("127.0.0.1", port)
    assert caught.value.exit_code == 78
    assert "\n" not in str(caught.value)


def test_a_host_that_is_not_ours_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="cannot listen on"):
        listen("192.0.2.1", 8123)  # TEST-NET-1, RFC 5737


_PROGRAM = """
from starlette.applications import Starlette
from edge.web.serving import serve
serve(Starlette(), "127.0.0.1", 0, announce=lambda url: print(url, flush=True))
"""


def told_until_it_ends(process: subprocess.Popen[str], number: int) -> bool:
    """Say it again: the address is told before signals are heard, and a job in the background hears no Ctrl-C."""
    for _ in range(60):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
            return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_when_it_is_told_to(number: int) -> None:
    command = [sys.executable, "-c", _PROGRAM]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=dict(os.environ)
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("http://127.0.0.1:")
            assert told_until_it_ends(process, number)
        finally:
            process.kill()

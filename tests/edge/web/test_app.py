"""The status page over a real socket: what a browser gets, and what it never gets."""

import http.client
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest

from edge.errors import ConfigError, EdgeError
from edge.messages import Command, House, to_json
from edge.web.app import create_app, listen, serve

NOW_S = 1717416720.0


def house(**changes: object) -> House:
    values = {
        "time_s": NOW_S, "pv_w": 3240.0, "load_w": 812.0, "grid_w": -430.0, "battery_w": -1998.0, "soc_frac": 0.64,
        "residual_w": 0.0, "grid_import_wh": 1.0, "grid_export_wh": 2.0, "flags": {},
    }  # fmt: skip
    return House(**(values | changes))


class Control:
    """Stands at the other end of the socket; ``answer`` is what it says, or what it raises."""

    def __init__(self) -> None:
        self.answer: dict[str, object] | EdgeError = {}

    def ask(self, verb: str, **payload: object) -> object:
        assert (verb, payload) == ("status", {})
        if isinstance(self.answer, EdgeError):
            raise self.answer
        return to_json({"time_s": NOW_S, "site": {"name": "Home"}, "house": house(), **self.answer})


class Browser:
    def __init__(self, control: Control, port: int) -> None:
        self.control, self._port = control, port

    def get(self, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        connection.request(method, path)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response, text


@pytest.fixture(scope="module")
def server() -> Iterator[Browser]:
    control, done, address = Control(), threading.Event(), []
    ready = threading.Event()

    def announce(url: str) -> None:
        address.append(url)
        ready.set()

    app = create_app(control, ZoneInfo("Europe/Prague"))
    thread = threading.Thread(
        target=serve, args=(app, "127.0.0.1", 0), kwargs={"stop": done.is_set, "announce": announce}, daemon=True
    )
    thread.start()
    assert ready.wait(10.0)
    yield Browser(control, int(address[0].rstrip("/").rsplit(":", 1)[1]))
    done.set()
    thread.join(10.0)
    assert not thread.is_alive()


@pytest.fixture
def browser(server: Browser) -> Browser:
    server.control.answer = {}
    return server


def test_the_page_shows_the_house(browser):
    response, text = browser.get("/")
    assert response.status == 200
    assert "<h1>Home</h1>" in text
    assert all(part in text for part in ("3.24 kW", "812 W", "430 W", "export", "2.00 kW", "64 %", "Mon 3 Jun 2024"))


def test_the_fragment_is_the_page_without_its_frame(browser):
    page, fragment = browser.get("/")[1], browser.get("/fragment")[1]
    assert "<html" not in fragment
    assert fragment in page


def test_a_site_name_is_text_and_never_markup(browser):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>$clock"
    command = Command.native(evil)
    browser.control.answer = {
        "site": {"name": evil},
        "command": command,
        "house": house(findings=(evil,)),
        "readings": [{"signal": evil, "device": evil, "value": 1.0, "unit": evil, "state": evil}],
    }
    for path in ("/", "/fragment"):
        text = browser.get(path)[1]
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_without_control_there_is_a_banner_and_no_number(browser):
    browser.control.answer = EdgeError("control.sock: control <does> not answer")
    for path in ("/", "/fragment"):
        response, text = browser.get(path)
        assert response.status == 200
        assert "Control does not answer." in text
        assert "control &lt;does&gt; not answer" in text
        assert "kW" not in text
        assert "64 %" not in text


def test_the_banner_goes_when_control_is_back(browser):
    browser.control.answer = EdgeError("away")
    assert "answered last" in browser.get("/fragment")[1] or "has not answered" in browser.get("/fragment")[1]
    browser.control.answer = {}
    assert "Control does not answer." not in browser.get("/fragment")[1]


def test_programs_get_the_status_as_json_with_null_for_missing(browser):
    browser.control.answer = {"house": house(grid_w=math.nan)}
    response, text = browser.get("/api/v1/status")
    assert response.getheader("content-type") == "application/json"
    assert json.loads(text)["house"]["grid_w"] is None
    assert json.loads(text)["house"]["pv_w"] == 3240.0


@pytest.mark.parametrize("path", ["/api/v1/status", "/healthz", "/plan.svg"])
def test_programs_get_503_while_control_is_away(browser, path):
    browser.control.answer = EdgeError("away")
    response, text = browser.get(path)
    assert response.status == 503
    assert "away" in text


def test_health_is_ok_while_control_answers(browser):
    response, text = browser.get("/healthz")
    assert (response.status, json.loads(text)) == (200, {"web": "ok", "control": "ok"})


def test_numbers_that_are_missing_are_dashes(browser):
    browser.control.answer = {"house": house(pv_w=math.nan, load_w=math.nan, grid_w=math.nan)}
    text = browser.get("/")[1]
    assert text.count("wire unknown") == 3
    assert "nan" not in text.lower().replace("finance", "")


def _plan() -> dict[str, object]:
    zeros = [0.0] * 4
    powers = ("battery_w", "grid_w", "pv_p10_w", "pv_p50_w", "pv_p90_w", "load_p10_w", "load_p50_w", "load_p90_w")
    return {
        "issued_s": NOW_S, "valid_until_s": NOW_S + 1800.0, "start_s": 1717416000, "slot_s": 900, "source": "mpc",
        "reason": "<b>noon</b>", "violations": ["soc <low>"], "water_value_eur_per_kwh": 0.21, "wear_eur_per_kwh": 0.02,
        "cost_eur": 1.25, "soc_frac": [0.5] * 5, **dict.fromkeys(powers, zeros),
        "price_import_eur_per_kwh": zeros, "price_export_eur_per_kwh": zeros, "peak_w": None, "peak_eur_per_kw": 0.0,
    }  # fmt: skip


def test_the_plan_is_shown_with_its_picture_for_both_screens(browser):
    browser.control.answer = {"plan": _plan()}
    text = browser.get("/")[1]
    assert all(
        part in text for part in ("21.0 ct/kWh", "1.25 €", "&lt;b&gt;noon", "soc &lt;low&gt;", 'src="/plan.svg?v=')
    )
    wide, narrow = browser.get("/plan.svg?v=1"), browser.get("/plan-narrow.svg?v=1")
    assert wide[0].getheader("content-type") == "image/svg+xml"
    assert 'width="1200"' in wide[1]
    assert 'width="420"' in narrow[1]


def test_an_expired_plan_has_no_numbers_in_force(browser):
    browser.control.answer = {"plan": _plan() | {"valid_until_s": NOW_S - 1.0}}
    text = browser.get("/")[1]
    assert "21.0 ct/kWh" not in text
    assert "nobody follows it any more" in text


def test_there_is_no_picture_without_a_plan(browser):
    assert browser.get("/plan.svg")[0].status == 404


@pytest.mark.parametrize("path", ["/", "/fragment", "/api/v1/status", "/static/style.css", "/nowhere", "/plan.svg"])
def test_every_answer_forbids_foreign_and_inline_code(browser, path):
    headers = browser.get(path)[0]
    policy = headers.getheader("content-security-policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers.getheader("x-content-type-options") == "nosniff"
    assert headers.getheader("x-frame-options") == "DENY"
    assert headers.getheader("server") is None


def test_the_page_needs_no_inline_code_and_no_other_host(browser):
    browser.control.answer = {"plan": _plan()}
    text = browser.get("/")[1]
    assert "<script>" not in text
    assert " style=" not in text
    assert " onclick" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_live_numbers_are_not_kept_by_caches(browser):
    assert browser.get("/fragment")[0].getheader("cache-control") == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(browser, method):
    assert browser.get("/", method)[0].status == 405
    assert browser.get("/api/v1/status", method)[0].status == 405


def test_head_is_answered_without_a_body(browser):
    response, text = browser.get("/", "HEAD")
    assert (response.status, text) == (200, "")


def test_static_files_stay_in_their_folder(browser):
    assert browser.get("/static/refresh.js")[0].status == 200
    assert browser.get("/static/../app.py")[0].status == 404
    assert browser.get("/static/%2e%2e/app.py")[0].status == 404


def test_a_port_in_use_is_one_line_of_configuration_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigError, match=f"web: cannot listen on 127.0.0.1:{port}: Address already in use"
        ) as caught:
            serve(create_app(Control(), ZoneInfo("UTC")), "127.0.0.1", port)
    assert caught.value.exit_code == 78
    assert "\n" not in str(caught.value)


def test_a_host_that_is_not_ours_is_a_configuration_error():
    with pytest.raises(ConfigError, match="cannot listen on"):
        listen("192.0.2.1", 8123)  # TEST-NET-1, RFC 5737


_PROGRAM = """
from zoneinfo import ZoneInfo
from edge.web.app import create_app, serve
serve(create_app(None, ZoneInfo("UTC")), "127.0.0.1", 0, announce=lambda url: print(url, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_at_once_when_it_is_told_to(number):
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=dict(os.environ),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(number)
        process.wait(5.0)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()

"""The dashboard in a real browser, on a real box with its twin: login, pages, override, live numbers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from boxes import ENVIRONMENT, Bench, bench

playwright = pytest.importorskip("playwright.sync_api", reason="needs the dev extra")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the dev extra")

pytestmark = [pytest.mark.e2e, pytest.mark.services, pytest.mark.timeout(600)]

PASSWORD = "correct horse battery"
PATHS = ("/", "/plan", "/savings", "/devices", "/models", "/quality", "/log", "/settings")
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PATIENCE_MS = 120_000.0
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A box in a time twenty times faster, that sells in the first hours."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (scripts/debian-packages)")
    folder = tmp_path_factory.mktemp("dashboard")
    with bench(folder, speed=20.0, period_s=2.0, price=lambda time_s: 0.30) as running:
        command = [sys.executable, "-m", "edge.cli", "password", "--site", str(folder / "site.toml")]
        subprocess.run(command, input=PASSWORD.encode(), check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        running.until("a measured house", lambda s: s["house"] is not None and s["house"]["soc_frac"] is not None)
        yield running


@dataclass
class Witness:
    """What a page said and whom it asked."""

    page: Any
    said: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def go(self, path: str) -> None:
        self.page.goto(path, wait_until="load")

    def login(self) -> None:
        self.go("/login")
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url("**/", timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser(box: Bench) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_MS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def cookies(browser: Any, box: Bench) -> list[Any]:
    """One login for all tests: passwords are counted."""
    context = browser.new_context(base_url=address(box))
    Witness(context.new_page()).login()
    found = context.cookies()
    context.close()
    return list(found)


def address(box: Bench) -> str:
    return f"http://127.0.0.1:{box.web_port}"


@pytest.fixture
def look(browser: Any, box: Bench, cookies: list[Any]) -> Iterator[Any]:
    """Opens a page on a screen of a size and scheme; afterwards none of them may have complained or asked elsewhere."""
    opened: list[Witness] = []

    def opens(size: dict[str, int], scheme: str = "light", *, known: bool = True) -> Witness:
        context = browser.new_context(base_url=address(box), viewport=size, color_scheme=scheme)
        context.set_default_timeout(PATIENCE_MS)
        if known:
            context.add_cookies(cookies)
        witness = Witness(context.new_page())
        witness.page.on("console", lambda message: witness.said.append(message.text))
        witness.page.on("pageerror", lambda error: witness.said.append(str(error)))
        witness.page.on("request", lambda request: witness.hosts.add(urlsplit(request.url).netloc))
        opened.append(witness)
        return witness

    yield opens
    for witness in opened:
        witness.page.context.close()
    assert [text for witness in opened for text in witness.said] == []
    assert {host for witness in opened for host in witness.hosts} <= {urlsplit(address(box)).netloc}


def test_a_stranger_logs_in_and_lands_where_he_wanted(look: Any, box: Bench) -> None:
    witness = look(DESKTOP, known=False)
    witness.go("/log")
    assert witness.page.url.endswith("/login?next=/log")
    witness.page.get_by_label("Password").fill(PASSWORD)
    witness.page.keyboard.press("Enter")
    witness.page.wait_for_url(f"{address(box)}/log")
    assert witness.page.get_by_role("heading", name="Log", exact=True).is_visible()
    witness.page.get_by_role("button", name="Log out").click()
    witness.page.wait_for_url("**/login")


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_every_page_is_accessible_fits_and_is_photographed(look: Any, size: Any, scheme: str, tmp_path: Path) -> None:
    witness = look(size, scheme)
    for path in PATHS:
        witness.go(path)
        if path == "/plan":
            witness.page.wait_for_selector("[data-kind=yesterday][data-drawn]")
        found = axe.Axe().run(witness.page).response["violations"]
        grave = [(item["id"], item["nodes"][0]["html"]) for item in found if item["impact"] in ("serious", "critical")]
        assert (path, grave) == (path, [])
        width = witness.page.evaluate("document.documentElement.scrollWidth")
        assert (path, width <= size["width"]) == (path, True)
        picture = tmp_path / f"{path.strip('/') or 'now'}.png"
        witness.page.screenshot(path=str(picture), full_page=True)
        assert picture.stat().st_size > 5000


def test_numbers_change_without_a_reload(look: Any) -> None:
    witness = look(DESKTOP)
    witness.go("/")
    witness.page.evaluate("window.stayed = true")
    before = witness.page.locator("#live time").inner_text()
    witness.page.wait_for_function("before => document.querySelector('#live time').innerText !== before", arg=before)
    assert witness.page.evaluate("window.stayed") is True
    assert witness.page.locator("#lost").is_hidden()


def test_a_battery_taken_by_hand_obeys_and_is_given_back(look: Any, box: Bench) -> None:
    witness = look(PHONE)
    witness.go("/settings")
    witness.page.get_by_label("Discharge", exact=True).check()
    witness.page.get_by_label("Power of charge or discharge [W]").fill("1200")
    witness.page.get_by_label("For how many minutes").fill("600")
    witness.page.get_by_role("button", name="Take over").click()
    witness.page.get_by_text("Discharge with 1.20 kW until").wait_for()
    status = box.until(
        "the battery discharges", lambda s: s["house"]["battery_w"] is not None and s["house"]["battery_w"] > 1000.0
    )
    assert status["command"]["reason"].startswith("manual override until")
    witness.go("/")
    witness.page.get_by_text("By hand:").wait_for()
    witness.go("/settings")
    witness.page.get_by_role("button", name="Give it back to the plan").click()
    witness.page.get_by_text("The plan decides.").wait_for()
    box.until("nobody holds it", lambda s: s["override"] is None)


def test_an_override_ends_by_itself_and_leaves_a_trace(look: Any, box: Bench) -> None:
    witness = look(DESKTOP)
    witness.go("/settings")
    witness.page.get_by_label("Hold", exact=True).check()
    witness.page.get_by_label("For how many minutes").fill("2")
    with witness.page.expect_navigation():
        witness.page.get_by_role("button", name="Take over").click()
    box.until("it is over", lambda s: s["override"] is None)
    box.wait(10.0)
    witness.go("/log?kind=override")
    witness.page.get_by_text("over: hold").first.wait_for()


def test_the_keyboard_reaches_everything_it_needs(look: Any) -> None:
    witness = look(DESKTOP)
    witness.go("/settings")
    reached = []
    for _ in range(30):
        witness.page.keyboard.press("Tab")
        reached.append(witness.page.evaluate("document.activeElement.innerText || document.activeElement.name"))
    for words in ("Skip to content", "Now", "Settings", "Log out", "mode", "power_w", "minutes", "Take over"):
        assert words in reached


def test_the_pages_are_light(look: Any) -> None:
    for path in PATHS:
        witness = look(DESKTOP)
        session = witness.page.context.new_cdp_session(witness.page)
        session.send("Network.enable")
        received: list[float] = []
        session.on("Network.loadingFinished", lambda event, seen=received: seen.append(event["encodedDataLength"]))
        witness.go(path)
        witness.page.wait_for_timeout(500)
        assert (path, sum(received) < 300_000) == (path, True)


def test_when_the_box_stops_the_page_says_so(look: Any, box: Bench) -> None:
    witness = look(DESKTOP)
    witness.go("/")
    witness.page.wait_for_selector(".flow")
    box.kill("web")
    witness.page.locator("#lost").wait_for(state="visible")
    witness.page.wait_for_url("**/login?next=/")  # sessions end with the process
    witness.said.clear()  # the browser itself notes the lost connection
    assert box.status()["pid"] > 0

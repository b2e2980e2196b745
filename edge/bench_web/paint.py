"""What a real browser sees: the system's Chromium, driven by Playwright (of the dev extra)."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import time
from typing import Any

from edge.errors import EdgeError

_LOADS = 7
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
          "--no-first-run", "--disable-sync", "--disable-dev-shm-usage"]  # fmt: skip
_PAINTED = "() => performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)[0] ?? null"
_SETTLE_MS = 500.0
_PATIENCE_S = 60.0


class Browser:
    """A headless browser on one address; every look has a cache of its own."""

    def __init__(self, address: str) -> None:
        program = shutil.which("chromium")
        if program is None or importlib.util.find_spec("playwright") is None:
            raise EdgeError("bench web needs chromium (scripts/debian-packages) and pip install 'pems-edge[dev]'")
        self._address, self._program = address, program

    def __enter__(self) -> Browser:
        self._driver = importlib.import_module("playwright.sync_api").sync_playwright().start()
        self._browser = self._driver.chromium.launch(executable_path=self._program, args=_FLAGS)
        return self

    def __exit__(self, *reason: object) -> None:
        self._browser.close()
        self._driver.stop()

    def first_paints_ms(self, path: str) -> list[float]:
        """From the click to the first content, a few times after a warm-up."""
        return [self._first_paint_ms(path) for _ in range(_LOADS + 1)][1:]

    def _first_paint_ms(self, path: str) -> float:
        page = self._page()
        page.goto(self._address + path)
        until = time.monotonic() + _PATIENCE_S
        while (found := page.evaluate(_PAINTED)) is None:  # the page's own policy forbids waiting by an expression
            if time.monotonic() > until:
                raise EdgeError(f"{path} was never painted")
            page.wait_for_timeout(20.0)
        page.context.close()
        return float(found)

    def weight_bytes(self, path: str) -> int:
        """All bytes that a page and what it loads bring over the wire."""
        page = self._page()
        weights: list[float] = []
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))
        page.goto(self._address + path)
        page.wait_for_timeout(_SETTLE_MS)
        page.context.close()
        return round(sum(weights))

    def _page(self) -> Any:
        return self._browser.new_context().new_page()

"""The support archive: what somebody needs who shall find out from afar what a box did and why; without secrets.

The box itself is only asked, and its files only read; what cannot be had is said in the archive instead.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from edge import __version__
from edge.config import Site
from edge.errors import EdgeError
from edge.files import RECORDER_NAME, SOCKET_NAME, STORE_NAME
from edge.ingest.store import StoreReader
from edge.ipc import Client
from edge.messages import to_json
from edge.recording.again import RECORDER_IN_ARCHIVE
from edge.recording.tape import copy, days
from edge.redact import scrubbed, secrets_of, without_secrets
from edge.supply import said_of_house, standings

_EVENT_DAYS, _PLAN_DAYS, _WRITE_DAYS = 3, 1, 7
_RECORDINGS = 2
_DAY_S = 86_400.0
_README = """A support archive of PEMS Edge. It holds no passwords, tokens or keys, but says where the house stands and
how it lives: give it only to whom you trust.

site.toml      the configuration, secrets replaced      status.json    what control says now
versions.json  program, Python, packages, machine       frames.json    the last bytes of the field bus
doctor.json    the findings of pems doctor              events.json    decisions and alarms of the last 3 days
feeds.json     prices and weather from outside          plans.json     plans of the last day
writes.json    register writes of the last week         recorder/      the flight recorder's last 2 days:
                                                                       pems replay --recording THIS_FILE
"""


def write_archive(target: Path, site_path: Path, site: Site, state: Path, doctor: Any, now_s: float) -> list[str]:
    """Write the archive, readable by its owner only; the names of what it holds. Raises :class:`EdgeError`."""
    parts: dict[str, Callable[[], Any]] = {
        "versions.json": versions,
        "doctor.json": lambda: doctor,
        "status.json": lambda: Client(state / SOCKET_NAME).ask("status"),
        "frames.json": lambda: Client(state / SOCKET_NAME).ask("frames"),
        "feeds.json": lambda: {"feeds": standings(site, state, now_s), "said": said_of_house(site, state)},
        "events.json": lambda: _stored(state, lambda store: store.events(now_s - _EVENT_DAYS * _DAY_S)),
        "plans.json": lambda: _stored(state, lambda store: store.plans(now_s - _PLAN_DAYS * _DAY_S)),
        "writes.json": lambda: _stored(state, lambda store: store.writes(now_s - _WRITE_DAYS * _DAY_S, now_s + _DAY_S)),
    }
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.txt", _README)
            text = site_path.read_text(encoding="utf-8")
            secrets = secrets_of(text)
            archive.writestr("site.toml", without_secrets(text))
            for name, make in parts.items():
                archive.writestr(name, scrubbed(json.dumps(to_json(_made(make)), indent=1), secrets))
            for path in days(state / RECORDER_NAME)[-_RECORDINGS:]:
                _add_recording(archive, path)
            return archive.namelist()
    except OSError as error:
        raise EdgeError(f"{target}: {error.strerror}") from error


def versions() -> dict[str, Any]:
    """The program, what it runs on and with."""
    packages = {item.name: item.version for item in distributions() if item.name}
    return {
        "pems_edge": __version__,
        "python": sys.version,
        "machine": f"{platform.platform()} {platform.machine()}, {os.cpu_count()} processors",
        "packages": dict(sorted(packages.items())),
    }


def _made(make: Callable[[], Any]) -> Any:
    """A part, or why it is not there."""
    try:
        return make()
    except EdgeError as error:
        return {"missing": str(error)}


def _stored(state: Path, ask: Callable[[StoreReader], Any]) -> Any:
    store = StoreReader(state / STORE_NAME)
    try:
        return ask(store)
    finally:
        store.close()


def _add_recording(archive: zipfile.ZipFile, path: Path) -> None:
    """A consistent copy of a day that may still be written to; its site file is without secrets already."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / path.name
        copy(path, copied)
        archive.write(copied, f"{RECORDER_IN_ARCHIVE}{path.name}")

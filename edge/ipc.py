"""The wire between the box's own processes: a Unix socket, one JSON object a line, one answer a question.

Control serves; planner, web and the command line ask. A question is ``{"verb": ..., "payload": {...}}``, an answer
``{"ok": true, "data": ...}`` or ``{"ok": false, "error": "..."}``. Verbs:

============  =========================================  ==========================================
verb          payload                                    data
============  =========================================  ==========================================
status        ``{"plan_known_s": when it was issued}``   everything a screen needs, see ``box``;
                                                         without a plan that the asker says it knows
publish_plan  ``{"plan": Plan}``                         ``{"accepted": true}``
no_plan       ``{"reason": "..."}``                      ``{"accepted": true}``
frames        -                                          the last bytes of every link, ``devices.trace``
planned       ``{"wall_s", "solve_s", "residual_w"}``    ``{"accepted": true}``
regret        a day, see ``control.causes``              ``{"accepted": true}``
override      ``{"mode", "power_w", "duration_s"}``      the override, see ``control.override``
end_override  -                                          ``{"ended": whether there was one}``
============  =========================================  ==========================================
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edge import strictjson
from edge.errors import ConfigError, EdgeError
from edge.messages import to_json

Handler = Callable[[Mapping[str, Any]], Any]

MAX_LINE_BYTES = 1 << 20
_TIMEOUT_S = 5.0  # wall time: the peer is on this machine
_MAX_PATH_BYTES = 107  # sun_path of Linux, without its closing NUL


class IpcError(EdgeError):
    """The other process did not answer, or refused."""


def _check_path(path: Path) -> None:
    if len(os.fsencode(path)) > _MAX_PATH_BYTES:
        raise IpcError(f"{path}: longer than the {_MAX_PATH_BYTES} bytes a Unix socket may have; use a shorter --state")


def _answer(line: bytes, handlers: Mapping[str, Handler]) -> dict[str, Any]:
    try:
        question = strictjson.loads(line)
        handler = handlers[question["verb"]]
        payload = dict(question.get("payload") or {})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {"ok": False, "error": "not a question of this house"}
    try:
        return {"ok": True, "data": to_json(handler(payload))}
    except (EdgeError, ValueError, KeyError, TypeError, OverflowError) as error:
        return {"ok": False, "error": str(error)}


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self.handlers = handlers
        super().__init__(str(path), _Connection)


class _Connection(socketserver.StreamRequestHandler):
    server: _Server
    timeout = 60.0

    def handle(self) -> None:
        try:
            while line := self.rfile.readline(MAX_LINE_BYTES + 1):
                if len(line) > MAX_LINE_BYTES:
                    return
                self.wfile.write(json.dumps(_answer(line, self.server.handlers)).encode() + b"\n")
        except OSError:
            return  # the peer went away; its next question opens a new connection


class Service:
    """Answers questions in its own threads until closed. The socket is for this user only."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        _check_path(path)
        path.unlink(missing_ok=True)
        try:
            self._server = _Server(path, handlers)
        except OSError as error:
            raise IpcError(f"{path}: {error.strerror}") from error
        path.chmod(0o600)
        self._path = path
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()

    def close(self) -> None:
        """Stop answering and remove the socket."""
        self._server.shutdown()
        self._server.server_close()
        self._path.unlink(missing_ok=True)


class Client:
    """Asks one process; keeps no connection, so the other side may restart at any time."""

    def __init__(self, path: Path) -> None:
        _check_path(path)
        self._path = path

    def ask(self, verb: str, **payload: Any) -> Any:
        """The data of the answer; raises :class:`IpcError` where there is none or it is a refusal."""
        question = json.dumps({"verb": verb, "payload": to_json(payload)}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
                link.settimeout(_TIMEOUT_S)
                link.connect(str(self._path))
                link.sendall(question)
                with link.makefile("rb") as reader:
                    line = reader.readline()
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise IpcError(f"the box is not running (pems run --site ...): nobody answers at {self._path}") from error
        except OSError as error:
            raise IpcError(f"{self._path}: control does not answer ({error.strerror or error})") from error
        if not line.endswith(b"\n"):  # it died, perhaps in the middle of its answer
            raise IpcError(f"{self._path}: control closed the connection")
        answer = json.loads(line)
        if not answer["ok"]:
            raise IpcError(str(answer["error"]))
        return answer["data"]


@contextlib.contextmanager
def claim(state: Path) -> Iterator[None]:
    """Own a state folder: two boxes on one would both command the inverter. Raises :class:`ConfigError`."""
    path = state / "control.lock"
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be written: {error.strerror}"]) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(str(state), ["is in use by another box that runs"]) from error
        yield

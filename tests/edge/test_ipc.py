"""The socket between the box's processes, with real sockets."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from edge.errors import StoreError
from edge.ipc import MAX_LINE_BYTES, Client, IpcError, Service


def refuse(payload: Mapping[str, Any]) -> None:
    raise StoreError("the disk is full")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "s.sock"
    service = Service(path, {"echo": lambda payload: payload, "refuse": refuse})
    yield path
    service.close()
    assert not path.exists()


def raw(path: Path, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        link.connect(str(path))
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        with link.makefile("rb") as reader:
            return reader.read()


def test_a_question_gets_its_answer(path: Path) -> None:
    assert Client(path).ask("echo", a=1, b=math.nan) == {"a": 1, "b": None}


def test_the_socket_is_for_this_user_only(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_refusal_carries_its_words(path: Path) -> None:
    with pytest.raises(IpcError, match="the disk is full"):
        Client(path).ask("refuse")
    with pytest.raises(IpcError, match="not a question"):
        Client(path).ask("dance")


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b"[]\n",
        b"{}\n",
        b'{"verb": []}\n',
        b'{"verb":"echo","payload":3}\n',
        b"\xff\n",
        b'{"verb":"echo","payload":{"a":1,"a":2}}\n',
        b'{"verb":"echo","payload":{"a":NaN}}\n',
    ],
)
def test_garbage_is_refused_and_the_service_goes_on(path: Path, line: bytes) -> None:
    assert json.loads(raw(path, line))["ok"] is False
    assert Client(path).ask("echo") == {}


def test_an_endless_line_ends_the_connection(path: Path) -> None:
    with contextlib.suppress(ConnectionError):
        assert raw(path, b"x" * (MAX_LINE_BYTES + 10)) == b""
    assert Client(path).ask("echo") == {}


def test_nobody_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(IpcError, match="the box is not running"):
        Client(tmp_path / "none.sock").ask("status")


def test_a_path_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(IpcError, match="shorter --state"):
        Client(tmp_path / ("x" * 120))


def test_a_service_in_a_missing_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(IpcError, match="s.sock"):
        Service(tmp_path / "no" / "s.sock", {})


def test_a_server_that_hangs_up_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def hang_up() -> None:
            link, _ = server.accept()
            link.recv(1000)
            link.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(IpcError):
            Client(path).ask("status")
        thread.join()

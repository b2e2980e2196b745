"""A running virtual box: its console, its monitor, and the plug that can be pulled. QEMU emulates; no KVM is needed."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.bench_appliance.virtual import Machine, command, needs, variables
from edge.errors import EdgeError

_SOCKETS_WITHIN_S = 20.0
_POLL_S = 0.05
_CHUNK_BYTES = 65_536


class Vm:
    """One QEMU process, from power-on until it ends or its plug is pulled."""

    def __init__(self, process: subprocess.Popen[bytes], console: socket.socket, monitor: Monitor) -> None:
        self._process, self._console, self.monitor = process, console, monitor
        self._text = ""
        self._started_s = time.monotonic()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def on_s(self) -> float:
        """Time since power-on [s]."""
        return time.monotonic() - self._started_s

    @property
    def text(self) -> str:
        """All that the console showed."""
        return self._text

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := self._console.recv(_CHUNK_BYTES):
                self._text += chunk.decode("utf-8", "replace")

    def wait_for(self, pattern: str, within_s: float, after: int = 0) -> re.Match[str]:
        """The console's first text that matches; raises :class:`EdgeError` with its last lines if none comes."""
        expression = re.compile(pattern)
        until_s = time.monotonic() + within_s
        while (found := expression.search(self._text, after)) is None:
            if time.monotonic() > until_s or self._process.poll() is not None:
                raise EdgeError(f"{pattern!r} did not come within {within_s:g} s; last: {self._text[-400:]!r}")
            time.sleep(_POLL_S)
        return found

    def send(self, line: str) -> None:
        """Type a line on the console, and wait for nothing."""
        self._console.sendall(f"{line}\n".encode())

    def run(self, line: str, within_s: float = 120.0) -> tuple[int, str]:
        """Run a line in the shell on the console: its exit code and what it printed."""
        nonce, start = secrets.token_hex(6), len(self._text)
        # Quotes part the words on the way out, so that only the answer has them in one piece.
        self.send(f"echo BE''GIN-{nonce}; {line}; echo EN''D-{nonce}=$?")
        found = self.wait_for(rf"BEGIN-{nonce}\r?\n((?s:.*?))END-{nonce}=(\d+)", within_s, start)
        return int(found[2]), found[1].replace("\r", "")

    def wait_off(self, within_s: float) -> None:
        """Until QEMU has ended by itself: shut down, or reset (it is started anew for each boot)."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired as error:
            raise EdgeError(f"the box is still on after {within_s:g} s; last: {self._text[-400:]!r}") from error

    def pull_the_plug(self) -> None:
        """No signal reaches the guest; what its disk had not been told is lost."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Off in any case."""
        if self._process.poll() is None:
            self.pull_the_plug()
        self._reader.join()


class Monitor:
    """QEMU's monitor (QMP): one command at a time; events are kept, its greeting is not."""

    def __init__(self, stream: socket.SocketIO) -> None:
        self._stream = stream
        self.events: list[str] = []

    def ask(self, execute: str, **arguments: Any) -> Any:
        """The answer to a command; raises :class:`EdgeError` where it is refused."""
        try:
            self._stream.write(json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n")
            for said in map(json.loads, self._stream):
                if "event" in said:
                    self.events.append(said["event"])
                elif "error" in said:
                    raise EdgeError(f"QEMU refuses {execute}: {said['error'].get('desc')}")
                elif "return" in said:
                    return said["return"]
        except OSError as error:
            raise EdgeError(f"QEMU ended before it answered {execute}: {error.strerror}") from error
        raise EdgeError(f"QEMU ended before it answered {execute}")

    def drain(self) -> tuple[str, ...]:
        """All events until QEMU ends."""
        with contextlib.suppress(OSError):
            self.events.extend(said["event"] for said in map(json.loads, self._stream) if "event" in said)
        return tuple(self.events)


@contextlib.contextmanager
def powered_on(machine: Machine, folder: Path) -> Iterator[Vm]:
    """Switch a box on; at the end it is off. Its console's text stays in ``folder/console.txt``."""
    _check(machine)
    folder.mkdir(exist_ok=True)
    if machine.kernel is None and not (folder / "variables.fd").exists():
        shutil.copyfile(variables(machine), folder / "variables.fd")
    with (folder / "qemu.txt").open("wb") as said:
        process = subprocess.Popen(command(machine, folder), stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    with contextlib.ExitStack() as stack:
        stack.callback(process.wait)
        stack.callback(process.kill)
        console, monitor = (
            stack.enter_context(_connected(folder / name, process, folder)) for name in ("console", "qmp")
        )
        stream = stack.enter_context(monitor.makefile("rwb", buffering=0))
        vm = Vm(process, console, Monitor(stream))
        stack.callback(vm.close)
        try:
            vm.monitor.ask("qmp_capabilities")
        except EdgeError as error:
            raise _not_started(folder) from error
        yield vm


def _check(machine: Machine) -> None:
    program, files = needs(machine)
    if shutil.which(program) is None:
        raise EdgeError(f"{program}: not installed (scripts/debian-packages)")
    if absent := [str(file) for file in (*files, machine.disk) if not file.exists()]:
        raise EdgeError(f"{', '.join(absent)}: not there")


def _connected(path: Path, process: subprocess.Popen[bytes], folder: Path) -> socket.socket:
    """A connection to one of QEMU's sockets, as soon as it listens."""
    until_s = time.monotonic() + _SOCKETS_WITHIN_S
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            if process.poll() is not None or time.monotonic() > until_s:
                raise _not_started(folder) from error
            time.sleep(_POLL_S)
        else:
            return connection


def _not_started(folder: Path) -> EdgeError:
    return EdgeError(f"QEMU does not start: {(folder / 'qemu.txt').read_text(encoding='utf-8')[-400:]}")

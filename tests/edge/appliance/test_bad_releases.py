"""Releases that are ill in ways that only show when they run: real processes, started in the order of the real units.

The test takes systemd's part with the very command lines of ``edge/appliance/data/units``: recover, start control and
wait for READY, then the health gate, and its verdict to the updater. What is refused before it runs (another processor,
an expired key, a full disk, what was touched, what is older) stands in test_updater.py.
"""

import os
import re
import select
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from releases import packed_release

from edge.appliance import updater
from edge.appliance.updater import Places

UNITS = Path(__file__).resolve().parents[3] / "edge" / "appliance" / "data" / "units"
READY = f"exec {sys.executable} -c 'import time; from edge.notify import ready; ready(); time.sleep(60)'"
READY_WITHIN_S = 15.0
CLASSES = {
    "good": (READY, "exit 0"),
    "bad at import": ("echo 'ImportError: no module' >&2; exit 1", "exit 1"),
    "hang before READY": ("exec sleep 60", "exit 1"),
    "no good cycle": (READY, "exit 1"),
    "killed by the kernel": ("kill -9 $$", "exit 1"),
}


class Machine:
    """A machine that is switched on again and again."""

    def __init__(self, folder, keys):
        self.folder = folder
        self.places = Places(root=folder / "opt", state=folder / "var", key=keys.public)

    def command(self, run, gate):
        """The `pems` of a small release: updates are the product's own, running and the gate are of a class."""
        options = f"--root {self.places.root} --state {self.places.state} --key {self.places.key}"
        return (
            "#!/bin/sh\n"
            f"export PYTHONPATH={os.environ.get('PYTHONPATH', '')} PEMS_JIT=0\n"
            'case "$1" in\n'
            f'update) shift; exec {sys.executable} -m edge.cli update {options} "$@" ;;\n'
            f"run) {run} ;;\nhealth) {gate} ;;\nesac\n"
        )

    def lines(self, unit, key):
        """The command lines of a unit, as systemd would run them, on this machine's folder."""
        text = (UNITS / unit).read_text().replace("/opt/pems", str(self.places.root))
        return [shlex.split(line) for line in re.findall(rf"^{key}=\+?(.*)$", text, re.MULTILINE)]

    def do(self, unit, key, **environment):
        """Whether all command lines of one kind in a unit end well."""
        lines = self.lines(unit, key)
        assert lines
        variables = {**os.environ, **environment}
        ended = [subprocess.run(line, env=variables, capture_output=True, check=False, timeout=60) for line in lines]
        return all(result.returncode == 0 for result in ended)

    def switch_on(self):
        """One start: recover, control until READY or its end, then the gate and what follows from it."""
        assert self.do("pems-update-recover.service", "ExecStart")
        address = self.folder / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
            heard.bind(str(address))
            control = self._control(address)
            try:
                self._wait(heard, control)
                if self.do("pems-health.service", "ExecStart"):
                    assert self.do("pems-health.service", "ExecStartPost")
                    assert self.do("pems-health.service", "ExecStopPost", SERVICE_RESULT="success")
                else:
                    assert self.do("pems-health.service", "ExecStopPost", SERVICE_RESULT="exit-code")
            finally:
                control.kill()
                control.wait()
                address.unlink()

    def _control(self, address):
        [line] = self.lines("pems-control.service", "ExecStart")
        return subprocess.Popen(line, env={**os.environ, "NOTIFY_SOCKET": str(address)}, stderr=subprocess.DEVNULL)

    def _wait(self, heard, control):
        """As systemd waits: for READY, for the end of the process, or for too long (here: shorter for what sleeps)."""
        within_s = READY_WITHIN_S if b"notify" in Path(control.args[0]).read_bytes() else 0.5
        until = select.poll()
        until.register(heard, select.POLLIN)
        for _ in range(int(within_s / 0.1)):
            if until.poll(100) or control.poll() is not None:
                return


@pytest.fixture
def machine(tmp_path, keys):
    """A machine whose release 1.0 is good."""
    made = Machine(tmp_path, keys)
    updater.install(made.places, packed_release(tmp_path, keys, 1, made.command(*CLASSES["good"])))
    return made


def test_a_release_that_is_good_stays_after_its_first_start(machine, keys, tmp_path):
    updater.install(machine.places, packed_release(tmp_path, keys, 2, machine.command(*CLASSES["good"])))
    machine.switch_on()
    state = updater.status(machine.places)
    assert (state.current, state.good, state.previous) == ("2.0", "2.0", "1.0")


@pytest.mark.parametrize(
    "kind",
    [
        "bad at import",
        *(pytest.param(kind, marks=pytest.mark.appliance) for kind in CLASSES if kind not in ("good", "bad at import")),
    ],
)
def test_a_release_that_is_ill_is_gone_within_three_starts(kind, machine, keys, tmp_path):
    updater.install(machine.places, packed_release(tmp_path, keys, 2, machine.command(*CLASSES[kind])))
    starts = 0
    while updater.status(machine.places).current != "1.0":
        machine.switch_on()
        starts += 1
    machine.switch_on()
    assert starts <= 3
    state = updater.status(machine.places)
    assert (state.current, state.good, state.is_running) == ("1.0", "1.0", False)
    assert "2.0 was rolled back" in state.told
    assert [path.name for path in machine.places.releases.iterdir()] == ["1.0"]

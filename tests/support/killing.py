"""A piece of work killed at every one of its system calls, as a power cut or an impatient person may do."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

_CALL = re.compile(r"^(\w+)\(")
Work = Callable[[], object]


def calls(work: Work, log: Path) -> list[tuple[str, int]]:
    """The system calls of a piece of work, in order: the name of each, and how often it had come by then."""
    assert not _traced(work, "-o", str(log))
    seen: Counter[str] = Counter()
    found = []
    for line in log.read_text().splitlines():
        match = _CALL.match(line)
        if match:
            seen[match[1]] += 1
            found.append((match[1], seen[match[1]]))
    return found


def killed(work: Work, call: tuple[str, int]) -> bool:
    """Do a piece of work in a process of its own and kill that as it enters the call; whether it came so far."""
    name, count = call
    return _traced(work, "-o", "/dev/null", "-e", f"inject={name}:signal=KILL:when={count}")


def need_strace() -> None:
    """Skip where the tracer is not, or may not."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace (Debian: strace)")


def _traced(work: Work, *options: str) -> bool:
    """Whether the work was killed; an error of its own fails the test."""
    worker = os.fork()
    if worker == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    os.waitpid(worker, os.WUNTRACED)
    with subprocess.Popen(["strace", "-qq", "-p", str(worker), *options], stderr=subprocess.PIPE) as tracer:
        while "TracerPid:\t0" in Path(f"/proc/{worker}/status").read_text() and tracer.poll() is None:
            os.sched_yield()
        os.kill(worker, signal.SIGCONT)
        _, status = os.waitpid(worker, 0)
        assert tracer.stderr is not None
        said = tracer.stderr.read().decode()
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, said
    return False

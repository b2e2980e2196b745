"""The dashboard's keys under the power-cut proof: a password set and changed twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.bench_appliance.powercut import Verdict
from edge.bench_appliance.recorded import EXT4, Disk
from edge.web.keys import Keys

_FOLDER = "keys"
_PASSWORDS = tuple(f"password number {number}" for number in range(4))


@dataclass(frozen=True, slots=True)
class Password:
    """Whoever changed a password must not be let in by the old one again."""

    name: str = "dashboard's password"
    disk: Disk = EXT4

    def prepare(self, root: Path) -> None:
        """A password that somebody has set."""
        Keys(root / _FOLDER).set_password(_PASSWORDS[0])

    def work(self, root: Path, done: Callable[[], None]) -> None:
        """A step is a change."""
        for password in _PASSWORDS[1:]:
            Keys(root / _FOLDER).set_password(password)
            done()

    def judge(self, root: Path, done_count: int) -> Verdict:
        """The password is the last one acknowledged or the one that was being set."""
        keys = Keys(root / _FOLDER)
        fits = any(keys.opens(password) for password in _PASSWORDS[done_count : done_count + 2])
        return Verdict(findings=() if fits else (f"password {done_count} was acknowledged and does not open",))

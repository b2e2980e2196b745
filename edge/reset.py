"""Back to a new box: the inverter on its own rules first, then configuration, keys and telemetry gone.

What is removed is overwritten first, and what was freed before is overwritten on request, so that a raw look at the
disk finds nothing. A flash medium may keep old copies where no program reaches them; only its own secure erase helps.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from edge.box import ControlPorts
from edge.clock import Clock
from edge.config import load_site
from edge.errors import ConfigError, EdgeError
from edge.files import replace_whole, sync_folder
from edge.ipc import claim
from edge.messages import IN_FORCE

APPLIANCE_CONFIG = Path("/etc/pems")  # a folder of ours alone
_CHUNK_BYTES = 1 << 20
_ZEROS = bytes(_CHUNK_BYTES)
_FILLER = ".wipe"


class ResetError(EdgeError):
    """A box could not be made new; what was done so far is in the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """What shall be forgotten: a site file with the files that it names, and a state folder."""

    site_path: Path
    state: Path

    def leave_inverter(self) -> str:
        """Bring the inverter to its own rules; how that went in words. Raises :class:`EdgeError` where it did not."""
        site = load_site(self.site_path)
        if site.battery is None or not site.links:
            return "no inverter is commanded"
        with claim(self.state):
            result = ControlPorts(site, self.state, Clock.real(), period_s=1.0).release()
        if result.outcome not in IN_FORCE:
            raise ResetError(f"the inverter is not on its own rules: {result.outcome}: {result.detail}")
        return "the inverter is on its own rules"

    def files(self) -> list[Path]:
        """What is removed: the state folder's files, then those of the configuration, the site file last."""
        own_folder = self.site_path.parent.resolve() == APPLIANCE_CONFIG
        named = _regular(self.site_path.parent) if own_folder else _named(self.site_path)
        kept = [path for path in named if path.resolve() != self.site_path.resolve()]
        return [*_regular(self.state), *kept, self.site_path]

    def forget(self, each: Callable[[Path], None]) -> None:
        """Overwrite and remove all files; raises :class:`ResetError`."""
        try:
            for path in self.files():
                each(path)
                overwrite(path)
            for folder in sorted((path for path in self.state.rglob("*") if path.is_dir()), reverse=True):
                folder.rmdir()
            for path in self.state.iterdir():  # sockets and their kin hold nothing
                path.unlink()
            sync_folder(self.state)
        except OSError as error:
            raise ResetError(f"{error.filename or self.state}: {error.strerror}") from error

    def begin_anew(self) -> None:
        """Put the site file of a new box in place, which commands nothing."""
        new = resources.files("edge.appliance") / "data" / "site.toml"
        replace_whole(self.site_path, new.read_bytes(), mode=0o644)


def _regular(folder: Path) -> list[Path]:
    """All files below a folder; links are not followed, what they lead to is somebody else's."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _named(site_path: Path) -> list[Path]:
    """The site file and what it names, as far as that lies beside it."""
    folder = site_path.parent.resolve()
    try:
        site = load_site(site_path)
    except ConfigError:  # what it cannot be read to name stays; that it cannot be read was said before
        return [site_path]
    named = map(site.path, site.named_files)
    return [site_path, *(path for path in named if path.is_file() and path.resolve().is_relative_to(folder))]


def overwrite(path: Path) -> None:
    """Write zeros over a file, down to the disk, then remove it; raises ``OSError``."""
    left = path.stat().st_size
    with path.open("r+b", buffering=0) as handle:
        while left > 0:
            left -= handle.write(_ZEROS[: min(left, _CHUNK_BYTES)])
        os.fsync(handle.fileno())
    path.unlink()


def overwrite_free_space(folder: Path, each: Callable[[int], None]) -> None:
    """Fill the file system of a folder with zeros, then give all of it back; ``each`` gets the bytes of every step."""
    filler = folder / _FILLER
    try:
        with filler.open("wb", buffering=0) as handle:
            while (written := _write_or_full(handle.write)) > 0:
                each(written)
            os.fsync(handle.fileno())
    except OSError as error:
        raise ResetError(f"{filler}: {error.strerror}") from error
    finally:
        filler.unlink(missing_ok=True)
    sync_folder(folder)


def _write_or_full(write: Callable[[bytes], int | None]) -> int:
    """One chunk; 0 when the disk is full."""
    try:
        return write(_ZEROS) or 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return 0


def free_bytes(folder: Path) -> int:
    """What :func:`overwrite_free_space` will about have to write."""
    return shutil.disk_usage(folder).free

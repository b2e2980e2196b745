"""A bundle as a file on the workstation: the ZIP around the manifest and what it lists."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from core_kernels.manifest import MANIFEST_NAME, Manifest, parse
from training.errors import SetupError

_EPOCH = (1980, 1, 1, 0, 0, 0)


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A ZIP with fixed dates: the same members give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def write_zip(members: Mapping[str, bytes], path: Path) -> None:
    """Write :func:`zipped`; raises :class:`SetupError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zipped(members))
    except OSError as error:
        raise SetupError(f"{path}: cannot be written: {error.strerror}") from error


def opened(raw: bytes, name: str) -> tuple[Manifest, dict[str, bytes]]:
    """Manifest and members of a bundle of our own making; raises :class:`SetupError` where a member is not as listed.

    Whose signature it bears is the device's question, not the workstation's.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = {member: archive.read(member) for member in archive.namelist()}
        manifest = parse(members[MANIFEST_NAME])
        wrong = [f for f, e in manifest.files.items() if hashlib.sha256(members[f]).hexdigest() != e.sha256]
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise SetupError(f"{name}: is not a bundle: {error}") from error
    if wrong:
        raise SetupError(f"{name}: is not a bundle: {', '.join(wrong)} is not what the manifest says")
    return manifest, members

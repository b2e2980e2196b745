"""The keys of the house, as files that only this user may read: the password's hash, the setup code, the reading token.

Before there is a password, whoever can read the box's own log or console (the setup code stands there) may set it.
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from edge.errors import ConfigError, StoreError
from edge.files import replace_whole

MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_LENGTH = 256
# OWASP Password Storage Cheat Sheet (2024), the least for argon2id: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # without what people mistake for each other


class Keys:
    """The folder of key files; raises :class:`StoreError` where it cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._password, self._setup, self._read = (folder / name for name in ("password", "setup_code", "read_token"))
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"{folder}: cannot be made: {error.strerror}") from error

    @property
    def has_password(self) -> bool:
        """Whether somebody has set one."""
        return self._password.exists()

    def stamp(self) -> int:
        """Changes with the password, so that older sessions end; 0 without one."""
        try:
            return self._password.stat().st_mtime_ns
        except OSError:
            return 0

    def set_password(self, password: str) -> None:
        """Set or change it; raises :class:`ConfigError` where it is too weak or too long."""
        if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
            raise ConfigError("password", [f"must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters"])
        _write(self._password, _HASHER.hash(password))
        self._setup.unlink(missing_ok=True)

    def opens(self, password: str) -> bool:
        """Whether this is the password; takes some tens of milliseconds and 19 MiB."""
        try:
            return _HASHER.verify(_read(self._password), password)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError) as error:
            raise StoreError(f"{self._password}: is no password hash: {error}") from error

    def setup_code(self) -> str:
        """The code that lets somebody set the first password; made at first, gone with the password."""
        if not self._setup.exists():
            groups = ("".join(secrets.choice(_CODE_ALPHABET) for _ in range(4)) for _ in range(4))
            _write(self._setup, "-".join(groups))
        return _read(self._setup)

    def read_token(self) -> str:
        """The token by which programs may read (``Authorization: Bearer``); made at first."""
        if not self._read.exists():
            _write(self._read, secrets.token_urlsafe(32))
        return _read(self._read)


def same(given: str, expected: str) -> bool:
    """Compare secrets in a time that says nothing."""
    return hmac.compare_digest(given.encode(), expected.encode())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error


def _write(path: Path, text: str) -> None:
    """A file for this user only, whole or not at all."""
    try:
        replace_whole(path, f"{text}\n".encode("ascii"))
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error

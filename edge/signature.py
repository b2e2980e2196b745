"""The keys and signatures (ed25519) of everything signed that a box takes: bundles of models, and releases."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from edge.errors import BundleError

SIGNATURE_BYTES = 64
_NOT_AFTER = re.compile(rb"^Not-After: (\d{4}-\d\d-\d\d)\s*$", re.MULTILINE)


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The key that must have signed; raises :class:`BundleError`."""
    try:
        key = load_pem_public_key(_content(path, "public key"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BundleError(f"{path}: is not a public key in PEM form") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BundleError(f"{path}: is not an ed25519 public key")
    return key


def check_in_time(path: Path, now_s: float) -> None:
    """Nothing while a key may vouch for something new; else :class:`BundleError`.

    A public key's file may say ``Not-After: 2027-12-31`` before the PEM block: the last day on which it may.
    """
    found = _NOT_AFTER.search(_content(path, "public key"))
    if found is None:
        return
    try:
        last = datetime.strptime(found[1].decode("ascii"), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise BundleError(f"{path}: Not-After is not a date: {error}") from error
    if now_s >= last.timestamp() + 86_400.0:
        raise BundleError(f"{path}: the key expired after {last:%Y-%m-%d}")


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """The key to sign with, which never lies on a box; raises :class:`BundleError`."""
    try:
        key = load_pem_private_key(_content(path, "private key"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BundleError(f"{path}: is not a private key in PEM form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"{path}: is not an ed25519 key")
    return key


def check(key: Ed25519PublicKey, signature: bytes, message: bytes) -> None:
    """Nothing where the key signed the message; else :class:`BundleError`."""
    try:
        key.verify(signature, message)
    except InvalidSignature as error:
        raise BundleError("the signature is not by this key over this manifest") from error


def _content(path: Path, kind: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: {kind} cannot be read: {error.strerror}") from error

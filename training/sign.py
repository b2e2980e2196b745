"""Keys and signatures: ed25519 over the purpose and the manifest's bytes."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from core_kernels.manifest import signed_bytes
from training.errors import SetupError


def public_path(private: Path) -> Path:
    """Where the public half of a key lies: the same name, ending ``.pub``."""
    return private.with_suffix(".pub")


def make_key(private: Path) -> Path:
    """Write a new private key (mode 0600) and its public half beside it; an existing file is never overwritten."""
    key = Ed25519PrivateKey.generate()
    body = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        private.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SetupError(f"{private}: cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(body)
    public = public_path(private)
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public


def load_key(private: Path) -> Ed25519PrivateKey:
    """Read a private key; raises :class:`SetupError`."""
    try:
        key = load_pem_private_key(private.read_bytes(), password=None)
    except OSError as error:
        raise SetupError(f"{private}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SetupError(f"{private}: is not a private key in PEM form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SetupError(f"{private}: is not an ed25519 key")
    return key


def signature(key: Ed25519PrivateKey, manifest: bytes) -> bytes:
    """The 64 bytes of ``manifest.sig``."""
    return key.sign(signed_bytes(manifest))

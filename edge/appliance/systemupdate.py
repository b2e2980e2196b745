"""Updates of the whole system: an authority that stays offline, and RAUC bundles signed by a certificate of it."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.appliance.slotcommands import running
from edge.appliance.tools import run
from edge.errors import UpdateError

COMPATIBLE = "pems-edge"
AUTHORITY_DAYS, SIGNER_DAYS = 20 * 366, 366
_PRIVATE = 0o600


class Keys(NamedTuple):
    """Where an authority's files lie: its key stays offline, the signer's key signs for a year."""

    authority_key: Path
    authority: Path
    signer_key: Path
    signer: Path


def keys_of(folder: Path) -> Keys:
    """The files of a folder of keys."""
    return Keys(*(folder / name for name in ("authority.key", "authority.pem", "signer.key", "signer.pem")))


def make_keys(folder: Path, name: str, now: datetime | None = None) -> Keys:
    """An authority and its first signer; a key that is there is never overwritten (a new signer of it is made).

    Raises
    ------
    UpdateError
        The folder cannot be written, or holds half an authority.
    """
    files, start = keys_of(folder), now or datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True)
    if files.authority_key.exists() != files.authority.exists():
        raise UpdateError(f"{folder}: holds half an authority, {files.authority_key.name} or {files.authority.name}")
    if not files.authority_key.exists():
        key = ec.generate_private_key(ec.SECP384R1())
        _put_key(files.authority_key, key)
        subject = _name(f"{name} authority")
        made = _certificate(subject, subject, key.public_key(), start, AUTHORITY_DAYS, authority=True)
        _put_certificate(files.authority, made.sign(key, hashes.SHA384()))
    authority_key = serialization.load_pem_private_key(files.authority_key.read_bytes(), None)
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise UpdateError(f"{files.authority_key}: is no key of an elliptic curve")
    signer_key = ec.generate_private_key(ec.SECP384R1())
    subject = _name(f"{name} {start:%Y}")
    made = _certificate(subject, authority.subject, signer_key.public_key(), start, SIGNER_DAYS, authority=False)
    files.signer_key.unlink(missing_ok=True)
    _put_key(files.signer_key, signer_key)
    _put_certificate(files.signer, made.sign(authority_key, hashes.SHA384()))
    return files


def bundle(system: Path, out: Path, version: str, keys: Keys) -> Path:
    """A RAUC bundle of a system: verity format, so that a box checks every block as it writes it."""
    for path in (system, keys.signer, keys.signer_key, keys.authority):
        if not path.is_file():
            raise UpdateError(f"{path}: no such file")
    if out.exists():
        raise UpdateError(f"{out}: is there already")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bundle-") as name:
        work = Path(name)
        os.link(system, work / "rootfs.ext4")
        manifest = f"[update]\ncompatible={COMPATIBLE}\nversion={version}\n\n[bundle]\nformat=verity\n\n"
        (work / "manifest.raucm").write_text(f"{manifest}[image.rootfs]\nfilename=rootfs.ext4\n", encoding="utf-8")
        signing = (f"--cert={keys.signer}", f"--key={keys.signer_key}", f"--keyring={keys.authority}")
        run(["rauc", *signing, "--mksquashfs-args=-comp zstd -Xcompression-level 15", "bundle", str(work), str(out)])
    return out


def install(file: Path) -> None:
    """Have RAUC write a bundle's system beside the one that runs; raises :class:`UpdateError` with its words."""
    if running() is None:
        raise UpdateError("this box was not started from an image: it installs releases (.pems), no whole systems")
    run(["rauc", "install", str(file)])


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    start: datetime,
    days: int,
    *,
    authority: bool,
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - timedelta(hours=1))
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(usage, critical=True)
    )


def _put_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as handle:
        handle.write(encoded)


def _put_certificate(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

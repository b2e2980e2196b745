"""Keys are what they should be, or are refused in words."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge.errors import BundleError
from edge.signature import load_private_key


def test_a_key_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BundleError, match=r"none\.key: private key cannot be read"):
        load_private_key(tmp_path / "none.key")


def test_a_file_that_is_no_key_is_refused(tmp_path):
    (tmp_path / "text.key").write_text("secret")
    with pytest.raises(BundleError, match="PEM form"):
        load_private_key(tmp_path / "text.key")


def test_a_key_of_another_kind_is_refused(tmp_path):
    key = generate_private_key(SECP256R1())
    (tmp_path / "ec.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(BundleError, match="not an ed25519 key"):
        load_private_key(tmp_path / "ec.key")

import warnings
import zipfile

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge.errors import BundleError
from edge.forecast import bundle as bundle_module
from edge.forecast.bundle import read_bundle
from edge.signature import load_public_key


def refused(workshop, path, says):
    with pytest.raises(BundleError, match=says) as caught:
        read_bundle(path, workshop.public)
    assert "\n" not in str(caught.value)


def test_a_good_bundle_is_read_whole_into_memory(workshop):
    path = workshop.bundle()
    bundle = read_bundle(path, workshop.public)
    assert bundle.manifest.seq == 5
    assert set(bundle.files) == {"pv.onnx", "load.onnx", "golden.npz"}
    assert bundle.raw == path.read_bytes()


def test_another_key_is_refused(workshop):
    path = workshop.bundle()
    workshop.key = Ed25519PrivateKey.generate()
    refused(workshop, path, "the signature is not by this key")


def test_an_edited_manifest_is_refused(workshop):
    members = workshop.members()
    members["manifest.json"] = members["manifest.json"].replace(b'"seq":5', b'"seq":6')
    refused(workshop, workshop.write(members), "the signature is not by this key")


def test_a_changed_member_is_refused(workshop):
    members = workshop.members()
    members["pv.onnx"] = members["pv.onnx"][:-1] + b"\xff"
    refused(workshop, workshop.write(members), "pv.onnx is not what the manifest says")


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig"])
def test_a_bundle_without_its_manifest_or_signature_is_refused(workshop, name):
    members = workshop.members()
    del members[name]
    refused(workshop, workshop.write(members), f"{name} is missing")


def test_a_missing_member_is_refused(workshop):
    members = workshop.members()
    del members["load.onnx"]
    refused(workshop, workshop.write(members), "load.onnx is missing")


def test_an_extra_member_is_refused(workshop):
    refused(workshop, workshop.write({**workshop.members(), "extra.npz": b""}), "extra.npz is not in the manifest")


@pytest.mark.parametrize("name", ["../pv.onnx", "/etc/passwd", "a/b.onnx", "PV.onnx", "pv.onnx.exe", "x\\y.npz"])
def test_a_name_that_could_be_a_path_is_refused(workshop, name):
    refused(workshop, workshop.write({**workshop.members(), name: b""}), "is not allowed")


def test_a_member_that_is_there_twice_is_refused(workshop):
    path = workshop.bundle()
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore", UserWarning)
        archive.writestr("pv.onnx", b"other")
    refused(workshop, path, "pv.onnx is there twice")


def test_a_member_that_inflates_beyond_its_limit_is_refused(workshop):
    members = {**workshop.members(), "huge.npz": b"\0" * (17 * 1024 * 1024)}
    refused(workshop, workshop.write(members), "huge.npz is larger than")


def test_too_many_members_are_refused(workshop):
    members = {**workshop.members(), **{f"f{i}.npz": b"" for i in range(9)}}
    refused(workshop, workshop.write(members), "the most is 10")


def test_a_file_that_is_too_large_is_refused(workshop, monkeypatch):
    monkeypatch.setattr(bundle_module, "MAX_BUNDLE_BYTES", 100)
    refused(workshop, workshop.bundle(), "is larger than 100 bytes")


@pytest.mark.parametrize("keep", [0, 10, 400, -30])
def test_a_truncated_bundle_is_refused(workshop, keep):
    path = workshop.bundle()
    path.write_bytes(path.read_bytes()[:keep])
    refused(workshop, path, "is not a readable ZIP")


def test_a_flipped_byte_anywhere_is_refused_or_changes_nothing(workshop):
    path = workshop.bundle()
    whole = path.read_bytes()
    good = read_bundle(path, workshop.public)
    for position in range(0, len(whole), 97):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            found = read_bundle(path, workshop.public)
        except BundleError:
            continue
        assert found.files == good.files
        assert found.manifest.document == good.manifest.document


def test_a_signed_manifest_that_is_wrong_is_refused(workshop):
    refused(workshop, workshop.bundle(schema=2), "schema 2 is not 1")


def test_a_bundle_for_a_newer_device_is_refused(workshop):
    refused(workshop, workshop.bundle(min_device="9.0.0"), "needs device version 9.0.0")


def test_a_missing_file_is_named(workshop):
    refused(workshop, workshop.folder / "none.zip", "none.zip: cannot be read")


def test_a_key_that_is_none_is_refused(workshop, tmp_path):
    wrong = tmp_path / "wrong.pub"
    with pytest.raises(BundleError, match="cannot be read"):
        load_public_key(wrong)
    wrong.write_text("no key")
    with pytest.raises(BundleError, match="not a public key"):
        load_public_key(wrong)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    wrong.write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(BundleError, match="not an ed25519"):
        load_public_key(wrong)

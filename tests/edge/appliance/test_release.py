"""Releases as files: what is packed comes out again, and nothing that was touched is accepted."""

import gzip
import io
import json
import os
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.appliance import release
from edge.appliance.manifest import Entry, Manifest, parse, signed_bytes, to_bytes
from edge.appliance.release import pack, sign_tree, unpack, verify
from edge.appliance.tree import entries, facts_of
from edge.errors import BundleError
from edge.signature import load_private_key


def test_a_release_comes_out_as_it_went_in(tree, packed, keys, tmp_path):
    seen = []
    manifest = unpack(packed, tmp_path / "out", keys.public, seen.append)
    assert entries(tmp_path / "out") == entries(tree) == manifest.files
    assert sum(seen) == manifest.tree_bytes > 0
    assert verify(tmp_path / "out", keys.public) == verify(packed, keys.public) == manifest
    assert (tmp_path / "out" / "bin" / "pems").stat().st_mtime == manifest.facts.created_s
    assert manifest.version == "1.0.0"


def test_the_same_tree_gives_the_same_bytes_whatever_the_clock_and_the_owner_say(tree, packed, keys, tmp_path):
    os.utime(tree / "bin" / "pems", (1, 1))
    pack(tree, tmp_path / "again.pems", keys.private)
    assert (tmp_path / "again.pems").read_bytes() == packed.read_bytes()


def test_the_manifest_and_the_signature_come_first(packed):
    with tarfile.open(packed) as archive:
        assert archive.getnames() == ["manifest.json", "manifest.sig", "payload.tar.gz"]
        assert {info.uid for info in archive} == {0}


def test_no_byte_of_a_release_can_change_unseen(packed, keys, tmp_path):
    raw = packed.read_bytes()
    places = sorted({*range(0, 1200, 5), *range(len(raw) - 1100, len(raw), 5), *range(0, len(raw), 31)})
    spoilt = tmp_path / "spoilt.pems"
    accepted = []
    for place in places:
        spoilt.write_bytes(raw[:place] + bytes([raw[place] ^ 0x10]) + raw[place + 1 :])
        try:
            verify(spoilt, keys.public)
        except BundleError as error:
            assert str(spoilt) in str(error)
        else:
            accepted.append(place)
    assert accepted == []


@pytest.mark.parametrize("size", [0, 1, 511, 512, 700, 2000, -513, -1])
def test_a_release_that_was_cut_short_is_refused(size, packed, keys, tmp_path):
    (tmp_path / "short.pems").write_bytes(packed.read_bytes()[:size])
    with pytest.raises(BundleError):
        verify(tmp_path / "short.pems", keys.public)


def test_a_release_with_something_behind_it_is_refused(packed, keys, tmp_path):
    (tmp_path / "long.pems").write_bytes(packed.read_bytes() + bytes(512))
    with pytest.raises(BundleError, match="does not end where"):
        verify(tmp_path / "long.pems", keys.public)


def test_a_foreign_key_is_refused(packed, foreign_keys):
    with pytest.raises(BundleError, match="not by this key"):
        verify(packed, foreign_keys.public)


def test_a_file_that_is_not_there_is_named(tmp_path, keys):
    with pytest.raises(BundleError, match=r"none\.pems: cannot be read"):
        verify(tmp_path / "none.pems", keys.public)


def test_a_signature_of_the_same_key_for_another_purpose_is_refused(tree, keys):
    sign_tree(tree, keys.private)
    raw = (tree / "manifest.json").read_bytes()
    (tree / "manifest.sig").write_bytes(load_private_key(keys.private).sign(b"pems-bundle-v1\0" + raw))
    with pytest.raises(BundleError, match="not by this key"):
        verify(tree, keys.public)


def changed(tree):
    (tree / "lib" / "edge" / "__init__.py").write_text("import evil\n")


def added(tree):
    (tree / "lib" / "edge" / "more.py").write_text("")


def removed(tree):
    (tree / "lib" / "edge" / "empty.py").unlink()


def executable(tree):
    (tree / "lib" / "edge" / "empty.py").chmod(0o755)


@pytest.mark.parametrize("spoil", [changed, added, removed, executable])
def test_a_tree_that_is_not_as_it_was_signed_is_refused(spoil, tree, keys):
    sign_tree(tree, keys.private)
    spoil(tree)
    with pytest.raises(BundleError, match=r"is not as it was signed \(1 files differ\)"):
        verify(tree, keys.public)


def test_a_link_in_a_tree_is_refused(tree, keys):
    (tree / "lib" / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(BundleError, match="neither a file nor a folder"):
        sign_tree(tree, keys.private)


def test_a_tree_without_a_manifest_is_refused(tree, keys):
    with pytest.raises(BundleError, match="cannot be read"):
        verify(tree, keys.public)


def test_a_tree_is_no_packed_release(tree, keys, tmp_path):
    """A manifest that was signed for a tree alone has no payload that could be unpacked."""
    sign_tree(tree, keys.private)
    with (tmp_path / "half.pems").open("wb") as handle:
        for name in ("manifest.json", "manifest.sig"):
            release._append(handle, tree / name)
    with pytest.raises(BundleError, match="without a payload"):
        verify(tmp_path / "half.pems", keys.public)


def forged(tree, keys, file, members, files=None):
    """A release whose maker holds the key, but packs something else than the manifest says."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    payload = tree.parent / "payload.tar.gz"
    payload.write_bytes(gzip.compress(stream.getvalue()))
    entry = Entry(release.sha256_of(payload), 0o644, payload.stat().st_size)
    manifest = Manifest(facts=facts_of(tree), files=files or entries(tree), payload=entry)
    (tree / "manifest.json").write_bytes(to_bytes(manifest))
    (tree / "manifest.sig").write_bytes(load_private_key(keys.private).sign(signed_bytes(to_bytes(manifest))))
    with file.open("wb") as handle:
        for path in (tree / "manifest.json", tree / "manifest.sig", payload):
            release._append(handle, path)
        handle.write(release._END)
    return file


def link(name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ([(tarfile.TarInfo("../outside"), b"x")], "not in the manifest"),
        ([(tarfile.TarInfo("/etc/outside"), b"x")], "not in the manifest"),
        ([(link("bin/pems", "/bin/true"), b"")], "not in the manifest|cannot be unpacked"),
        ([(tarfile.TarInfo("bin/pems"), b"other")], "not as it was signed"),
        ([], "is missing"),
    ],
)
def test_a_payload_that_differs_from_its_manifest_is_not_taken(members, word, tree, keys, tmp_path):
    file = forged(tree, keys, tmp_path / "forged.pems", members)
    with pytest.raises(BundleError, match=word):
        unpack(file, tmp_path / "a" / "out", keys.public)
    assert not (tmp_path / "a" / "outside").exists()


@pytest.mark.parametrize(
    "name", ["../up", "/abs", "a//b", "a/./b", "", "manifest.json", "bin/pems/under", "a\nb", "bin\\pems"]
)
def test_a_manifest_never_names_a_file_outside_its_tree(name, tree):
    document = json.loads(to_bytes(Manifest(facts=facts_of(tree), files=entries(tree))))
    document["files"][name] = ["0" * 64, 0o644, 1]
    with pytest.raises(ValueError, match="files has"):
        parse(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("format", 2, "format"),
        ("version", "../1", "version"),
        ("seq", -1, "seq"),
        ("seq", True, "seq"),
        ("arch", "riscv64", "arch"),
        ("python", "2.7", "python"),
        ("created_s", "now", "created_s"),
        ("files", {}, "files must list"),
        ("files", {"a": ["0" * 64, 0o4755, 1]}, "mode"),
        ("files", {"a": ["xyz", 0o644, 1]}, "SHA-256"),
        ("files", {"a": ["0" * 64, 0o644, 3 * 1024**3]}, "the most is"),
        ("payload", [], "payload"),
        ("extra", 1, "keys differ"),
    ],
)
def test_a_manifest_with_a_wrong_field_is_refused_by_name(key, value, word, tree):
    document = json.loads(to_bytes(Manifest(facts=facts_of(tree), files=entries(tree))))
    document[key] = value
    with pytest.raises(ValueError, match=word):
        parse(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


@settings(max_examples=200)
@given(raw=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_bytes_make_the_reader_of_manifests_fail_otherwise(raw):
    with pytest.raises(ValueError, match="manifest|format"):
        parse(raw)


def test_a_tree_without_facts_is_no_release(tmp_path):
    with pytest.raises(BundleError, match=r"release\.json: cannot be read"):
        facts_of(tmp_path)
    (tmp_path / "release.json").write_text("[1]")
    with pytest.raises(BundleError, match=r"release\.json"):
        facts_of(tmp_path)

"""Whatever is done to a bundle on its way, the box refuses it in one line: the list of attacks, one test."""

import io
import struct
import zipfile

import numpy as np
import pytest
from commandline import pems
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx_bytes import part, value_info

from edge.errors import BundleError
from edge.forecast.bundle import read_bundle
from edge.forecast.installed import install
from edge.forecast.runtime import Forecaster

WEIGHTS = (0.5, 0.8, 1.1)  # what the golden rows of the workshop were made with
TREE = {
    "nodes_treeids": [0, 0, 0],
    "nodes_nodeids": [0, 1, 2],
    "nodes_featureids": [0, 0, 0],
    "nodes_modes": ["BRANCH_LT", "LEAF", "LEAF"],
    "nodes_values": [0.5, 0.0, 0.0],
    "nodes_truenodeids": [1, 0, 0],
    "nodes_falsenodeids": [2, 0, 0],
    "nodes_missing_value_tracks_true": [0, 0, 0],
    "target_treeids": [0] * 6,
    "target_nodeids": [1, 1, 1, 2, 2, 2],
    "target_ids": [0, 1, 2, 0, 1, 2],
    "target_weights": [*WEIGHTS, *WEIGHTS],
    "base_values": [0.0, 0.0, 0.0],
    "n_targets": 3,
    "post_transform": "NONE",
}


def attribute(name, value):
    """An AttributeProto (onnx.proto: floats 7, ints 8, strings 9, their types 6, 7, 8)."""
    if isinstance(value, str):
        return part(1, name) + part(4, value) + part(20, 3)
    if isinstance(value, int):
        return part(1, name) + part(3, value) + part(20, 2)
    if isinstance(value[0], float):
        return part(1, name) + part(7, struct.pack(f"<{len(value)}f", *value)) + part(20, 6)
    if isinstance(value[0], str):
        return part(1, name) + b"".join(part(9, text) for text in value) + part(20, 8)
    return part(1, name) + b"".join(part(8, number) for number in value) + part(20, 7)


def trees(**changed):
    """A graph as training makes it, in miniature: q[N, 3] = trees(X[N, 2]) * scale_w[N, 1]."""
    found = {**TREE, **changed}
    node = part(1, "X") + part(2, "raw") + part(4, "TreeEnsembleRegressor") + part(7, "ai.onnx.ml")
    node += b"".join(part(5, attribute(name, value)) for name, value in found.items())
    scale = part(1, "raw") + part(1, "scale_w") + part(2, "q") + part(4, "Mul")
    graph = part(1, node) + part(1, scale) + part(2, "tiny")
    graph += part(11, value_info("X", 2)) + part(11, value_info("scale_w", 1)) + part(12, value_info("q", 3))
    imports = part(8, part(2, 18)) + part(8, part(1, "ai.onnx.ml") + part(2, 3))
    return part(1, 10) + part(7, graph) + imports


def external_data():
    """A graph that wants the bytes of a file beside it."""
    place = part(13, part(1, "location") + part(2, "../../etc/hostname"))
    tensor = part(1, 1) + part(1, 3) + part(2, 1) + part(8, "factors") + place + part(14, 1)
    node = part(1, "scale_w") + part(1, "factors") + part(2, "q") + part(4, "Mul")
    graph = part(1, node) + part(2, "tiny") + part(5, tensor)
    graph += part(11, value_info("X", 2)) + part(11, value_info("scale_w", 1)) + part(12, value_info("q", 3))
    return part(1, 10) + part(7, graph) + part(8, part(2, 18))


def with_graph(graph):
    return lambda shop: shop.bundle({**shop.files(), "pv.onnx": graph})


def with_member(name, content):
    return lambda shop: shop.write({**shop.members(), name: content})


def with_golden(**arrays):
    def made(shop):
        with np.load(io.BytesIO(shop.files()["golden.npz"])) as found:
            golden = {**dict(found), **arrays}
        buffer = io.BytesIO()
        np.savez(buffer, **golden)
        return shop.bundle({**shop.files(), "golden.npz": buffer.getvalue()})

    return made


def flipped(shop):
    members = shop.members()
    middle = len(members["load.onnx"]) // 2
    content = bytearray(members["load.onnx"])
    content[middle] ^= 1
    return shop.write({**members, "load.onnx": bytes(content)})


def edited_manifest(shop):
    members = shop.members()
    return shop.write({**members, "manifest.json": members["manifest.json"].replace(b'"seq":5', b'"seq":9')})


def without(name):
    def made(shop):
        members = shop.members()
        del members[name]
        return shop.write(members)

    return made


def signed_by_another(shop):
    other = type(shop)(shop.folder, Ed25519PrivateKey.generate())
    return other.bundle()


def linked(shop):
    """A member that says it is a symbolic link to a file of the box."""
    path = shop.bundle()
    link = zipfile.ZipInfo("link.npz")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/shadow")
    return path


ATTACKS = {
    "flipped byte": (flipped, "load.onnx is not what the manifest says"),
    "edited manifest": (edited_manifest, "the signature is not by this key"),
    "another key": (signed_by_another, "the signature is not by this key"),
    "no signature": (without("manifest.sig"), "manifest.sig is missing"),
    "no manifest": (without("manifest.json"), "manifest.json is missing"),
    "missing member": (without("pv.onnx"), "pv.onnx is missing"),
    "extra member": (with_member("extra.npz", b"x"), "extra.npz is not in the manifest"),
    "zip-slip": (with_member("../../pv.onnx", b"x"), "is not allowed"),
    "absolute name": (with_member("/etc/cron.d/x", b"x"), "is not allowed"),
    "symbolic link": (linked, "link.npz is not in the manifest"),
    "oversize": (with_member("huge.npz", b"\0" * (17 * 1024 * 1024)), "huge.npz is larger than"),
    "another schema": (lambda shop: shop.bundle(schema=2), "schema 2 is not 1"),
    "a newer device": (lambda shop: shop.bundle(min_device="99.0"), "needs device version 99.0"),
    "another site": (lambda shop: shop.bundle(site="elsewhere"), "is for site 'elsewhere'"),
    "other features": (lambda shop: shop.bundle(feature_code_sha256="0" * 64), "trained with other features"),
    "an unknown key": (lambda shop: shop.bundle(surprise=1), "manifest keys differ: surprise"),
    "no graph": (with_graph(b"no graph"), "pv.onnx: is not a usable graph"),
    "external data": (with_graph(external_data()), "pv.onnx: is not a usable graph"),
    "negative feature": (with_graph(trees(nodes_featureids=[-5, 0, 0])), "pv.onnx: "),
    "feature beyond": (with_graph(trees(nodes_featureids=[10**6, 0, 0])), "pv.onnx: "),
    "target out of range": (with_graph(trees(target_ids=[0, 1, 9, 0, 1, 2])), "pv.onnx: "),
    "negative target": (with_graph(trees(target_ids=[0, 1, -1, 0, 1, 2])), "pv.onnx: "),
    "wrong base_values": (with_graph(trees(base_values=[0.0, 0.0])), "pv.onnx: "),
    "n_targets of 1e9": (with_graph(trees(n_targets=10**9)), "pv.onnx: "),
    "fewer targets": (with_graph(trees(n_targets=2)), "pv.onnx: "),
    "a cycle": (with_graph(trees(nodes_truenodeids=[0, 0, 0])), "pv.onnx: "),
    "a missing child": (with_graph(trees(nodes_truenodeids=[7, 0, 0])), "pv.onnx: "),
    "a leaf of NaN": (with_graph(trees(target_weights=[*WEIGHTS[:2], float("nan")] * 2)), "answers its golden rows"),
    "an infinite leaf": (with_graph(trees(target_weights=[*WEIGHTS[:2], float("inf")] * 2)), "answers its golden rows"),
    "other leaves": (with_graph(trees(target_weights=[0.5, 0.8, 1.2] * 2)), "answers its golden rows"),
    "golden rows of another width": (with_golden(pv_w_X=np.zeros((8, 3), dtype=np.float32)), "pv.onnx: cannot be run"),
    "golden rows as a pickle": (with_golden(pv_w_X=np.array([{}, {}], dtype=object)), "golden rows cannot be read"),
}  # fmt: skip


def test_the_miniature_is_good_before_it_is_tampered_with(workshop, site):
    path = workshop.bundle({**workshop.files(), "pv.onnx": trees()})
    assert Forecaster.load(path, workshop.public, site).parity_ratio < 1e-5


@pytest.mark.timeout(60)
@pytest.mark.parametrize("attack", ATTACKS)
def test_every_tampering_is_refused_in_one_line(workshop, site, attack):
    tamper, words = ATTACKS[attack]
    path = tamper(workshop)
    with pytest.raises(BundleError) as caught:
        Forecaster.load(path, workshop.public, site)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seq", [5, 4, 0])
def test_a_bundle_of_an_older_or_the_same_number_is_never_installed(workshop, tmp_path, seq):
    folder = tmp_path / "bundles"
    install(read_bundle(workshop.bundle(), workshop.public), folder)
    older = read_bundle(workshop.bundle(name="older.zip", seq=seq, version="0-old"), workshop.public)
    with pytest.raises(BundleError, match=f"has seq {seq}, 5 was accepted before"):
        install(older, folder)


SITE_TOML = """
[site]
name = "home"
latitude_deg = 49.2
longitude_deg = 16.6
timezone = "Europe/Prague"

[[array]]
dc_w = 5000
tilt_deg = 35
azimuth_deg = 180

[bundle]
path = "state/bundles"
public_key = "bundle.pub"
"""


@pytest.mark.parametrize(
    "attack", ["flipped byte", "another key", "no signature", "zip-slip", "oversize", "another site", "other leaves"]
)
def test_the_command_line_refuses_a_tampered_bundle_and_the_one_in_force_stays(workshop, attack, capsys):
    tamper, words = ATTACKS[attack]
    (workshop.folder / "site.toml").write_text(SITE_TOML)
    site_toml, state = str(workshop.folder / "site.toml"), workshop.folder / "state"
    good = workshop.bundle(name="good.zip")
    assert workshop.public.exists()
    assert pems("bundle", "install", str(good), "--site", site_toml) == 0
    before = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    path = str(tamper(workshop))
    capsys.readouterr()
    for verb in ("verify", "install"):
        assert pems("bundle", verb, path, "--site", site_toml) == BundleError.exit_code
        told = capsys.readouterr()
        assert words in told.err
        assert told.out == ""
        assert "Traceback" not in told.err
    assert {path: path.read_bytes() for path in state.rglob("*") if path.is_file()} == before

"""A home with PV: its bundle is judged in the worker, signed and registered where the key is."""

from dataclasses import replace

import fleets
import pytest

from core_kernels.manifest import SIGNATURE_NAME
from training.bundle_file import opened
from training.fleet.home import train_home
from training.fleet.signing import Signer
from training.fleet.store import Store
from training.registry import Registry
from training.sign import load_key, make_key

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def homes(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("solar")
    home = folder / "homes" / "solar"
    home.mkdir(parents=True)
    for name in ("site.toml", "table.parquet"):
        (home / name).write_bytes((made.folder / name).read_bytes())
    make_key(folder / "fleet.key")
    job = fleets.job_of(folder / "homes", folder / "out")
    return folder, job, train_home("solar", job)


def test_a_home_with_pv_and_load_gets_a_bundle_without_signature(homes):
    _, job, outcome = homes
    assert (outcome.state, outcome.has_bundle, outcome.version) == ("trained", True, job.release.version)
    assert set(outcome.scores) == {"pv_w", "load_w"}
    assert "physics" in outcome.scores["pv_w"]
    _, members = opened(Store(job.out_url).read("solar/bundle.zip"), "solar")
    assert SIGNATURE_NAME not in members


def test_a_bundle_is_signed_once_and_registered_with_what_it_scored(homes):
    folder, job, outcome = homes
    registry, out = Registry(folder / "registry"), Store(job.out_url)
    sign = Signer(key=load_key(folder / "fleet.key"), out=out, registry=registry)
    assert sign(outcome) == outcome
    raw = out.read("solar/signed.zip")
    assert SIGNATURE_NAME in opened(raw, "solar")[1]
    assert sign(replace(outcome, state="kept")).state == "kept"
    (entry,) = registry.entries()
    assert (entry.site, entry.version, entry.stage) == ("made", job.release.version, "candidate")
    (judged,) = registry.judgements(entry.sha256)
    assert judged.days == 7
    assert judged.scores == outcome.scores
    registry.close()


def test_a_home_without_a_bundle_passes_and_one_whose_bundle_is_gone_has_failed(homes, tmp_path):
    folder, _, outcome = homes
    sign = Signer(key=load_key(folder / "fleet.key"), out=Store(str(tmp_path)))
    bare = replace(outcome, has_bundle=False)
    assert sign(bare) is bare
    lost = sign(outcome)
    assert lost.state == "failed"
    assert "solar/bundle.zip" in lost.reason

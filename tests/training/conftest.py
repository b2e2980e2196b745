"""A made house of 70 days: PV behind drifting clouds, load with an evening, and the models fitted on it once."""

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest

if importlib.util.find_spec("xgboost") is None:
    collect_ignore_glob = ["test_*.py"]  # the device's environment has no training extra

START_S = 1_362_096_000  # 2013-03-01 00:00 UTC
DAYS = 70
SITE_TOML = """
[site]
name = "made"
latitude_deg = 49.2
longitude_deg = 16.6
timezone = "Europe/Prague"
[[array]]
dc_w = 5000
"""


def made_table(with_weather=False):
    import pandas as pd

    from core_kernels.features import PvPlant, sky
    from core_kernels.pv import LINKE_DEFAULT, PvArray
    from core_kernels.solar import Location
    from core_kernels.timegrid import TimeGrid

    random = np.random.default_rng(4)
    plant = PvPlant(Location(49.2, 16.6, 0.0), (PvArray(40.0, 160.0, 4500.0, 4000.0),), LINKE_DEFAULT)
    grid = TimeGrid(start_s=START_S, slot_s=900, count=DAYS * 96)
    day_clearness = np.repeat(np.where(random.random(DAYS) < 0.3, 1.0, random.uniform(0.2, 0.9, DAYS)), 96)
    flicker = np.where(day_clearness == 1.0, 1.0, random.uniform(0.7, 1.3, grid.count))
    hour = (grid.starts_s() / 3600.0 + 1.0) % 24.0
    load_w = 250.0 + 900.0 * np.exp(-((hour - 19.0) ** 2) / 4.0) + random.gamma(1.0, 80.0, grid.count)
    table = {
        "time_utc": pd.to_datetime(grid.starts_s(), unit="s", utc=True),
        "pv_w": sky(plant, grid).clear_w * np.clip(day_clearness * flicker, 0.0, 1.0),
        "load_w": load_w,
        "temp_air_c": 10.0 + 5.0 * np.sin(hour / 24.0 * 2.0 * np.pi),
        "not_a_signal": 1.0,
    }
    if with_weather:
        table["fc_ghi_w_per_m2"] = 900.0 * day_clearness * np.maximum(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0)
        table["fc_temp_air_c"] = table["temp_air_c"] + 1.0
    return pd.DataFrame(table)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Files of the made house, its series, and what quick training makes of it."""
    from training.boosters import Recipe
    from training.fit import fit_site
    from training.read import read_series
    from training.site import load_site

    folder = tmp_path_factory.mktemp("made")
    (folder / "site.toml").write_text(SITE_TOML)
    made_table().to_parquet(folder / "table.parquet", index=False)
    site = load_site(folder / "site.toml")
    series = read_series(folder / "table.parquet", site.zone)
    said = []
    recipe = Recipe(rounds=12)
    trained = fit_site(series, site, float(series.frame.grid.end_s), recipe, "0" * 64, said.append)
    return SimpleNamespace(folder=folder, site=site, series=series, trained=trained, said=said, recipe=recipe)


@pytest.fixture(scope="session")
def weathered(made, tmp_path_factory):
    """The made house with forecast weather and busy weekends, which the plain references cannot know."""
    from training.read import read_series

    table = made_table(with_weather=True)
    local = table["time_utc"].dt.tz_convert("Europe/Prague")
    table.loc[(local.dt.day_of_week >= 5) & local.dt.hour.between(9, 15), "load_w"] += 1500.0
    path = tmp_path_factory.mktemp("weathered") / "table.parquet"
    table.to_parquet(path, index=False)
    return SimpleNamespace(table=path, series=read_series(path, made.site.zone))


@pytest.fixture(scope="session")
def bundle_maker():
    """Makes signed bundles of trained models as bytes; version, seq and any other field are the caller's."""
    import io
    import zipfile

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from core_kernels.manifest import canonical_bytes
    from training.package import Release, build, signed

    key = Ed25519PrivateKey.generate()

    def maker(trained):
        members, _ = build(trained, Release(version="0-x", seq=0, created="2026-11-22T00:00:00Z"))
        document = json.loads(members["manifest.json"])

        def bundle(version, seq, **changed):
            manifest = canonical_bytes({**document, "version": version, "seq": seq, **changed})
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as archive:
                for name, content in signed({**members, "manifest.json": manifest}, key).items():
                    archive.writestr(name, content)
            return buffer.getvalue()

        return bundle

    return maker


@pytest.fixture(scope="session")
def workbench(made, bundle_maker):
    """Bundles of the made house."""
    return bundle_maker(made.trained)

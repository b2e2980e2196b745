"""Rooms on their way from a table into a signed bundle and onto the box."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from made_rooms import START_S, made_rooms, room_days

from core_kernels.bundle_rooms import golden_rooms, rooms_ratio
from core_kernels.timegrid import TimeGrid
from edge.config import load_site
from edge.forecast.bundle import verify
from edge.forecast.rooms import rooms_ahead
from edge.forecast.runtime import Forecaster
from training.boosters import quiet
from training.bundle_file import write_zip
from training.dataset import Series
from training.errors import SetupError, TrainingError
from training.fit import load, save
from training.house_fit import House, fit_house, load_house
from training.package import Release, build, signed

pytestmark = pytest.mark.training
FIT = """
import sys
from pathlib import Path
from zoneinfo import ZoneInfo
from made_rooms import PLACE, room_days
from core_kernels.records import Frame
from training.boosters import quiet
from training.dataset import Series
from training.house_fit import fit_house, save_house

days = room_days(4).frame
names = ("temp_air_c", "ghi_w_per_m2", "heat_hall_w", "room_hall_c")
frame = Frame(grid=days.grid, columns={name: days.column(name) for name in names})
house, told = fit_house(Series(frame=frame, table_slot_s=900, zone=ZoneInfo("UTC")), PLACE, quiet)
save_house(house, Path(sys.argv[1]))
print(told["error_k"])
"""
RELEASE = Release(version="1-r", seq=4, created="2026-11-22T00:00:00Z")


@pytest.fixture(scope="module")
def house():
    days, rooms = room_days(3), made_rooms()
    return House(rooms=rooms, golden=golden_rooms(rooms, days.part(0, 192), days.part(192, 288)))


@pytest.fixture(scope="module")
def housed(made, house):
    training = {**made.trained.training, "rooms": {"rows": 288, "error_k": 0.1, "doubts": []}}
    return dataclasses.replace(made.trained, house=house, training=training)


def test_rooms_ride_through_model_folder_and_bundle_to_the_box(made, housed, tmp_path):
    save(housed, tmp_path / "model")
    members, _ = build(load(tmp_path / "model"), RELEASE)
    key = Ed25519PrivateKey.generate()
    write_zip(signed(members, key), tmp_path / "bundle.zip")
    bundle = verify((tmp_path / "bundle.zip").read_bytes(), key.public_key())
    forecaster = Forecaster(bundle, load_site(made.folder / "site.toml"))
    assert forecaster.parity_ratio < 1e-5
    assert bundle.manifest.document["training"]["rooms"]["error_k"] == 0.1
    days = room_days(4)
    grid = TimeGrid(start_s=START_S + 3 * 86400, slot_s=900, count=96)
    found, reason = rooms_ahead(forecaster.rooms, grid, days.part(0, 288), days.weather(0, 384), {})
    assert reason == ""
    assert found["hall"][:, 1] == pytest.approx(days.part(288, 384).column("room_hall_c"), abs=0.6)


def test_a_model_folder_that_is_fitted_again_without_rooms_has_none(made, housed, tmp_path):
    save(housed, tmp_path)
    assert load(tmp_path).house is not None
    save(made.trained, tmp_path)
    assert load(tmp_path).house is None


def test_a_damaged_rooms_file_is_refused(housed, tmp_path):
    save(housed, tmp_path)
    document = json.loads((tmp_path / "rooms.json").read_text())
    document["heat_w"] = ["hot", None]
    (tmp_path / "rooms.json").write_text(json.dumps(document))
    with pytest.raises(SetupError, match="is damaged"):
        load(tmp_path)


def test_rooms_that_answer_otherwise_than_their_golden_rows_are_not_packed(housed, house):
    wrong = dataclasses.replace(house, golden={**house.golden, "rooms_q": house.golden["rooms_q"] + 0.5})
    with pytest.raises(TrainingError, match="the manifest's answer their golden rows"):
        build(dataclasses.replace(housed, house=wrong), RELEASE)


def test_a_table_without_rooms_or_with_too_little_of_them_says_so(made):
    none, told = fit_house(made.series, made.site.location, quiet)
    assert none is None
    assert told == {"reason": "the table has no room_<name>_c"}
    assert made.trained.training["rooms"] == told
    short = Series(frame=room_days(2).frame, table_slot_s=900, zone=made.site.zone)
    none, told = fit_house(short, made.site.location, quiet)
    assert none is None
    assert told["reason"].startswith("rooms need 3 days without a gap")


def test_rooms_of_a_table_are_identified_with_golden_rows_of_its_last_day(tmp_path):
    """In a process whose kernels are compiled: searching takes many simulations."""
    (tmp_path / "fit_it.py").write_text(FIT)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "fit_it.py"), str(tmp_path)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "0", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = load_house(tmp_path)
    assert found.rooms.model.names == ("hall",)
    assert found.rooms.heat_w[0] == 1200.0
    assert found.golden["rooms_start_s"] == START_S + 86400
    assert rooms_ratio(found.rooms, found.golden) < 1e-6
    assert float(done.stdout) < 0.5

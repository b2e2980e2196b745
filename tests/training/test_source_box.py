"""What the box keeps comes back in our own names: means, states and counters."""

import numpy as np
import pytest
from extraction import extract, listed

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.ingest.store import Store
from training.errors import SetupError

pytestmark = pytest.mark.training

START_S = 1_672_531_200


@pytest.fixture
def store(tmp_path):
    grid = TimeGrid(start_s=START_S - 3600, slot_s=900, count=4 + 96 + 4)
    pv_w = np.where(np.arange(104) % 10 == 0, np.nan, np.arange(104.0))
    columns = {"pv_w": pv_w, "soc_frac": np.linspace(0.2, 0.9, 104), "grid_import_wh": 100.0 * np.arange(104.0)}
    store = Store(tmp_path / "store.sqlite")
    store.import_frame(Frame(grid=grid, columns=columns))
    store.close()
    return tmp_path / "store.sqlite", columns


def test_the_store_of_a_box_needs_no_mapping(store, tmp_path):
    path, columns = store
    found = extract([f"store://{path}"], None, tmp_path / "cache", (START_S, START_S + 86_400))
    assert set(found.signals) == set(columns)
    assert np.array_equal(found.column("pv_w"), columns["pv_w"][4:100], equal_nan=True)
    assert np.array_equal(found.column("soc_frac"), columns["soc_frac"][4:100])
    assert found.column("grid_import_wh") == pytest.approx(np.full(96, 100.0))
    assert {field.name: field.unit for field in listed(f"store://{path}")}["grid_import_wh"] == "Wh"


def test_a_damaged_text_in_a_file_is_a_setup_error(store):
    import sqlite3

    path, _ = store
    with sqlite3.connect(path) as database:
        database.execute(
            "INSERT INTO slot (time_s, signal, value, minutes, flags) VALUES (0, CAST(x'ff41' AS TEXT), 1, 15, 0)"
        )
    database.close()
    with pytest.raises(SetupError, match="UTF-8"):
        listed(f"store://{path}")


def test_a_file_without_the_table_is_a_setup_error(tmp_path):
    import sqlite3

    sqlite3.connect(tmp_path / "other.sqlite").close()
    with pytest.raises(SetupError, match="no such table: slot"):
        listed(f"store://{tmp_path / 'other.sqlite'}")

"""Home Assistant's recorder: states that hold until they change, statistics, SQLite and a real PostgreSQL."""

import sqlite3

import numpy as np
import psycopg
import pytest
from extraction import extract, extract_by_command, listed, rows
from recorder import POSTGRES, SQLITE, attributes, script
from stores import YEAR_START_S, made_year, running, start_postgres

from training.errors import SetupError
from training.sources.base import SourceUnreachable

pytestmark = pytest.mark.training

DAY_S = 86_400
SPAN = (YEAR_START_S, YEAR_START_S + DAY_S)
NAMES = [f"s{i:02d}" for i in range(20)]


@pytest.fixture
def recorder(tmp_path):
    """A recorder of three entities: power in kW, a temperature that goes away, a relay."""
    path = tmp_path / "home-assistant_v2.db"
    database = sqlite3.connect(path)
    database.executescript(script(SQLITE))
    entities = [(1, "sensor.pv_power"), (2, "sensor.kitchen"), (3, "switch.heater")]
    database.executemany("INSERT INTO states_meta VALUES (?,?)", entities)
    database.executemany("INSERT INTO state_attributes VALUES (?,0,?)", [(1, attributes("kW")), (2, attributes("°C"))])
    states = [(1, 1, -3600.0, "0"), (1, 1, 6 * 3600.0, "1.5"), (1, 1, 18 * 3600.0, "0")]
    states += [
        (2, 2, 0.0, "21.5"),
        (2, 2, 4 * 3600.0, "unavailable"),
        (2, 2, 8 * 3600.0, "22.5"),
        (2, 2, 9 * 3600.0, "odd"),
    ]
    states += [(3, None, 0.0, "off"), (3, None, 12 * 3600.0, "on")]
    database.executemany(
        "INSERT INTO states (metadata_id, attributes_id, last_updated_ts, state) VALUES (?,?,?,?)",
        [(entity, attribute, YEAR_START_S + at_s, state) for entity, attribute, at_s, state in states],
    )
    database.executemany(
        "INSERT INTO statistics_meta (id, statistic_id, unit_of_measurement) VALUES (?,?,?)",
        [(1, "sensor.kitchen", "°F"), (2, "sensor.energy", "kWh")],
    )
    hours = [(1, YEAR_START_S + 3600.0 * i, 50.0 + i, None) for i in range(24)]
    hours += [(2, YEAR_START_S + 3600.0 * i, None, 100.0 + 2.0 * i) for i in range(-2, 24)]
    database.executemany("INSERT INTO statistics (metadata_id, start_ts, mean, sum) VALUES (?,?,?,?)", hours)
    database.commit()
    database.close()
    return path


def test_a_state_holds_until_it_changes_and_unavailable_ends_it(recorder, tmp_path):
    mapping = rows(
        pv_w={"field": "sensor.pv_power"},
        room_kitchen_c={"field": "sensor.kitchen"},
        heat_kitchen_w={"field": "switch.heater", "unit": "W", "scale": 800.0},
    )
    found = extract([f"homeassistant://{recorder}"], mapping, tmp_path / "cache", SPAN)
    hour = np.repeat(np.arange(24), 4)
    assert np.array_equal(found.column("pv_w"), np.where((hour >= 6) & (hour < 18), 1500.0, 0.0))
    kitchen = found.column("room_kitchen_c")
    assert np.all(kitchen[hour < 4] == 21.5)
    assert np.isnan(kitchen[(hour >= 4) & (hour < 8)]).all()
    assert np.all(kitchen[hour == 8] == 22.5)
    assert np.isnan(kitchen[hour >= 9]).all()
    assert found.counts("room_kitchen_c").unreadable == 1
    assert np.array_equal(found.column("heat_kitchen_w"), np.where(hour >= 12, 800.0, 0.0))


def test_statistics_are_means_of_their_hour_and_sums_at_its_end(recorder, tmp_path):
    mapping = rows(room_kitchen_c={"field": "sensor.kitchen"}, grid_import_wh={"field": "sensor.energy"})
    url = f"homeassistant://{recorder}?table=statistics"
    found = extract([url], mapping, tmp_path / "cache", SPAN)
    hour = np.repeat(np.arange(24), 4)
    assert found.column("room_kitchen_c") == pytest.approx((50.0 + hour - 32.0) / 1.8)
    assert found.column("grid_import_wh") == pytest.approx(np.full(96, 500.0))


def test_the_units_of_a_recorder_are_listed_and_a_contradiction_is_named(recorder, tmp_path):
    assert {field.name: field.unit for field in listed(f"homeassistant://{recorder}")} == {
        "sensor.pv_power": "kW",
        "sensor.kitchen": "°C",
        "switch.heater": "",
    }
    found = extract([f"homeassistant://{recorder}"], rows(pv_w=("sensor.pv_power", "W")), tmp_path / "cache", SPAN)
    assert found.contradictions == ("pv_w: the mapping says W, the store says kW of sensor.pv_power",)
    with pytest.raises(SetupError, match="stated by neither the mapping nor the store: give unit"):
        extract([f"homeassistant://{recorder}"], rows(load_w={"field": "switch.heater"}), tmp_path / "cache", SPAN)


def test_a_file_that_is_no_recorder_and_a_table_that_does_not_exist_are_setup_errors(tmp_path):
    (tmp_path / "other.db").write_text("this is no database at all, but long enough to have a header of its own")
    with pytest.raises(SetupError, match="not a database"):
        listed(f"homeassistant://{tmp_path / 'other.db'}")
    with pytest.raises(SetupError, match="no table 'events'"):
        listed(f"homeassistant://{tmp_path / 'other.db'}?table=events")
    with pytest.raises(SetupError, match="no such file"):
        listed(f"homeassistant://{tmp_path / 'none.db'}")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(start_postgres(tmp_path_factory.mktemp("postgres"))) as server:
        yield server


def _url(server, password="right", base="postgres"):
    return f"homeassistant+postgresql://owner:{password}@127.0.0.1:{server.port}/{base}"


@pytest.mark.services
def test_a_year_of_twenty_entities_comes_back_from_postgresql(server, tmp_path):
    times_s, columns = made_year(NAMES)
    where = f"host=127.0.0.1 port={server.port} dbname=postgres user=owner password=right"
    with psycopg.connect(where) as database, database.cursor() as cursor:
        cursor.execute(script(POSTGRES))
        cursor.execute("INSERT INTO state_attributes (shared_attrs) VALUES (%s)", (attributes("°C"),))
        for i, name in enumerate(NAMES, start=1):
            cursor.execute("INSERT INTO states_meta (entity_id) VALUES (%s)", (f"sensor.{name}",))
            with cursor.copy("COPY states (metadata_id, attributes_id, last_updated_ts, state) FROM STDIN") as copy:
                pairs = zip(times_s.tolist(), columns[name].tolist(), strict=True)
                copy.write("".join(f"{i}\t1\t{time_s}\t{value}\n" for time_s, value in pairs))
    signals = {f"room_{name}_c": f"sensor.{name}" for name in NAMES}
    found = extract_by_command(_url(server), signals, tmp_path, ("--from", "2023-01-01", "--until", "2024-01-01"))
    for name in NAMES:
        assert found[f"room_{name}_c"] == pytest.approx(columns[name], abs=1e-9)


@pytest.mark.services
def test_postgresql_refuses_wrong_credentials_and_bases_without_the_password_in_the_words(server):
    with pytest.raises(SetupError, match="authentication failed") as refused:
        listed(_url(server, password="leaky"))
    assert "leaky" not in str(refused.value)
    with pytest.raises(SetupError, match="does not exist"):
        listed(_url(server, base="nowhere"))


def test_a_postgresql_that_is_not_there_is_unreachable():
    with pytest.raises(SourceUnreachable, match="homeassistant"):
        listed("homeassistant+postgresql://owner:x@127.0.0.1:1/base")

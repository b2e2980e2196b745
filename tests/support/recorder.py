"""Home Assistant's recorder as far as we read it: the tables of its schema 43 (2024), for SQLite and PostgreSQL."""

import json

TABLES = """
CREATE TABLE states_meta (metadata_id {serial}, entity_id VARCHAR(255));
CREATE TABLE state_attributes (attributes_id {serial}, hash BIGINT, shared_attrs TEXT);
CREATE TABLE states (
    state_id {serial}, entity_id CHAR(1), state VARCHAR(255), attributes CHAR(1), event_id SMALLINT,
    last_changed TIMESTAMP, last_changed_ts {real}, last_reported_ts {real}, last_updated TIMESTAMP,
    last_updated_ts {real}, old_state_id INTEGER, attributes_id INTEGER, origin_idx SMALLINT, metadata_id INTEGER);
CREATE INDEX ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts);
CREATE TABLE statistics_meta (
    id {serial}, statistic_id VARCHAR(255), source VARCHAR(32), unit_of_measurement VARCHAR(255),
    has_mean BOOLEAN, has_sum BOOLEAN, name VARCHAR(255), mean_type SMALLINT);
CREATE TABLE statistics (
    id {serial}, created TIMESTAMP, created_ts {real}, metadata_id INTEGER, start TIMESTAMP, start_ts {real},
    mean {real}, mean_weight {real}, min {real}, max {real}, last_reset TIMESTAMP, last_reset_ts {real},
    state {real}, sum {real});
CREATE UNIQUE INDEX ix_statistics_statistic_id_start_ts ON statistics (metadata_id, start_ts);
CREATE TABLE statistics_short_term AS SELECT * FROM statistics;
"""
SQLITE = {"serial": "INTEGER PRIMARY KEY", "real": "FLOAT"}
POSTGRES = {"serial": "SERIAL PRIMARY KEY", "real": "DOUBLE PRECISION"}


def script(dialect):
    return TABLES.format(**dialect)


def attributes(unit):
    return json.dumps({"state_class": "measurement", "unit_of_measurement": unit})

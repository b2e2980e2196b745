"""VictoriaMetrics of Debian, really: a year of 20 series, labels, and a server that is not there."""

import json

import httpx
import pytest
from extraction import extract, extract_by_command, listed, rows
from stores import YEAR_START_S, made_year, running, start_victoria, until

from training.sources.base import SourceUnreachable

pytestmark = [pytest.mark.training, pytest.mark.services]

NAMES = [f"s{i:02d}" for i in range(20)]
SPAN = (YEAR_START_S, YEAR_START_S + 365 * 86_400)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(start_victoria(tmp_path_factory.mktemp("victoria"))) as server:
        yield server


@pytest.fixture(scope="module")
def year(server):
    times_s, columns = made_year(NAMES)
    stamps = (times_s * 1000).astype(int).tolist()
    lines = [
        json.dumps({"metric": {"__name__": name, "db": "home"}, "values": columns[name].tolist(), "timestamps": stamps})
        for name in NAMES
    ]
    base = f"http://127.0.0.1:{server.port}"
    assert httpx.post(f"{base}/api/v1/import", content="\n".join(lines), timeout=120.0).status_code == 204

    def written():
        httpx.get(f"{base}/internal/force_flush", timeout=60.0)
        return len(listed(f"victoriametrics://127.0.0.1:{server.port}")) == len(NAMES)

    until(written, server, "victoria-metrics")
    return times_s, columns


def test_a_year_of_twenty_series_comes_back_as_it_was_written(server, year, tmp_path):
    url = f"victoriametrics://127.0.0.1:{server.port}"
    assert listed(url)[3].label == "s03[db=home]"
    signals = {f"room_{name}_c": f"{name}[db=home]" for name in NAMES}
    found = extract_by_command(url, signals, tmp_path, ("--from", "2023-01-01", "--until", "2024-01-01"))
    for name in NAMES:
        assert found[f"room_{name}_c"] == pytest.approx(year[1][name], abs=1e-9)


def test_a_server_that_is_not_there_is_unreachable(tmp_path):
    with pytest.raises(SourceUnreachable, match=r"victoriametrics://127\.0\.0\.1:1: "):
        extract(["victoriametrics://127.0.0.1:1"], rows(pv_w=("a", "W")), tmp_path, SPAN)

"""/metrics: what is known has a sample, what is not has none, and Prometheus itself agrees."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from web_rig import HOUSE, Rig, web_rig

from edge.errors import EdgeError
from edge.web import app

OPS = Path(app.__file__).parent / "static" / "ops"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with web_rig(tmp_path_factory.mktemp("metrics"), open_reads=False) as rig:
        yield rig


@pytest.fixture
def rig(server: Rig) -> Rig:
    server.control.changes, server.control.away = {}, None
    return server


def scrape(rig: Rig) -> str:
    with rig.client(headers={"authorization": f"Bearer {rig.keys.read_token()}"}) as client:
        return client.get("/metrics").text


def samples(text: str) -> dict[tuple[str, ...], float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[(sample.name, *sample.labels.values())] = sample.value
    return found


def test_what_the_box_knows_is_there_in_base_units(rig: Rig) -> None:
    found = samples(scrape(rig))
    assert found[("pems_up",)] == 1.0
    assert found[("pems_power_watts", "pv")] == 3240.0
    assert found[("pems_power_watts", "battery")] == -1998.0
    assert found[("pems_soc_ratio",)] == 0.64
    assert found[("pems_cycle_seconds",)] == 0.08
    assert found[("pems_link_errors_total", "unreachable", "growatt/sph")] == 3.0
    assert found[("pems_regret_euros", "PV_error")] == 0.62
    assert found[("pems_plan_age_seconds",)] == 300.0
    assert found[("pems_plan_lease_seconds",)] == 1500.0
    assert found[("pems_command_watts",)] == -2000.0
    assert found[("pems_readings", "late", "growatt/sph")] == 1.0
    assert found[("pems_balance_residual_watts",)] == 12.0
    assert found[("pems_register_writes_lifetime", "growatt/sph#1 holding 1090", "stored")] == 1.0
    assert found[("pems_cost_euros", "no_battery")] < 0.0  # a sunny house
    assert found[("pems_forecast_coverage_ratio", "load")] == 1.0
    assert found[("pems_calibration_coverage_ratio", "load")] == 0.0
    assert found[("pems_calibration_buckets_at_bound", "load")] == 0.0
    # by hand: forty misses above an error of 150 W, at a step of a tenth of it
    assert found[("pems_calibration_moved_watts", "load", "p90")] == pytest.approx(40 * 0.1 * 150.0 * 0.9)
    assert found[("pems_calibration_moved_watts", "load", "p10")] == pytest.approx(40 * 0.1 * 150.0 * 0.1)


def test_what_is_missing_has_no_sample(rig: Rig) -> None:
    rig.control.changes = {"house": replace(HOUSE, soc_frac=math.nan), "plan": None}
    found = samples(scrape(rig))
    assert ("pems_soc_ratio",) not in found
    assert ("pems_plan_age_seconds",) not in found
    assert found[("pems_plan_in_force",)] == 0.0
    assert "NaN" not in scrape(rig)


def test_without_control_only_what_the_store_knows_is_left(rig: Rig) -> None:
    rig.control.away = EdgeError("away")
    found = samples(scrape(rig))
    assert found[("pems_up",)] == 0.0
    assert ("pems_power_watts", "pv") not in found
    assert ("pems_cost_euros", "ours") in found


def test_rules_and_dashboard_name_only_metrics_that_exist(rig: Rig) -> None:
    rig.control.changes = {"planning": {"wall_s": 1.0, "solve_s": 0.1, "residual_w": 0.5}}
    known = {family.name for family in text_string_to_metric_families(scrape(rig))}
    dashboard = json.loads((OPS / "grafana.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    text = "\n".join([*expressions, (OPS / "alerts.yml").read_text()])
    assert set(re.findall(r"pems_[a-z_]+", text)) <= known


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed (scripts/debian-packages)")


@pytest.mark.services
def test_promtool_finds_nothing_to_complain_about(rig: Rig) -> None:
    needs("promtool")
    rules = subprocess.run(
        ["promtool", "check", "rules", str(OPS / "alerts.yml")], capture_output=True, text=True, check=False
    )
    assert rules.returncode == 0, rules.stdout + rules.stderr
    found = subprocess.run(
        ["promtool", "check", "metrics"], input=scrape(rig), capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


@contextmanager
def prometheus(folder: Path, rig: Rig) -> Iterator[str]:
    """A real Prometheus that scrapes the rig; its address."""
    (folder / "token").write_text(rig.keys.read_token())
    target = rig.url.removeprefix("http://").rstrip("/")
    (folder / "prometheus.yml").write_text(
        f"global: {{scrape_interval: 1s}}\nrule_files: ['{OPS / 'alerts.yml'}']\nscrape_configs:\n"
        f"  - job_name: pems\n    authorization: {{credentials_file: '{folder / 'token'}'}}\n"
        f"    static_configs: [{{targets: ['{target}']}}]\n"
    )
    with socket_free() as port:
        address = f"127.0.0.1:{port}"
    command = [
        *("prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"),
        f"--web.listen-address={address}",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(60.0)


@contextmanager
def socket_free() -> Iterator[int]:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield int(probe.getsockname()[1])


def ask(address: str, expression: str, within_s: float = 90.0) -> str:
    """The first value of an expression, once there is one."""
    until = time.monotonic() + within_s
    with httpx.Client(trust_env=False, timeout=10.0) as client:
        while time.monotonic() < until:
            try:
                found = client.get(f"{address}/api/v1/query", params={"query": expression}).json()["data"]["result"]
            except (httpx.TransportError, ValueError, KeyError):
                found = []
            if found:
                return str(found[0]["value"][1])
            time.sleep(0.3)
    raise AssertionError(f"{expression} has no value")


@pytest.mark.services
def test_a_real_prometheus_scrapes_the_box_and_loads_the_rules(rig: Rig, tmp_path: Path) -> None:
    needs("prometheus")
    with prometheus(tmp_path, rig) as address:
        assert ask(address, 'pems_power_watts{part="pv"} and on() up{job="pems"} == 1') == "3240"
        with httpx.Client(trust_env=False) as client:
            groups = client.get(f"{address}/api/v1/rules").json()["data"]["groups"]
    assert len(groups[0]["rules"]) == 9

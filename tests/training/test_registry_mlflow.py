"""The registry's mirror in a real MLflow server, asked by MLflow's own REST interface."""

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from stores import Server, free_port, until

from training import cli
from training.errors import SetupError
from training.mlflow_rest import Mlflow, MlflowError
from training.registry import Judgement, Registry
from training.registry_mlflow import Settings, load_settings, mirror, model_name, params_of

ROOT = Path(__file__).resolve().parents[2]
VENV = Path(os.environ.get("PEMS_MLFLOW_VENV", ROOT / ".venv-mlflow"))
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """MLflow on loopback, with its runs in SQLite."""
    if not (VENV / "bin" / "mlflow").exists():
        pytest.skip("no MLflow server here (scripts/mlflow-venv makes one)")
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [
        str(VENV / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/runs.db", "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    own = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COVERAGE", "COV_"))}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=own | QUIET, stdout=log, stderr=log, start_new_session=True)
    running = Server(process, port, folder)

    def is_up():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health", timeout=10.0).text == "OK"
        except httpx.HTTPError:
            return False

    try:
        until(is_up, running, "mlflow")
        yield f"http://127.0.0.1:{port}"
    finally:
        running.stop()


@pytest.fixture(scope="module")
def bundles(workbench):
    return [workbench(f"1-{letter}", seq) for seq, letter in enumerate("abc")]


@pytest.fixture
def registry(tmp_path):
    opened = Registry(tmp_path / "registry")
    yield opened
    opened.close()


def asked(server, path, **params):
    return httpx.get(f"{server}/api/2.0/mlflow/{path}", params=params, timeout=60.0).raise_for_status().json()


def runs_of(server, experiment):
    found = asked(server, "experiments/get-by-name", experiment_name=experiment)["experiment"]["experiment_id"]
    body = {"experiment_ids": [found], "order_by": ["start_time ASC"]}
    said = httpx.post(f"{server}/api/2.0/mlflow/runs/search", json=body, timeout=60.0).raise_for_status().json()
    return {run["info"]["run_name"]: run for run in said.get("runs", [])}


def values(items):
    return {item["key"]: item["value"] for item in items}


def judgement(entry, pinball):
    scores = {"pv_w": {"ours": {"pinball": pinball, "coverage_80": 0.8, "mape": float("nan")}}}
    return Judgement(sha256=entry.sha256, data_sha256="d", from_s=1e9, until_s=1e9 + 864000.0, days=10, scores=scores)


def test_bundles_scores_and_aliases_are_mirrored_again_and_again(server, registry, bundles):
    settings = Settings(tracking_uri=server, experiment="whole", token="")
    first, second, third = (registry.add(raw, "x.zip") for raw in bundles)
    registry.record(judgement(first, 10.0))
    registry.promote(first, beaten=None, detail="")
    assert mirror(registry, settings) == (3, ())

    runs = runs_of(server, "whole")
    assert set(runs) == {"1-a", "1-b", "1-c"}
    assert {run["info"]["status"] for run in runs.values()} == {"FINISHED"}
    data = runs["1-a"]["data"]
    assert values(data["params"]) == params_of(first.manifest)
    assert values(data["metrics"])["pv_w.pinball_w"] == pytest.approx(first.manifest["metrics"]["pv_w"]["pinball_w"])
    assert values(data["metrics"])["held_out.pv_w.ours.pinball"] == 10.0
    assert "held_out.pv_w.ours.mape" not in values(data["metrics"])
    assert values(data["tags"])["pems_sha256"] == first.sha256
    uri = runs["1-a"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    kept = httpx.get(f"{server}/api/2.0/mlflow-artifacts/artifacts/{uri}/manifest.json", timeout=60.0)
    assert kept.json() == first.manifest
    model = asked(server, "registered-models/get", name=model_name("made"))["registered_model"]
    champion = asked(server, "registered-models/alias", name="pems-made", alias="champion")["model_version"]
    assert [item["alias"] for item in model["aliases"]] == ["champion"]
    assert champion["run_id"] == runs["1-a"]["info"]["run_id"]

    registry.record(judgement(first, 12.0))
    registry.shadow(third)
    registry.promote(second, beaten=first.sha256, detail="")
    for _ in range(2):
        mirror(registry, settings)
    again = runs_of(server, "whole")
    assert set(again) == set(runs)
    history = asked(server, "metrics/get-history", run_id=champion["run_id"], metric_key="held_out.pv_w.ours.pinball")
    assert [(item["step"], item["value"]) for item in history["metrics"]] == [(0, 10.0), (1, 12.0)]
    with Mlflow(server) as client:
        versions = {name: client.version_of("pems-made", run["info"]["run_id"], "", ()) for name, run in again.items()}
        assert len(set(versions.values())) == 3
        wanted = {"champion": versions["1-b"], "previous": versions["1-a"], "shadow": versions["1-c"]}
        assert client.aliases("pems-made") == wanted
        registry.promote(third, beaten=second.sha256, detail="")  # the shadow becomes champion, and nobody is shadow
        mirror(registry, settings)
        assert client.aliases("pems-made") == {"champion": versions["1-c"], "previous": versions["1-b"]}


def test_a_mirror_that_was_cut_off_goes_on_where_it_was(server, registry, bundles, monkeypatch):
    settings = Settings(tracking_uri=server, experiment="cut", token="")
    for raw in bundles[:2]:
        registry.add(raw, "x.zip")
    steps = ("create_run", "log", "put", "version_of", "finish")
    for step in steps:
        real = getattr(Mlflow, step)

        def cut(self, *arguments, _real=real, **named):
            _real(self, *arguments, **named)
            raise MlflowError("the line is cut")

        with monkeypatch.context() as patch:
            patch.setattr(Mlflow, step, cut)
            with pytest.raises(MlflowError, match="the line is cut"):
                mirror(registry, settings)
    assert mirror(registry, settings).bundle_count == 2
    runs = runs_of(server, "cut")
    assert {name: run["info"]["status"] for name, run in runs.items()} == {"1-a": "FINISHED", "1-b": "FINISHED"}


def test_every_change_is_mirrored_and_the_command_says_how_many(server, bundles, tmp_path):
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "registry.toml").write_text(f'[mlflow]\ntracking_uri = "{server}"\nexperiment = "changes"\n')
    (tmp_path / "a.zip").write_bytes(bundles[0])
    result = CliRunner().invoke(cli.group, ["registry", "add", str(tmp_path / "a.zip"), "--registry", str(folder)])
    assert result.exit_code == 0, result.output
    assert "mlflow" not in result.stderr
    assert set(runs_of(server, "changes")) == {"1-a"}
    result = CliRunner().invoke(cli.group, ["registry", "mirror", "--registry", str(folder)])
    assert result.stdout == "mirrored: 1 bundles\n"


def test_what_the_server_refuses_is_named(server):
    with Mlflow(server) as client:
        with pytest.raises(MlflowError, match="registered-models/get: 404 RESOURCE_DOES_NOT_EXIST"):
            client.aliases("nobody")
        with pytest.raises(MlflowError, match="INVALID_PARAMETER_VALUE"):
            client.experiment("")
        assert client.put("s3://bucket/1", "manifest.json", b"") is False


def test_a_server_that_does_not_answer_is_named_and_stops_nothing(bundles, tmp_path):
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "registry.toml").write_text(f'[mlflow]\ntracking_uri = "http://me:secret@127.0.0.1:{free_port()}"\n')
    (tmp_path / "a.zip").write_bytes(bundles[0])
    result = CliRunner().invoke(cli.group, ["registry", "add", str(tmp_path / "a.zip"), "--registry", str(folder)])
    assert result.exit_code == 0
    assert "candidate  made 1-a" in result.stdout
    assert "pems-train: mlflow: not mirrored" in result.stderr
    assert "secret" not in result.stderr
    result = CliRunner().invoke(cli.group, ["registry", "mirror", "--registry", str(folder)])
    assert isinstance(result.exception, MlflowError)


def test_an_answer_that_is_no_json_is_named():
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="<html>a portal</html>"))
    with Mlflow("http://mlflow.lan") as client:
        client._http = httpx.Client(base_url="http://mlflow.lan", transport=transport)
        with pytest.raises(MlflowError, match="200  <html>a portal"):
            client.aliases("x")


def test_artifacts_that_are_kept_elsewhere_are_noted(registry, bundles):
    entry = registry.add(bundles[0], "x.zip")
    run = {"info": {"run_id": "r", "artifact_uri": "s3://bucket/r", "status": "RUNNING"}, "data": {}}
    answers = {
        "experiments/get-by-name": {"experiment": {"experiment_id": "1"}},
        "runs/search": {"runs": [run]},
        "model-versions/search": {"model_versions": [{"version": "4"}]},
        "registered-models/get": {"registered_model": {"aliases": [{"alias": "shadow", "version": "3"}]}},
    }
    asked_for = []

    def answer(request):
        path = request.url.path.removeprefix("/api/2.0/mlflow/")
        asked_for.append((request.method, path))
        return httpx.Response(200, json=answers.get(path, {}))

    def through(self, *arguments, **named):
        self._http = httpx.Client(base_url="http://mlflow.lan", transport=httpx.MockTransport(answer))
        return self

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Mlflow, "__enter__", through)
        found = mirror(registry, Settings(tracking_uri="http://mlflow.lan", experiment="e", token="t"))
    assert found.bundle_count == 1
    assert "keeps artifacts elsewhere (s3)" in found.notes[0]
    assert ("DELETE", "registered-models/alias") in asked_for
    assert ("POST", "runs/update") in asked_for
    assert entry.stage == "candidate"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = 1", "holds .mlflow. and nothing else, got a"),
        ("", "got no such section"),
        ("[mlflow]\ntracking_uri = 'ftp://x'", "needs tracking_uri = 'http...'"),
        ("[mlflow]\ntracking_uri = 'http://x'\nexperiment = 3", "are texts"),
        ("[mlflow]\ntracking_uri = 'http://x'\nuser = 'me'", "needs tracking_uri"),
        ("[mlflow]\ntracking_uri = 'http://x'\ntoken_env = 'PEMS_NO_SUCH'", "the environment has no PEMS_NO_SUCH"),
    ],
)
def test_settings_that_are_wrong_are_refused(tmp_path, text, says):
    (tmp_path / "registry.toml").write_text(text)
    with pytest.raises(SetupError, match=says):
        load_settings(tmp_path)


def test_no_settings_no_mirror(tmp_path):
    assert load_settings(tmp_path) is None
    result = CliRunner().invoke(cli.group, ["registry", "mirror", "--registry", str(tmp_path)])
    assert isinstance(result.exception, SetupError)
    assert json.dumps(str(tmp_path))[1:-1] in str(result.exception)

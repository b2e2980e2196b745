"""MLflow's REST interface, as far as a mirror of the registry needs it; foreign errors become ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import httpx

from training.errors import TrainingError

_API, _ARTIFACTS, _PROXIED = "/api/2.0/mlflow/", "/api/2.0/mlflow-artifacts/artifacts/", "mlflow-artifacts:/"
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_ABSENT, _EXISTS = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"

Pairs = Iterable[tuple[str, str]]


class MlflowError(TrainingError):
    """The tracking server does not answer, or says no; ``code`` is its own word for why."""

    def __init__(self, words: str, code: str = "") -> None:
        super().__init__(words)
        self.code = code


def _tags(pairs: Pairs) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in pairs]


class Mlflow:
    """One tracking server; every method raises :class:`MlflowError`."""

    def __init__(self, tracking_uri: str, token: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.place = httpx.URL(tracking_uri).copy_with(userinfo=b"")
        self._http = httpx.Client(base_url=tracking_uri, headers=headers, timeout=_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def _said(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise MlflowError(f"{self.place}: {type(error).__name__}: {error or 'no answer'}") from error
        try:
            body = response.json() if response.content else {}
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict) and response.is_success:
            return body
        said = body if isinstance(body, dict) else {}
        words = str(said.get("message") or response.text or "no words").strip().splitlines()[0][:200]
        code = str(said.get("error_code", ""))
        raise MlflowError(f"{self.place}: {path}: {response.status_code} {code} {words}", code)

    def _get(self, path: str, **params: str) -> dict[str, Any]:
        return self._said("GET", _API + path, params=params)

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        return self._said("POST", _API + path, json=body)

    def experiment(self, name: str) -> str:
        """The id of an experiment, made where it is absent."""
        try:
            return str(self._get("experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"])
        except MlflowError as error:
            if error.code != _ABSENT:
                raise
        return str(self._post("experiments/create", name=name)["experiment_id"])

    def find_run(self, experiment: str, tag: tuple[str, str]) -> dict[str, Any] | None:
        """The run that has a tag."""
        words = f"tags.{tag[0]} = '{tag[1]}'"
        found = self._post("runs/search", experiment_ids=[experiment], filter=words, max_results=1)
        return next(iter(found.get("runs", [])), None)

    def create_run(self, experiment: str, name: str, start_s: float, tags: Pairs) -> dict[str, Any]:
        """A run that has begun."""
        start_ms = round(start_s * 1000)
        said = self._post("runs/create", experiment_id=experiment, run_name=name, start_time=start_ms, tags=_tags(tags))
        return dict(said["run"])

    def log(self, run: str, params: Pairs = (), metrics: Iterable[Mapping[str, Any]] = (), tags: Pairs = ()) -> None:
        """Parameters, metrics (key, value, timestamp, step) and tags of a run, all or none."""
        self._post("runs/log-batch", run_id=run, params=_tags(params), metrics=list(metrics), tags=_tags(tags))

    def finish(self, run: str, end_s: float) -> None:
        """The run is whole."""
        self._post("runs/update", run_id=run, status="FINISHED", end_time=round(end_s * 1000))

    def put(self, artifact_uri: str, name: str, content: bytes) -> bool:
        """Upload a file of a run; False where the server leaves that to another store."""
        if not artifact_uri.startswith(_PROXIED):
            return False
        path = f"{_ARTIFACTS}{artifact_uri.removeprefix(_PROXIED).lstrip('/')}/{name}"
        self._said("PUT", path, content=content)
        return True

    def ensure_model(self, name: str) -> None:
        """A registered model of this name."""
        try:
            self._post("registered-models/create", name=name)
        except MlflowError as error:
            if error.code != _EXISTS:
                raise

    def version_of(self, model: str, run: str, source: str, tags: Pairs) -> str:
        """The number of the model's version that a run made, registered where it is not."""
        known = self._get("model-versions/search", filter=f"name='{model}' and run_id='{run}'")
        for version in known.get("model_versions", []):
            return str(version["version"])
        made = self._post("model-versions/create", name=model, source=source, run_id=run, tags=_tags(tags))
        return str(made["model_version"]["version"])

    def aliases(self, model: str) -> dict[str, str]:
        """The version that each alias of a model names."""
        found = self._get("registered-models/get", name=model)["registered_model"]
        return {item["alias"]: str(item["version"]) for item in found.get("aliases", [])}

    def point(self, model: str, alias: str, version: str) -> None:
        """Let an alias name a version."""
        self._post("registered-models/alias", name=model, alias=alias, version=version)

    def unpoint(self, model: str, alias: str) -> None:
        """Let an alias name nothing."""
        self._said("DELETE", f"{_API}registered-models/alias", json={"name": model, "alias": alias})

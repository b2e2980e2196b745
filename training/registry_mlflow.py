"""A mirror of the registry in MLflow: a run and a model version for each bundle, the same aliases.

``registry.toml`` in the registry's folder asks for it::

    [mlflow]
    tracking_uri = "http://mlflow.lan:5000"
    experiment = "pems-edge"
    token_env = "MLFLOW_TRACKING_TOKEN"   # where the server wants one

The registry is the authority: nothing is ever read back, each step may be repeated, and what was begun is found by the
bundle's digest. So a mirror that was cut off goes on where it was.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from training.errors import SetupError
from training.mlflow_rest import Mlflow
from training.registry import ALIASES, Entry, Judgement, Registry
from training.tomlfile import read_toml

SETTINGS_FILE, MANIFEST = "registry.toml", "manifest.json"
_DIGEST, _JUDGED = "pems_sha256", "pems_judgements"
_KEYS = {"tracking_uri", "experiment", "token_env"}
_EXPERIMENT = "pems-edge"
_LONGEST = 500  # of a parameter's value, in every release of MLflow
_FORBIDDEN = re.compile(r"[^\w .-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where to mirror to."""

    tracking_uri: str
    experiment: str
    token: str


class Mirrored(NamedTuple):
    """Bundles that are in MLflow now, and what is worth knowing."""

    bundle_count: int
    notes: tuple[str, ...]


def load_settings(folder: Path) -> Settings | None:
    """What ``registry.toml`` says; None where nobody asks for a mirror. Raises :class:`SetupError`."""
    path = folder / SETTINGS_FILE
    if not path.exists():
        return None
    document = read_toml(path)
    table = document.get("mlflow")
    unknown = sorted(set(document) - {"mlflow"})
    if unknown or not isinstance(table, Mapping):
        raise SetupError(f"{path}: holds [mlflow] and nothing else, got {', '.join(unknown) or 'no such section'}")
    odd = sorted(set(table) - _KEYS) + sorted(key for key, value in table.items() if not isinstance(value, str))
    if odd or not str(table.get("tracking_uri", "")).startswith(("http://", "https://")):
        raise SetupError(f"{path}: [mlflow] needs tracking_uri = 'http...'; {', '.join(sorted(_KEYS))} are texts")
    variable = table.get("token_env", "")
    if variable and variable not in os.environ:
        raise SetupError(f"{path}: the environment has no {variable}")
    return Settings(
        tracking_uri=table["tracking_uri"],
        experiment=table.get("experiment", _EXPERIMENT),
        token=os.environ.get(variable, ""),
    )


def mirror(registry: Registry, settings: Settings) -> Mirrored:
    """Bring MLflow up to the registry.

    Raises
    ------
    MlflowError
        The server does not answer or says no; what it took already stays.
    """
    notes: list[str] = []
    count = 0
    with Mlflow(settings.tracking_uri, settings.token) as server:
        experiment = server.experiment(settings.experiment)
        for site in sorted({entry.site for entry in registry.entries()}):
            model = model_name(site)
            server.ensure_model(model)
            versions = {}
            for entry in registry.entries(site):
                versions[entry.sha256] = _entry(server, experiment, entry, registry.judgements(entry.sha256), notes)
                count += 1
            _aliases(server, model, {name: registry.alias(site, name) for name in ALIASES}, versions)
    return Mirrored(count, tuple(dict.fromkeys(notes)))


def model_name(site: str) -> str:
    """What a site's models are called there; MLflow forbids some signs."""
    return "pems-" + _FORBIDDEN.sub("_", site)


def _entry(server: Mlflow, experiment: str, entry: Entry, judged: list[Judgement], notes: list[str]) -> str:
    """A bundle's run, whole, and the number of its version."""
    found = server.find_run(experiment, (_DIGEST, entry.sha256))
    run = found or server.create_run(experiment, entry.version, entry.added_s, tags_of(entry).items())
    name, uri = str(run["info"]["run_id"]), str(run["info"]["artifact_uri"])
    if run["info"]["status"] != "FINISHED":
        server.log(name, params_of(entry.manifest).items(), _metrics(trained_metrics(entry.manifest), entry.added_s, 0))
        if not server.put(uri, MANIFEST, json.dumps(entry.manifest, indent=1).encode()):
            kept = uri.partition(":")[0]
            notes.append(f"{server.place}: keeps artifacts elsewhere ({kept}): manifests are not mirrored")
    _judgements(server, run, judged)
    version = server.version_of(model_name(entry.site), name, uri, tags_of(entry).items())
    if run["info"]["status"] != "FINISHED":
        server.finish(name, entry.added_s)
    return version


def _judgements(server: Mlflow, run: Mapping[str, Any], judged: list[Judgement]) -> None:
    """Those that the run does not have yet, a step each."""
    tags = {item["key"]: item["value"] for item in run["data"].get("tags", [])}
    for step in range(int(tags.get(_JUDGED, "0")), len(judged)):
        scores = {
            f"held_out.{signal}.{who}.{metric}": value
            for signal, everybody in judged[step].scores.items()
            for who, found in everybody.items()
            for metric, value in found.items()
        }
        metrics = _metrics(scores, judged[step].until_s, step)
        server.log(str(run["info"]["run_id"]), metrics=metrics, tags=[(_JUDGED, str(step + 1))])


def _aliases(server: Mlflow, model: str, wanted: Mapping[str, str | None], versions: Mapping[str, str]) -> None:
    """The registry's aliases, and no other of these names."""
    known = server.aliases(model)
    for alias, sha256 in wanted.items():
        version = versions.get(sha256 or "")
        if version is not None and known.get(alias) != version:
            server.point(model, alias, version)
        elif version is None and alias in known:
            server.unpoint(model, alias)


def tags_of(entry: Entry) -> dict[str, str]:
    """What a bundle is."""
    training = entry.manifest.get("training", {})
    facts = {
        "pems_site": entry.site,
        "pems_version": entry.version,
        "pems_seq": entry.seq,
        "pems_feature_code_sha256": entry.manifest.get("feature_code_sha256", ""),
        "pems_data_sha256": training.get("data_sha256", ""),
        "pems_min_device": entry.manifest.get("min_device", ""),
    }
    return {_DIGEST: entry.sha256, **{key: str(value) for key, value in facts.items() if value != ""}}


def params_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """How its models were made: everything of ``training``, one key a number."""
    return {key: str(value)[:_LONGEST] for key, value in _flat("", manifest.get("training", {}))}


def trained_metrics(manifest: Mapping[str, Any]) -> dict[str, float]:
    """What the held-out weeks of the fit said of each signal."""
    return {key: value for key, value in _flat("", manifest.get("metrics", {})) if isinstance(value, int | float)}


def _flat(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value


def _metrics(values: Mapping[str, float], at_s: float, step: int) -> list[dict[str, Any]]:
    """As MLflow takes them; what is not known is not said."""
    known = {key: value for key, value in values.items() if math.isfinite(value)}
    return [{"key": key, "value": value, "timestamp": round(at_s * 1000), "step": step} for key, value in known.items()]

"""What the starter of a run does with each bundle: sign it, for the key never leaves the machine; register it."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from training.bundle_file import opened, zipped
from training.errors import TrainingError
from training.fleet.outcome import BUNDLE_FILE, SIGNED_FILE, Outcome, failed
from training.fleet.store import Store
from training.package import signed
from training.registry import Judgement, Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key, where the results lie, and the registry that bundles go to, if any."""

    key: Ed25519PrivateKey
    out: Store
    registry: Registry | None = None

    def __call__(self, outcome: Outcome) -> Outcome:
        """Sign and register the bundle of a home; the same again changes nothing."""
        if not outcome.has_bundle:
            return outcome
        try:
            raw = self.out.read(f"{outcome.home}/{BUNDLE_FILE}") or b""
            content = zipped(signed(opened(raw, f"{outcome.home}/{BUNDLE_FILE}")[1], self.key))
            if self.out.read(f"{outcome.home}/{SIGNED_FILE}") != content:
                self.out.write(f"{outcome.home}/{SIGNED_FILE}", content)
            if self.registry is not None:
                _register(self.registry, outcome, content)
        except TrainingError as error:
            return failed(outcome.home, f"trained, but not signed and registered: {error}")
        return outcome


def _register(registry: Registry, outcome: Outcome, content: bytes) -> None:
    known = {entry.sha256 for entry in registry.entries(outcome.site)}
    entry = registry.add(content, outcome.home)
    if entry.sha256 in known or outcome.facts is None:
        return
    training = entry.manifest["training"]
    registry.record(
        Judgement(
            sha256=entry.sha256,
            data_sha256=training["data_sha256"],
            from_s=training["to_s"],
            until_s=training["to_s"] + 86400.0 * outcome.facts.judged_days,
            days=outcome.facts.judged_days,
            scores=outcome.scores,
        )
    )

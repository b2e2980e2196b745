"""Who we are to the broker, and whom we take for it; read before anything is connected."""

from __future__ import annotations

import ssl
import tomllib
from typing import NamedTuple

from edge.config import Site
from edge.config_supply import Mqtt
from edge.errors import ConfigError
from edge.files import private_text


class Secrets(NamedTuple):
    """Who we are to the broker; both ``None`` where it asks nobody."""

    user: str | None = None
    password: str | None = None


def read_secrets(site: Site, mqtt: Mqtt) -> Secrets:
    """User and password from a file that only its owner can read; raises :class:`ConfigError`."""
    if not mqtt.secrets:
        return Secrets()
    path = site.path(mqtt.secrets)
    try:
        found = tomllib.loads(private_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), [f"is not TOML: {error}"]) from error
    if set(found) != {"user", "password"} or not all(isinstance(value, str) for value in found.values()):
        raise ConfigError(str(path), ["needs user and password, as texts, and nothing else"])
    return Secrets(user=found["user"], password=found["password"])


def tls_context(site: Site, mqtt: Mqtt) -> ssl.SSLContext | None:
    """TLS with the system's authorities, or the site's own; raises :class:`ConfigError`."""
    if not mqtt.tls:
        return None
    try:
        return ssl.create_default_context(cafile=site.path(mqtt.ca) if mqtt.ca else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("site.toml", [f"mqtt.ca {mqtt.ca} cannot be used: {error}"]) from error

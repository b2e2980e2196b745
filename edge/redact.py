"""A site file without what nobody else should read."""

from __future__ import annotations

import re

HIDDEN = "***"
# A key of these names should hold a file's path, but people paste the secret itself.
_SECRET = re.compile(
    r"""^(\s*(?:token|secrets|\w*password\w*|\w*secret\w*)\s*=\s*)(["']?)([^"'\n#]*)\2.*$""",
    re.MULTILINE | re.IGNORECASE,
)
_LOGIN = re.compile(r"(://)([^/@\s\"']+)@")
_SHORTEST = 4  # what is shorter is no secret, and would tear other words


def without_secrets(text: str) -> str:
    """The text of a site file with tokens, passwords and logins in urls replaced; still a site file."""
    return _LOGIN.sub(rf"\1{HIDDEN}@", _SECRET.sub(rf'\1"{HIDDEN}"', text))


def secrets_of(text: str) -> tuple[str, ...]:
    """What :func:`without_secrets` takes away, to be taken out of other texts that may repeat it."""
    found = [match[3].strip() for match in _SECRET.finditer(text)]
    found += [part for match in _LOGIN.finditer(text) for part in (match[2], match[2].partition(":")[2])]
    return tuple(value for value in found if len(value) >= _SHORTEST)


def scrubbed(text: str, secrets: tuple[str, ...]) -> str:
    """A text without these words."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text

"""The bill of materials of a system: every Debian package and every wheel in it, as CycloneDX 1.5 (ECMA-424) has it."""

from __future__ import annotations

from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from edge.appliance.disk import identity
from edge.errors import UpdateError
from edge.timetext import format_time

_STATUS = "var/lib/dpkg/status"
_LIBRARIES = "opt/pems/current/lib"
_INSTALLED = "install ok installed"


class Component(NamedTuple):
    """A package by its name, version and package URL (purl), and its licence where it tells one."""

    name: str
    version: str
    purl: str
    licence: str = ""


def components(root: Path) -> tuple[Component, ...]:
    """What is installed in a system, in order; raises :class:`UpdateError` where that cannot be read."""
    return tuple(sorted({*_packages(root), *_wheels(root)}, key=lambda component: component.purl))


def document(root: Path, name: str, version: str, created_s: int) -> dict[str, Any]:
    """The bill of a system; the same system gives the same document."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{identity(f'{name}-{version}', 'sbom')}",
        "version": 1,
        "metadata": {
            "timestamp": format_time(created_s),
            "component": {"type": "operating-system", "name": name, "version": version},
        },
        "components": [_entry(component) for component in components(root)],
    }


def differences(root: Path, bill: dict[str, Any]) -> list[str]:
    """What a system holds and its bill does not, or the other way round: package URLs."""
    said = {str(entry["purl"]) for entry in bill["components"]}
    return sorted(said ^ {component.purl for component in components(root)})


def _entry(component: Component) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "library", "name": component.name, "version": component.version}
    entry |= {"purl": component.purl, "bom-ref": component.purl}
    return entry | ({"licenses": [{"expression": component.licence}]} if component.licence else {})


def _packages(root: Path) -> Iterator[Component]:
    """Debian's, by dpkg's own record."""
    try:
        text = (root / _STATUS).read_text(encoding="utf-8")
    except OSError as error:
        raise UpdateError(f"{root / _STATUS}: cannot be read: {error.strerror}") from error
    for paragraph in text.split("\n\n"):
        fields = Parser().parsestr(paragraph)
        if fields["Status"] == _INSTALLED:
            name, version, arch = fields["Package"], fields["Version"], fields["Architecture"]
            yield Component(name, version, f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={arch}")


def _wheels(root: Path) -> Iterator[Component]:
    """Python's, by the metadata that each wheel brought along."""
    current = root / _LIBRARIES
    for path in sorted(current.glob("*.dist-info/METADATA")):
        fields = Parser().parsestr(path.read_text(encoding="utf-8", errors="replace"))
        name, version = fields["Name"], fields["Version"]
        purl = f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(version)}"
        yield Component(name, version, purl, fields["License-Expression"] or "")

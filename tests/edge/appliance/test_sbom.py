"""The bill of materials says what is in a system, no more and no less."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.appliance.sbom import components, differences, document
from edge.errors import UpdateError

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u13
Description: GNU C Library
 with more than one line

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: tzdata
Status: install ok installed
Architecture: all
Version: 2026b-0+deb12u1
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    info = tmp_path / "opt/pems/releases/1/lib/prometheus_client-0.25.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: prometheus_client\nVersion: 0.25\n"
        "License-Expression: Apache-2.0 AND BSD-2-Clause\n\nText"
    )
    (tmp_path / "opt/pems/current").symlink_to("releases/1")
    return tmp_path


def test_installed_packages_and_wheels_are_listed_with_their_urls(root):
    assert [component.purl for component in components(root)] == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64",
        "pkg:deb/debian/tzdata@2026b-0%2Bdeb12u1?arch=all",
        "pkg:pypi/prometheus-client@0.25",
    ]


def test_the_same_system_gives_the_same_bill_and_each_release_its_own_number(root):
    bill = document(root, "pems", "1.2.0", 1_763_000_000)
    assert bill == document(root, "pems", "1.2.0", 1_763_000_000)
    assert bill["serialNumber"] != document(root, "pems", "1.3.0", 1_763_000_000)["serialNumber"]
    assert (bill["bomFormat"], bill["specVersion"], bill["metadata"]["timestamp"]) == (
        "CycloneDX",
        "1.5",
        "2025-11-13T02:13:20Z",
    )
    (wheel,) = (entry for entry in bill["components"] if entry["name"] == "prometheus_client")
    assert wheel["licenses"] == [{"expression": "Apache-2.0 AND BSD-2-Clause"}]
    json.dumps(bill, allow_nan=False)


def test_what_came_and_what_went_since_is_found(root):
    bill = document(root, "pems", "1", 0)
    assert differences(root, bill) == []
    path = root / "var/lib/dpkg/status"
    path.write_text(path.read_text().replace("tzdata", "zstd"))
    assert differences(root, bill) == [
        "pkg:deb/debian/tzdata@2026b-0%2Bdeb12u1?arch=all",
        "pkg:deb/debian/zstd@2026b-0%2Bdeb12u1?arch=all",
    ]


def test_a_folder_that_is_no_system_is_refused(tmp_path):
    with pytest.raises(UpdateError, match="cannot be read"):
        components(tmp_path)

"""What is said of the libraries in an image: their licences, and the bill of materials."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from common.repository import ROOT
from controlplane.waiting import patient
from pages import licences
from servicetokens import __version__

# Those that ask for nothing but to be named; MPL is about its own files, which are not changed here.
PERMISSIVE = re.compile(r"MIT|Apache|BSD|Python Software Foundation|PSF-2\.0|Mozilla Public License 2\.0")


def test_every_library_allows_to_be_shipped() -> None:
    """Each that is pinned is known, and under one of the licences above."""
    found = licences.licences()
    assert set(found) == set(licences.pinned())
    assert {name: one for name, one in found.items() if not PERMISSIVE.search(one)} == {}


@pytest.fixture(scope="module")
def bill() -> dict[str, object]:
    """What `make sbom` writes."""
    target = Path("dist") / "servicetokens.cdx.json"
    texts = []
    for _ in range(2):
        subprocess.run(["make", "sbom"], cwd=ROOT, check=True, capture_output=True, timeout=patient(60))
        texts.append((ROOT / target).read_text())
    assert texts[0] == texts[1], "it is not the same each time"
    return dict(json.loads(texts[0]))


def test_the_bill_lists_what_is_pinned_with_its_hashes(bill: dict[str, object]) -> None:
    """Name and version of each, as requirements/runtime.txt, and of ourselves."""
    components = bill["components"]
    assert isinstance(components, list)
    assert {one["name"]: one["version"] for one in components} == licences.pinned()
    for one in components:
        references = one["externalReferences"]
        assert any(reference.get("hashes") for reference in references) or one.get("hashes"), one["name"]


def test_the_bill_is_about_us(bill: dict[str, object]) -> None:
    """It names the project, in CycloneDX."""
    assert bill["bomFormat"] == "CycloneDX"
    metadata = bill["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["component"]["name"] == "servicetokens"
    assert metadata["component"].get("version", __version__) == __version__

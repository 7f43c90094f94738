"""docs/reference/licences.md: the licence of each library that is installed with servicetokens, from its metadata."""

import json
import re
import subprocess
import sys
from typing import Final

from common.repository import ROOT

PINS: Final = ROOT / "requirements" / "runtime.txt"
PAGE: Final = ROOT / "docs" / "reference" / "licences.md"

_HEAD: Final = """# Licences

<!-- Written by `make generate`. -->

servicetokens is under the Apache License 2.0. An image or an installation includes these libraries, in the versions of
[requirements/runtime.txt](../../requirements/runtime.txt); `make sbom` writes them as a CycloneDX bill of materials.

| library | licence |
|---|---|
"""


def normalised(name: str) -> str:
    """Return a distribution's name as pins write it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    """Return the version of each library, by its normalised name."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", PINS.read_text(), re.MULTILINE))


def licences() -> dict[str, str]:
    """Return the licence of each library, by its normalised name."""
    command = [sys.executable, "-m", "piplicenses", "--format=json", "--from=mixed", "--packages", *pinned()]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {normalised(one["Name"]): one["License"] for one in listed}


def render() -> str:
    """Return the page."""
    return _HEAD + "".join(f"| {name} | {licence} |\n" for name, licence in sorted(licences().items()))

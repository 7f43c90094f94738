"""Minted or imported: decided by an id, in one place."""

from pathlib import Path

import servicetokens
from servicetokens.api import origin
from servicetokens.api.origin import Origin, imported_id, origin_of


def test_an_id_says_where_its_credential_comes_from() -> None:
    """What begins as the ids of imported values do was imported; everything else was minted."""
    assert origin_of(imported_id("0123456789abcdef")) is Origin.IMPORTED
    assert origin_of("0123456789AB") is Origin.MINTED
    assert origin_of("") is Origin.MINTED


def test_no_other_module_looks_at_how_an_id_begins() -> None:
    """They ask a credential for its origin."""
    prefix = imported_id("")
    package = Path(next(iter(servicetokens.__path__)))
    found = [file for file in package.rglob("*.py") if f'"{prefix}"' in file.read_text()]
    assert found == [Path(str(origin.__file__))]

"""Helm of both versions."""

from pathlib import Path

import pytest

from common.drivers.helm import TOOLS, VERSIONS, Helm


@pytest.fixture(scope="session", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """The name of a Helm."""
    assert (TOOLS / request.param).exists(), "run `make tools`"
    return str(request.param)


@pytest.fixture
def helm(version: str, tmp_path: Path) -> Helm:
    """Helm without a cluster."""
    return Helm(version, tmp_path)

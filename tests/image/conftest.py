"""What the image holds, put together once for all tests that run it."""

from pathlib import Path

import pytest

from common.drivers.image import assemble


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the image has as `/app`."""
    return assemble(tmp_path_factory.mktemp("image") / "app")

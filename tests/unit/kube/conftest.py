"""A server that writes down who asks, and both ways of asking it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.builders.kubeconfigs import DOORS, used
from common.fakes.front import Front, api_front
from controlplane.certificates import CertificateAuthority, KeyPair


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    """Signs the certificates of the server and of clients."""
    return CertificateAuthority(tmp_path / "ca")


@pytest.fixture
def pair(authority: CertificateAuthority) -> KeyPair:
    """The server's certificate, for `kubernetes` only: no address fits."""
    return authority.server("server", ["kubernetes"])


@pytest.fixture
async def front(pair: KeyPair, authority: CertificateAuthority) -> AsyncIterator[Front]:
    """A server that writes down who asks."""
    async with api_front(pair, str(authority.certificate)) as front:
        yield front


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> None:
    """Ask as the operator does, then as the plugin does."""
    used[:] = [DOORS[request.param]]

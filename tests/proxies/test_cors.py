"""The nginx lines of `docs/guides/cors.md`, in the configuration of this project, with a browser's requests."""

import http.client
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from common.drivers.validating import RunningValidator
from common.drivers.world import World
from common.repository import ROOT
from controlplane.ports import LOOPBACK
from controlplane.waiting import patient
from proxies.backend import Backend
from proxies.clients import FORWARD_AUTH, FORWARD_AUTH_2, SERVICE, Client, nginx
from proxies.conftest import Tokens

ORIGIN: Final = "https://app.example.com"


def insert(home: Path) -> None:
    """Put the lines of the page into the first location."""
    (lines,) = re.findall(
        r"^```nginx\n(.*?)^```$", (ROOT / "docs/guides/cors.md").read_text(), re.MULTILINE | re.DOTALL
    )
    file = home / "servicetokens.conf"
    file.write_text(file.read_text().replace("location / {\n", f"location / {{\n{lines}", 1))


def ask(port: int, method: str, token: str = "") -> http.client.HTTPResponse:
    """Send what a browser sends for a page of `ORIGIN`."""
    credentials = {"Authorization": f"Bearer {token}"} if token else {}
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=patient(20))) as connection:
        connection.request(method, "/orders", headers={"Origin": ORIGIN, **credentials})
        response = connection.getresponse()
        response.read()
        return response


@pytest.fixture
def port(world: World, running: RunningValidator, tmp_path: Path) -> Iterator[int]:
    """Of an nginx with the lines of the page."""
    with Backend() as service:
        forward_auth = running.ports.forward_auth
        addresses = {SERVICE: service.port, FORWARD_AUTH: forward_auth, FORWARD_AUTH_2: forward_auth}
        proxy = Client("nginx", "nginx", nginx, insert).start(tmp_path, addresses)
        try:
            world.until(lambda: _answers(proxy.port), "nginx to answer", timeout=30)
            yield proxy.port
        finally:
            proxy.process.kill()


def _answers(port: int) -> bool:
    try:
        return ask(port, "GET").status == 401
    except OSError:
        return False


def test_a_preflight_is_answered_without_a_token_and_other_requests_are_not(
    port: int, tokens: Tokens
) -> None:
    """The script sees who may call, and why a call was rejected; what is no preflight still needs a token."""
    preflight, rejected, passed = ask(port, "OPTIONS"), ask(port, "GET"), ask(port, "GET", tokens.good.text)
    assert (preflight.status, rejected.status, passed.status) == (204, 401, 200)
    for answer in (preflight, rejected, passed):
        assert answer.getheader("Access-Control-Allow-Origin") == ORIGIN
    assert preflight.getheader("Access-Control-Allow-Headers") == "Authorization"

"""Every proxy, with the configuration that the documentation shows, against every trick that we know."""

import os

import pytest

from common.repository import ROOT
from proxies.cases import CASES, Case
from proxies.clients import CLIENTS
from proxies.conftest import Front, Tokens
from proxies.matrix import render
from proxies.observing import Seen, send

PAGE = ROOT / "docs" / "guides" / "proxies" / "matrix.md"
WRITE = "SERVICETOKENS_WRITE_MATRIX"
NAMES = [client.name for client in CLIENTS]


def observe(case: Case, front: Front, tokens: Tokens) -> Seen:
    """Send what the case says."""
    proxy = {"works": front.works, "not ready": front.not_ready, "down": front.down}[case.validator]
    return send(
        proxy.port,
        case.target,
        case.headers(tokens),
        method=case.method,
        body=bytes(case.size),
        host=case.host,
        source=case.source,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
@pytest.mark.parametrize("name", NAMES)
def test_a_proxy_does_what_its_page_says(
    name: str, case: Case, fronts: dict[str, Front], tokens: Tokens
) -> None:
    """Who passes is who should; what reaches the service is the truth and nothing else."""
    front = fronts[name]
    seen = observe(case, front, tokens)
    assert (seen.reached is not None) is case.allowed, str(seen)
    if seen.reached is None:
        assert seen.status in case.rejections, str(seen)
        return
    assert seen.values("authorization") == []
    assert seen.spoofed == []
    assert seen.values("x-servicetoken-account") == ["ci"]
    assert seen.values("x-servicetoken-roles") == [case.roles]
    for part in ("namespace", "id", "expires"):
        assert len(seen.values(f"x-servicetoken-{part}")) == 1
    # There are none: some proxies pass an empty header on, others none; never the client's.
    assert seen.values("x-servicetoken-permissions") in ([], [""])
    assert seen.reached["size"] == case.size


def test_the_matrix_shows_what_clients_see(fronts: dict[str, Front], tokens: Tokens) -> None:
    """docs/guides/proxies/matrix.md is what is seen here; `make matrix` writes it again."""
    rows = [(case.title, [str(observe(case, fronts[name], tokens)) for name in NAMES]) for case in CASES]
    page = render(NAMES, rows)
    if os.environ.get(WRITE):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, (
        "the matrix differs from the committed one: look why, then run: make matrix"
    )

"""The runbook for certificates: what is deleted comes back, and only what was deleted changes."""

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common.drivers.operators import RunningOperator
from common.drivers.runbook import Runbook
from common.drivers.world import HOME, World
from servicetokens.api.names import VALIDATOR_TLS_SECRET
from servicetokens.controllers.pki.issuing import AUTHORITY_SECRET

RUNBOOK = Runbook("certificates")


def served(world: World) -> dict[str, bytes]:
    """Return what validators mount; nothing while it does not exist."""
    secret = world.secret(HOME, VALIDATOR_TLS_SECRET) or {"data": {}}
    return {name: base64.b64decode(value) for name, value in secret["data"].items()}


def follow(world: World, directory: Path, section: str, operator: RunningOperator | None = None) -> str:
    """Type what a section says."""
    variables = {"OPERATOR_HEALTH": f"127.0.0.1:{operator.port}"} if operator else {}
    return RUNBOOK.follow(world, directory, section, variables=variables)


@pytest.mark.timeout(240)
def test_a_certificate_and_a_ca_are_issued_again(world: World, tmp_path: Path) -> None:
    """A deleted certificate comes back under the same CA; with the CA deleted, too, clients need the new bundle."""
    with world.operator(tmp_path / "first.log") as operator:
        world.until(lambda: served(world), "the certificate", timeout=30)
        metric = "servicetokens_tls_certificate_expiration_timestamp_seconds"
        world.until(lambda: metric in operator.page("/metrics")[1], "the metric")
        printed = follow(world, tmp_path, "See when it expires", operator)
        assert printed.splitlines()[-1] == "1"
    first = served(world)
    assert (tmp_path / "ca.crt").read_bytes() == first["ca.crt"]

    follow(world, tmp_path, "Issue a new certificate now")
    assert served(world) == {}
    with world.operator(tmp_path / "second.log"):
        world.until(lambda: served(world), "another certificate", timeout=30)
    second = served(world)
    assert second["ca.crt"] == first["ca.crt"]
    assert second["tls.crt"] != first["tls.crt"]

    with ThreadPoolExecutor(1) as typing:
        section = typing.submit(follow, world, tmp_path, "The CA has expired, or its key has leaked")
        world.until(lambda: section.done() or not served(world), "both to be deleted", timeout=30)
        assert world.secret(HOME, AUTHORITY_SECRET) is None
        with world.operator(tmp_path / "third.log"):
            section.result(timeout=60)
    third = served(world)
    assert third["ca.crt"] != second["ca.crt"]
    assert (tmp_path / "ca.crt").read_bytes() == third["ca.crt"]

"""Last used, on a real API server: who writes it, and how often."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.builders.stored import StoredToken, store_keys, store_tokens
from common.drivers.validating import validator
from common.drivers.world import HOME, VALIDATOR, World, world_of
from controlplane.cluster import Options
from servicetokens.api.values import format_time

HOUR = 3600


@pytest.fixture(scope="module")
def audited(binaries: Path) -> Iterator[World]:
    """A cluster of its own that logs every request."""
    with world_of(binaries, Options(audit=True)) as world:
        store_keys(world.client, HOME)
        yield world


def last_used(world: World, token: StoredToken) -> str:
    """Return the time of last use on status; empty while there is none."""
    return str(world.status(token.namespace, token.name).get("lastUsedTime", ""))


def test_two_validators_and_many_uses_are_one_write(audited: World, tmp_path: Path) -> None:
    """The second validator sees that it was done; a third, started later, finds it so."""
    token, unused = store_tokens(audited.client, audited.cluster.create_namespace(), 2)
    mark = audited.cluster.audit.mark()
    with (
        validator(audited, tmp_path / "one.log") as one,
        validator(audited, tmp_path / "other.log") as other,
    ):
        for _ in range(20):
            assert one.forward(token.text).status == other.forward(token.text).status == 200
        audited.until(lambda: last_used(audited, token), "the time of use", timeout=40)
        audited.until(
            lambda: "last_used_pending 0" in one.page("/metrics")[1] + other.page("/metrics")[1],
            "both to be done",
            timeout=40,
        )
    with validator(audited, tmp_path / "late.log") as late:
        assert late.forward(token.text).status == 200
        assert "last_used_pending 0" in late.page("/metrics")[1]
    answers = sorted(
        record.status
        for record in audited.cluster.audit.records(mark)
        if record.verb == "patch" and record.user == VALIDATOR
    )
    assert answers in ([200], [200, 422]), "one write; whoever was late was refused"
    assert last_used(audited, unused) == ""


def test_an_old_time_is_replaced_and_the_rest_of_the_status_stays(audited: World, tmp_path: Path) -> None:
    """Only that field is touched."""
    (token,) = store_tokens(audited.client, audited.cluster.create_namespace(), 1)
    path = audited.path("servicetokens", token.namespace, token.name) + "/status"
    old = format_time(1_700_000_000)
    audited.ok("PATCH", path, {"status": {"lastUsedTime": old}})
    before = audited.status(token.namespace, token.name)
    with validator(audited, tmp_path / "validator.log") as running:
        assert running.forward(token.text).status == 200
        audited.until(lambda: last_used(audited, token) != old, "the new time", timeout=40)
    after = audited.status(token.namespace, token.name)
    assert after | {"lastUsedTime": old} == before


def test_a_missing_permission_does_not_affect_validation(audited: World, tmp_path: Path) -> None:
    """Tokens are accepted; the log says what is missing, once."""
    (token,) = store_tokens(audited.client, audited.cluster.create_namespace(), 1)
    role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/servicetokens-validator"
    rules = audited.ok("GET", role).body["rules"]
    audited.ok("PATCH", role, {"rules": rules[:1]})
    try:
        with validator(audited, tmp_path / "validator.log") as running:
            assert running.forward(token.text).status == 200
            audited.until(
                lambda: "last_used_failures_total 1" in running.page("/metrics")[1], "the failure", 40
            )
            assert running.is_ready()
            assert running.process.output().count("lastUsedTime cannot be written") == 1
    finally:
        audited.ok("PATCH", role, {"rules": rules})

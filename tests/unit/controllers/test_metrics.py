"""The operator's metrics: what is counted, and that no label can be any user's words."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from common.builders.facts import NOW, a_snapshot, a_token, an_account, settled, with_status
from common.builders.planning import plan
from servicetokens.api import names
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.metrics import OperatorCollector, OperatorMetrics, OperatorNumbers
from servicetokens.kube.errors import ApiUnavailable, Conflict, Forbidden, NotFound
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.actions import MintCause
from servicetokens.runtime.metrics import make_registry
from servicetokens.tokens.verifier import KEY_BYTES, KeyRing

KEY = Key(names.KIND_TOKEN, "team-a", "ci-prod")


def registry(caches: Caches, ring: KeyRing | None = None) -> CollectorRegistry:
    """Return the metrics of an operator that knows *caches*."""
    numbers = OperatorNumbers(caches=caches, ring=ring, waiting=3, leads=True, certificate_end=None)
    return make_registry(OperatorCollector(lambda: numbers))


def test_tokens_are_counted_by_condition_and_by_key() -> None:
    """What an alert asks for."""
    caches = Caches()
    caches.put_token(settled().token)
    found = registry(caches, KeyRing({"k1": bytes(KEY_BYTES), "k2": bytes(KEY_BYTES)}))
    labels = {"type": "Ready", "status": "True", "reason": "Minted"}
    assert found.get_sample_value("servicetokens_operator_token_conditions", labels) == 1
    by_key = [
        found.get_sample_value("servicetokens_operator_credentials", {"key_id": key})
        for key in ("k1", "k2", "unknown")
    ]
    assert by_key == [1, 0, 0]


def test_tokens_that_wait_are_counted_by_what_they_wait_for() -> None:
    """From zero on; who is stuck or has a token to use is not among them."""
    waits = a_snapshot(a_token(roles=["reader"]), an_account(roles=["reader"]), roles={"reader": None})
    told = plan(waits, NOW).status
    assert told is not None
    caches = Caches()
    name = "servicetokens_operator_tokens_waiting"
    assert registry(caches).get_sample_value(name, {"reason": "RoleNotFound"}) == 0
    caches.put_token(replace(waits.token, status=told))
    caches.put_token(replace(settled().token, name="minted"))
    found = registry(caches)
    assert found.get_sample_value(name, {"reason": "RoleNotFound"}) == 1
    (family,) = (one for one in found.collect() if one.name == name)
    assert sum(sample.value for sample in family.samples) == 1


def test_words_that_are_not_ours_become_no_label() -> None:
    """A status can be edited by users with permission; a million reasons would be a million series."""
    token = settled().token
    forged = [
        condition.model_copy(update={"type": "Ready" if number else "Forged", "reason": "Whatever"})
        for number, condition in enumerate(token.status.conditions[:2])
    ]
    caches = Caches()
    caches.put_token(with_status(settled(), conditions=tuple(forged)).token)
    (family,) = [
        one for one in registry(caches).collect() if one.name == "servicetokens_operator_token_conditions"
    ]
    assert [(one.labels["type"], one.labels["reason"]) for one in family.samples] == [("Ready", "Other")]


@pytest.mark.parametrize(
    ("raised", "result"),
    [
        (Conflict("x"), "conflict"),
        (Forbidden("x"), "forbidden"),
        (ApiUnavailable("x"), "unavailable"),
        (NotFound("x"), "failed"),
        (RuntimeError("x"), "defect"),
        (None, "done"),
    ],
)
async def test_each_end_of_a_reconcile_has_a_name(raised: Exception | None, result: str) -> None:
    """And what was raised is raised on."""
    found = CollectorRegistry()

    async def reconcile(_: Key) -> bool:
        """Fail as asked."""
        if raised is not None:
            raise raised
        return False

    measured = OperatorMetrics(found).observed(reconcile)
    if raised is None:
        assert not await measured(KEY)
    else:
        with pytest.raises(type(raised)):
            await measured(KEY)
    labels = {"kind": names.KIND_TOKEN, "result": result}
    assert found.get_sample_value("servicetokens_operator_reconciles_total", labels) == 1
    timed = "servicetokens_operator_reconcile_duration_seconds_count"
    assert found.get_sample_value(timed, {"kind": names.KIND_TOKEN}) == 1


def test_what_has_not_happened_yet_is_shown_as_zero() -> None:
    """Else Prometheus would see no increase when it happens first."""
    found = CollectorRegistry()
    OperatorMetrics(found)
    for cause in MintCause:
        labels = {"cause": cause.value}
        assert found.get_sample_value("servicetokens_operator_minted_total", labels) == 0
    for result in ("sent", "repeated", "dropped", "failed"):
        assert found.get_sample_value("servicetokens_operator_events_total", {"result": result}) == 0
    timed = "servicetokens_operator_reconcile_duration_seconds_count"
    for kind in (names.KIND_TOKEN, names.KIND_ACCOUNT, names.KIND_ROLE):
        assert found.get_sample_value(timed, {"kind": kind}) == 0

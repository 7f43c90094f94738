"""What is reported of a plan that was executed, and what a failed report costs."""

from collections.abc import Callable

from structlog.testing import capture_logs

from common.drivers.reconciling import Operator
from servicetokens.kube.errors import (
    ApiUnavailable,
    Forbidden,
)


async def test_an_event_rejected_by_a_terminating_namespace_is_the_last_write(it: Operator) -> None:
    """Its Secret goes, too, and is not created again."""
    await it.reconcile()
    it.edit(rotation={"id": "now"})
    it.cluster.fails["event"] = Forbidden("being terminated", causes=("NamespaceTerminating",))
    await it.reconcile()
    it.cluster.calls.clear()
    it.lose_secret()
    assert not await it.reconcile()
    assert it.cluster.calls == ["get secret"]


async def test_a_failure_is_logged_once_with_the_tokens_name(it: Operator, logged: Callable[[], str]) -> None:
    """And its end, too."""
    for _ in range(3):
        it.cluster.fails["create secret"] = ApiUnavailable("failed calling webhook", status=500)
        while await it.reconcile():
            pass
        it.clock.advance(8)
    await it.reconcile()
    lines = logged().splitlines()
    told = [line for line in lines if "failed to write the Secret" in line and "debug" not in line]
    assert len(told) == 1
    assert "ci-prod" in told[0]
    assert any("recovered" in line for line in lines)


async def test_an_event_that_cannot_be_sent_costs_nothing_else(it: Operator) -> None:
    """Status says the same, and stays."""
    await it.reconcile()
    it.cluster.fails["event"] = Forbidden("events is forbidden")
    it.edit(rotation={"id": "now"})
    assert not await it.reconcile()
    assert it.cluster.events == []
    assert len((it.cluster.token or {})["status"]["credentials"]) == 2


async def test_a_missing_permission_for_events_is_logged_once_until_it_is_granted(it: Operator) -> None:
    """Not for each Event of each token; meanwhile the reason can be shown, and other failures are logged as before."""
    await it.reconcile()
    refusal = 'events.events.k8s.io is forbidden: User "x" cannot create resource "events"'
    with capture_logs() as logs:
        for number in range(3):
            it.cluster.fails["event"] = Forbidden(refusal)
            it.edit(rotation={"id": f"refused-{number}"})
            await it.reconcile()
        assert it.reports.find_missing_permission() == refusal
        it.edit(rotation={"id": "granted"})
        await it.reconcile()
        assert it.reports.find_missing_permission() is None
        for failure in (ApiUnavailable("no answer"), Forbidden(refusal)):
            it.cluster.fails["event"] = failure
            it.edit(rotation={"id": f"again-{failure.message[:2]}"})
            await it.reconcile()
    assert it.cluster.events == ["TokenRotated"]
    warned = [line["error"] for line in logs if line["log_level"] == "warning"]
    assert warned == [refusal, "no answer", refusal]

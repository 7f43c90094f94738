"""A foreign value next to a token of ours: taken over once, accepted over real HTTP, and over with the cut-over."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from common.drivers.operators import RunningOperator
from common.drivers.validating import RunningValidator
from common.drivers.world import OPERATOR, World
from common.fakes.clock import FakeClock
from servicetokens.api.values import format_time, parse_time

DAY = 86400
NO_IMPORT: dict[str, Any] = {"import": None}


@pytest.fixture
def value(namespace: str) -> str:
    """A key as another system makes it, of this test alone."""
    return f"glpat-{namespace}-0123456789abcdef"


def keep(world: World, namespace: str, value: str, name: str = "legacy", key: str = "token") -> None:
    """Store *value* as other systems do, in a Secret of theirs."""
    world.create_secret(namespace, {"metadata": {"name": name}, "stringData": {key: value}})


def asked(*, seconds: float = 10 * DAY, name: str = "legacy", **reference: str) -> dict[str, Any]:
    """Return a spec that asks for an import until so many seconds from now."""
    until = format_time(int(time.time() + seconds))
    return {"import": {"secretRef": {"name": name, **reference}, "until": until}}


def answers(world: World, running: RunningValidator, value: str, status: int) -> None:
    """Wait until the validator answers *value* with *status*."""
    world.until(lambda: running.forward(value).status == status, f"the answer {status}")


def imported(world: World, namespace: str, name: str = "ci-prod") -> list[dict[str, Any]]:
    """Return the imported credentials on a token's status."""
    found = world.status(namespace, name).get("credentials") or []
    return [credential for credential in found if credential["id"].startswith("imp-")]


def test_both_values_work_and_the_old_one_is_over_at_the_cut_over(
    world: World, namespace: str, value: str, running: RunningValidator
) -> None:
    """By the validator's own clock; ours goes on, and the name in the answers is the handle."""
    keep(world, namespace, value)
    world.token(namespace, **asked())
    own = world.until_ready(namespace)
    answers(world, running, value, 200)
    answers(world, running, own, 200)
    (credential,) = imported(world, namespace)
    answer = running.forward(value)
    assert answer.headers["X-ServiceToken-Account"] == "ci"
    assert answer.headers["X-ServiceToken-Id"] == credential["id"]
    assert int(answer.headers["X-ServiceToken-Expires"]) == parse_time(credential["expirationTime"])
    assert running.authz(value).status == 200
    assert running.review(value).json["status"]["authenticated"] is True
    cut_over = int(time.time()) + 3
    later: dict[str, Any] = {"import": {"until": format_time(cut_over)}}
    world.change(namespace, **later)
    answers(world, running, value, 401)
    assert time.time() >= cut_over
    assert running.review(value).json["status"].get("authenticated", False) is False
    assert running.forward(own).status == 200
    world.until(lambda: imported(world, namespace) == [], "the operator to forget it")
    world.until(lambda: "ImportEnded" in world.events(namespace), "the Event")
    assert world.events(namespace) == ["TokenImported", "ImportEnded"]


def test_what_the_secret_says_later_means_nothing(
    world: World, namespace: str, value: str, running: RunningValidator
) -> None:
    """It is read once, only by the operator; another value in it is not accepted, and its deletion changes nothing."""
    keep(world, namespace, value)
    mark = world.cluster.audit.mark()
    world.token(namespace, **asked())
    world.until_ready(namespace)
    answers(world, running, value, 200)
    another = f"{value}-planted"
    world.edit_secret(
        namespace, {"data": {"token": base64.b64encode(another.encode()).decode()}}, name="legacy"
    )
    world.change(namespace, description="another pass")
    world.until_ready(namespace)
    world.delete_secret(namespace)
    world.until_ready(namespace)
    assert running.forward(another).status == 401
    assert running.forward(value).status == 200
    world.delete_secret(namespace, "legacy")
    world.change(namespace, description="one more")
    world.until_ready(namespace)
    assert running.forward(value).status == 200
    reads = [
        record
        for record in world.cluster.audit.records(mark)
        if (record.user, record.namespace, record.name) == (OPERATOR, namespace, "legacy")
    ]
    assert [record.verb for record in reads] == ["get"]


@pytest.mark.parametrize(
    "end",
    [
        lambda world, namespace: world.change(namespace, rotation={"id": "leak", "overlap": "0s"}),
        lambda world, namespace: world.change(namespace, rotation={"id": "another", "overlap": "1h"}),
        lambda world, namespace: world.change(namespace, state="Revoked"),
        lambda world, namespace: world.change(namespace, **NO_IMPORT),
        lambda world, namespace: world.change(namespace, "ci", "serviceaccounts", state="Suspended"),
        lambda world, namespace: world.delete("servicetokens", namespace, "ci-prod"),
    ],
    ids=["leak", "rotation", "revoked", "import removed", "suspended", "deleted"],
)
def test_it_exits_immediately_with(
    world: World,
    namespace: str,
    value: str,
    running: RunningValidator,
    end: Callable[[World, str], None],
) -> None:
    """All that ends an older credential, and the wish for it."""
    keep(world, namespace, value)
    world.token(namespace, **asked())
    world.until_ready(namespace)
    answers(world, running, value, 200)
    end(world, namespace)
    answers(world, running, value, 401)


def test_the_roles_are_those_of_the_token(
    world: World, namespace: str, value: str, running: RunningValidator
) -> None:
    """And its account's; nothing comes along with the value."""
    role = f"reader-{namespace}"
    world.role(role)
    world.change(namespace, "ci", "serviceaccounts", roles=[role])
    keep(world, namespace, value)
    world.token(namespace, **asked())
    world.until_ready(namespace)
    answers(world, running, value, 200)
    assert running.forward(value, path=f"/validate/role/{role}").status == 200
    assert running.forward(value, path="/validate/role/other").status == 403


def test_another_tenant_that_imports_the_same_value_changes_nothing(
    world: World, namespace: str, value: str, running: RunningValidator
) -> None:
    """They know the value, so it has leaked; but it is neither rejected nor accepted for their account."""
    keep(world, namespace, value)
    world.token(namespace, **asked())
    world.until_ready(namespace)
    answers(world, running, value, 200)
    elsewhere = world.cluster.create_namespace()
    world.account(elsewhere, "thief")
    keep(world, elsewhere, value)
    world.token(elsewhere, account="thief", **asked())
    condition = world.until_reason(elsewhere, "Ready", "ImportRejected")
    assert "accepted for another ServiceToken already" in condition["message"]
    assert namespace not in condition["message"]
    assert running.forward(value).headers["X-ServiceToken-Account"] == "ci"
    world.change(elsewhere, **NO_IMPORT)
    world.until_ready(elsewhere)
    assert running.forward(value).headers["X-ServiceToken-Account"] == "ci"


def test_a_secret_that_comes_later_is_waited_for(
    world: World, namespace: str, value: str, running: RunningValidator
) -> None:
    """As when both are applied together. Nothing is minted before, since the import could not be made up for."""
    world.token(namespace, **asked(name="late", key="api-key"))
    world.until_reason(namespace, "Ready", "ImportSecretMissing")
    assert world.secret(namespace) is None
    keep(world, namespace, value, "late", "api-key")
    world.until_ready(namespace)
    answers(world, running, value, 200)


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ("glpat-0123456789", "could be guessed"),
        ("a" * 40, "could be guessed"),
        ("glpat-0123456789abcdefghij\n", "line break"),
        ("svt_0123456789AB_003aUlTJC7tj", "as our own tokens do"),
    ],
)
def test_an_unsuitable_value_is_rejected_with_the_reason(
    world: World, namespace: str, stored: str, words: str
) -> None:
    """Without the value in them; once it is good, or not asked for any more, the token is minted."""
    keep(world, namespace, stored)
    world.token(namespace, **asked())
    condition = world.until_reason(namespace, "Ready", "ImportRejected")
    assert words in condition["message"]
    assert stored.strip() not in json.dumps(world.get(namespace))
    assert world.condition(namespace, "Stalled")["status"] == "True"
    world.change(namespace, **NO_IMPORT)
    world.until_ready(namespace)
    assert imported(world, namespace) == []


def test_after_weeks_the_operator_forgets_it(world: World, namespace: str, value: str) -> None:
    """By a clock in the test's hands: nothing else wakes it. A restart in between imports nothing again."""
    clock = FakeClock(now=int(time.time()))
    keep(world, namespace, value)
    with world.operator_in_process(clock, namespace):
        world.token(namespace, **asked(seconds=20 * DAY))
        world.until_ready(namespace)
    (before,) = imported(world, namespace)
    clock.advance(20 * DAY - 3600)
    with world.operator_in_process(clock, namespace):
        assert imported(world, namespace) == [before]
        clock.advance(2 * 3600)
        world.until(lambda: imported(world, namespace) == [], "the cut-over")
        assert world.holds(namespace)


def test_the_value_is_nowhere(
    world: World, namespace: str, value: str, operator: RunningOperator, running: RunningValidator
) -> None:
    """But in the Secret where it was: no log, no object, no Event, no metric, and no line of the audit has it."""
    keep(world, namespace, value)
    world.token(namespace, **asked())
    own = world.until_ready(namespace)
    answers(world, running, value, 200)
    world.until(lambda: "TokenImported" in world.events(namespace), "the Event")
    outputs = {
        "operator": operator.process.output(),
        "validator": running.process.output(),
        "pages": "".join(
            one.page(path)[1] for one in (operator, running) for path in ("/metrics", "/readyz")
        ),
        "objects": json.dumps(world.ok("GET", world.path("servicetokens", namespace)).body),
        "events": json.dumps(world.ok("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events").body),
        "secret": json.dumps(world.secret(namespace)),
        "audit": world.cluster.files.audit_log.read_text(),
    }
    encoded = base64.b64encode(value.encode()).decode()
    for name, text in outputs.items():
        assert value not in text, name
        assert encoded not in text, name
    (credential,) = imported(world, namespace)
    assert credential["id"] in outputs["validator"]
    assert credential["id"] in outputs["operator"]
    assert own.split("_")[1] in outputs["objects"]

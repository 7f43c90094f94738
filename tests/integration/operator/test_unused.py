"""Months in which a token is not used: by a clock that the test moves, with a validator that has its own."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.drivers.audited import writes
from common.drivers.runbook import Runbook
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import World
from common.fakes.clock import FakeClock
from servicetokens.api.values import format_time

DAY = 86400
BOTH = {"unusedFor": "90d", "suspendUnusedAfter": "30d"}


@pytest.fixture
def clock() -> FakeClock:
    """So long ago that both periods are over before today."""
    return FakeClock(now=int(time.time()) - 130 * DAY)


@pytest.fixture(scope="module")
def running(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningValidator]:
    """A validator, which needs the keys that an operator makes."""
    with world.operator_in_process(FakeClock(now=int(time.time())), world.cluster.create_namespace()):
        pass
    with validator(world, tmp_path_factory.mktemp("validator") / "validator.log") as running:
        yield running
        running.assert_sound()


def others_are_used(world: World, namespace: str, at: int) -> None:
    """Let a validator have reported the use of another token, and the operator have heard of it."""
    world.edit_status(namespace, {"lastUsedTime": format_time(at)}, "other")
    look(world, namespace, "other")


def look(world: World, namespace: str, name: str = "ci-prod") -> None:
    """Have the operator look at a token now; it knows by then of everything that came before."""
    generation = world.get(namespace, name)["metadata"]["generation"]
    world.change(namespace, name, description=f"look {generation}")
    world.until(lambda: world.is_settled(namespace, name), "the operator to look")


def answered(world: World, namespace: str) -> bool:
    """Say whether the operator has answered the account's present spec."""
    account = world.get(namespace, "ci", "serviceaccounts")
    return bool(account["metadata"]["generation"] == account["status"]["observedGeneration"])


def begin(world: World, namespace: str, **policy: str) -> str:
    """Apply the policy, and two tokens without an expiration; return the value of the first."""
    world.change(namespace, "ci", "serviceaccounts", tokenPolicy=policy)
    world.token(namespace, "other", expiresAfter="never")
    world.token(namespace, expiresAfter="never")
    world.until_ready(namespace, "other")
    return world.until_ready(namespace)


def pass_by(world: World, namespace: str, clock: FakeClock, days: int) -> None:
    """Let time pass, until the end of which other tokens are used."""
    others_are_used(world, namespace, clock.now() + days * DAY)
    clock.advance(days * DAY)


def suspend(world: World, namespace: str, clock: FakeClock) -> None:
    """Let so much time pass that the token is flagged, and then suspended."""
    pass_by(world, namespace, clock, 90)
    world.until_reason(namespace, "Unused", "UnusedForLong")
    pass_by(world, namespace, clock, 30)
    world.until_reason(namespace, "Active", "UnusedForLong")


def test_first_a_dry_run_then_a_suspension(world: World, namespace: str, clock: FakeClock) -> None:
    """The flag alone rejects nothing; notice is given from the flag on, not from the stricter policy on."""
    with world.operator_in_process(clock, namespace):
        begin(world, namespace, unusedFor="90d")
        pass_by(world, namespace, clock, 90)
        flag = world.until_reason(namespace, "Unused", "UnusedForLong")
        assert "stays valid" in flag["message"]
        assert world.condition(namespace, "Unused", "other") == {}
        pass_by(world, namespace, clock, 10)
        world.change(namespace, "ci", "serviceaccounts", tokenPolicy=BOTH)
        world.until(
            lambda: "will be suspended" in world.condition(namespace, "Unused")["message"], "the notice"
        )
        assert world.condition(namespace, "Active")["reason"] == "Valid"
        pass_by(world, namespace, clock, 20)
        world.until_reason(namespace, "Active", "UnusedForLong")
        assert world.condition(namespace, "Ready")["status"] == "True"
        assert world.status(namespace)["suspensionTime"] == format_time(clock.now())
        world.until(lambda: world.events(namespace) == ["TokenUnused", "TokenSuspended"], "the Events")
        clock.advance(60)
        world.change(namespace, "ci", "serviceaccounts", tokenPolicy={"unusedFor": "100y"})
        world.until_reason(namespace, "Active", "Valid")
        assert world.condition(namespace, "Unused") == {}
        assert "suspensionTime" not in world.status(namespace)
        world.until(lambda: world.events(namespace)[2:] == ["TokenResumed"], "the Event")


def test_a_policy_writes_nothing_on_tokens_in_use(world: World, namespace: str, clock: FakeClock) -> None:
    """Nor when it changes; there may be thousands of them."""
    with world.operator_in_process(clock, namespace):
        begin(world, namespace, **BOTH)
        mark = world.cluster.audit.mark()
        clock.advance(60 * DAY)
        policies = ({"unusedFor": "80d"}, {"unusedFor": "70d", "suspendUnusedAfter": "1d"})
        for policy in (*policies, {"unusedFor": "100y"}):
            world.change(namespace, "ci", "serviceaccounts", tokenPolicy=policy)
            world.until(lambda: answered(world, namespace), "the account")
        look(world, namespace)
        found = writes(world, mark, namespace)
        del found["update serviceaccounts/status"]
        assert found == {"update servicetokens/status": 1}, "that of the look"


def test_without_news_from_validators_nothing_is_unused(
    world: World, namespace: str, clock: FakeClock
) -> None:
    """They may be deleted, or lack permission to write: nothing is flagged, and nothing suspended. News is noticed."""
    with world.operator_in_process(clock, namespace):
        begin(world, namespace, **BOTH)
        for days, kind, before in ((100, "Unused", None), (50, "Active", "Valid")):
            clock.advance(days * DAY)
            look(world, namespace)
            assert world.condition(namespace, kind).get("reason") == before
            others_are_used(world, namespace, clock.now())
            clock.advance(3600)
            world.until_reason(namespace, kind, "UnusedForLong")


def test_a_use_takes_the_flag_away(
    world: World, namespace: str, clock: FakeClock, running: RunningValidator
) -> None:
    """A flagged token is accepted, and the validator's report is all that it takes."""
    # The 90 days end today: a use that is still to come for the operator would not be believed.
    clock.advance(40 * DAY)
    with world.operator_in_process(clock, namespace):
        token = begin(world, namespace, **BOTH)
        pass_by(world, namespace, clock, 90)
        world.until_reason(namespace, "Unused", "UnusedForLong")
        clock.advance(max(0, int(time.time()) - clock.now()) + 1)
        world.until(lambda: running.forward(token).status == 200, "the token to be accepted")
        world.until(lambda: world.condition(namespace, "Unused") == {}, "the report", timeout=40)
        assert "unusedSinceTime" not in world.status(namespace)
        assert world.condition(namespace, "Active")["reason"] == "Valid"


def test_a_suspended_token_is_rejected_everywhere_until_it_is_resumed(
    world: World, namespace: str, clock: FakeClock, running: RunningValidator
) -> None:
    """By every listener, and without a message to the unknown client; one field brings the same token back."""
    asks = f"asker-of-{namespace}"
    world.role(asks, permissions=["servicetokens:introspect"])
    world.account(namespace, asks, roles=[asks])
    world.token(namespace, asks, asks, expiresAfter="never")
    with world.operator_in_process(clock, namespace):
        token = begin(world, namespace, **BOTH)
        bearer = f"Bearer {world.until_ready(namespace, asks)}"

        def answers() -> tuple[int, int, bool, bool]:
            review = running.review(token).json["status"]
            inquiry = running.introspect(f"token={token}", Authorization=bearer)
            assert inquiry.status == 200
            return (
                running.forward(token).status,
                running.authz(token).status,
                review["authenticated"],
                inquiry.json["active"],
            )

        suspend(world, namespace, clock)
        world.until(lambda: answers() == (401, 401, False, False), "the token to be refused")
        assert "error" not in running.review(token).json["status"]
        assert 'reason="UnusedForLong"' in running.page("/metrics")[1]
        assert "UnusedForLong" in running.process.output()
        world.change(namespace, inUseTime=format_time(clock.now()))
        world.until(lambda: answers() == (200, 200, True, True), "the token to be accepted")
        world.until_reason(namespace, "Active", "Valid")
        assert world.value(namespace) == token
        world.change(namespace, inUseTime=None)
        world.until(lambda: world.is_settled(namespace), "the operator to look")
        assert world.condition(namespace, "Active")["reason"] == "Valid"


def test_an_undo_works_while_the_operator_is_down(
    world: World, namespace: str, clock: FakeClock, running: RunningValidator
) -> None:
    """And an operator that comes back agrees."""
    with world.operator_in_process(clock, namespace):
        token = begin(world, namespace, **BOTH)
        suspend(world, namespace, clock)
    world.until(lambda: running.forward(token).status == 401, "the token to be refused")
    world.change(namespace, inUseTime=format_time(clock.now()))
    world.until(lambda: running.forward(token).status == 200, "the token to be accepted")
    assert world.status(namespace)["suspensionTime"]
    with world.operator_in_process(clock, namespace):
        world.until_reason(namespace, "Active", "Valid")
        assert "suspensionTime" not in world.status(namespace)
    assert running.forward(token).status == 200


def test_the_page_says_what_to_type(world: World, clock: FakeClock, tmp_path: Path) -> None:
    """`docs/guides/unused.md`, word for word: look at what is flagged, and restore what is suspended."""
    page, namespace = Runbook("unused", folder=""), world.cluster.create_namespace("team-a")
    assert page.sections == ["First a dry run", "Keeping a token, and bringing one back"]
    world.account(namespace)
    with world.operator_in_process(clock, namespace):
        begin(world, namespace, **BOTH)
        since = format_time(clock.now())
        pass_by(world, namespace, clock, 90)
        world.until_reason(namespace, "Unused", "UnusedForLong")
        world.until(lambda: world.events(namespace) == ["TokenUnused"], "the Event")
        printed = page.follow(world, tmp_path, page.sections[0])
        assert ["ci-prod", since, "<none>"] in [line.split() for line in printed.splitlines()]
        assert "TokenUnused" in printed
        pass_by(world, namespace, clock, 30)
        world.until_reason(namespace, "Active", "UnusedForLong")
        page.follow(world, tmp_path, page.sections[1])
        world.until_reason(namespace, "Active", "Valid")

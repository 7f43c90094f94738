"""Roles and the longest life: what keeps a token from being minted, and what does not."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from common.builders.facts import (
    DAY,
    NOW,
    a_role,
    a_snapshot,
    a_token,
    an_account,
    condition,
    edited,
    has_condition,
    says,
    settled,
)
from common.builders.planning import plan
from servicetokens.api.values import format_time
from servicetokens.lifecycle.account import account_status
from servicetokens.lifecycle.role import role_status
from servicetokens.lifecycle.snapshot import Enforcement, RoleFacts, Snapshot

READER = {"reader": a_role("reader")}


def asking(roles: Mapping[str, RoleFacts | None], account_roles: list[str] | None = None) -> Snapshot:
    """Return a new token that asks for the role `reader`, which its account has unless said otherwise."""
    has = ["reader"] if account_roles is None else account_roles
    return a_snapshot(a_token(roles=["reader"]), an_account(roles=has), roles=roles)


UNGRANTED = {
    "there is no such role": (
        asking({"reader": None}),
        "RoleNotFound",
        "ServiceRole 'reader' does not exist",
        False,
    ),
    "the role is going": (
        asking({"reader": a_role("reader", deleting=True)}),
        "RoleNotFound",
        "the ServiceRole 'reader' is being deleted",
        False,
    ),
    "the role does not list the namespace": (
        asking({"reader": a_role("reader", allowedNamespaces=["team-b"])}),
        "RoleNotGranted",
        "does not list the namespace 'team-a'",
        True,
    ),
    "the role cannot be read": (
        asking({"reader": replace(a_role("reader"), spec=None, spec_error="odd")}),
        "RoleNotGranted",
        "does not list the namespace 'team-a'",
        True,
    ),
    "the account does not have the role": (
        asking(READER, []),
        "RoleNotGranted",
        "the ServiceAccount 'ci' does not have the role 'reader'",
        True,
    ),
}


@pytest.mark.parametrize(("snapshot", "reason", "words", "stalled"), UNGRANTED.values(), ids=UNGRANTED)
def test_the_first_mint_waits_for_a_role(snapshot: Snapshot, reason: str, words: str, stalled: bool) -> None:
    """It says for which, and whether a person has to act."""
    wanted = plan(snapshot, NOW)
    assert wanted.mint is None
    assert says(wanted, "RolesAccepted") == ("False", reason)
    for kind in ("Ready", "Active"):
        assert says(wanted, kind) == ("False", reason)
    assert "No token is minted until then." in condition(wanted, "Ready").message
    assert words in condition(wanted, "Ready").message.replace("There", "there").replace("The S", "the S")
    assert has_condition(wanted, "Stalled") is stalled
    assert has_condition(wanted, "Reconciling") is not stalled
    assert condition(wanted, "RolesAccepted").message == condition(wanted, "Ready").message
    assert [event.reason for event in wanted.events] == [reason]


def test_a_token_that_waits_wakes_at_its_fixed_end() -> None:
    """Nothing was minted, so only the spec says when it is over."""
    end = NOW + 60
    waiting = edited(asking({"reader": None}), expiresAfter=None, expirationTime=format_time(end))
    wanted = plan(waiting, NOW)
    assert (wanted.mint, wanted.requeue_at) == (None, end)


def test_a_granted_role_is_named() -> None:
    """By namespace or for all; a token without roles asks for all of its account's."""
    for role in (a_role("reader"), a_role("reader", allowedNamespaces=["team-a"])):
        wanted = plan(asking({"reader": role}), NOW)
        assert wanted.mint is not None
        assert condition(wanted, "RolesAccepted").message == "Granted: reader."
    snapshot = a_snapshot(account=an_account(roles=["reader"]), roles=READER)
    assert condition(plan(snapshot, NOW), "RolesAccepted").message == "Granted: reader."


def test_a_live_token_continues_without_a_removed_role() -> None:
    """It rotates, too: an outage would be worse than what the withdrawal is for."""
    live = replace(settled(asking(READER)), roles={"reader": None})
    wanted = plan(live, NOW + 1)
    assert says(wanted, "Ready") == ("False", "RoleNotFound")
    assert "Until then the token has no roles." in condition(wanted, "Ready").message
    assert says(wanted, "Active") == ("True", "Valid")
    assert plan(edited(live, rotation={"id": "x"}), NOW + 1).mint is not None
    assert [event.reason for event in wanted.events] == ["RoleNotFound"]


def test_a_token_without_roles_says_what_that_means() -> None:
    """It works where only authentication is requested, and proxies reject it: both are in the message."""
    wanted = plan(a_snapshot(), NOW)
    assert wanted.mint is not None
    assert says(wanted, "RolesAccepted") == ("True", "NoRoles")
    assert condition(wanted, "RolesAccepted").message == (
        "The token has no roles. Proxies reject every request made with it (403), unless validators run with "
        "--allow-without-roles; TokenReview and introspection accept it without roles."
    )


@pytest.mark.parametrize(
    ("others", "meanwhile"),
    [
        ([], "Until then the token has no roles. Proxies reject every request made with it (403)"),
        (["writer"], "Until then the token has only its other roles."),
    ],
)
def test_a_role_that_is_missing_says_what_is_left(others: list[str], meanwhile: str) -> None:
    """Without any other role nothing is: no message speaks of other roles then, or of a flag that would not help."""
    roles = {"reader": None, "writer": a_role("writer")}
    live = replace(settled(), account=an_account(roles=["reader", *others]), roles=roles)
    message = condition(plan(live, NOW + 1), "RolesAccepted").message
    assert meanwhile in message
    assert "--allow-without-roles" not in message


def test_the_limit_of_a_role_that_is_being_deleted_does_not_apply() -> None:
    """As the role itself: a finalizer of another user makes no difference."""
    roles = {"reader": a_role("reader", maxLifetime="5d"), "writer": a_role("writer")}
    account = an_account(roles=["reader", "writer"])
    strict = a_snapshot(a_token(roles=["writer", "reader"]), account, roles=roles)
    assert says(plan(strict, NOW), "Ready") == ("False", "LifetimeTooLong")
    going = replace(strict, roles=roles | {"reader": a_role("reader", maxLifetime="5d", deleting=True)})
    assert says(plan(going, NOW), "Ready") == ("False", "RoleNotFound")


def test_several_roles_are_checked_together() -> None:
    """One missing and one ungranted make a person's problem."""
    roles = {"reader": None, "writer": a_role("writer", allowedNamespaces=["x"])}
    snapshot = a_snapshot(
        a_token(roles=["reader", "writer"]), an_account(roles=["reader", "writer"]), roles=roles
    )
    wanted = plan(snapshot, NOW)
    assert says(wanted, "RolesAccepted") == ("False", "RoleNotGranted")
    assert "correct the name); the ServiceRole 'writer'" in condition(wanted, "RolesAccepted").message


# The longest lifetime.


def limited(limit: str, **token: Any) -> Snapshot:
    """Return a new token of an account with a limit."""
    return a_snapshot(a_token(**token), an_account(tokenPolicy={"maxLifetime": limit}))


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ({"expiresAfter": "8d"}, "requests a lifetime of 8d"),
        ({"expiresAfter": "never"}, "requests never to expire"),
        (
            {"expirationTime": format_time(NOW + 7 * DAY + 1)},
            f"requests to be valid until {format_time(NOW + 7 * DAY + 1)}",
        ),
    ],
)
def test_a_token_that_would_live_too_long_is_not_minted(token: dict[str, str], words: str) -> None:
    """The condition says how long, and who says otherwise."""
    wanted = plan(limited("7d", **token), NOW)
    assert wanted.mint is None
    assert says(wanted, "Ready") == ("False", "LifetimeTooLong")
    assert says(wanted, "Stalled") == ("True", "LifetimeTooLong")
    assert words in condition(wanted, "Ready").message
    assert "the ServiceAccount 'ci' allows at most 1w" in condition(wanted, "Ready").message


def test_exactly_the_limit_is_allowed() -> None:
    """Longest means including."""
    assert plan(limited("7d", expiresAfter="7d"), NOW).mint is not None


def test_a_limit_of_never_limits_nothing() -> None:
    """It is what a limit is changed to, since it cannot be removed; other limits count as before."""
    account = an_account(roles=["reader"], tokenPolicy={"maxLifetime": "never"})
    roles = {"reader": a_role("reader", maxLifetime="never")}
    eternal = a_snapshot(a_token(expiresAfter="never"), account, roles=roles)
    assert plan(eternal, NOW).mint is not None
    strict = replace(eternal, roles={"reader": a_role("reader", maxLifetime="5d")})
    assert "the ServiceRole 'reader' allows at most 5d" in condition(plan(strict, NOW), "Ready").message


def test_the_shortest_limit_counts_and_is_named() -> None:
    """Of the account and all the roles asked for; an unknown or unlimited role limits nothing."""
    roles = {
        "reader": a_role("reader", maxLifetime="5d"),
        "writer": a_role("writer", maxLifetime="50d"),
        "other": a_role("other"),
        "none": None,
    }
    account = an_account(roles=list(roles), tokenPolicy={"maxLifetime": "20d"})
    wanted = plan(a_snapshot(a_token(expiresAfter="6d"), account, roles=roles), NOW)
    assert "the ServiceRole 'reader' allows at most 5d" in condition(wanted, "Ready").message
    narrow = a_snapshot(a_token(expiresAfter="6d", roles=["writer"]), account, roles=roles)
    assert plan(narrow, NOW).mint is not None


def test_a_fixed_end_that_gets_near_enough_is_minted_then() -> None:
    """Time alone changes the answer, at a moment that is known."""
    snapshot = limited("7d", expirationTime=format_time(NOW + 10 * DAY))
    wanted = plan(snapshot, NOW)
    assert wanted.requeue_at == NOW + 3 * DAY
    assert plan(snapshot, NOW + 3 * DAY - 1).mint is None
    assert plan(snapshot, NOW + 3 * DAY).mint is not None


def test_a_live_token_may_not_be_extended_past_a_limit() -> None:
    """It keeps the end it has; a shorter one is taken."""
    live = replace(settled(), account=an_account(tokenPolicy={"maxLifetime": "30d"}))
    longer = plan(edited(live, expiresAfter="never"), NOW + 1)
    assert says(longer, "Ready") == ("False", "LifetimeTooLong")
    assert says(longer, "Active") == ("True", "Valid")
    assert longer.status is not None
    assert longer.status.expiration_time == NOW + 30 * DAY
    shorter = plan(edited(live, expiresAfter="10d"), NOW + 1)
    assert shorter.status is not None
    assert shorter.status.expiration_time == NOW + 10 * DAY


def test_a_limit_set_later_stops_rotations_and_leaves_the_live_token() -> None:
    """It ends when it was going to end."""
    live = settled(a_snapshot(a_token(rotation={"every": "20d"})))
    strict = replace(live, account=an_account(tokenPolicy={"maxLifetime": "7d"}))
    wanted = plan(strict, NOW + 20 * DAY)
    assert wanted.mint is None
    assert says(wanted, "Active") == ("True", "Valid")
    assert says(wanted, "Ready") == ("False", "LifetimeTooLong")


# Accounts, roles.


def test_an_account_says_what_it_is_and_how_many_tokens_it_has() -> None:
    """Active or suspended, and its roles; a second look changes nothing."""
    account = an_account(roles=["reader"], state="Suspended")
    status = account_status(account, READER, 3, Enforcement(), NOW)
    assert status is not None
    assert status.token_count == 3
    found = {one.type: (one.status, one.reason) for one in status.conditions}
    assert found == {
        "Active": ("False", "Suspended"),
        "Enforced": ("False", "Waiting"),
        "Ready": ("True", "Accepted"),
        "RolesAccepted": ("True", "AllGranted"),
    }
    assert account_status(replace(account, status=status), READER, 3, Enforcement(), NOW + 9) is None
    again = account_status(replace(account, status=status), READER, 4, Enforcement(), NOW + 9)
    assert again is not None
    assert again.token_count == 4


@pytest.mark.parametrize(
    ("role", "reason", "kind", "remedy"),
    [
        (None, "RoleNotFound", "Reconciling", "create it, or correct the name"),
        (a_role("reader", deleting=True), "RoleNotFound", "Reconciling", "create it again once it has gone"),
        (a_role("reader", allowedNamespaces=["team-b"]), "RoleNotGranted", "Stalled", "add it there"),
    ],
)
def test_an_account_that_does_not_get_a_role_is_not_ready(
    role: RoleFacts | None, reason: str, kind: str, remedy: str
) -> None:
    """One reason and one sentence everywhere: which role, what is not done, and what to do."""
    status = account_status(an_account(roles=["reader"]), {"reader": role}, 0, Enforcement(), NOW)
    assert status is not None
    (accepted,) = (one for one in status.conditions if one.type == "RolesAccepted")
    assert (accepted.status, accepted.reason) == ("False", reason)
    assert "'reader'" in accepted.message
    assert remedy in accepted.message
    assert (
        "new tokens that request it are not minted; existing tokens stay valid without it" in accepted.message
    )
    told = {(one.type, one.status): (one.reason, one.message) for one in status.conditions}
    assert told["Ready", "False"] == told[kind, "True"] == (reason, accepted.message)
    granted = account_status(
        replace(an_account(roles=["reader"]), status=status), READER, 0, Enforcement(), NOW
    )
    assert granted is not None
    assert {(one.type, one.status) for one in granted.conditions} == {
        ("Active", "True"),
        ("Ready", "True"),
        ("RolesAccepted", "True"),
    }
    assert "The account has no roles. Proxies reject every request" in accepted.message


def test_an_account_that_has_another_role_does_not_say_that_it_has_none() -> None:
    """Only what is missing is named."""
    account = an_account(roles=["reader", "writer"])
    status = account_status(account, READER | {"writer": None}, 0, Enforcement(), NOW)
    assert status is not None
    (accepted,) = (one for one in status.conditions if one.type == "RolesAccepted")
    assert accepted.message.startswith(
        "The ServiceRole 'writer' does not exist (create it, or correct the name). Until then"
    )
    assert "has no roles" not in accepted.message


def test_an_account_without_roles_is_accepted() -> None:
    """An account may have none; the condition says that proxies reject its tokens."""
    status = account_status(an_account(), {}, 0, Enforcement(), NOW)
    assert status is not None
    assert {one.status for one in status.conditions} == {"True"}
    (accepted,) = (one for one in status.conditions if one.type == "RolesAccepted")
    assert accepted.reason == "NoRoles"
    assert accepted.message.startswith(
        "The account has no roles. Proxies reject every request made with its tokens"
    )


def test_an_unreadable_account_and_role_are_stalled() -> None:
    """The sentence is the one of the model."""
    account = replace(an_account(), spec=None, spec_error="spec.roles: no list")
    status = account_status(account, {}, 0, Enforcement(), NOW)
    assert status is not None
    assert {(one.type, one.status) for one in status.conditions} == {
        ("Active", "Unknown"),
        ("Ready", "False"),
        ("Stalled", "True"),
    }
    role = replace(a_role("reader"), spec=None, spec_error="spec.allowedNamespaces: missing")
    found = role_status(role, NOW)
    assert found is not None
    assert [(one.type, one.status) for one in found.conditions] == [("Ready", "False"), ("Stalled", "True")]
    assert "spec.allowedNamespaces" in found.conditions[0].message


def test_a_ready_role_is_not_written_again() -> None:
    """There is nothing else to say."""
    status = role_status(a_role("reader"), NOW)
    assert status is not None
    assert [(one.type, one.reason) for one in status.conditions] == [("Ready", "Accepted")]
    assert role_status(replace(a_role("reader"), status=status), NOW + 9) is None


def test_an_account_and_a_role_that_are_going_say_so() -> None:
    """Validators treat them as gone, also behind a user's finalizer; said once."""
    account = an_account(roles=["reader"])
    before = account_status(account, {"reader": a_role("reader")}, 1, Enforcement(), NOW)
    role = role_status(a_role("reader"), NOW)
    assert before is not None
    assert role is not None
    going = replace(account, status=before, deleting=True)
    after = account_status(going, {"reader": a_role("reader")}, 1, Enforcement(), NOW + 1)
    assert after is not None
    said = {one.type: (one.status, one.reason) for one in after.conditions}
    assert (said["Ready"], said["Active"]) == (("False", "Deleting"), ("False", "Deleting"))
    assert account_status(replace(going, status=after), {}, 1, Enforcement(), NOW + 2) is None
    role_going = replace(a_role("reader", deleting=True), status=role)
    after_role = role_status(role_going, NOW + 1)
    assert after_role is not None
    assert [(one.type, one.status, one.reason) for one in after_role.conditions] == [
        ("Ready", "False", "Deleting")
    ]
    assert role_status(replace(role_going, status=after_role), NOW + 2) is None

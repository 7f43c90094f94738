"""What is read out of objects, odd ones included."""

from typing import Any

import pytest

from servicetokens.cli.views import AccountView, TokenView

CREATED = "2026-11-01T00:00:00Z"
BEFORE, AFTER = 1_700_000_000, 1_900_000_000


def token(spec: dict[str, Any] | None = None, **status: Any) -> TokenView:
    """Return a token that the operator has seen."""
    status = {"observedGeneration": 1, **status}
    meta = {"name": "t", "namespace": "n", "uid": "u", "generation": 1, "creationTimestamp": CREATED}
    return TokenView(
        {"metadata": meta, "spec": {"accountRef": {"name": "ci"}, **(spec or {})}, "status": status}
    )


def active(status: str, reason: str) -> list[dict[str, Any]]:
    """Return the condition Active."""
    return [{"type": "Active", "status": status, "reason": reason, "message": "", "observedGeneration": 1}]


def test_the_state_is_the_reason_why_it_is_not_active() -> None:
    """And Pending before the operator has answered this spec."""
    assert token(conditions=active("True", "Valid")).state == "Active"
    assert token(conditions=active("False", "Expired")).state == "Expired"
    assert token().state == "Pending"
    assert token(conditions=active("True", "Valid"), observedGeneration=0).state == "Pending"


@pytest.mark.parametrize(
    "odd",
    [{}, {"metadata": None, "spec": [], "status": "x"}, {"status": {"conditions": [1], "credentials": {}}}],
)
def test_an_odd_object_is_shown_as_far_as_it_can_be_read(odd: dict[str, Any]) -> None:
    """It keeps no other from being listed."""
    view, account = TokenView(odd), AccountView(odd)
    assert (view.name, view.account, view.secret, view.id, view.end) == ("", "", "", "", None)
    assert (view.credentials, view.conditions, view.ids, view.created) == ([], [], frozenset(), None)
    assert (view.state, view.from_git, account.roles, account.token_count) == ("Pending", "", [], 0)


def test_the_last_change_is_that_of_the_spec_and_not_of_the_status() -> None:
    """As the API server has recorded it; of an object without such records, the creation."""
    status = {"subresource": "status", "time": "2026-11-03T00:00:00Z"}
    spec = [{"time": "2026-11-02T00:00:00Z"}, {"time": CREATED}, {"time": "soon"}, 1]
    view = token()
    assert view.changed == view.created
    view.meta = {**view.meta, "managedFields": [status, *spec]}
    assert view.changed == (view.created or 0) + 86400


def test_ids_are_those_of_all_credentials_and_of_the_last_one() -> None:
    """A token that expired is still known by its id."""
    both = [{"serial": 2, "id": "BBB"}, {"serial": 1, "id": "AAA"}]
    assert [one.id for one in token(credentials=both).credentials] == ["AAA", "BBB"]
    assert token(credentials=both, tokenID="BBB").ids == {"AAA", "BBB"}
    assert token(tokenID="AAA").ids == {"AAA"}


def test_what_is_rotated_does_not_expire() -> None:
    """Nor does what has expired, or never will."""
    end: dict[str, Any] = {"expirationTime": "2027-01-01T00:00:00Z"}
    assert token(**end).expires_before(AFTER)
    assert not token(**end).expires_before(BEFORE)
    assert not token(**end, nextRotationTime="2026-12-24T00:00:00Z").expires_before(AFTER)
    assert not token(**end, conditions=active("False", "Expired")).expires_before(AFTER)
    assert not token().expires_before(AFTER)


def test_a_token_counts_as_used_when_it_was_created() -> None:
    """Or a new one would be unused immediately."""
    alive: dict[str, Any] = {"credentials": [{"serial": 1, "id": "AAA"}]}
    assert not token(**alive).unused_since(BEFORE)
    assert token(**alive).unused_since(AFTER)
    assert not token(**alive, lastUsedTime="2031-01-01T00:00:00Z").unused_since(AFTER)
    assert not token().unused_since(AFTER), "there is nothing that could be used"


@pytest.mark.parametrize(
    ("meta", "what"),
    [
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "orders:g/k:n/t"}},
            "the Argo CD application 'orders'",
        ),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "the Flux Kustomization 'apps'"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "apps"}}, "the Flux HelmRelease 'apps'"),
        ({"annotations": {"meta.helm.sh/release-name": "apps"}}, "the Helm release 'apps'"),
        ({"labels": {"app": "x"}}, ""),
    ],
)
def test_what_applies_an_object_is_recognised(meta: dict[str, Any], what: str) -> None:
    """By the marks that those tools leave."""
    assert TokenView({"metadata": meta}).from_git == what


def test_a_token_that_waits_or_is_stuck_has_the_reason_as_its_state() -> None:
    """Alone where nothing is minted, else behind what is true of the credential."""

    def conditions(status: str, reason: str, kind: str) -> list[dict[str, Any]]:
        return [
            *active(status, reason),
            {"type": "Ready", "status": "False", "reason": "RoleNotFound", "message": "no role"},
            {"type": kind, "status": "True", "reason": "RoleNotFound", "message": "no role"},
        ]

    waiting = token(conditions=conditions("False", "NotMinted", "Reconciling"))
    assert waiting.state == "RoleNotFound"
    assert waiting.waits_for is not None
    lost = token(conditions=conditions("True", "Valid", "Reconciling"))
    assert lost.state == "Active,RoleNotFound"
    assert token(conditions=conditions("False", "Revoked", "Reconciling")).state == "Revoked"
    assert token(conditions=conditions("False", "NotMinted", "Stalled")).waits_for is None

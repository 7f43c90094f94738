"""What a TokenReview says of a token that is invalid: whether kube-apiserver may keep the answer."""

import json
from typing import Any

import pytest

from common.builders.presenting import Surroundings
from common.drivers.asking import ask, make_rejections
from servicetokens.tokens.format import Token
from servicetokens.validator.metrics import DecisionCounts
from servicetokens.validator.token_review import TokenReviewWebhook


@pytest.fixture
def around() -> Surroundings:
    """A valid token."""
    return Surroundings()


def review(around: Surroundings, token: Token | None = None) -> dict[str, Any]:
    """Return the status that kube-apiserver receives for *token*, or for the stored one."""
    counts = DecisionCounts("tokenreview")
    webhook = TokenReviewWebhook(around.authenticator, counts, make_rejections(around, counts))
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": (token or around.token).reveal()},
    }
    reply = ask(webhook, target="/authenticate", method="POST", body=json.dumps(body).encode())
    assert reply.status == 200
    return dict(json.loads(reply.body)["status"])


def test_a_token_that_may_become_known_in_a_moment_is_an_error(around: Surroundings) -> None:
    """It is not kept: the token may have been minted a moment ago."""
    assert review(around, around.mint()) == {"authenticated": False, "error": "the token is unknown"}


def test_a_credential_that_has_ended_gets_a_final_no(around: Surroundings) -> None:
    """kube-apiserver keeps it: rotated, expired or deleted, the credential does not come back."""
    newer = around.mint()
    around.put_token(credentials=[around.credential(newer, serial=2)])
    assert review(around) == {"authenticated": False}
    assert review(around, newer)["authenticated"] is True
    around.remove_token()
    assert review(around, newer) == {"authenticated": False}


def test_a_token_without_roles_is_authenticated(around: Surroundings) -> None:
    """Without a group of a role: what it may do is for RBAC to say."""
    groups = review(around)["user"]["groups"]
    assert groups == ["servicetokens:accounts", "servicetokens:accounts:team-a"]

"""Mistakes in a spec, as one line for the person who made them."""

from typing import Any

import pytest
from pydantic import ValidationError

from servicetokens.api.meta import describe_errors
from servicetokens.api.service_role import ServiceRoleSpec
from servicetokens.api.service_token import ServiceToken, ServiceTokenSpec

SPEC = {"accountRef": {"name": "ci"}, "expiresAfter": "30d"}


def described(spec: dict[str, Any], model: Any = ServiceTokenSpec) -> str:
    """Return the line for a spec that is rejected."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(spec)
    return describe_errors(caught.value)


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"expiresAfter": "30d"}, "spec.accountRef: is required"),
        ({**SPEC, "accountRef": "ci"}, "spec.accountRef: must be a map"),
        (
            {**SPEC, "accountRef": {"name": "CI"}},
            (
                "spec.accountRef.name: must consist of lowercase letters, digits and '-', and start and end with a "
                "letter or a digit, as in 'ci-prod'"
            ),
        ),
        (
            {**SPEC, "description": ""},
            "spec.description: must not be empty: leave the field out if there is nothing to say",
        ),
        ({**SPEC, "description": "x" * 1025}, "spec.description: must have 1024 characters or fewer"),
        ({**SPEC, "description": 1}, "spec.description: must be text"),
        ({**SPEC, "expiresAfter": 1}, "spec.expiresAfter: must be text"),
        ({**SPEC, "state": "Off"}, "spec.state: must be 'Active' or 'Revoked'"),
        ({**SPEC, "roles": []}, "spec.roles: must have 1 entries or more"),
        ({**SPEC, "roles": "a"}, "spec.roles: must be a list"),
        ({**SPEC, "roles": ["a"] * 17}, "spec.roles: must have 16 entries or fewer"),
        ({**SPEC, "roles": ["a", "b", "a"]}, "spec.roles[2]: must not be listed twice"),
        ({**SPEC, "secret": {"template": {"data": []}}}, "spec.secret.template.data: must be a map"),
        (
            {**SPEC, "revocationReason": "Superseded", "state": "Active"},
            (
                "spec.revocationReason: needs `state: Revoked` as well (a reason alone revokes nothing); "
                "set that, or remove the reason"
            ),
        ),
        (
            {**SPEC, "secret": {"template": {"data": {"a": "{x}"}}}},
            (
                "spec.secret.template.data.a: has a placeholder that does not exist; those that do are "
                "{token}, {basic}, {id}, {account}, {namespace}, {expires}; for a brace itself write "
                r"\{, as in \{host}"
            ),
        ),
    ],
)
def test_one_mistake(spec: dict[str, Any], line: str) -> None:
    """The line begins with the field, in the words of the manifest, and says what is wrong."""
    assert described(spec) == line


def test_all_rules_are_reported_together() -> None:
    """Two violated rules are both reported."""
    spec = {**SPEC, "revocationReason": "Superseded", "rotation": {"every": "20d", "overlap": "11d"}}

    assert described(spec).startswith("spec.revocationReason: needs `state: Revoked`")
    assert "; spec.rotation.overlap: must fit into `expiresAfter`" in described(spec)


def test_a_rejected_item_is_not_reported_as_a_missing_one() -> None:
    """An item that is rejected leaves the list shorter, which is no second mistake; an empty list is one."""
    assert described({**SPEC, "roles": ["A"]}).startswith("spec.roles[0]: must consist of lowercase letters")
    assert ";" not in described({**SPEC, "roles": ["A"]})
    assert described(
        {"allowedNamespaces": ["a"], "http": [{"hosts": [], "paths": ["x"]}]},
        ServiceRoleSpec,
    ).startswith(
        "spec.http[0].hosts: must have 1 entries or more; spec.http[0].paths[0]: must start with a slash"
    )


def test_other_errors_keep_their_own_words() -> None:
    """What has no sentence of ours is said in pydantic's."""
    assert described({**SPEC, "description": "\ud800"}).startswith(
        "spec.description: Input should be a valid string"
    )


def test_values_are_left_out() -> None:
    """A spec may hold, by mistake, what others must not see; a condition must not repeat it."""
    assert "hunter2" not in described({**SPEC, "secret": {"template": {"data": {"a": "hunter2 {x}"}}}})
    assert "hunter2" not in described({**SPEC, "expiresAfter": "hunter2"})


def test_a_line_is_bounded() -> None:
    """However many mistakes there are, the line stays one that a terminal can show."""
    line = described({**SPEC, "allowedCIDRs": [f"10.0.0.{number}/8" for number in range(1, 65)]})

    assert len(line) == 1_000
    assert line.endswith("…")


def test_the_root_of_a_whole_object_is_empty() -> None:
    """For a whole object the paths begin at its top."""
    with pytest.raises(ValidationError) as caught:
        ServiceToken.model_validate({"metadata": {"name": "A"}, "spec": SPEC})

    assert describe_errors(caught.value, root="").startswith(
        "metadata.name: must consist of lowercase letters"
    )

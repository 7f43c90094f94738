"""Bad input that the API server rejects."""

from typing import Any

import pytest

from admission.server import Server, complaints
from servicetokens.api import names

TOKEN: dict[str, Any] = {"accountRef": {"name": "ci"}, "expiresAfter": "30d"}


def manifest(kind: str, spec: dict[str, Any], name: str = "ci-prod") -> dict[str, Any]:
    """Return one of our objects."""
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def refused(server: Server, kind: str, spec: dict[str, Any], *, field: str, name: str = "ci-prod") -> None:
    """Submit it, and find it rejected with *field* blamed."""
    answer = server.create(manifest(kind, spec, name), dry_run=True)
    assert answer.status in {400, 422}, answer.body
    assert field in str(complaints(answer) or answer.body), complaints(answer)


@pytest.mark.parametrize(
    "value", ["0", "-1", "1", 2**31, 2**63, "1.5h", "1 d", "\N{ARABIC-INDIC DIGIT ONE}d", "0s", ""]
)
def test_an_invalid_lifetime_is_rejected(server: Server, value: object) -> None:
    """Rejected with the path of the field."""
    refused(server, names.KIND_TOKEN, TOKEN | {"expiresAfter": value}, field="expiresAfter")


def test_a_missing_lifetime_is_rejected(server: Server) -> None:
    """Rejected too: a token that never expires must be requested explicitly."""
    refused(server, names.KIND_TOKEN, {"accountRef": {"name": "ci"}}, field="spec")


def test_a_lifetime_and_a_date_together_are_rejected(server: Server) -> None:
    """A lifetime and a date do not go together. A date that has passed is reported by the operator."""
    spec = TOKEN | {"expirationTime": "2030-01-01T00:00:00Z"}
    refused(server, names.KIND_TOKEN, spec, field="spec")


def test_a_state_in_lower_case_and_an_unknown_field_are_rejected(server: Server) -> None:
    """An enum is exact; an unknown field is an error under strict validation, which is kubectl's default."""
    refused(server, names.KIND_TOKEN, TOKEN | {"state": "revoked"}, field="state")
    refused(server, names.KIND_TOKEN, TOKEN | {"revoked": True}, field="revoked")


@pytest.mark.parametrize("name", ["x" * 253, "a.b", "A", "..", "-a", "a/b", ""])
def test_a_name_that_is_not_a_dns_label_is_rejected(server: Server, name: str) -> None:
    """Names of objects and of Secrets; no path is built from them."""
    answer = server.create(manifest(names.KIND_TOKEN, TOKEN, name), dry_run=True)
    assert answer.status in {400, 422}, answer.body
    # Secrets may have longer names, and dots in them.
    if name not in {"a.b", "x" * 253}:
        refused(server, names.KIND_TOKEN, TOKEN | {"secret": {"name": name}}, field="secret.name")


@pytest.mark.parametrize(
    "roles",
    [
        ["system:masters"],
        ["*"],
        ["a,b"],
        ["a\nb"],
        ["a", "a"],
        [f"role-{number}" for number in range(10_000)],
    ],
    ids=["system:masters", "star", "comma", "newline", "twice", "10,000"],
)
def test_invalid_roles_are_rejected(server: Server, roles: list[str]) -> None:
    """Neither a token nor an account gets them."""
    refused(server, names.KIND_TOKEN, TOKEN | {"roles": roles}, field="roles")
    refused(server, names.KIND_ACCOUNT, {"roles": roles}, field="roles")

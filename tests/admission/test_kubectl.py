"""What a person sees and types: names, columns, selectors, messages."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from admission.server import Server
from controlplane.cluster import Cluster
from controlplane.kubectl import Kubectl
from servicetokens.api import names
from servicetokens.crdgen.render import stream

ROLE = "kubectl-test-reader"
OBJECTS: list[dict[str, Any]] = [
    {"kind": names.KIND_ACCOUNT, "metadata": {"name": "ci"}, "spec": {"displayName": "CI", "roles": [ROLE]}},
    {
        "kind": names.KIND_ROLE,
        "metadata": {"name": ROLE},
        "spec": {"allowedNamespaces": ["*"], "maxLifetime": "90d"},
    },
    {
        "kind": names.KIND_TOKEN,
        "metadata": {"name": "live"},
        "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "30d"},
    },
    {
        "kind": names.KIND_TOKEN,
        "metadata": {"name": "dead"},
        "spec": {"accountRef": {"name": "cd"}, "expiresAfter": "never", "state": "Revoked"},
    },
]
STATUS = {
    "observedGeneration": 1,
    "tokenID": "0123456789AB",
    "secretName": "live",
    "expirationTime": "2999-12-25T04:00:00Z",
    "nextRotationTime": "2999-12-15T04:00:00Z",
    "lastUsedTime": "2020-01-01T00:00:00Z",
    "conditions": [
        {
            "type": condition,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": "2026-11-25T04:00:00Z",
        }
        for condition, reason, message in (("Ready", "Minted", "All is well."), ("Active", "Valid", ""))
    ],
}


@pytest.fixture(scope="module")
def team(installed: Cluster, own_namespace: str, server: Server) -> Iterator[str]:
    """A namespace with one account, one role and two tokens, one of which has a status."""
    for item in OBJECTS:
        answer = server.create({"apiVersion": names.API_VERSION, **item})
        assert answer.ok, answer.body
    assert server.put_status(server.get(names.KIND_TOKEN, "live"), STATUS).ok
    yield own_namespace
    server.delete(names.KIND_ROLE, ROLE)


def lines(text: str) -> list[str]:
    """Return the lines of an output, sorted."""
    return sorted(text.split("\n")[:-1])


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("svctok", ["servicetoken.servicetokens.dev/dead", "servicetoken.servicetokens.dev/live"]),
        ("servicetokens", ["servicetoken.servicetokens.dev/dead", "servicetoken.servicetokens.dev/live"]),
        ("servicetoken", ["servicetoken.servicetokens.dev/dead", "servicetoken.servicetokens.dev/live"]),
        ("svcacct", ["serviceaccount.servicetokens.dev/ci"]),
        ("serviceaccounts.servicetokens.dev", ["serviceaccount.servicetokens.dev/ci"]),
    ],
)
def test_names(kubectl: Kubectl, team: str, word: str, found: list[str]) -> None:
    """Each kind is found by its names, and by nothing but them."""
    assert lines(kubectl("get", word, "-n", team, "-o", "name").stdout) == found


def test_the_core_kind_keeps_its_names(kubectl: Kubectl, team: str) -> None:
    """`serviceaccounts` and `sa` go on meaning the service accounts of pods."""
    for word in ("sa", "serviceaccount", "serviceaccounts"):
        assert "servicetokens.dev" not in kubectl("get", word, "-n", team, "-o", "name").stdout


def test_category(kubectl: Kubectl, team: str) -> None:
    """One word lists all three kinds."""
    listed = lines(kubectl("get", names.CATEGORY, "-n", team, "-o", "name").stdout)

    assert {
        "serviceaccount.servicetokens.dev/ci",
        f"servicerole.servicetokens.dev/{ROLE}",
        "servicetoken.servicetokens.dev/live",
    } <= set(listed)


def test_the_category_is_not_what_people_delete(kubectl: Kubectl, team: str) -> None:
    """`kubectl delete servicetokens --all` deletes the tokens and leaves the accounts alone."""
    deleted = kubectl(
        "delete", names.PLURAL_TOKENS, "--all", "-n", team, "--dry-run=server", "-o", "name"
    ).stdout

    assert lines(deleted) == ["servicetoken.servicetokens.dev/dead", "servicetoken.servicetokens.dev/live"]


@pytest.mark.parametrize(
    ("kind", "narrow", "wide"),
    [
        (
            "svctok",
            "NAME ACCOUNT ACTIVE REASON EXPIRES ROTATES LAST USED AGE",
            "TOKEN ID SECRET READY MESSAGE",
        ),
        ("svcacct", "NAME DISPLAY NAME ACTIVE REASON ROLES AGE", "NOT BEFORE MAX LIFETIME MESSAGE"),
        ("svcrole", "NAME DESCRIPTION NAMESPACES MAX LIFETIME READY AGE", "PERMISSIONS"),
    ],
)
def test_columns(kubectl: Kubectl, team: str, kind: str, narrow: str, wide: str) -> None:
    """The table has what one wants to know at a glance, and the wide one what one looks for next."""
    header, *_ = kubectl("get", kind, "-n", team).stdout.splitlines()
    wide_header, *_ = kubectl("get", kind, "-n", team, "-o", "wide").stdout.splitlines()

    assert " ".join(header.split()) == narrow
    assert " ".join(wide_header.split()) == f"{narrow} {wide}"


def test_a_row(kubectl: Kubectl, team: str) -> None:
    """Times still to come are printed as they are, times gone by as an age."""
    row = kubectl("get", "svctok", "live", "-n", team, "-o", "wide", "--no-headers").stdout

    name, account, active, reason, expires, rotates, used, _, token_id, secret, ready, *message = row.split()
    assert (name, account, active, reason) == ("live", "ci", "True", "Valid")
    assert (expires, rotates) == ("2999-12-25T04:00:00Z", "2999-12-15T04:00:00Z")
    assert re.fullmatch(r"[0-9]+y([0-9]+d)?", used)
    assert (token_id, secret, ready) == ("0123456789AB", "live", "True")
    assert " ".join(message) == "All is well."
    assert "<invalid>" not in row


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("spec.accountRef.name=ci", ["servicetoken.servicetokens.dev/live"]),
        ("spec.accountRef.name=cd", ["servicetoken.servicetokens.dev/dead"]),
        ("spec.state=Revoked", ["servicetoken.servicetokens.dev/dead"]),
        ("spec.state!=Revoked", ["servicetoken.servicetokens.dev/live"]),
        ("spec.accountRef.name=ci,spec.state=Revoked", []),
    ],
)
def test_field_selectors(kubectl: Kubectl, team: str, selector: str, found: list[str]) -> None:
    """The tokens of one account, and the revoked ones, can be asked for on their own."""
    listed = kubectl("get", "svctok", "-n", team, "--field-selector", selector, "-o", "name").stdout

    assert lines(listed) == found


def test_apply_tells_what_is_wrong(kubectl: Kubectl, team: str) -> None:
    """Anyone who applies a bad manifest reads the field and what to write, for all mistakes together."""
    bad = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND_TOKEN,
        "metadata": {"name": "bad"},
        "spec": {
            "accountRef": {"name": "ci"},
            "expiresAfter": "30d",
            "revocationReason": "KeyCompromise",
            "rotation": {"every": "31d"},
            "allowedCIDRs": ["10.0.0.1/8"],
        },
    }

    refused = kubectl("apply", "-n", team, "-f", "-", input=yaml.safe_dump(bad), check=False)

    assert refused.returncode == 1
    assert 'The ServiceToken "bad" is invalid' in refused.stderr
    for sentence in (
        "* spec.allowedCIDRs[0]: Invalid value: must be a network with its mask",
        "* spec.revocationReason: Forbidden: needs `state: Revoked` as well",
        "* spec.rotation.every: Invalid value: must be shorter than `expiresAfter`",
    ):
        assert sentence in refused.stderr.replace('"10.0.0.1/8": ', "")


def test_apply_twice_and_diff(kubectl: Kubectl, team: str) -> None:
    """Nothing is filled in behind people's backs: what was applied shows no difference later."""
    manifest = json.dumps(
        {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND_TOKEN,
            "metadata": {"name": "quiet"},
            "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "30d"},
        },
    )

    for mode in ("--server-side=false", "--server-side=true"):
        kubectl("apply", mode, "-n", team, "-f", "-", input=manifest)
        assert kubectl("diff", mode, "-n", team, "-f", "-", input=manifest).returncode == 0
        kubectl("delete", "svctok", "quiet", "-n", team)


def test_printed_crds_can_be_applied(kubectl: Kubectl, installed: Cluster) -> None:
    """What `servicetokens crds` prints is what the API server takes."""
    applied = kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", input=stream()).stdout

    assert len(lines(applied)) == 3

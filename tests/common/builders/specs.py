"""Every field of every spec: two values for it, where a change of it shows, and what the documentation says of it.

`test_converging.py` compares this with the CRDs, so a new field has to be added here.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from servicetokens.api import names

Spec = dict[str, Any]

# Stand for what is different in every namespace, and for the moment at which it is applied.
ROLE: Final = "ROLE"
MORE: Final = "MORE"
NAMESPACE: Final = "NAMESPACE"
NOW: Final = "NOW"


class Effect(StrEnum):
    """Where a change shows: in a part of `resting.State`, or nowhere."""

    STATUS = "status"
    SECRET = "secret"
    ANSWERS = "answers"
    MINTED = "minted"
    #: The API server rejects the change.
    FIXED = "fixed"
    #: Only when time has passed; `shown_by` is a test of that.
    LATER = "later"
    #: It is for people.
    NOTHING = "nothing"


@dataclass(frozen=True)
class Field:
    """*one* and *other* are values; *says* is in the field's row, or in that of one that it is in, on the kind's page.

    *beside* has to be set with it, *without* must not be; *instead* is set where it cannot just be left out. *kept* is
    what means the same as nothing, where the API server rejects that it is removed. *calm* are values that do nothing
    at a certain moment. With *blocks* a first token may be held back.
    """

    one: Any
    other: Any
    effect: Effect
    says: str
    beside: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    instead: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, Any] = field(default_factory=dict)
    calm: tuple[Any, ...] = ()
    blocks: bool = False
    shown_by: str = ""


_LIFECYCLE: Final = "tests/integration/operator/test_lifecycle.py"
_UNUSED: Final = "tests/integration/operator/test_unused.py"
_IMPORT: Final = "tests/integration/moving/test_import.py"
_FAR: Final = "2999-06-30T00:00:00Z"
_EVERYTHING: Final = {"http": [{"paths": ["/**"]}]}

BASES: Final[Mapping[str, Spec]] = {
    names.PLURAL_TOKENS: {"accountRef": {"name": "ci"}, "expiresAfter": "30d"},
    names.PLURAL_ACCOUNTS: {"roles": [ROLE, MORE]},
    names.PLURAL_ROLES: {"allowedNamespaces": [NAMESPACE]},
}
TABLE: Final[Mapping[str, Mapping[str, Field]]] = {
    names.PLURAL_TOKENS: {
        "accountRef.name": Field("other", "third", Effect.FIXED, "Cannot be changed"),
        "description": Field("a pipeline", "another one", Effect.NOTHING, "Description for people"),
        "state": Field("Revoked", "Active", Effect.ANSWERS, "Revoked makes every validator reject the token"),
        "revocationReason": Field(
            "KeyCompromise",
            "Superseded",
            Effect.STATUS,
            "Reason of the revocation",
            beside={"state": "Revoked"},
        ),
        "inUseTime": Field(
            "2026-11-01T00:00:00Z",
            "2026-11-02T00:00:00Z",
            Effect.LATER,
            "Counts as a use for the account's `unusedFor`",
            shown_by=f"{_UNUSED}::test_a_suspended_token_is_rejected_everywhere_until_it_is_resumed",
        ),
        "expiresAfter": Field(
            "60d",
            "90d",
            Effect.STATUS,
            "A change moves the expiration of the current credential",
            instead={"expirationTime": _FAR},
        ),
        "expirationTime": Field(
            _FAR, "2999-12-31T23:59:59Z", Effect.STATUS, "Expiration time", without=("expiresAfter",)
        ),
        "roles": Field(
            [ROLE], [MORE], Effect.ANSWERS, "to have fewer than the account", kept={"roles": [ROLE, MORE]}
        ),
        "audiences": Field(["orders"], ["billing"], Effect.ANSWERS, "Services that may accept the token"),
        "allowedCIDRs": Field(
            ["10.0.0.0/8"], ["192.0.2.0/24"], Effect.ANSWERS, "Networks that the token may be used from"
        ),
        "rotation.every": Field("10d", "5d", Effect.STATUS, "Interval of automatic rotations"),
        "rotation.overlap": Field(
            "1h",
            "2h",
            Effect.LATER,
            "How long the old credential stays valid alongside the new one",
            beside={"rotation.every": "10d"},
            shown_by=f"{_LIFECYCLE}::test_a_shorter_overlap_ends_the_old_one_earlier",
        ),
        "rotation.id": Field("a", "b", Effect.MINTED, "Changing it rotates now; removing it does nothing"),
        "secret.name": Field("other", "third", Effect.FIXED, "Cannot be changed, added or removed later"),
        "secret.template.labels": Field({"team": "a"}, {"tier": "b"}, Effect.SECRET, "Labels of the Secret"),
        "secret.template.annotations": Field(
            {"contact": "a"}, {"seen": "b"}, Effect.SECRET, "Annotations of the Secret"
        ),
        "secret.template.data": Field(
            {"header": "Bearer {token}"},
            {"id": "{id} of {account}"},
            Effect.SECRET,
            "Additional keys of the Secret",
        ),
        "import.secretRef.name": Field(
            "old",
            "older",
            Effect.FIXED,
            "Can only be set when this object is created",
            beside={"import.until": _FAR},
            shown_by=f"{_IMPORT}::test_both_values_work_and_the_old_one_is_over_at_the_cut_over",
        ),
        "import.secretRef.key": Field(
            "token",
            "value",
            Effect.FIXED,
            "Can only be set when this object is created",
            beside={"import.secretRef.name": "old", "import.until": _FAR},
            shown_by=f"{_IMPORT}::test_both_values_work_and_the_old_one_is_over_at_the_cut_over",
        ),
        "import.until": Field(
            _FAR,
            "2999-12-31T23:59:59Z",
            Effect.FIXED,
            "Can only be set when this object is created",
            beside={"import.secretRef.name": "old"},
            shown_by=f"{_IMPORT}::test_it_exits_immediately_with",
        ),
    },
    names.PLURAL_ACCOUNTS: {
        "displayName": Field("Pipelines", "CI", Effect.NOTHING, "Display name for people"),
        "description": Field("a pipeline", "another one", Effect.NOTHING, "Description for people"),
        "state": Field(
            "Suspended", "Active", Effect.ANSWERS, "Suspended rejects every token of this account"
        ),
        "roles": Field(
            [ROLE], [MORE], Effect.ANSWERS, "Names of the ServiceRoles of this account", blocks=True
        ),
        "tokensNotBeforeTime": Field(
            NOW,
            NOW,
            Effect.MINTED,
            "is rejected, and replaced immediately without overlap",
            kept={"tokensNotBeforeTime": "2020-01-01T00:00:00Z"},
            calm=("2020-01-01T00:00:00Z", _FAR),
        ),
        "tokenPolicy.maxLifetime": Field(
            "10d",
            "20d",
            Effect.STATUS,
            "Longest lifetime",
            kept={"tokenPolicy.maxLifetime": "never"},
            blocks=True,
        ),
        "tokenPolicy.unusedFor": Field(
            "90d",
            "60d",
            Effect.LATER,
            "Flags tokens that were not used for this long",
            kept={"tokenPolicy.unusedFor": "100y"},
            shown_by=f"{_UNUSED}::test_first_a_dry_run_then_a_suspension",
        ),
        "tokenPolicy.suspendUnusedAfter": Field(
            "30d",
            "20d",
            Effect.LATER,
            "Suspends tokens that stay unused for this long after they were flagged",
            beside={"tokenPolicy.unusedFor": "90d"},
            kept={"tokenPolicy.unusedFor": "90d", "tokenPolicy.suspendUnusedAfter": "100y"},
            shown_by=f"{_UNUSED}::test_first_a_dry_run_then_a_suspension",
        ),
    },
    names.PLURAL_ROLES: {
        "description": Field("may read", "may write", Effect.NOTHING, "Description for people"),
        "permissions": Field(
            ["orders:read"], ["orders:write"], Effect.ANSWERS, "Permissions that services see"
        ),
        "allowedNamespaces": Field(
            ["elsewhere"],
            ["*"],
            Effect.ANSWERS,
            "Names of the namespaces whose accounts may have this role",
            instead={"allowedNamespaces": [NAMESPACE]},
            blocks=True,
        ),
        "maxLifetime": Field(
            "10d",
            "20d",
            Effect.STATUS,
            "Longest lifetime of a token with this role",
            kept={"maxLifetime": "never"},
            blocks=True,
        ),
        "http[].hosts": Field(
            ["orders.example.com"],
            ["other.example.com"],
            Effect.ANSWERS,
            "Full host names",
            kept=_EVERYTHING,
        ),
        "http[].methods": Field(
            ["GET"], ["POST"], Effect.ANSWERS, "HTTP methods in upper case", kept=_EVERYTHING
        ),
        "http[].paths": Field(
            ["/orders/*"], ["/other/*"], Effect.ANSWERS, "Paths that start with a slash", kept=_EVERYTHING
        ),
    },
}


def leaves(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Give the paths of all fields of a CRD's *schema* that have none inside them, as in `http[].paths`."""
    for name, inner in schema.get("properties", {}).items():
        place = f"{path}.{name}".lstrip(".")
        holder, mark = (inner["items"], "[]") if "properties" in inner.get("items", {}) else (inner, "")
        if "properties" in holder:
            yield from leaves(holder, f"{place}{mark}")
        else:
            yield place


def at(spec: Mapping[str, Any], path: str) -> Any:
    """Return the field at *path* of *spec*; None where it is not set."""
    head, _, rest = path.partition(".")
    inner = spec.get(head.removesuffix("[]"))
    if not rest or inner is None:
        return inner
    return at(inner[0] if head.endswith("[]") else inner, rest)


def put(spec: Spec, path: str, value: Any) -> None:
    """Set the field at *path* of *spec*; None removes it, and what it was alone in."""
    head, _, rest = path.partition(".")
    name = head.removesuffix("[]")
    if not rest:
        spec.pop(name, None)
        if value is not None:
            spec[name] = copy.deepcopy(value)
        return
    inner = spec.get(name, [{}] if head.endswith("[]") else {})
    put(inner[0] if head.endswith("[]") else inner, rest, value)
    spec.pop(name, None)
    if inner not in ({}, [{}]):
        spec[name] = inner


def filled(value: Any, words: Mapping[str, str]) -> Any:
    """Return *value* with the words that stand for something replaced."""
    if isinstance(value, dict):
        return {key: filled(inner, words) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, words) for inner in value]
    return words.get(value, value) if isinstance(value, str) else value

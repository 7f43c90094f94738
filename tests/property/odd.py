"""Stored objects that only an attacker or a bug writes: statuses and Secrets, generated, at all extremes."""

from typing import Any

from hypothesis import strategies as st

from common.builders.facts import NOW
from servicetokens.api import names
from servicetokens.api.fields import MAX_INTEGER
from servicetokens.lifecycle.snapshot import Controller, SecretFacts

# The extremes of what the API server stores, and what it stored before there were bounds.
INTEGERS = (
    -(2**63),
    -1,
    0,
    1,
    2,
    2**31 - 1,
    2**31,
    2**52 - 1,
    2**52,
    2**52 + 1,
    MAX_INTEGER - 1,
    MAX_INTEGER,
    2**63 - 1,
)
TIMES = (
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z",
    "2027-01-01T00:00:00Z",
    "2027-01-15T08:00:00Z",  # NOW
    "2999-12-31T23:59:59-00:01",
    "3000-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-23:59",
    "2027-01-15t08:00:00z",
    "",
)
TEXTS = ("", "a", "ID0000000001", "x" * 64, "\x1b]0;t\x07", "\u202e")
integers = st.sampled_from(INTEGERS) | st.integers(-(2**63), 2**63 - 1)
times = st.sampled_from(TIMES)
texts = st.sampled_from(TEXTS)
TIME_FIELDS = (
    "mintTime",
    "expirationTime",
    "nextRotationTime",
    "lastUsedTime",
    "revocationTime",
    "restorationTime",
    "unusedSinceTime",
    "suspensionTime",
)


def credentials() -> st.SearchStrategy[dict[str, Any]]:
    """Give credentials, complete and not."""
    verifier = {"algorithm": "HMACSHA256", "keyID": "k1", "value": "verifier-1"}
    return st.fixed_dictionaries(
        {"serial": integers, "id": texts, "mintTime": times, "verifier": st.just(verifier)},
        optional={"expirationTime": times},
    )


def conditions() -> st.SearchStrategy[dict[str, Any]]:
    """Give conditions of the types that decisions look at."""
    return st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Ready", "Active", "Unused", "Enforced", "SecretSynced", "Odd"]),
            "status": st.sampled_from(["True", "False", "Unknown"]),
            "observedGeneration": integers,
            "lastTransitionTime": times,
            "reason": st.just("Odd"),
            "message": texts,
        }
    )


statuses = st.fixed_dictionaries(
    {},
    optional={
        "observedGeneration": integers,
        "serial": integers,
        "tokenCount": integers,
        "tokenID": texts,
        "secretName": texts,
        "accountUID": st.sampled_from(["a-1", "a-0", ""]),
        "rotationID": texts,
        "credentials": st.lists(credentials(), max_size=3),
        "conditions": st.lists(conditions(), max_size=6, unique_by=lambda one: one["type"]),
        **dict.fromkeys(TIME_FIELDS, times),
    },
)
SPECS: tuple[dict[str, Any], ...] = (
    {},
    {"expiresAfter": "never"},
    {"expirationTime": "2999-12-31T23:59:59Z"},
    {"expiresAfter": "100y", "rotation": {"every": "99y", "overlap": "1y"}},
    {"rotation": {"every": "60s", "overlap": "0s", "id": "a"}},
    {"state": "Revoked"},
    {"inUseTime": "2999-12-31T23:59:59Z"},
)
ACCOUNTS: tuple[dict[str, Any], ...] = (
    {},
    {"tokenPolicy": {"unusedFor": "1d", "suspendUnusedAfter": "100y"}},
    {"tokenPolicy": {"unusedFor": "100y", "suspendUnusedAfter": "1d", "maxLifetime": "60s"}},
    {"tokensNotBeforeTime": "2027-01-15T08:00:00Z"},
)


def controllers() -> st.SearchStrategy[Controller]:
    """Give owners: this token, one of its name that is dead, another one, and another kind."""
    return st.builds(
        Controller,
        api_version=st.sampled_from([names.API_VERSION, "v1"]),
        kind=st.sampled_from(["ServiceToken", "ConfigMap"]),
        name=st.sampled_from(["ci-prod", "ci-test"]),
        uid=st.sampled_from(["u-1", "u-0"]),
    )


secrets = st.none() | st.builds(
    SecretFacts,
    uid=st.just("s-1"),
    resource_version=st.just("7"),
    type=st.sampled_from([names.SECRET_TYPE, "Opaque"]),
    controller=st.none() | controllers(),
    serial=integers,
    mint_time=st.none() | st.sampled_from([-(2**62), 0, NOW - 10, NOW, NOW + 10, 2**40]),
    verifiers=st.sampled_from([{}, {"k1": "verifier-1"}, {"k1": "planted"}, {"k9": "verifier-1"}]),
    fingerprint=texts,
    template=st.sampled_from(["", "{", '{"data":["token"]}']),
    immutable=st.booleans(),
    changed_by=texts,
    other_owners=st.just(()) | st.tuples(controllers()),
    marked_for=st.sampled_from(["", "ci-prod", "ci-test"]),
    token_id=texts,
    copied_from=st.sampled_from(["", "team-a/ci-test"]),
)

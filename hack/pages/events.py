"""docs/reference/events.md: every Event that the operator sends, as the code has it, and what a reader does then.

A reason in the code without an entry in `_ADVICE` fails `make generate`, so that every Event has advice.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.repository import ROOT
from servicetokens.lifecycle import transitions

PAGE: Final = ROOT / "docs" / "reference" / "events.md"
_SOURCES: Final = ROOT / "operator" / "servicetokens" / "lifecycle"
_HEAD: Final = """# Events

<!-- Written by `make generate`. -->

    kubectl -n team-a events --for svctok/ci-prod

This page lists every Event that the operator sends. It sends an Event after the change, and only when something
changed. None contains a token. The first mint of a token sends none, since the condition `Ready` says it already
([why](../decisions/0005-first-mint-sends-no-event.md)), unless it replaces another value in the Secret.

Events are for people who look now: Kubernetes deletes them after about an hour, and the operator limits
repetitions ([limits](../guides/operations.md#metrics-and-events)). Programs should use the [conditions](conditions.md),
which stay, and the [metrics](metrics.md).

One Event is about the Secret `servicetokens-validator-tls`: `RenewBundle`, once a day while its `ca.crt` holds two CAs.
It says by when clients must have the new one ([more](../guides/tls.md#the-certificate)).

| type | reason | message | what to do |
|---|---|---|---|
"""
_FINDING: Final = "the message of the condition `Ready`, which has the same reason"

_ADVICE: Final = {
    "AccountNotFound": "Nothing, if the account comes later. Otherwise create it, or a token for another account.",
    "AccountReplaced": "Make workloads read the Secret again. If it was a mistake, find out who deleted the account.",
    "AlreadyExpired": "Set a `spec.expirationTime` in the future: most likely the year is wrong.",
    "DeliveryFailed": "Remove the cause in the message: a quota, a policy, a failing webhook. Then wait 10 s.",
    "ImportEnded": "Nothing, if all clients use the new token. Remove `spec.import` from Git.",
    "ImportEndingSoon": "Check that no client uses the old value, or set a later `spec.import.until`.",
    "ImportRejected": "Do what the message says, or remove `spec.import`.",
    "ImportSecretMissing": "Create the Secret that `spec.import` names, or remove `spec.import`.",
    "ImportSkipped": "Remove `spec.import`; to import nevertheless, create another ServiceToken.",
    "InvalidSpec": "Correct the spec as the message says and apply it again.",
    "KeyMissing": "Restore the Secret with the keys ([runbook](../guides/runbooks/keys.md)).",
    "LifetimeTooLong": "Choose a shorter lifetime, or have the limit of the account or role raised.",
    "RoleNotGranted": "Have the namespace added to the role, or the role to the account, or remove it from the token.",
    "RoleNotFound": "Create the role, or correct its name in the token or the account.",
    "SecretConflict": "Delete or rename the Secret, or create a ServiceToken with another `secret.name`.",
    "SecretMissing": "Stop what changes or deletes the Secret; the message names it if known.",
    "TokenImported": "Move clients to the new token before the cut-over ([how](../guides/moving/index.md)).",
    "TokenExpired": "Nothing, if it was intended. Otherwise do what the condition `Ready` says.",
    "TokenExpiringSoon": "Declare `spec.rotation`, set a later expiration, or let it expire.",
    "TokenMinted": "Make workloads read the Secret again.",
    "TokenReminted": "Make workloads read the Secret again. Without a cut-off, find out what changed it.",
    "TokenRestored": "Nothing.",
    "TokenRevoked": "Nothing. `kubectl wait --for=condition=Enforced` says when every validator rejects the token.",
    "TokenResumed": "Nothing.",
    "TokenSuspended": "If it is needed, set `spec.inUseTime`; else revoke or delete it ([more](../guides/unused.md)).",
    "TokenUnused": "The same, before it is suspended ([more](../guides/unused.md)).",
    "TokenRotated": "Nothing, if workloads read the Secret before the overlap ends ([how](../guides/rotation.md)); "
    f'without an overlap the message ends with "{transitions.WITHOUT_OVERLAP.strip()}"',
}


@dataclass(frozen=True, order=True)
class Sent:
    """An Event as the code has it."""

    type: str
    reason: str
    note: str


def sent() -> list[Sent]:
    """Return every Event that the code can send, the ordinary ones first."""
    found = {Sent(*one) for one in transitions._MINTED.values()}
    found |= {Sent("Warning", str(reason), _FINDING) for reason in transitions._FINDINGS}
    for path in sorted(_SOURCES.glob("*.py")):
        found |= set(_literal(path))
    return sorted(found)


def render() -> str:
    """Return the page.

    Raises:
        KeyError: the code sends an Event for which nothing is written in `_ADVICE`.
    """
    events = sent()
    idle = sorted(set(_ADVICE) - {one.reason for one in events})
    if idle:
        message = f"nobody sends {', '.join(idle)} any more: take it out of hack/pages/events.py"
        raise ValueError(message)
    rows = [f"| {one.type} | `{one.reason}` | {one.note} | {_ADVICE[one.reason]} |\n" for one in events]
    return _HEAD + "".join(rows)


def _literal(path: Path) -> Iterator[Sent]:
    """Give the Events whose type and reason stand in the code as words: `Event("Normal", "TokenRevoked", note)`."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(
                func=ast.Name(id="Event"),
                args=[ast.Constant(value=str(kind)), ast.Constant(value=str(reason)), note],
            ):
                yield Sent(kind, reason, _text(note))


def _text(note: ast.expr) -> str:
    match note:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in parts)
        case _:
            return "the message of the condition with that name"

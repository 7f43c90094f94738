"""docs/reference/events.md: every Event that the operator sends, as the code has it, and what a reader does then.

A reason that the code has and `_ADVICE` has not ends `make generate`: nobody is told of something without being told
what to do.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.world import ROOT
from servicetokens.lifecycle import transitions

PAGE: Final = ROOT / "docs" / "reference" / "events.md"
_SOURCES: Final = ROOT / "operator" / "servicetokens" / "lifecycle"
_HEAD: Final = """# Events

<!-- Written by `make generate`. -->

    kubectl -n team-a events --for svctok/ci-prod

An Event is written after the change that it tells of, and only when something changed. None holds a token. The very
first mint of a token sends none, since the condition `Ready` says it already
([why](../decisions/0005-first-mint-sends-no-event.md)).

Events are for people who look now: Kubernetes deletes them after about an hour, and the operator limits
repetitions ([limits](../guides/operations.md#what-they-measure)). Programs should use the [conditions](conditions.md),
which stay, and the [metrics](metrics.md).

One Event is about the Secret `servicetokens-validator-tls`: `RenewBundle`, once a day while its `ca.crt` holds two CAs.
It says by when clients must have the new one ([more](../guides/tls.md#the-certificate)).

| type | reason | says | what to do |
|---|---|---|---|
"""
_FINDING: Final = "the message of the condition `Ready`, which has the same reason"

_ADVICE: Final = {
    "AccountNotFound": "Nothing, if the account comes later. Else create it, or make a token for the right account.",
    "AccountReplaced": "Have workloads read the Secret again. If it was not meant, find out who deleted the account.",
    "AlreadyExpired": "Set a `spec.expirationTime` in the future: most likely the year is wrong.",
    "DeliveryFailed": "Remove the cause that the message quotes: a quota, a policy, a failing webhook. Then wait 10 s.",
    "ImportEnded": "Nothing, if everything uses the new token by now. Take `spec.import` out of Git.",
    "ImportEndingSoon": "See that nothing uses the old value any more, or move `spec.import.until`.",
    "ImportRefused": "Do what the message says, or take `spec.import` away.",
    "ImportSecretMissing": "Create the Secret that `spec.import` names, or take `spec.import` away.",
    "ImportSkipped": "Take `spec.import` away; to import all the same, make another ServiceToken.",
    "InvalidSpec": "Correct the spec as the message says and apply it again.",
    "KeyMissing": "Restore the Secret with the keys ([runbook](../guides/runbooks/keys.md)).",
    "LifetimeTooLong": "Ask for a shorter life, or have the limit of the account or role raised.",
    "RoleNotGranted": "Have the namespace added to the role, or the role to the account, or take it out of the token.",
    "RoleNotFound": "Create the role, or correct its name in the token or the account.",
    "SecretConflict": "Delete or rename the Secret in the way, or make a new ServiceToken with another `secret.name`.",
    "SecretMissing": "Stop what keeps changing or deleting the Secret; the message names it where that is known.",
    "TokenImported": "Move clients to the new token before the cut-over ([how](../guides/moving/index.md)).",
    "TokenExpired": "Nothing, if its time was over. A later end, or a changed `rotation.id`, mints a fresh token.",
    "TokenExpiringSoon": "Declare `spec.rotation`, give it a later end, or let it end.",
    "TokenMinted": "Have workloads read the Secret again.",
    "TokenReminted": "Have workloads read the Secret again. If nobody set a cut, find out who changed the Secret.",
    "TokenRestored": "Nothing.",
    "TokenRevoked": "Nothing. `kubectl wait --for=condition=Enforced` says when it is in force everywhere.",
    "TokenResumed": "Nothing.",
    "TokenSuspended": "If it is needed, set `spec.inUseTime`; else revoke or delete it ([more](../guides/unused.md)).",
    "TokenUnused": "The same, before it is refused ([more](../guides/unused.md)).",
    "TokenRotated": "Nothing, if workloads read the Secret before the overlap ends ([how](../guides/rotation.md)).",
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
        message = f"nobody sends {', '.join(idle)} any more: take it out of tests/pages/events.py"
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

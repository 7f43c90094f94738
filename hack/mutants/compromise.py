"""Mistakes about values that have leaked, and about those that status does not list any more."""

from typing import Final

from mutants.mutant import CREDENTIALS, Mutant

TRANSITIONS: Final = "lifecycle/transitions.py"

MUTANTS: Final = (
    Mutant(
        "keeps the old one after a revocation for a leak",
        CREDENTIALS,
        'spec.state == "Revoked" and spec.revocation_reason == "KeyCompromise"',
        "False",
    ),
    Mutant(
        "takes every revocation for a leak",
        CREDENTIALS,
        ' and spec.revocation_reason == "KeyCompromise"',
        "",
    ),
    Mutant(
        "replaces a value that status does not list without an Event",
        TRANSITIONS,
        "arrives is MintCause.FIRST and _replaces_a_value(snapshot, after)",
        "False",
    ),
    Mutant(
        "calls a value that was written before status a lost one",
        TRANSITIONS,
        "secret is not None and not any(secret.holds(one) for one in after.credentials)",
        "secret is not None",
    ),
)

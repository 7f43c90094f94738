"""Mistakes about values that have leaked or that status does not list any more, and about namespaces that end."""

from typing import Final

from mutants.mutant import CREDENTIALS, Mutant

TRANSITIONS: Final = "lifecycle/transitions.py"

MUTANTS: Final = (
    Mutant(
        "sends an Event for each token of a namespace that is being deleted",
        "controllers/reconcile/probes.py",
        "            yield Probe(found_end=await first.wait())\n",
        "            await first.wait()\n            yield Probe()\n",
        ("tests/unit/controllers/reconcile/test_probes.py",),
    ),
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

"""Mutants of the handling of unused tokens."""

from typing import Final

from mutants.mutant import PLAN, Mutant

UNUSED: Final = "lifecycle/unused.py"

MUTANTS: Final = (
    Mutant(
        "flags what is unused a second late",
        UNUSED,
        "if case.flag_at > now or (",
        "if case.flag_at >= now or (",
    ),
    Mutant(
        "flags as unused in silence",
        UNUSED,
        "(flagged_since is None and case.flag_at > case.known_until)",
        "False",
    ),
    Mutant(
        "suspends as unused in silence",
        UNUSED,
        "if case.usable and due <= case.known_until:",
        "if case.usable and due <= case.now:",
    ),
    Mutant(
        "is stopped by a time to come in the condition Unused",
        UNUSED,
        "min(said.last_transition_time, case.now)",
        "said.last_transition_time",
    ),
    Mutant(
        "keeps a time to come in a condition",
        "lifecycle/conditions.py",
        "since if since <= now + MAX_CLOCK_SKEW else now",
        "since",
    ),
    Mutant(
        "suspends as unused without notice",
        UNUSED,
        "due = max(case.flag_at, shown_at)",
        "due = case.flag_at",
    ),
    Mutant(
        "suspends as unused what cannot be used",
        UNUSED,
        "if case.usable and due <=",
        "if due <=",
    ),
    Mutant(
        "takes what was used for unused",
        UNUSED,
        "status.unused_since_time, _plausible(status.last_used_time, now), in_use)",
        "status.unused_since_time, in_use)",
    ),
    Mutant(
        "believes a use that is still to come",
        UNUSED,
        "and used <= now + MAX_CLOCK_SKEW else None",
        "else None",
    ),
    Mutant(
        "never overwrites a use that is still to come",
        "validator/usage.py",
        "if abs(now - accepted.record.last_used) >=",
        "if (now - accepted.record.last_used) >=",
        ("tests/unit/validator/test_usage.py",),
    ),
    Mutant(
        "is deaf to a word about an unused token",
        UNUSED,
        "_plausible(status.last_used_time, now), in_use)",
        "_plausible(status.last_used_time, now))",
    ),
    Mutant(
        "gives an unused token no notice after a use",
        UNUSED,
        "if flagged_since not in {None, since}:",
        "if flagged_since == 0:",
    ),
    Mutant(
        "keeps an unused token suspended under another policy",
        UNUSED,
        "case.flag_at + case.suspend_after <= case.now:",
        "True:",
    ),
    Mutant(
        "keeps an unused token suspended after an undo",
        UNUSED,
        "and case.since < at and",
        "and",
    ),
    Mutant(
        "forgets that a revocation ends being unused",
        UNUSED,
        'if token.spec is not None and token.spec.state == "Revoked":',
        "if False:",
    ),
    Mutant(
        "counts a suspended account as time unused",
        UNUSED,
        "snapshot, now) if usable else None",
        "snapshot, 0) if usable else None",
    ),
    Mutant(
        "suspends for disuse what is rejected for another reason",
        "lifecycle/acceptance.py",
        "usable=reason is Reason.VALID)",
        "usable=True)",
    ),
    Mutant(
        "calls a token active that is suspended for disuse",
        "lifecycle/acceptance.py",
        "    if disuse.suspends:\n",
        "    if False:\n",
    ),
    Mutant(
        "sleeps while a token is unused",
        PLAN,
        "deadlines.append(look_at)",
        "deadlines.append(None)",
    ),
)

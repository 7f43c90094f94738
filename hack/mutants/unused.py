"""Mutants of the handling of unused tokens."""

from typing import Final

from mutants.mutant import PLAN, Mutant

UNUSED: Final = "lifecycle/unused.py"

MUTANTS: Final = (
    Mutant(
        "flags what is unused a second late",
        UNUSED,
        "if it.flag_at > now or (",
        "if it.flag_at >= now or (",
    ),
    Mutant(
        "flags as unused in silence",
        UNUSED,
        "(flagged_since is None and it.flag_at > it.known_until)",
        "False",
    ),
    Mutant(
        "suspends as unused in silence",
        UNUSED,
        "if it.usable and due <= it.known_until:",
        "if it.usable and due <= it.now:",
    ),
    Mutant(
        "is stopped by a time to come in the condition Unused",
        UNUSED,
        "min(said.last_transition_time, it.now)",
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
        "due = max(it.flag_at, shown_at)",
        "due = it.flag_at",
    ),
    Mutant(
        "suspends as unused what cannot be used",
        UNUSED,
        "if it.usable and due <=",
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
        "it.flag_at + it.suspend_after <= it.now:",
        "True:",
    ),
    Mutant(
        "keeps an unused token suspended after an undo",
        UNUSED,
        "and it.since < at and",
        "and",
    ),
    Mutant(
        "forgets that a revocation ends being unused",
        UNUSED,
        '(token.spec is not None and token.spec.state == "Revoked")',
        "False",
    ),
    Mutant(
        "counts a suspended account as time unused",
        UNUSED,
        "snapshot, now) if usable else None",
        "snapshot, 0) if usable else None",
    ),
    Mutant(
        "sleeps while a token is unused",
        PLAN,
        "deadlines.append(look_at)",
        "deadlines.append(None)",
    ),
)

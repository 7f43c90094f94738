"""Wait until a change takes effect, and show progress."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from servicetokens.api import names
from servicetokens.cli.exits import Exit, Failure
from servicetokens.cli.screen import Progress
from servicetokens.cli.session import Session
from servicetokens.cli.views import TokenView

# A revocation takes a few tenths of a second (docs/concepts/benchmarks.md): more frequent updates would not be noticed.
_POLL: Final = 0.2

Outcome = str | None
"""None: it is so. Else a few words about what is still missing."""


UNSEEN: Final = "the operator has not reconciled it yet"
# All other words are the operator's, and say what to do.
_ADVICE: Final = "; `kubectl servicetoken doctor` checks whether it runs and serves this namespace"
# The spec itself asks for no credential: nothing that is waited for would come.
_ENDED: Final = frozenset({"Expired", "AlreadyExpired", "Revoked"})


def delivered(token: TokenView) -> Outcome:
    """Check whether its Secret holds the current credential; no other condition matters.

    A dead end is a `Failure`.
    """
    if not token.is_observed:
        return UNSEEN
    synced = token.condition("SecretSynced")
    if synced is not None and synced.status == "True" and token.credentials:
        return None
    trouble = token.condition("Stalled")
    active = token.condition("Active")
    if trouble is None and active is not None and active.status != "True" and active.reason in _ENDED:
        trouble = active
    if trouble is not None:
        message = f"the Secret of token '{token.name}' is not written: {trouble.message}"
        raise Failure(message)
    # Ready says why; SecretSynced only that it is so.
    ready = token.condition("Ready")
    found = ready if ready is not None and ready.status != "True" else synced
    return found.message if found is not None and found.message else "the Secret is not written yet"


def enforced(token: TokenView) -> Outcome:
    """Check whether every validator has applied the present spec; where none runs, nothing is accepted anyway.

    A token that was never revoked has no such proof; there the operator's status is sufficient.
    """
    found = token.condition("Enforced")
    if found is None and token.is_observed and not token.is_revoked and not token.is_suspended:
        return None
    if found is None or found.generation < token.generation or not token.is_observed:
        return UNSEEN
    if found.status == "True" or found.reason == "NoValidators":
        return None
    return found.message


def unconfirmed(seconds: float, missing: str) -> str:
    """Return the message of a wait of *seconds* that has ended with something *missing*, and what to do."""
    advice = _ADVICE if missing.endswith(UNSEEN) else ""
    return f"not confirmed within {seconds:g} s: {missing}{advice}"


async def wait(
    session: Session, tokens: Sequence[TokenView], check: Callable[[TokenView], Outcome], seconds: float
) -> list[TokenView]:
    """Read *tokens* until *judge* returns nothing for each, and return the latest objects.

    Raises `Failure`: with `Exit.TIMED_OUT` after *seconds*, with what is missing.
    """
    deadline = session.clock.monotonic() + seconds
    done: dict[str, TokenView] = {}
    with Progress(session.err, len(tokens)) as progress:
        while True:
            missing = ""
            for token in tokens:
                if token.uid in done:
                    continue
                seen = TokenView(
                    await session.cluster.get_ours(names.PLURAL_TOKENS, token.namespace, token.name)
                )
                outcome = check(seen)
                if outcome is None:
                    done[token.uid] = seen
                else:
                    missing = missing or f"token '{token.name}': {outcome}"
            if not missing:
                return [done[token.uid] for token in tokens]
            progress.show(len(done), missing)
            if session.clock.monotonic() > deadline:
                raise Failure(unconfirmed(seconds, missing), Exit.TIMED_OUT)
            await asyncio.sleep(_POLL)

"""Waiting until what was asked for is in force, and showing that one waits."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from servicetokens.api import names
from servicetokens.cli.exits import Exit, Failure
from servicetokens.cli.session import Session
from servicetokens.cli.views import TokenView

# A revocation takes a few tenths of a second (docs/benchmarks.md): more often would be seen by nobody.
_POLL: Final = 0.2

Verdict = str | None
"""None: it is so. Else a few words about what is still missing."""


def ready(token: TokenView) -> Verdict:
    """Judge whether what the spec asks for is in place; a dead end is a `Failure`."""
    if not token.is_observed:
        return "the operator has not seen it yet"
    found = token.condition("Ready")
    if found is None or found.status == "True":
        return None if found else "the operator has not judged it yet"
    if token.condition("Stalled") is not None:
        message = f"token '{token.name}' cannot get ready: {found.message}"
        raise Failure(message)
    return found.message


def enforced(token: TokenView) -> Verdict:
    """Judge whether every validator answers by the present spec; where none runs, nothing is accepted anyway.

    A token that was never revoked has no such proof; there the operator's word has to do.
    """
    found = token.condition("Enforced")
    if found is None and token.is_observed and not token.is_revoked and not token.is_suspended:
        return None
    if found is None or found.generation < token.generation or not token.is_observed:
        return "the operator has not answered yet"
    if found.status == "True" or found.reason == "NoValidators":
        return None
    return found.message


async def wait(
    session: Session, tokens: Sequence[TokenView], judge: Callable[[TokenView], Verdict], seconds: float
) -> list[TokenView]:
    """Look at *tokens* until *judge* has nothing to say of any, and return them as they are then.

    Raises `Failure`: with `Exit.TIMED_OUT` after *seconds*, and says what is missing.
    """
    deadline = session.clock.monotonic() + seconds
    done: dict[str, TokenView] = {}
    with _progress(session) as progress:
        task = progress.add_task("waiting", total=len(tokens))
        while True:
            missing = ""
            for token in tokens:
                if token.uid in done:
                    continue
                seen = TokenView(
                    await session.cluster.get_ours(names.PLURAL_TOKENS, token.namespace, token.name)
                )
                verdict = judge(seen)
                if verdict is None:
                    done[token.uid] = seen
                    progress.update(task, completed=len(done))
                else:
                    missing = missing or f"token '{token.name}': {verdict}"
            if not missing:
                return [done[token.uid] for token in tokens]
            progress.update(task, description=missing)
            if session.clock.monotonic() > deadline:
                message = f"it was asked for, but not confirmed within {seconds:g} s; {missing}"
                raise Failure(message, Exit.TIMED_OUT)
            await asyncio.sleep(_POLL)


def _progress(session: Session) -> Progress:
    return Progress(
        SpinnerColumn(),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}", markup=False),
        console=session.err,
        transient=True,
        disable=not session.err.is_terminal,
    )

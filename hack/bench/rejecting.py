"""What an attacker can measure: whether rejecting an unknown id takes as long as rejecting one that exists."""

import asyncio
import itertools
import statistics
import time
from typing import Final

from bench.report import Section
from bench.revoking import ask
from bench.yardstick import Target
from servicetokens.runtime.entropy import os_entropy
from servicetokens.tokens.format import mint

# Enough for medians that are steady to a per cent on a machine that does nothing else.
QUESTIONS: Final = 3000
GOAL: Final = 0.03

METHOD: Final = f"""\
Over loopback and one connection, {QUESTIONS:,} times, a token with a wrong secret: of a fresh random id, of the id of a
stored token that nobody has presented, and of one that is accepted all the time, in each order equally often. The
figures are medians from the question to the answer."""


async def measure(target: Target, unused: str, used: str, *, questions: int = QUESTIONS) -> Section:
    """Ask in turn and return the rows; *unused* and *used* are valid tokens."""
    host, _, port = target.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    assert await ask(used, reader, writer) == b"200", "the token that is in use is refused"
    # All made before: what the client does between two questions shows in the answer to the next one.
    kinds = {
        "an unknown id": [mint("svt", os_entropy).reveal() for _ in range(questions)],
        "a known id": [_spoilt(unused)] * questions,
        "an id in use": [_spoilt(used)] * questions,
    }
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    # So does the question before.
    orders = itertools.cycle(itertools.permutations(kinds))
    for number, order in zip(range(questions), orders, strict=False):
        for kind in order:
            token = kinds[kind][number]
            began = time.perf_counter()
            status = await ask(token, reader, writer)
            took[kind].append((time.perf_counter() - began) * 1e6)
            assert status in {b"401", b"429"}, "a wrong secret is not refused"
    writer.close()
    section = Section("Refusing", METHOD)
    medians = {kind: statistics.median(times) for kind, times in took.items()}
    unknown = medians["an unknown id"]
    section.add("refuse an unknown id", f"{unknown:.1f} us")
    for kind in ("a known id", "an id in use"):
        difference = medians[kind] / unknown - 1
        section.add(
            f"refuse {kind}, against an unknown one",
            f"{difference:+.1%}",
            f"within ±{GOAL:.0%}",
            met=abs(difference) <= GOAL,
        )
    return section


def _spoilt(token: str) -> str:
    """Return *token* with another last character."""
    return token[:-1] + ("a" if token[-1] != "a" else "b")

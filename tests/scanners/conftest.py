"""Tokens as they are minted, and the scanners that have to find them."""

import random

import pytest

from scanners.scanner import SCANNERS, Scanner
from servicetokens.tokens.format import mint

TOKENS = 20


@pytest.fixture(scope="session")
def tokens() -> list[str]:
    """Some, the same in every run."""
    entropy = random.Random(20260728).randbytes
    return [mint("svt", entropy).reveal() for _ in range(TOKENS)]


@pytest.fixture(scope="session", params=SCANNERS)
def scanner(request: pytest.FixtureRequest) -> Scanner:
    """One of the real ones, with the rules that we ship."""
    return Scanner(request.param)

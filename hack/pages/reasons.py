"""docs/reference/reasons.md: every reason, what it means, and who says it."""

from collections.abc import Iterable
from typing import Final

from common.repository import ROOT
from servicetokens.api.reasons import ABOUT_THE_REQUEST, ABOUT_THE_TOKEN, Reason

PAGE: Final = ROOT / "docs" / "reference" / "reasons.md"
_HEAD: Final = """# Reasons

<!-- Written by `make generate`. -->

This page lists every reason: one word for programs that says why a [condition](conditions.md) has its status, or why a
validator rejects a token. In the meanings, "it" is the token, or the object with the condition. Reasons are never
renamed.

## Why a token is rejected

In the order of the checks. The client is not told the reason; the validator's log has it, and the
[metric](metrics.md) `servicetokens_validator_requests_total`. The condition `Active` has the same reason where the
operator can know it, and so does the result of `kubectl servicetoken verify`.

| reason | meaning |
|---|---|
"""
_REQUEST: Final = """
## Why a request with a valid token is rejected

The token is valid; the request is not allowed.

| reason | meaning |
|---|---|
"""
_CONDITIONS: Final = """
## What only conditions say

| reason | meaning |
|---|---|
"""


def render() -> str:
    """Return the page."""
    of_conditions = [one for one in Reason if one not in {*ABOUT_THE_TOKEN, *ABOUT_THE_REQUEST}]
    return (
        _HEAD
        + _rows(ABOUT_THE_TOKEN)
        + _REQUEST
        + _rows(ABOUT_THE_REQUEST)
        + _CONDITIONS
        + _rows(of_conditions)
    )


def _rows(reasons: Iterable[Reason]) -> str:
    return "".join(f"| `{reason}` | {reason.meaning} |\n" for reason in reasons)

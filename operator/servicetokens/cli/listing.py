"""The rows of `get`: one for each token or account."""

from collections.abc import Sequence
from typing import Final

from servicetokens.api import times
from servicetokens.cli import output
from servicetokens.cli.screen import Cell
from servicetokens.cli.views import AccountView, TokenView

Row = Sequence[Cell]

TOKEN_COLUMNS: Final = ("NAME", "ACCOUNT", "STATE", "EXPIRES", "ROTATES", "LAST USED", "AGE")
WIDE_TOKEN_COLUMNS: Final = (*TOKEN_COLUMNS, "TOKEN ID", "SECRET", "READY", "MESSAGE")
ACCOUNT_COLUMNS: Final = ("NAME", "STATE", "TOKENS", "ROLES", "AGE")
WIDE_ACCOUNT_COLUMNS: Final = (*ACCOUNT_COLUMNS, "DESCRIPTION")


def token_row(token: TokenView, now: int, *, wide: bool = False) -> Row:
    """Return the cells of one token."""
    ready = token.condition("Ready")
    cells: Row = (
        token.name,
        token.account,
        output.state(token.state),
        expiry(token, now),
        times.relative(token.next_rotation, now) if token.next_rotation else "no",
        times.last_use(token.last_used, now),
        times.span(now - token.created) if token.created else "",
    )
    if not wide:
        return cells
    return (*cells, token.id, token.secret, ready.status if ready else "", ready.message if ready else "")


def account_row(account: AccountView, now: int, *, wide: bool = False) -> Row:
    """Return the cells of one account."""
    cells: Row = (
        account.name,
        output.state(account.state),
        str(account.token_count),
        ", ".join(account.roles) or "none",
        times.span(now - account.created) if account.created else "",
    )
    return (*cells, account.description) if wide else cells


def expiry(token: TokenView, now: int) -> str:
    """Return when a token ends, as in `in 12 days`; a token that was never minted has no expiration yet."""
    if token.end is None and not token.credentials:
        return "not minted"
    return times.relative(token.end, now)


def exact(moment: int | None, now: int) -> str:
    """Return a moment in words and in full, as in `in 12 days (2026-12-10T00:00:00Z)`."""
    return "never" if moment is None else f"{times.relative(moment, now)} ({times.moment(moment)})"

"""The report as data: CSV with one row for each token, and JSON with accounts as well. Field names are stable.

The fields are documented in docs/guides/report.md, which a test compares with `FIELDS`.
"""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Final

from servicetokens.api.values import format_time
from servicetokens.cli.reporting.inventory import Account, Inventory, Token
from servicetokens.cli.reporting.markup import foreign

VERSION: Final = 1
"""Of the JSON document. It changes when a field is removed or changes its meaning, not when one is added."""

FIELDS: Final = (
    "namespace",
    "name",
    "account",
    "description",
    "tokenID",
    "state",
    "valid",
    "mintTime",
    "expirationTime",
    "nextRotationTime",
    "overlapEndTime",
    "lastUsedTime",
    "revocationTime",
    "revocationReason",
    "stalled",
    "waiting",
)
# With these a spreadsheet begins a formula (OWASP, "CSV Injection"); some accept the wide forms of East Asian fonts.
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - meant: the fullwidth forms


def as_csv(inventory: Inventory) -> str:
    """Return one row for each token, by namespace and name, as RFC 4180 has it; the first row has the field names.

    Moments are RFC 3339, `valid` is `true` or `false`, and what is absent is empty. A text that a spreadsheet would
    take for a formula begins with an apostrophe.
    """
    written = io.StringIO(newline="")
    rows = csv.writer(written)
    rows.writerow(FIELDS)
    for token in inventory.tokens:
        rows.writerow([_cell(value) for value in _token(token).values()])
    return written.getvalue()


def as_json(inventory: Inventory, namespaces: Sequence[str] = ()) -> str:
    """Return all accounts and tokens as one JSON object; *namespaces* is empty for the whole cluster.

    A field without a value is null. `unreadable` counts objects that are not included because they make no sense.
    """
    document = {
        "version": VERSION,
        "generatedTime": format_time(inventory.now),
        "namespaces": sorted(set(namespaces)),
        "unreadable": inventory.unreadable,
        "accounts": [_account(account) for account in inventory.accounts()],
        "tokens": [_token(token) for token in inventory.tokens],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _token(token: Token) -> dict[str, str | bool | None]:
    values = (
        token.namespace,
        token.name,
        token.account,
        token.description,
        token.token_id,
        token.state,
        token.is_valid,
        _moment(token.minted),
        _moment(token.expires),
        _moment(token.rotates),
        _moment(token.overlap_ends),
        _moment(token.used),
        _moment(token.revoked),
        token.revocation_reason,
        token.trouble,
        token.waits,
    )
    return {
        name: (foreign(value) or None) if isinstance(value, str) else value
        for name, value in zip(FIELDS, values, strict=True)
    }


def _account(account: Account) -> dict[str, Any]:
    return {
        "namespace": foreign(account.namespace),
        "name": foreign(account.name),
        "displayName": foreign(account.display_name) or None,
        "description": foreign(account.description) or None,
        "roles": [foreign(role) for role in account.roles],
        "suspended": account.is_suspended,
        "exists": not account.is_missing,
        "tokens": len(account.tokens),
    }


def _moment(seconds: int | None) -> str | None:
    return None if seconds is None else format_time(seconds)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value or "")
    return f"'{text}" if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else text

"""Objects as the API server lists them, as of a moment that never moves."""

import json
from typing import Any, Final

from servicetokens.api.values import format_time, parse_time
from servicetokens.cli.reporting.inventory import Inventory

NOW: Final = parse_time("2026-11-28T09:00:00Z")
DAY: Final = 86400
VERIFIER: Final = "72b6" * 16


def account(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    """Return a ServiceAccount."""
    return {"metadata": {"namespace": namespace, "name": name}, "spec": spec}


def token(
    namespace: str,
    account: str,
    name: str,
    *,
    state: str = "Valid",
    minted: int = -10,
    ends: int | None = 20,
    rotates: int | None = None,
    used: int | None = 0,
    overlap: int | None = None,
    waits_for_delivery: bool = False,
    revoked: int | None = None,
    stalled: str = "",
    waits: str = "",
    description: str = "",
    reason: str = "",
) -> dict[str, Any]:
    """Return a ServiceToken; times are days from `NOW`."""
    times = {
        "mintTime": minted,
        "expirationTime": ends,
        "nextRotationTime": rotates,
        "lastUsedTime": used,
        "revocationTime": revoked,
    }
    credentials = [_credential(2, ends), *([_credential(1, overlap)] if overlap is not None else [])]
    if waits_for_delivery:
        credentials.append(_credential(3, ends) | {"delivery": "Pending"})
    conditions = [
        {
            "type": "Active",
            "status": "True" if state == "Valid" else "False",
            "reason": state,
            "message": "...",
        },
        *([{"type": "Stalled", "status": "True", "reason": state, "message": stalled}] if stalled else []),
        *([{"type": "Reconciling", "status": "True", "reason": state, "message": waits}] if waits else []),
    ]
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "accountRef": {"name": account},
            **({"description": description} if description else {}),
            **({"rotation": {"every": "20d"}} if rotates is not None else {}),
            **({"state": "Revoked"} if revoked is not None else {}),
            **({"revocationReason": reason} if reason else {}),
        },
        "status": {
            "tokenID": f"{abs(hash_of(namespace + name)):012d}"[:12],
            "serial": max(one["serial"] for one in credentials),
            **{key: _at(days) for key, days in times.items() if days is not None},
            "credentials": credentials,
            "conditions": conditions,
        },
    }


def hash_of(text: str) -> int:
    """Return a number that is the same in every run."""
    return int.from_bytes(text.encode()[-8:], "big") * 7919 % 10**12


def inventory(accounts: list[dict[str, Any]], tokens: list[dict[str, Any]]) -> Inventory:
    """Return what the report sees of these."""
    found = Inventory(NOW)
    for one in accounts:
        found.add_account(json.dumps(one).encode())
    for one in tokens:
        found.add_token(json.dumps(one).encode())
    return found


def demo() -> Inventory:
    """Return a cluster as one may be: three teams, one of which is behind with its housekeeping."""
    accounts = [
        account(
            "payments",
            "ci",
            displayName="CI pipelines",
            description="Deploys payments-api",
            roles=["deployer"],
        ),
        account(
            "payments", "ledger-sync", description="Copies bookings to the ledger", roles=["orders-reader"]
        ),
        account("platform", "backup", description="Nightly backups; ask #platform", roles=["backup"]),
        account("platform", "metrics", displayName="Metrics", roles=["metrics-reader", "orders-reader"]),
        account("shop", "partner-acme", description="Calls of ACME Corp.", roles=["orders-writer"]),
        account("shop", "legacy-import", state="Suspended", roles=["orders-writer"]),
        account("shop", "search", roles=[]),
    ]
    tokens = [
        token("payments", "ci", "ci-prod", ends=24, rotates=14, overlap=1, description="Release job"),
        token("payments", "ci", "ci-staging", ends=80, rotates=60, description="Staging job"),
        token("payments", "ledger-sync", "ledger", ends=6, description="Ends soon: ask #payments before"),
        token("platform", "backup", "nightly", minted=-300, ends=None, used=-1),
        token(
            "platform", "backup", "old-site", minted=-400, ends=None, used=-211, description="Site B, gone?"
        ),
        token("platform", "metrics", "grafana", ends=150, rotates=120),
        token(
            "platform", "metrics", "notebook", minted=-95, ends=270, used=None, description="Anna's analysis"
        ),
        token(
            "shop",
            "partner-acme",
            "acme-2025",
            state="Revoked",
            revoked=-3,
            reason="KeyCompromise",
            description="Found in a public repository",
        ),
        token("shop", "partner-acme", "acme-2026", ends=200, rotates=90),
        token("shop", "partner-acme", "acme-trial", state="Expired", minted=-60, ends=-30, used=-31),
        token("shop", "legacy-import", "import", state="AccountSuspended", minted=-200, ends=165, used=-44),
        token(
            "shop",
            "reports",
            "reports-weekly",
            state="AccountNotFound",
            waits="Waiting for the ServiceAccount 'reports' of servicetokens.dev in this namespace; create it.",
        ),
        token(
            "shop",
            "search",
            "search-index",
            state="SecretConflict",
            stalled="The Secret 'search-index' exists already with type 'Opaque', and is not changed. Delete or "
            "rename it, or create a ServiceToken with another `spec.secret.name`.",
        ),
    ]
    return inventory(accounts, tokens)


def many(count: int) -> Inventory:
    """Return *count* tokens of a tenth as many accounts, with texts as long as they may be."""
    accounts = [account(f"team-{n % 50}", f"account-{n}", description="d" * 1024) for n in range(count // 10)]
    tokens = [
        token(
            f"team-{n // 10 % 50}",
            f"account-{n // 10}",
            f"token-{n}-{'x' * 40}",
            ends=n % 700 + 1,
            used=-(n % 200),
            description="d" * 1024,
        )
        for n in range(count)
    ]
    return inventory(accounts, tokens)


def _credential(serial: int, ends: int | None) -> dict[str, Any]:
    return {
        "serial": serial,
        "id": "0123456789AB",
        "mintTime": _at(-10),
        **({"expirationTime": _at(ends)} if ends is not None else {}),
        "verifier": {"algorithm": "HMACSHA256", "keyID": "k1", "value": VERIFIER},
    }


def _at(days: int) -> str:
    return format_time(NOW + days * DAY)

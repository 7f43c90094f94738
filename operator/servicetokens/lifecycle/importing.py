"""The import of a value from another system: when it is read, what prevents it, and the resulting credential.

    serial 1 ├──── imported ────┤ until
    serial 2 ├──────────────── expiresAfter ────────────────┤
             import and mint, one write

It happens at the first mint or never. From then on the value is the older of two credentials (see `credentials`).
"""

from typing import Final

from servicetokens.api import times
from servicetokens.api.importing import DEFAULT_KEY, ImportSpec
from servicetokens.api.origin import Origin
from servicetokens.api.reasons import Reason
from servicetokens.api.service_token import Credential, ServiceTokenSpec
from servicetokens.lifecycle import schedule
from servicetokens.lifecycle.schedule import end_by_spec
from servicetokens.lifecycle.snapshot import Importable, NotImportable, SecretFacts, Snapshot, TokenFacts
from servicetokens.tokens import imported, lifetime

SERIAL: Final = 1
"""The serial of an imported value, since nothing has been minted before it."""

# A Secret that is applied together with the token may come a moment later.
_RECHECK_MISSING: Final = 10
# A person has to correct an invalid value.
_RECHECK_REFUSED: Final = 60


def wanted_import(token: TokenFacts, secret: SecretFacts | None, now: int) -> ImportSpec | None:
    """Return what is to be imported at *now*, or None.

    Never again once anything was minted. *secret*, in which the token is delivered, proves that where status was lost.
    """
    asked, status = token.spec.import_ if token.spec else None, token.status
    if asked is None or status.serial is not None or status.credentials:
        return None
    was_minted = secret is not None and secret.belongs_to(token)
    return None if was_minted or asked.until <= now else asked


def is_waiting(snapshot: Snapshot, now: int) -> bool:
    """Return whether an import is requested and has not been carried out."""
    return wanted_import(snapshot.token, snapshot.secret, now) is not None


def key_of(asked: ImportSpec) -> str:
    """Return the key in the Secret that holds the value."""
    return asked.secret_ref.key or DEFAULT_KEY


def find_obstacle(snapshot: Snapshot, now: int) -> tuple[Reason, str] | None:
    """Return what prevents the pending import at *now*, or None."""
    asked, found = wanted_import(snapshot.token, snapshot.secret, now), snapshot.imported
    if asked is None:
        return None
    where = f"the key '{key_of(asked)}' of the Secret '{asked.secret_ref.name}'"
    advice = "or remove `spec.import` to create the token without it"
    if (fault := _fault_of_time(asked.until, snapshot.token.spec, now)) is not None:
        return Reason.IMPORT_REJECTED, f"The value cannot be imported: {fault}, {advice}."
    if found is None:
        message = f"Waiting for {where}, which holds the value to import; create it, {advice}."
        return Reason.IMPORT_SECRET_MISSING, message
    if isinstance(found, NotImportable):
        message = f"The value in {where} cannot be imported: it {found.fault}. Correct it, {advice}."
        return Reason.IMPORT_REJECTED, message
    return None


def imported_credential(snapshot: Snapshot, facts: Importable, now: int) -> Credential:
    """Return the credential that the value becomes."""
    spec = snapshot.token.spec
    end = imported.import_end(now, until_of(spec), end_by_spec(spec, now))
    return Credential(
        serial=SERIAL, id=facts.handle, mint_time=now, expiration_time=end, verifier=facts.verifier
    )


def imported_now(snapshot: Snapshot, now: int, mint_time: int) -> Credential | None:
    """Return the credential that the value becomes in this pass, as minted at *mint_time*, or None."""
    found = snapshot.imported
    if not isinstance(found, Importable) or not is_waiting(snapshot, now):
        return None
    return imported_credential(snapshot, found, mint_time)


def end_of(older: Credential, spec: ServiceTokenSpec | None, now: int) -> int:
    """Return the expiration of an imported credential by the present spec.

    A past expiration is final. While the spec cannot be read, the previous one stays.
    """
    stored = older.expiration_time
    if spec is None or (stored is not None and stored <= now):
        return imported.import_end(older.mint_time, stored)
    return imported.import_end(older.mint_time, until_of(spec), end_by_spec(spec, older.mint_time))


def until_of(spec: ServiceTokenSpec | None) -> int | None:
    """Return the cut-over, if an import is requested."""
    return spec.import_.until if spec is not None and spec.import_ is not None else None


def recheck_at(snapshot: Snapshot, now: int) -> int | None:
    """Return when to read the value again: its Secret is not watched."""
    if not is_waiting(snapshot, now):
        return None
    again = now + (_RECHECK_MISSING if snapshot.imported is None else _RECHECK_REFUSED)
    return lifetime.earliest(again, until_of(snapshot.token.spec))


def warns_at(taken: Credential | None) -> int | None:
    """Return when the cut-over of the imported value *taken* is announced: a week or a tenth of its lifetime before."""
    if taken is None or taken.expiration_time is None:
        return None
    _, late, *_ = schedule.expiry_warnings(taken.mint_time, taken.expiration_time)
    return late.at


def find_imported(credentials: tuple[Credential, ...]) -> Credential | None:
    """Return the credential that was imported, if there is one."""
    return next((one for one in credentials if one.origin is Origin.IMPORTED), None)


def _fault_of_time(until: int, spec: ServiceTokenSpec | None, now: int) -> str | None:
    """Return why `until` could not be kept, and what to do."""
    every = spec.rotation.every if spec and spec.rotation else None
    if until > now + imported.MAX_SECONDS:
        limit = times.duration(imported.MAX_SECONDS)
        return f"`spec.import.until` is more than {limit} away; set an earlier one"
    end = end_by_spec(spec, now)
    if end is not None and until > end:
        return "the token would expire before `spec.import.until`; set an earlier one, give the token a longer lifetime"
    if every is not None and until > now + every:
        return (
            "the token would be rotated before `spec.import.until`, and a rotation ends the imported value; set "
            "an earlier one, a longer `spec.rotation.every`"
        )
    return None

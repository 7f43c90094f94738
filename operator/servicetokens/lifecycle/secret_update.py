"""What the Secret of a token is about, and how it is written."""

import dataclasses

from servicetokens.api.origin import Origin
from servicetokens.api.service_token import Credential
from servicetokens.lifecycle.actions import SecretUpdate, SecretWrite
from servicetokens.lifecycle.content import Subject, desired_content
from servicetokens.lifecycle.credentials import Living
from servicetokens.lifecycle.snapshot import SecretFacts, Snapshot
from servicetokens.tokens import lifetime


def subject_of(current: Credential) -> Subject:
    """Return what the Secret is about while it holds *current*."""
    return Subject(
        token_id=current.id,
        serial=current.serial,
        mint_time=current.mint_time,
        end=current.expiration_time,
    )


def last_subject(snapshot: Snapshot, alive: Living, now: int) -> Subject | None:
    """Return what the Secret is about when there is no current credential: the last one, if there was one."""
    token, status = snapshot.token, snapshot.token.status
    last = token.current
    serial = status.serial or (last.serial if last else None)
    if serial is None or (status.mint_time is None and last is not None and last.origin is Origin.IMPORTED):
        # Nothing of ours was ever delivered; an imported value is none.
        return None
    end = alive.died_at if alive.died_at is not None else status.expiration_time
    # Status may have been edited; by the spec it has expired anyway, and nothing will be minted.
    end = lifetime.earliest(end, fixed_end_that_has_passed(snapshot, now))
    return Subject(
        token_id=status.token_id or "",
        serial=serial,
        mint_time=status.mint_time or (last.mint_time if last else 0),
        end=end,
        expired=end is not None and end <= now,
    )


def fixed_end_that_has_passed(snapshot: Snapshot, now: int) -> int | None:
    """Return the fixed end of the spec if it has passed, also before anything was minted: the status says Expired."""
    spec = snapshot.token.spec
    end = spec.expiration_time if spec else None
    return end if end is not None and end <= now else None


def find_repair(
    snapshot: Snapshot, subject: Subject | None, current: Credential | None
) -> SecretUpdate | None:
    """Return the write that repairs what surrounds the token in the Secret.

    None: it is right, or must not be touched, or does not hold *current*, and a new token is minted for it.
    """
    token, secret = snapshot.token, snapshot.secret
    if subject is None or token.spec is None or secret is None or secret.is_foreign_to(token):
        return None
    held = current if current is not None and secret.holds(current) else None
    is_ours = secret.belongs_to(token)
    if held is None and not (subject.expired and is_ours):
        return None
    if is_ours and not secret.immutable and secret.fingerprint == desired_content(token, subject).fingerprint:
        return None
    return dataclasses.replace(write_of(secret, subject), keeps_value=True, holds=held)


def write_of(secret: SecretFacts | None, subject: Subject) -> SecretUpdate:
    """Return the write that brings a new token into *secret*."""
    if secret is None:
        return SecretUpdate(subject, SecretWrite.CREATE)
    how = SecretWrite.RECREATE if secret.immutable else SecretWrite.REPLACE
    return SecretUpdate(subject, how, secret.resource_version, secret.uid)

"""What a validator says about a presented token, by the written rules and not by the code under test."""

from typing import Final

from common.drivers.reconciling import RING, UID
from property.ledger import end_by, overlap_of
from property.objects import Objects

# Kubernetes' own tolerance of clocks is larger; see `tokens.lifetime`.
_SKEW: Final = 60


def is_suspended(world: Objects) -> bool:
    """Say whether the token is suspended as unused, and `inUseTime` was not set since."""
    since, word = world.status.suspension_time, world.spec.in_use_time
    return since is not None and (word is None or word < since)


def accepts(world: Objects, value: str) -> bool:
    """Say whether a validator that sees *world* would accept *value* now."""
    account, status, now = world.account, world.status, world.now
    if account is None or status.account_uid != world.account_uid or not world.keys_are_there:
        return False
    if world.spec.state == "Revoked" or account.state == "Suspended":
        return False
    if is_suspended(world):
        return False
    newest = sorted(status.credentials, key=lambda one: -one.serial)[:2]
    for credential in newest:
        ends = [credential.expiration_time, end_by(world.spec, credential.mint_time)]
        waits = newest[0].is_pending and credential.id == status.token_id and overlap_of(world.spec) > 0
        if credential is not newest[0] and not waits:
            ends.append(newest[0].mint_time + overlap_of(world.spec))
        if status.token_id not in {None, newest[0].id} and (status.serial or 0) > newest[0].serial:
            # The one that was delivered after it was lost, and has left its id and its time.
            ends.append((status.mint_time or 0) + overlap_of(world.spec))
        cut = account.tokens_not_before_time
        verifier = credential.verifier
        if (
            all(end is None or end > now for end in ends)
            and not (cut is not None and credential.mint_time <= cut <= now)
            and credential.mint_time <= now + _SKEW
            and RING.verify(verifier.value, verifier.key_id, UID, credential.serial, value)
        ):
            return True
    return False

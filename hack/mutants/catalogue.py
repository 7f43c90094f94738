"""Mutants, that is plausible mistakes. Each is one piece of text replaced by another, and the tests must notice it."""

from typing import Final

from mutants import (
    access,
    authentication,
    certificates,
    compromise,
    delivery,
    holding,
    imports,
    leaks,
    requests,
    unused,
)
from mutants.mutant import ARRIVAL, CHECKS, CREDENTIALS, LIFETIME, PLAN, SCHEDULE, SNAPSHOT, VERIFIER, Mutant

MUTANTS: Final = (
    Mutant(
        "waits for the wall clock where that was set back",
        "runtime/clock.py",
        "        least = self._greatest + (seen_at - self._seen_at) / 2\n",
        "        least = self._greatest\n",
        ("tests/unit/runtime/test_runtime.py",),
    ),
    Mutant(
        "never rotates by the clock",
        CREDENTIALS,
        "is not None and due <= now:",
        "is not None and due < 0:",
    ),
    Mutant(
        "rotates one second late",
        CREDENTIALS,
        "is not None and due <= now:",
        "is not None and due < now:",
    ),
    Mutant(
        "never rotates on request",
        CREDENTIALS,
        "rotation.id != snapshot.token.status.rotation_id",
        "rotation.id == ''",
    ),
    Mutant(
        "forgets which rotation it has answered",
        ARRIVAL,
        'recorded["rotation_id"] = spec.rotation.id',
        "pass",
    ),
    Mutant(
        "keeps a dead verifier",
        CREDENTIALS,
        "died_at = _first_past(now, current.expiration_time, end) if",
        "died_at = _first_past(now - 3, current.expiration_time, end) if",
    ),
    Mutant(
        "mints another one for a cut after the end",
        CREDENTIALS,
        "is_cut = cut is not None and (died_at is None or cut < died_at)",
        "is_cut = cut is not None",
    ),
    Mutant(
        "mints another one for an account that was replaced after the end",
        CREDENTIALS,
        "lost=MintCause.ACCOUNT_REPLACED if died_at is None else None)",
        "lost=MintCause.ACCOUNT_REPLACED)",
    ),
    Mutant(
        "believes that a delivered credential is pending",
        "api/token_status.py",
        "return credential.is_pending and credential.id != self.token_id",
        "return credential.is_pending",
    ),
    Mutant(
        "revives what a validator has rejected already",
        CREDENTIALS,
        "_first_past(now, current.expiration_time, end)",
        "_first_past(now, end)",
    ),
    Mutant(
        "trusts a later end on status",
        CREDENTIALS,
        "    end = end_by_spec(spec, current.mint_time)\n    if lives_too_long",
        "    end = current.expiration_time\n    if lives_too_long",
    ),
    Mutant(
        "renews an expired token for no reason",
        CREDENTIALS,
        "return MintCause.RENEWED if end is None or end > now else None",
        "return MintCause.RENEWED",
    ),
    Mutant(
        "counts on from a serial that nobody can have counted to",
        "api/token_status.py",
        "if status.serial is not None and status.serial > MAX_SERIAL:",
        "if status.serial is not None and status.serial > MAX_INTEGER:",
        ("tests/unit/api/test_status.py",),
    ),
    Mutant(
        "keeps a credential with a serial that nobody can have counted to",
        "api/token_status.py",
        "if one.serial <= MAX_SERIAL)",
        "if one.serial <= MAX_INTEGER)",
        ("tests/unit/api/test_status.py",),
    ),
    Mutant(
        "reuses a serial",
        CREDENTIALS,
        "for credential in status.credentials), 0) + 1",
        "for credential in status.credentials), 0) or 1",
    ),
    Mutant(
        "mints again although the plaintext waits to be delivered",
        ARRIVAL,
        "    if pending is not None and not is_held(snapshot, pending):\n"
        "        return Arrival(_at(snapshot, pending, delivered_now(snapshot, now)))\n",
        "",
    ),
    Mutant(
        "drops the overlap",
        CREDENTIALS,
        "if overlap == 0 or (end is not None and end <= now):",
        "if end != now:",
    ),
    Mutant(
        "keeps the old one after a leak",
        CREDENTIALS,
        "    overlap = overlap_of(snapshot.token.spec)\n    end = ",
        "    overlap = overlap_of(snapshot.token.spec) or 3600\n    end = ",
    ),
    Mutant(
        "lets the old one outlive its overlap",
        CREDENTIALS,
        "overlap_end = succeeded_at + overlap_of(spec) if spec and succeeded_at is not None else None",
        "overlap_end = None",
    ),
    Mutant(
        "takes a credential that the Secret does not hold for the current one",
        CREDENTIALS,
        "    if snapshot.keys.newest is None or is_held(snapshot, current):\n        return True\n",
        "    return True\n",
    ),
    Mutant(
        "ignores that the account is another one",
        CREDENTIALS,
        "if account is not None and token.status.account_uid != account.uid and token.status.credentials:",
        "if token.status.serial == -1:",
    ),
    Mutant(
        "does not record whose account it was minted for",
        ARRIVAL,
        '{} if account is None else {"account_uid": account.uid}',
        '{} if account is None else {"account_uid": snapshot.token.status.account_uid or account.uid}',
    ),
    Mutant(
        "ignores the kill switch",
        LIFETIME,
        "return cut is not None and mint_time <= cut <= now",
        "return False",
    ),
    Mutant(
        "cuts before the time has come",
        LIFETIME,
        "return cut is not None and mint_time <= cut <= now",
        "return cut is not None and mint_time <= cut",
    ),
    Mutant(
        "spares what was minted in the second of the cut",
        LIFETIME,
        "return cut is not None and mint_time <= cut <= now",
        "return cut is not None and mint_time < cut <= now",
    ),
    Mutant(
        "mints what the cut of this very second refuses",
        LIFETIME,
        "return now + 1 if is_cut(now, cut, now) else now",
        "return now",
    ),
    Mutant(
        "extends a live token over a limit",
        CREDENTIALS,
        "        return lifetime.earliest(end, current.expiration_time)\n    return end\n",
        "        return end\n    return end\n",
    ),
    Mutant(
        "mints over a limit",
        CHECKS,
        "    lifetime_is_too_long,  # against",
        "    # against",
    ),
    Mutant(
        "asks no further once something stands in the way that blocks nothing",
        CHECKS,
        "            if finding.blocks_mint:\n                break\n",
        "            break\n",
    ),
    Mutant(
        "touches a foreign Secret",
        SNAPSHOT,
        "        if self.type != names.SECRET_TYPE:\n            return True\n        if self.belongs_to(token):",
        "        if self.belongs_to(token):",
    ),
    Mutant(
        "reclaims the Secret of another token",
        SNAPSHOT,
        "mine = (names.API_VERSION, names.KIND_TOKEN, token.name)",
        "mine = (names.API_VERSION, names.KIND_TOKEN, self.owners[0].name)",
    ),
    Mutant(
        "looks at the controller only and not at other owners",
        SNAPSHOT,
        "for owner in self.owners)\n        return self.marked_for",
        "for owner in self.owners[:1])\n        return self.marked_for",
    ),
    Mutant(
        "takes over a Secret that says nothing of this token",
        SNAPSHOT,
        "return self.marked_for != token.name or bool(self.copied_from)",
        "return bool(self.marked_for and self.marked_for != token.name) or bool(self.copied_from)",
    ),
    Mutant(
        "takes over a copy of another token's Secret",
        SNAPSHOT,
        "return self.marked_for != token.name or bool(self.copied_from)",
        "return self.marked_for != token.name",
    ),
    Mutant(
        "takes its own Secret for foreign when somebody adds an owner",
        SNAPSHOT,
        "        if self.belongs_to(token):\n            return False\n        if self.owners:",
        "        if self.owners:",
    ),
    Mutant(
        "adopts a restored Secret",
        SNAPSHOT,
        "            and self.controller.uid == token.uid\n",
        "",
    ),
    Mutant(
        "does not look at the value in the Secret",
        SNAPSHOT,
        "return self.serial == credential.serial and found == credential.verifier.value",
        "return self.serial == credential.serial",
    ),
    Mutant(
        "does not look at the serial of the Secret",
        SNAPSHOT,
        "return self.serial == credential.serial and found == credential.verifier.value",
        "return found == credential.verifier.value",
    ),
    Mutant(
        "has no patience with a rival",
        CHECKS,
        "    if memory.not_before <= evaluation.now or not evaluation.owes:\n"
        "        return None\n    if memory.delivery_error:",
        "    return None\n    if memory.delivery_error:",
    ),
    Mutant(
        "loses its patience with a rival when a rotation falls due",
        CHECKS,
        "return evaluation.alive.current is None and evaluation.alive.pending is None",
        "return False",
    ),
    Mutant(
        "lets a rotation that was begun wait for a rival",
        CHECKS,
        "return evaluation.alive.current is None and evaluation.alive.pending is None",
        "return evaluation.alive.current is None",
    ),
    Mutant(
        "trusts CRDs that it may not read",
        "kube/crds.py",
        "return await _examine_published(api, error)",
        "return SchemaFinding(unread=error.message)",
        ("tests/unit/kube",),
    ),
    Mutant(
        "is woken by a deadline that has passed",
        SCHEDULE,
        "if moment is not None and moment > now), default=None)",
        "if moment is not None), default=None)",
    ),
    Mutant(
        "believes a mint that the Secret did not see",
        CREDENTIALS,
        "minted = min(minted, secret.mint_time)",
        "pass",
    ),
    Mutant(
        "mints afresh when it is restored",
        CREDENTIALS,
        "    if rotation_is_requested(snapshot):\n"
        "        return MintCause.ROTATION_REQUESTED\n"
        "    if (due := next_rotation(spec, alive",
        "    status = snapshot.token.status\n"
        "    if status.revocation_time and not status.restoration_time and spec.state !="
        " 'Revoked':\n"
        "        return MintCause.SECRET_LOST\n"
        "    if rotation_is_requested(snapshot):\n"
        "        return MintCause.ROTATION_REQUESTED\n"
        "    if (due := next_rotation(spec, alive",
    ),
    Mutant(
        "breaks a running overlap when the Secret is lost",
        CREDENTIALS,
        "return Living(older=older, lost=MintCause.SECRET_LOST, pending=pending)",
        "return Living(lost=MintCause.SECRET_LOST, pending=pending)",
    ),
    Mutant(
        "believes a mint in the future",
        CREDENTIALS,
        "if minted > now + lifetime.MAX_CLOCK_SKEW:",
        "if minted == 0:",
    ),
    Mutant(
        "retries without waiting",
        SCHEDULE,
        "return min(_LONGEST_DELAY, _FIRST_DELAY",
        "return min(0, _FIRST_DELAY",
    ),
    Mutant(
        "sleeps through a rotation",
        PLAN,
        "status.next_rotation_time, cut_of(snapshot), retry_at]",
        "cut_of(snapshot), retry_at]",
    ),
    Mutant(
        "sleeps through a cut",
        PLAN,
        "status.next_rotation_time, cut_of(snapshot), retry_at]",
        "status.next_rotation_time, retry_at]",
    ),
    Mutant(
        "sleeps through the end of an overlap",
        PLAN,
        "= [item.expiration_time for item in status.credentials]",
        "= []",
    ),
    Mutant(
        "sleeps through the end of what was never minted",
        PLAN,
        "deadlines += [spec.expiration_time, spec.expiration_time - ",
        "deadlines += [spec.expiration_time - ",
    ),
    Mutant(
        "repairs a live token only when its roles are granted",
        CHECKS,
        "        blocks_mint=is_first,\n",
        "        blocks_mint=True,\n",
    ),
    Mutant(
        "takes the longer of the default overlaps",
        LIFETIME,
        "return min(_DEFAULT_OVERLAP, every",
        "return max(_DEFAULT_OVERLAP, every",
    ),
    Mutant(
        "leaves the uid out of the keyed hash",
        VERIFIER,
        r'f"{_CONTEXT}\0{uid}\0{serial}\0{presented}"',
        r'f"{_CONTEXT}\0{serial}\0{presented}"',
    ),
    Mutant(
        "leaves the serial out of the keyed hash",
        VERIFIER,
        r'f"{_CONTEXT}\0{uid}\0{serial}\0{presented}"',
        r'f"{_CONTEXT}\0{uid}\0{presented}"',
    ),
    Mutant(
        "verifies a prefix of the keyed hash",
        VERIFIER,
        "hmac.compare_digest(expected, value)",
        "hmac.compare_digest(expected[:8], value[:8])",
    ),
    Mutant(
        "prints a token",
        "tokens/format.py",
        'return f"{self.prefix}_{self.id}_…"',
        "return self._text",
    ),
    *access.MUTANTS,
    *authentication.MUTANTS,
    *certificates.MUTANTS,
    *compromise.MUTANTS,
    *imports.MUTANTS,
    *delivery.MUTANTS,
    *holding.MUTANTS,
    *leaks.MUTANTS,
    *requests.MUTANTS,
    *unused.MUTANTS,
)

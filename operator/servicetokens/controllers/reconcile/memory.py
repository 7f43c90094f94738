"""What this process remembers of a token's last attempts: plaintext still to be delivered, and delays.

Losing it (a crash) costs a fresh mint, never safety: a pending credential whose plaintext is lost is replaced by the
next pass.
"""

import math
from dataclasses import dataclass, field
from typing import Final

from servicetokens.api.service_token import Credential
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle import schedule
from servicetokens.lifecycle.snapshot import Memory, TokenFacts
from servicetokens.tokens.format import Token

# Twice the longest delay: the other writer has stopped changing the Secret.
_FORGIVEN_AFTER: Final = 600
# How long nothing is created in a namespace after the API server has answered that it is being deleted. Its tokens are
# usually deleted within that time.
_NAMESPACE_ENDS: Final = 20
# A server that requests a longer delay is retried nevertheless: 10 s are promised after its problem is solved.
_LONGEST_RETRY_AFTER: Final = 8


@dataclass(frozen=True, slots=True)
class Attempt:
    """A write of a Secret that failed: *fingerprint* of what was to be written, when it began, and its seconds."""

    fingerprint: str
    at: int
    seconds: float = 0.0


@dataclass(slots=True)
class _Entry:
    token: Token | None = field(default=None, repr=False)
    credential: Credential | None = None
    account_uid: str | None = None
    attempts: int = 0
    failures: int = 0
    last: int = 0
    not_before: int = 0
    error: str = ""
    rejected: str = ""
    is_unreported: bool = False
    lacks_permission: bool = False
    fingerprint: str = ""
    ending_uid: str = ""


class Memories:
    """One small entry for each token that is in the middle of something, or has just been."""

    def __init__(self) -> None:
        self._entries: dict[Key, _Entry] = {}
        self._ending: dict[str, int] = {}
        self._failing: set[Key] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def hold(self, key: Key, credential: Credential, token: Token, account_uid: str | None) -> None:
        """Keep the plaintext of *credential*, for account *account_uid*, until status lists it as delivered."""
        entry = self._entry(key)
        entry.credential, entry.token, entry.account_uid = credential, token, account_uid

    def plaintext(self, key: Key, serial: int) -> Token | None:
        """Return the plaintext that waits to be delivered, or None."""
        entry = self._entries.get(key)
        held = entry is not None and entry.credential is not None and entry.credential.serial == serial
        return entry.token if entry is not None and held else None

    def release(self, key: Key) -> None:
        """Forget the plaintext: it was delivered, or will never be on status."""
        if entry := self._entries.get(key):
            entry.token = entry.credential = None

    def forget(self, key: Key) -> None:
        """Forget everything about a deleted token."""
        self._entries.pop(key, None)
        self._failing.discard(key)

    def clear(self) -> None:
        """Forget everything about every token."""
        self._entries.clear()
        self._ending.clear()
        self._failing.clear()

    def recall(self, key: Key, facts: TokenFacts, now: int) -> Memory:
        """Return what `plan` should know.

        A plaintext that status lists as delivered is dropped on the way, and so is one whose serial another has there:
        another operator minted first.
        """
        # One that was never reconciled may be in a new namespace of the same name, since the API server creates nothing
        # in one that is being deleted. It asks once, as each of them does.
        is_new = facts.status.observed_generation < 0
        ends = self._ending.get(facts.namespace, 0) > now and not is_new
        entry = self._entries.get(key)
        if entry is None:
            return Memory(namespace_ends=ends)
        minted = entry.credential
        is_known = minted is not None and any(
            known.serial == minted.serial
            and (known.id != minted.id or not facts.status.is_undelivered(known))
            for known in facts.status.credentials
        )
        if is_known:
            self.release(key)
        is_quiet = entry.credential is None and not entry.error and not entry.ending_uid
        if is_quiet and now - entry.last > _FORGIVEN_AFTER:
            self.forget(key)
            return Memory(namespace_ends=ends)
        return Memory(
            minted=entry.credential,
            minted_for=entry.account_uid,
            delivery_error=entry.error,
            # However late the next pass is: a failure is reported before the next attempt.
            not_before=max(entry.not_before, now + 1) if entry.is_unreported else entry.not_before,
            namespace_ends=ends or entry.ending_uid == facts.uid,
        )

    def namespace_ends(self, key: Key, uid: str, now: int) -> None:
        """Note that the namespace is being deleted: nothing is created there for this token any more.

        Other tokens there wait as well, for a moment: then each of them asks once, since a namespace of that name may
        be there again.
        """
        self.forget(key)
        self._entry(key).ending_uid = uid
        self._ending = {name: until for name, until in self._ending.items() if until > now}
        self._ending[key.namespace] = now + _NAMESPACE_ENDS

    def created(self, key: Key) -> None:
        """Note that a Secret was created, which the API server does in no namespace that is being deleted."""
        self._ending.pop(key.namespace, None)

    def delivered(self, key: Key) -> bool:
        """Note that the Secret was written; say whether earlier attempts had failed."""
        self._failing.discard(key)
        entry = self._entries.get(key)
        if entry is None:
            return False
        had_failed = bool(entry.error)
        entry.error, entry.rejected, entry.lacks_permission, entry.failures = "", "", False, 0
        entry.is_unreported = False
        if had_failed:
            entry.attempts, entry.not_before = 0, 0
        return had_failed

    def was_applied(self, key: Key, fingerprint: str) -> bool:
        """Say whether the write that seemed to fail was applied, as a Secret with *fingerprint* was found."""
        entry = self._entries.get(key)
        return entry is not None and bool(entry.error) and entry.rejected == fingerprint

    def settled(self, key: Key) -> None:
        """Note that status says what the Secret holds: the plaintext is not needed any more."""
        self.release(key)
        entry = self._entries.get(key)
        if entry is not None and not (entry.attempts or entry.fingerprint or entry.error or entry.ending_uid):
            self.forget(key)

    def told(self, key: Key) -> None:
        """Note that status says of the last failure what there is to say."""
        if entry := self._entries.get(key):
            entry.is_unreported = False

    def has_failed(self, key: Key) -> bool:
        """Return whether the last attempt to write the Secret was rejected."""
        entry = self._entries.get(key)
        return entry is not None and bool(entry.error)

    def reminted(self, key: Key, now: int) -> None:
        """Note a mint that only replaced a lost one. The first is free; each one after it waits longer."""
        self._count(self._entry(key), now)

    def refreshed(self, key: Key, fingerprint: str, now: int) -> None:
        """Note that content was repaired. If the same is written again, another writer undoes it."""
        entry = self._entry(key)
        if entry.fingerprint == fingerprint:
            self._count(entry, now)
        else:
            entry.fingerprint, entry.attempts, entry.last, entry.not_before = fingerprint, 0, now, 0

    def failed(
        self,
        key: Key,
        message: str,
        attempt: Attempt,
        *,
        lacks_permission: bool = False,
        retry_after: float | None = None,
    ) -> bool:
        """Note that the API server rejects the Secret, and why; return whether that is new.

        *lacks_right*: an administrator has to act. *retry_after* comes from the API server, in seconds.
        """
        entry = self._entry(key)
        is_news = entry.error != message
        self._failing.add(key)
        entry.error, entry.lacks_permission, entry.last = message, lacks_permission, attempt.at
        entry.rejected = attempt.fingerprint
        entry.is_unreported = entry.is_unreported or is_news
        entry.failures += 1
        delay = schedule.delivery_delay(entry.failures, len(self._failing), attempt.seconds)
        entry.not_before = (
            attempt.at
            + math.floor(attempt.seconds)
            + max(delay, min(math.ceil(retry_after or 0), _LONGEST_RETRY_AFTER))
        )
        return is_news

    def find_missing_permission(self) -> str | None:
        """Return the API server's message when it rejected a Secret because a permission is missing, or None."""
        return next((entry.error for entry in self._entries.values() if entry.lacks_permission), None)

    def _entry(self, key: Key) -> _Entry:
        return self._entries.setdefault(key, _Entry())

    def _count(self, entry: _Entry, now: int) -> None:
        if now - entry.last > _FORGIVEN_AFTER:
            entry.attempts = 0
        entry.attempts += 1
        entry.last = now
        entry.not_before = now + schedule.retry_delay(entry.attempts)

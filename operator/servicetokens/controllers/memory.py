"""What one token's last attempts have left behind in this process: plaintext still to be delivered, and patience.

Losing it (a crash) costs a fresh mint, never safety: a credential on status whose plaintext is gone is
replaced by the next pass.
"""

from dataclasses import dataclass, field
from typing import Final

from servicetokens.controllers.keys import Key
from servicetokens.lifecycle import schedule
from servicetokens.lifecycle.snapshot import Memory, TokenFacts
from servicetokens.tokens.format import Token

# Twice the longest delay: whoever keeps undoing the Secret has stopped.
_FORGIVEN_AFTER: Final = 600


@dataclass(slots=True)
class _Entry:
    token: Token | None = field(default=None, repr=False)
    serial: int = 0
    attempts: int = 0
    last: int = 0
    not_before: int = 0
    error: str = ""
    lacks_right: bool = False
    fingerprint: str = ""


class Memories:
    """One small entry for each token that is in the middle of something, or has just been."""

    def __init__(self) -> None:
        self._entries: dict[Key, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def hold(self, key: Key, serial: int, token: Token) -> None:
        """Keep the plaintext of a credential that is about to be written to status."""
        entry = self._entry(key)
        entry.serial, entry.token = serial, token

    def plaintext(self, key: Key, serial: int) -> Token | None:
        """Return the plaintext that waits to be delivered, or None."""
        entry = self._entries.get(key)
        return entry.token if entry and entry.serial == serial else None

    def release(self, key: Key) -> None:
        """Forget the plaintext: it was delivered, or will never be on status."""
        if entry := self._entries.get(key):
            entry.token = None

    def forget(self, key: Key) -> None:
        """Forget everything about a token that is gone."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything about every token."""
        self._entries.clear()

    def recall(self, key: Key, facts: TokenFacts, now: int) -> Memory:
        """Return what `plan` should know. A plaintext that status knows nothing of is dropped on the way."""
        entry = self._entries.get(key)
        if entry is None:
            return Memory()
        waiting = entry.token is not None and any(
            credential.serial == entry.serial and credential.id == entry.token.id
            for credential in facts.status.credentials
        )
        if not waiting:
            entry.token = None
            if now - entry.last > _FORGIVEN_AFTER:
                del self._entries[key]
                return Memory()
        return Memory(
            undelivered=entry.serial if waiting else None,
            delivery_error=entry.error,
            not_before=entry.not_before,
        )

    def delivered(self, key: Key) -> bool:
        """Note that the Secret was written; say whether status still speaks of an earlier failure to do so."""
        entry = self._entries.get(key)
        if entry is None:
            return False
        had_failed = bool(entry.error)
        entry.token, entry.error, entry.lacks_right = None, "", False
        if had_failed:
            entry.attempts, entry.not_before = 0, 0
        if not entry.attempts and not entry.fingerprint:
            del self._entries[key]
        return had_failed

    def reminted(self, key: Key, now: int) -> None:
        """Note a mint that only replaced a lost one. The first is free; each one after it waits longer."""
        self._count(self._entry(key), now)

    def refreshed(self, key: Key, fingerprint: str, now: int) -> None:
        """Note that content was put right. Having to write the very same again means that somebody undoes it."""
        entry = self._entry(key)
        if entry.fingerprint == fingerprint:
            self._count(entry, now)
        else:
            entry.fingerprint, entry.attempts, entry.last, entry.not_before = fingerprint, 0, now, 0

    def failed(self, key: Key, message: str, now: int, *, lacks_right: bool = False) -> None:
        """Note that the API server refuses the Secret, and why; *lacks_right*: whoever installed us has to act."""
        entry = self._entry(key)
        entry.error, entry.lacks_right = message, lacks_right
        self._count(entry, now)

    def find_missing_right(self) -> str | None:
        """Return what the API server said when it refused a Secret because a right is missing, or None."""
        return next((entry.error for entry in self._entries.values() if entry.lacks_right), None)

    def _entry(self, key: Key) -> _Entry:
        return self._entries.setdefault(key, _Entry())

    def _count(self, entry: _Entry, now: int) -> None:
        if now - entry.last > _FORGIVEN_AFTER:
            entry.attempts = 0
        entry.attempts += 1
        entry.last = now
        entry.not_before = now + schedule.retry_delay(entry.attempts)

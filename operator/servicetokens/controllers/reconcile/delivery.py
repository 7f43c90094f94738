"""Writing the Secret of a token: what goes into it, and what a rejection leaves behind.

A write that was answered by a time-out may have been applied. It is never repeated blindly: the Secret is invalidated,
and the next pass reads it before it decides.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.cache.facts import Raw
from servicetokens.controllers.keyring import Keyring
from servicetokens.controllers.reconcile.memory import Attempt, Memories
from servicetokens.controllers.reconcile.reports import TERMINATING
from servicetokens.controllers.reconcile.secret_body import (
    named,
    on_top_of,
    remove_what_left,
    secret_body,
    stored_value,
)
from servicetokens.kube.errors import (
    AlreadyExists,
    ApiUnavailable,
    Conflict,
    Forbidden,
    KubeError,
    TooManyRequests,
    Unprocessable,
)
from servicetokens.kube.object_key import Key
from servicetokens.kube.secrets import SecretWriter
from servicetokens.lifecycle.actions import SecretUpdate, SecretWrite
from servicetokens.lifecycle.content import Content, desired_content
from servicetokens.lifecycle.snapshot import SecretFacts, TokenFacts
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.logs import get_logger
from servicetokens.tokens.verifier import KeyRing

_log = get_logger(__name__)

# The API server's sentence about a webhook whose `sideEffects` are not `None`.
_NO_REHEARSAL: Final = "does not support dry run"


class Delivery:
    """Writes Secrets."""

    def __init__(
        self, caches: Caches, memories: Memories, keys: Keyring, secrets: SecretWriter, clock: Clock
    ) -> None:
        self._caches = caches
        self._memories = memories
        self._keys = keys
        self._secrets = secrets
        self._clock = clock

    async def deliver(
        self, key: Key, token: TokenFacts, seen: SecretFacts | None, wanted: SecretUpdate
    ) -> bool:
        """Write the Secret, and return whether that was done. The next pass reports a rejection."""
        now, began = self._clock.now(), self._clock.monotonic()
        place = (token.namespace, token.secret_name)
        content = desired_content(token, wanted.subject)
        try:
            value = await self._value(key, token, wanted)
            raw = await self._write_secret(token, seen, wanted, content, value)
        except KubeError as error:
            if TERMINATING in error.causes:
                # Nothing can be written any more: the namespace is being deleted, and the token with it.
                self._memories.namespace_ends(key, token.uid, now)
                return False
            if not isinstance(error, Forbidden | Unprocessable | TooManyRequests):
                # It may have been applied nevertheless.
                self._caches.secrets.invalidate(place)
            if not _is_rejection(error):
                raise
            attempt = Attempt(content.fingerprint, now, self._clock.monotonic() - began)
            self._rejected(key, token, error, attempt)
            return False
        self._caches.secrets.put(place, facts.secret_facts(raw, self._keys.ring))
        if wanted.keeps_value:
            self._memories.refreshed(key, content.fingerprint, now)
        if wanted.write is SecretWrite.CREATE:
            self._memories.created(key)
        if self._memories.delivered(key):
            _log.info(
                "recovered: the Secret was written",
                namespace=token.namespace,
                name=token.name,
                secret=token.secret_name,
            )
        return True

    def _rejected(self, key: Key, token: TokenFacts, error: KubeError, attempt: Attempt) -> None:
        """Remember why the API server rejects the Secret, and log it when it begins or changes."""
        lacks_permission = isinstance(error, Forbidden) and error.lacks_permission
        is_news = self._memories.failed(
            key, error.message, attempt, lacks_permission=lacks_permission, retry_after=error.retry_after
        )
        log = _log.warning if is_news else _log.debug
        log(
            "failed to write the Secret, retrying",
            namespace=token.namespace,
            name=token.name,
            secret=token.secret_name,
            reason=error.message,
        )

    async def _value(self, key: Key, token: TokenFacts, wanted: SecretUpdate) -> str:
        """Return the plaintext to write: the minted one, or the one in the Secret after it was verified.

        Raises:
            Conflict: the Secret does not hold what it was seen to hold.
            KubeError: it cannot be read.
        """
        if not wanted.keeps_value:
            # From memory: no other place has it.
            minted = self._memories.plaintext(key, wanted.subject.serial)
            if minted is None:
                message = "the token to deliver does not exist any longer"
                raise Conflict(message)
            return minted.reveal()
        value = stored_value(await self._secrets.get(token.namespace, token.secret_name))
        holds = wanted.holds
        if holds is not None and not self._ring.verify(
            holds.verifier.value, holds.verifier.key_id, token.uid, holds.serial, value
        ):
            message = "the Secret changed while it was read"
            raise Conflict(message)
        return value

    async def _write_secret(
        self, token: TokenFacts, seen: SecretFacts | None, wanted: SecretUpdate, content: Content, value: str
    ) -> Raw:
        place = (token.namespace, token.secret_name)
        body = secret_body(token, content, value)
        # The template's other texts are not secret, and messages must stay readable.
        hidden = (value.encode(),)
        if wanted.write is SecretWrite.CREATE or seen is None:
            return await self._secrets.create(token.namespace, named(body, token.secret_name), hidden=hidden)
        if wanted.write is SecretWrite.REPLACE:
            patch = {"metadata": body["metadata"], "data": body["data"]}
            if seen.belongs_to(token):
                # A merge replaces the whole list, and another owner may have been added to it.
                del patch["metadata"]["ownerReferences"]
            remove_what_left(patch, content, seen)
            return await self._secrets.patch(*place, wanted.resource_version, patch, hidden=hidden)
        # Content of other writers is copied as well.
        fresh = named(on_top_of(await self._secrets.get(*place), body), token.secret_name)
        await self._rehearse(token.namespace, fresh, hidden)
        await self._secrets.delete(*place, uid=wanted.uid, resource_version=wanted.resource_version)
        return await self._secrets.create(token.namespace, fresh, hidden=hidden)

    async def _rehearse(self, namespace: str, secret: Mapping[str, Any], hidden: Sequence[bytes]) -> None:
        """Check with a dry run whether *secret* can be created, before the existing one of its name is deleted.

        Quotas, policies and webhooks answer before the API server finds that the name is in use.

        Raises:
            KubeError: it is rejected, or the result is unknown.
        """
        try:
            await self._secrets.create(namespace, secret, hidden=hidden, dry_run=True)
        except AlreadyExists:
            return
        except Unprocessable as error:
            # A webhook with side effects rejects every dry run, with this message.
            if _NO_REHEARSAL not in error.message:
                raise

    @property
    def _ring(self) -> KeyRing:
        ring = self._keys.ring
        if ring is None:
            # The keys were lost after the plan was made. The key is retried, and the next plan reports KeyMissing.
            message = f"the keys are missing: {self._keys.error}"
            raise ApiUnavailable(message, may_have_been_applied=False)
        return ring


def _is_rejection(error: KubeError) -> bool:
    """Return whether the failure is about this Secret: a rejection, or no answer to a request that was received.

    A webhook that hangs looks like that. A connection that fails is not about this Secret. Neither does a conflict,
    which is looked up.
    """
    if isinstance(error, ApiUnavailable):
        return error.status > 0 or error.timed_out
    return isinstance(error, Forbidden | Unprocessable | TooManyRequests)

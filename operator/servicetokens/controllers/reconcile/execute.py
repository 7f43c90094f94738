"""Execute a plan, in the only order that is correct at every instant and survives a crash at every await.

status ahead (the next verifier, pending, or what is no longer true) → Secret → status → k8s Events

`Plan` says which of them there are. Status says `Ready` after the Secret was written, never before. If this process
exits on the way, the next pass finds a Secret that status does not list, or a pending credential that is in no Secret:
in the Secret it has arrived and status follows, unless status never listed it; otherwise another one is minted.

A write that was answered by a time-out may have been applied. It is never repeated blindly: the cached object is marked
as doubtful, and the next pass reads it before it decides.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from servicetokens.api import names
from servicetokens.api.service_token import ServiceTokenStatus
from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.cache.facts import Raw
from servicetokens.controllers.keyring import Keyring
from servicetokens.controllers.reconcile.memory import Attempt, Memories
from servicetokens.controllers.reconcile.secret_body import (
    named,
    on_top_of,
    remove_what_left,
    secret_body,
    stored_value,
)
from servicetokens.controllers.reconcile.writers import EventSender, SecretWriter, StatusWriter
from servicetokens.kube.errors import (
    AlreadyExists,
    ApiUnavailable,
    Conflict,
    Forbidden,
    KubeError,
    NotFound,
    TooManyRequests,
    Unprocessable,
)
from servicetokens.kube.events import Regarding
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.actions import Deliver, Event, MintCause, Plan, SecretWrite
from servicetokens.lifecycle.arrival import with_minted
from servicetokens.lifecycle.content import Content, desired_content
from servicetokens.lifecycle.importing import find_imported
from servicetokens.lifecycle.snapshot import SecretFacts, Snapshot, TokenFacts
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.logs import get_logger
from servicetokens.tokens.format import Token
from servicetokens.tokens.verifier import KeyRing

_log = get_logger(__name__)

# The API server's cause when the namespace is being deleted: final, and not an error.
TERMINATING: Final = "NamespaceTerminating"
# The API server's sentence about a webhook whose `sideEffects` are not `None`.
_NO_REHEARSAL: Final = "does not support dry run"


@dataclasses.dataclass(frozen=True, slots=True)
class Minting:
    """The source of new tokens, and what is called when one was stored, with its cause."""

    make: Callable[[], Token]
    made: Callable[[MintCause], object] = lambda _: None


class Executor:
    """Executes plans for tokens. It makes no decisions about them."""

    def __init__(
        self,
        caches: Caches,
        memories: Memories,
        keys: Keyring,
        statuses: StatusWriter,
        secrets: SecretWriter,
        events: EventSender,
        *,
        minting: Minting,
        clock: Clock,
    ) -> None:
        self._caches = caches
        self._memories = memories
        self._keys = keys
        self._statuses = statuses
        self._secrets = secrets
        self._events = events
        # The last refusals by namespace, where the permission is missing: it is logged once, not for each Event.
        self._without_events: dict[str, str] = {}
        self._minting = minting
        self._clock = clock

    def find_missing_permission(self) -> str | None:
        """Return the API server's message if the permission to record Events is missing, or None."""
        return next(iter(self._without_events.values()), None)

    async def execute(self, key: Key, snapshot: Snapshot, plan: Plan) -> bool:
        """Execute *plan*; return whether the object has to be reconciled again immediately.

        Raises:
            KubeError: something failed that a retry may solve.
        """
        token = snapshot.token
        filled = self._mint(key, snapshot, plan) if plan.mint is not None else plan
        if plan.mint is None and snapshot.memory.minted is not None and not _is_awaited(snapshot, plan):
            self._memories.release(key)
        if filled.ahead is not None:
            token = await self._write_status(token, filled.ahead)
        if filled.deliver is not None and not await self._deliver(key, token, snapshot.secret, filled):
            return self._memories.has_failed(key)
        if filled.status is not None:
            token = await self._write_status(token, filled.status)
        if filled.arrives is not None:
            self._report_arrival(token, filled.arrives)
            if filled.arrives is MintCause.SECRET_LOST:
                self._memories.reminted(key, self._clock.now())
            self._memories.settled(key)
        self._memories.told(key)
        if not filled.owes:
            self._memories.delivered(key)
        await self._send(key, token, filled.events)
        return False

    def _mint(self, key: Key, snapshot: Snapshot, plan: Plan) -> Plan:
        """Return *plan* with a new credential filled in; its plaintext is kept until status lists it as delivered."""
        mint, token = plan.mint, snapshot.token
        if mint is None or plan.status is None:
            return plan
        minted = self._minting.make()
        value = self._ring.sign(mint.key_id, token.uid, mint.serial, minted.reveal())
        status = with_minted(plan.status, mint, minted.id, value)
        ahead = with_minted(plan.ahead, mint, minted.id, value) if plan.ahead is not None else None
        credential = next(one for one in status.credentials if one.serial == mint.serial)
        # Before the first write, not after it: its answer may get lost on the way.
        account = snapshot.account
        self._memories.hold(key, credential, minted, account.uid if account else None)
        return dataclasses.replace(plan, status=status, ahead=ahead)

    async def _write_status(self, token: TokenFacts, status: ServiceTokenStatus) -> TokenFacts:
        """Write *status* to the token as it was seen, and return the token as it is now."""
        place = (token.namespace, token.name)
        try:
            raw = await self._statuses.put_status(
                names.PLURAL_TOKENS,
                names.KIND_TOKEN,
                namespace=token.namespace,
                name=token.name,
                resource_version=token.resource_version,
                status=status.to_wire(),
            )
        except (Conflict, ApiUnavailable, NotFound):
            # NotFound, too: an API server that is starting, or whose CRD is being restored, answers so for existing
            # objects.
            self._caches.tokens.doubt(place)
            raise
        written = facts.token_facts(raw)
        self._caches.put_token(written)
        return written

    def _report_arrival(self, token: TokenFacts, cause: MintCause) -> None:
        """Count and log a token that was minted and delivered."""
        self._minting.made(cause)
        _log.info(
            "token minted",
            namespace=token.namespace,
            name=token.name,
            token_id=token.status.token_id,
            serial=token.status.serial,
            cause=cause.value,
        )
        taken = find_imported(token.status.credentials)
        if taken is not None and cause is MintCause.FIRST:
            _log.info(
                "value imported",
                namespace=token.namespace,
                name=token.name,
                token_id=taken.id,
                serial=taken.serial,
            )

    async def _deliver(self, key: Key, token: TokenFacts, seen: SecretFacts | None, plan: Plan) -> bool:
        """Write the Secret, and return whether that was done. The next pass reports a rejection."""
        deliver = plan.deliver
        if deliver is None:
            return True
        now, began = self._clock.now(), self._clock.monotonic()
        place = (token.namespace, token.secret_name)
        subject = deliver.subject
        if plan.mint is not None and plan.status is not None:
            subject = dataclasses.replace(subject, token_id=plan.status.token_id or "")
        content = desired_content(token, subject)
        try:
            value = await self._value(key, token, deliver)
            raw = await self._write_secret(token, seen, deliver, content, value)
        except KubeError as error:
            if TERMINATING in error.causes:
                # Nothing can be written any more: the namespace is being deleted, and the token with it.
                self._memories.namespace_ends(key, token.uid, now)
                return False
            if not isinstance(error, Forbidden | Unprocessable | TooManyRequests):
                # It may have been applied nevertheless.
                self._caches.secrets.doubt(place)
            if not _is_refusal(error):
                raise
            attempt = Attempt(content.fingerprint, now, self._clock.monotonic() - began)
            self._refused(key, token, error, attempt)
            return False
        self._caches.secrets.put(place, facts.secret_facts(raw, self._keys.ring))
        if deliver.keeps_value:
            self._memories.refreshed(key, content.fingerprint, now)
        if deliver.write is SecretWrite.CREATE:
            self._memories.created(key)
        if self._memories.delivered(key):
            _log.info(
                "recovered: the Secret was written",
                namespace=token.namespace,
                name=token.name,
                secret=token.secret_name,
            )
        return True

    def _refused(self, key: Key, token: TokenFacts, error: KubeError, attempt: Attempt) -> None:
        """Remember why the API server rejects the Secret, and log it when it begins or changes."""
        lacks_right = isinstance(error, Forbidden) and error.lacks_right
        is_news = self._memories.failed(
            key, error.message, attempt, lacks_right=lacks_right, retry_after=error.retry_after
        )
        log = _log.warning if is_news else _log.debug
        log(
            "failed to write the Secret, retrying",
            namespace=token.namespace,
            name=token.name,
            secret=token.secret_name,
            reason=error.message,
        )

    async def _value(self, key: Key, token: TokenFacts, deliver: Deliver) -> str:
        """Return the plaintext to write: the minted one, or the one in the Secret after it was verified.

        Raises:
            Conflict: the Secret does not hold what it was seen to hold.
            KubeError: it cannot be read.
        """
        if not deliver.keeps_value:
            # From memory: no other place has it.
            minted = self._memories.plaintext(key, deliver.subject.serial)
            if minted is None:
                message = "the token to deliver does not exist any longer"
                raise Conflict(message)
            return minted.reveal()
        value = stored_value(await self._secrets.get(token.namespace, token.secret_name))
        holds = deliver.holds
        if holds is not None and not self._ring.verify(
            holds.verifier.value, holds.verifier.key_id, token.uid, holds.serial, value
        ):
            message = "the Secret changed while it was read"
            raise Conflict(message)
        return value

    async def _write_secret(
        self, token: TokenFacts, seen: SecretFacts | None, deliver: Deliver, content: Content, value: str
    ) -> Raw:
        place = (token.namespace, token.secret_name)
        body = secret_body(token, content, value)
        # The template's other texts are not secret, and messages must stay readable.
        hidden = (value.encode(),)
        if deliver.write is SecretWrite.CREATE or seen is None:
            return await self._secrets.create(token.namespace, named(body, token.secret_name), hidden=hidden)
        if deliver.write is SecretWrite.REPLACE:
            patch = {"metadata": body["metadata"], "data": body["data"]}
            if seen.belongs_to(token):
                # A merge replaces the whole list, and another owner may have been added to it.
                del patch["metadata"]["ownerReferences"]
            remove_what_left(patch, content, seen)
            return await self._secrets.patch(*place, deliver.resource_version, patch, hidden=hidden)
        # Content of other writers is copied as well.
        fresh = named(on_top_of(await self._secrets.get(*place), body), token.secret_name)
        await self._rehearse(token.namespace, fresh, hidden)
        await self._secrets.delete(*place, uid=deliver.uid, resource_version=deliver.resource_version)
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

    async def _send(self, key: Key, token: TokenFacts, events: tuple[Event, ...]) -> None:
        regarding = Regarding(
            kind=names.KIND_TOKEN,
            namespace=token.namespace,
            name=token.name,
            uid=token.uid,
            resource_version=token.resource_version,
        )
        for event in events:
            try:
                await self._events.send(regarding, event.type, event.reason, event.note)
            except KubeError as error:
                if TERMINATING in error.causes:
                    self._memories.namespace_ends(key, token.uid, self._clock.now())
                    return
                is_news = True
                if isinstance(error, Forbidden) and error.lacks_right:
                    is_news = token.namespace not in self._without_events
                    self._without_events[token.namespace] = error.message
                log = _log.warning if is_news else _log.debug
                log(
                    "failed to record an Event",
                    namespace=token.namespace,
                    name=token.name,
                    event_reason=event.reason,
                    error=error.message,
                )
            else:
                self._without_events.pop(token.namespace, None)

    @property
    def _ring(self) -> KeyRing:
        ring = self._keys.ring
        if ring is None:
            # The keys were lost after the plan was made. The key is retried, and the next plan reports KeyMissing.
            message = f"the keys are missing: {self._keys.error}"
            raise ApiUnavailable(message, may_have_been_applied=False)
        return ring


def _is_refusal(error: KubeError) -> bool:
    """Return whether the failure is about this Secret: a rejection, or no answer to a request that was received.

    A webhook that hangs looks like that. A connection that fails is not about this Secret. Neither does a conflict,
    which is looked up.
    """
    if isinstance(error, ApiUnavailable):
        return error.status > 0 or error.timed_out
    return isinstance(error, Forbidden | Unprocessable | TooManyRequests)


def _is_awaited(snapshot: Snapshot, plan: Plan) -> bool:
    """Return whether the plaintext in memory is still to be delivered, or to be listed on status as delivered."""
    minted = snapshot.memory.minted
    kept = plan.status if plan.status is not None else snapshot.token.status
    return minted is not None and any(one.serial == minted.serial for one in kept.credentials)

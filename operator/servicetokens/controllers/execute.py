"""Carrying out a plan, in the one order that survives a crash between any two writes.

    status (the new verifier beside the old)  →  Secret (the plaintext)  →  k8s Events

After the first write a new credential would be accepted, and only this process knows its plaintext. If it
dies here, the next pass finds a Secret without that serial and mints another one: nobody ever holds a
credential that was not delivered, and no credential is delivered that would be refused.

A write that was answered by a time-out may have been applied. It is never repeated blindly: the object is put
in doubt, and the next pass reads it before it decides.
"""

import base64
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol

from servicetokens.api import names
from servicetokens.controllers import facts
from servicetokens.controllers.cache import Caches
from servicetokens.controllers.facts import Raw
from servicetokens.controllers.gather import Keyring
from servicetokens.controllers.keys import Key
from servicetokens.controllers.memory import Memories
from servicetokens.kube.errors import (
    ApiUnavailable,
    Conflict,
    Forbidden,
    KubeError,
    NotFound,
    Unprocessable,
)
from servicetokens.kube.events import Regarding
from servicetokens.lifecycle.actions import Deliver, Event, Mint, MintCause, Plan, SecretWrite
from servicetokens.lifecycle.content import TOKEN_PLACEHOLDER, Content, desired_content, read_owned
from servicetokens.lifecycle.importing import find_imported
from servicetokens.lifecycle.plan import with_minted
from servicetokens.lifecycle.snapshot import SecretFacts, Snapshot, TokenFacts
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.logs import get_logger
from servicetokens.tokens.format import Token
from servicetokens.tokens.verifier import KeyRing

_log = get_logger(__name__)

# The API server's cause when the namespace is going: final, and no error.
_TERMINATING: Final = "NamespaceTerminating"


class StatusWriter(Protocol):
    """Writes the status of objects of our group."""

    async def put_status(
        self,
        plural: str,
        kind: str,
        *,
        namespace: str,
        name: str,
        resource_version: str,
        status: Mapping[str, Any],
    ) -> Raw:
        """See `kube.objects.ObjectStore`."""
        ...


class SecretWriter(Protocol):
    """Writes Secrets."""

    async def get(self, namespace: str, name: str) -> Raw:
        """See `kube.secrets.SecretStore`; so are the others."""
        ...

    async def create(self, namespace: str, secret: Mapping[str, Any]) -> Raw:
        """Create one."""
        ...

    async def patch(self, namespace: str, name: str, resource_version: str, patch: Mapping[str, Any]) -> Raw:
        """Change one that was seen at that version."""
        ...

    async def delete(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        """Delete the one that was seen."""
        ...


class EventSender(Protocol):
    """Sends k8s Events."""

    async def send(
        self, regarding: Regarding, kind: Literal["Normal", "Warning"], reason: str, note: str
    ) -> None:
        """See `kube.events.EventRecorder`."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Minting:
    """Where new tokens come from, and who is told that one was stored, and why."""

    make: Callable[[], Token]
    made: Callable[[MintCause], object] = lambda _: None


class Executor:
    """Carries out plans for tokens. It decides nothing about them."""

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
        self._minting = minting
        self._clock = clock

    async def execute(self, key: Key, snapshot: Snapshot, plan: Plan) -> bool:
        """Do what *plan* asks for; say whether the object has to be looked at again at once.

        Raises:
            KubeError: something failed that a later try may get right.
        """
        token = snapshot.token
        if plan.status is not None:
            token = await self._write_status(key, token, plan)
        again = False
        if plan.deliver is not None:
            try:
                again = await self._deliver(key, token, snapshot.secret, plan.deliver, plan.mint)
            except KubeError:
                # The Secret is tried again, but status has changed: the next pass sees no transition any more.
                await self._send(token, plan.events)
                raise
        await self._send(token, plan.events)
        return again

    async def _write_status(self, key: Key, token: TokenFacts, plan: Plan) -> TokenFacts:
        """Write the planned status, with a new credential in it if one is asked for."""
        status = plan.status
        if status is None:
            return token
        if plan.mint is not None:
            minted = self._minting.make()
            value = self._ring.sign(plan.mint.key_id, token.uid, plan.mint.serial, minted.reveal())
            status = with_minted(status, plan.mint, minted.id, value)
            # Before the write, not after it: its answer may get lost on the way.
            self._memories.hold(key, plan.mint.serial, minted)
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
            # NotFound, too: an API server that is starting, or whose CRD comes back, says so of what is there.
            self._caches.tokens.doubt(place)
            raise
        written = facts.token_facts(raw)
        self._caches.put_token(written)
        if plan.mint is not None:
            self._minting.made(plan.mint.cause)
            _log.info(
                "token minted",
                namespace=token.namespace,
                name=token.name,
                token_id=status.token_id,
                serial=plan.mint.serial,
                cause=plan.mint.cause.value,
            )
            taken = find_imported(status.credentials)
            if taken is not None and plan.mint.cause is MintCause.FIRST:
                _log.info(
                    "value imported",
                    namespace=token.namespace,
                    name=token.name,
                    token_id=taken.id,
                    serial=taken.serial,
                )
        return written

    async def _deliver(
        self, key: Key, token: TokenFacts, seen: SecretFacts | None, deliver: Deliver, mint: Mint | None
    ) -> bool:
        """Write the Secret; say whether the status has to be written once more because of it."""
        now = self._clock.now()
        place = (token.namespace, token.secret_name)
        subject = deliver.subject
        if not deliver.keeps_value:
            subject = dataclasses.replace(subject, token_id=token.status.token_id or "")
        content = desired_content(token, subject)
        try:
            value = await self._value(key, token, deliver)
            raw = await self._write_secret(token, seen, deliver, content, value)
        except (Conflict, ApiUnavailable, NotFound, Forbidden, Unprocessable) as error:
            if _TERMINATING in error.causes:
                # Nothing is left to be written to: the namespace is going, and the token with it.
                self._memories.forget(key)
                return False
            if not isinstance(error, Forbidden | Unprocessable):
                self._caches.secrets.doubt(place)
                raise
            lacks_right = isinstance(error, Forbidden) and error.lacks_right
            self._memories.failed(key, error.message, now, lacks_right=lacks_right)
            _log.warning(
                "the Secret cannot be written",
                namespace=token.namespace,
                name=token.name,
                secret=token.secret_name,
                reason=error.message,
            )
            return True
        self._caches.secrets.put(place, facts.secret_facts(raw, self._keys.ring))
        if deliver.keeps_value:
            self._memories.refreshed(key, content.fingerprint, now)
        elif mint is not None and mint.cause is MintCause.SECRET_LOST:
            self._memories.reminted(key, now)
        return self._memories.delivered(key)

    async def _value(self, key: Key, token: TokenFacts, deliver: Deliver) -> str:
        """Return the plaintext to write: the minted one, or the one in the Secret after it was verified.

        Raises:
            Conflict: the Secret does not hold what it was seen to hold.
            KubeError: it cannot be read.
        """
        if not deliver.keeps_value:
            minted = self._memories.plaintext(key, deliver.subject.serial)
            if minted is None:
                message = "the token to deliver is not there any more"
                raise Conflict(message)
            return minted.reveal()
        value = _stored_value(await self._secrets.get(token.namespace, token.secret_name))
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
        body = _secret_body(token, content, value)
        if seen is None or deliver.write is SecretWrite.CREATE:
            return await self._secrets.create(token.namespace, _named(body, token.secret_name))
        if deliver.write is SecretWrite.REPLACE:
            patch = {"metadata": body["metadata"], "data": body["data"]}
            if seen.belongs_to(token):
                # A merge replaces the whole list, and somebody may have added himself to it.
                del patch["metadata"]["ownerReferences"]
            _remove_what_left(patch, content, seen)
            return await self._secrets.patch(*place, deliver.resource_version, patch)
        # What others put there moves along.
        body = _on_top_of(await self._secrets.get(*place), body)
        await self._secrets.delete(*place, uid=deliver.uid, resource_version=deliver.resource_version)
        return await self._secrets.create(token.namespace, _named(body, token.secret_name))

    async def _send(self, token: TokenFacts, events: tuple[Event, ...]) -> None:
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
                _log.warning(
                    "an Event was not recorded",
                    namespace=token.namespace,
                    name=token.name,
                    event_reason=event.reason,
                    error=error.message,
                )

    @property
    def _ring(self) -> KeyRing:
        ring = self._keys.ring
        if ring is None:
            # Between the plan and now the keys were lost. The queue comes back, and the plan will say
            # KeyMissing.
            message = f"the keys are gone: {self._keys.error}"
            raise ApiUnavailable(message, may_have_been_applied=False)
        return ring


def _named(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], "name": name}}


def _on_top_of(raw: Raw, body: dict[str, Any]) -> dict[str, Any]:
    """Return *body* with the labels, annotations and data of *raw* that it does not speak of."""
    meta = raw.get("metadata") or {}
    metadata = {
        **body["metadata"],
        "labels": {**(meta.get("labels") or {}), **body["metadata"]["labels"]},
        "annotations": {**(meta.get("annotations") or {}), **body["metadata"]["annotations"]},
    }
    return {**body, "metadata": metadata, "data": {**(raw.get("data") or {}), **body["data"]}}


def _secret_body(token: TokenFacts, content: Content, value: str) -> dict[str, Any]:
    return {
        "metadata": {
            "labels": dict(content.labels),
            "annotations": dict(content.annotations),
            "ownerReferences": [
                {
                    "apiVersion": names.API_VERSION,
                    "kind": names.KIND_TOKEN,
                    "name": token.name,
                    "uid": token.uid,
                    "controller": True,
                    # `true` needs a right on finalizers under OwnerReferencesPermissionEnforcement
                    # (OpenShift), and nothing has to wait for the Secret.
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "type": names.SECRET_TYPE,
        "data": {
            key: base64.b64encode(text.replace(TOKEN_PLACEHOLDER, value).encode()).decode()
            for key, text in content.data.items()
        },
    }


def _remove_what_left(patch: dict[str, Any], content: Content, seen: SecretFacts) -> None:
    """Add to a merge patch the removal of what the template once put there, and does not any more."""
    owned = read_owned({names.ANNOTATION_TEMPLATE: seen.template} if seen.template else {})
    notes = (names.ANNOTATION_EXPIRED, names.ANNOTATION_TEMPLATE)
    metadata = patch["metadata"]
    metadata["labels"] |= dict.fromkeys(set(owned["labels"]) - set(content.labels))
    metadata["annotations"] |= dict.fromkeys({*owned["annotations"], *notes} - set(content.annotations))
    patch["data"] |= dict.fromkeys(set(owned["data"]) - set(content.data))


def _stored_value(raw: Raw) -> str:
    stored = (raw.get("data") or {}).get(names.SECRET_KEY, "")
    try:
        return base64.b64decode(stored, validate=True).decode()
    except ValueError:
        return ""

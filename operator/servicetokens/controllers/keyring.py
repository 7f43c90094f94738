"""The operator's keys: created once, watched, never replaced while a token depends on them.

A watch event only triggers a read; what was read then counts.
"""

import asyncio
import base64
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from servicetokens.api import names
from servicetokens.kube import paths
from servicetokens.kube.errors import AlreadyExists, ApiUnavailable, KubeError, NotFound
from servicetokens.kube.secrets import SecretCreator
from servicetokens.kube.watch import Feed, FeedContext, Identity, Reader
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.entropy import Entropy
from servicetokens.runtime.logs import get_logger
from servicetokens.runtime.readiness import Readiness
from servicetokens.tokens.verifier import FIRST_KEY, KEY_BYTES, InvalidKeyRing, KeyRing

_log = get_logger(__name__)

# What is minted with a lost key is lost, too, so a loss has to be noticed within seconds, even without permission to
# watch the Secret. These are a dozen requests a minute; those for the Lease are sixty.
_PERIOD: Final = 5.0
# Also for how long a watch that broke silently is trusted.
_WATCH_SECONDS: Final = 60
_TOPIC: Final = "watch of the key Secret"
# The watch does not need the content of the Secret.
_ANY: Final = msgspec.json.Decoder(msgspec.Raw)


class Keyring(Protocol):
    """The operator's keys as they are now."""

    @property
    def ring(self) -> KeyRing | None:
        """The keys, or None when none can be used."""
        ...

    @property
    def error(self) -> str:
        """Why there are none, and what to do: a sentence."""
        ...


class KeyringKeeper:
    """Holds the ring. *in_use* says whether any credential exists that a key may have signed."""

    def __init__(
        self,
        secrets: SecretCreator,
        namespace: str,
        *,
        entropy: Entropy,
        in_use: Callable[[], bool],
        changed: Callable[[], None],
        readiness: Readiness,
    ) -> None:
        self._secrets = secrets
        self._readiness = readiness
        self._namespace = namespace
        self._entropy = entropy
        self._in_use = in_use
        self._changed = changed
        self._look = asyncio.Event()
        self._is_watched = False
        self._is_read = False
        self._ring: KeyRing | None = None
        self._error = self._sentence("has not been read yet")

    @property
    def ring(self) -> KeyRing | None:
        """The keys, or None when none can be used."""
        return self._ring

    @property
    def error(self) -> str:
        """Why there are none, and what to do; empty when there are."""
        return self._error

    async def refresh(self) -> None:
        """Read the key Secret, and create it if no token can depend on one. Raises nothing: see `error`."""
        self._is_read = True
        try:
            ring = await self._read_or_create()
        except InvalidKeyRing as error:
            self._set(None, self._sentence(f"cannot be used: {error}; restore it from a backup"))
        except KubeError as error:
            self._is_read = False
            if self._ring is None:
                self._set(None, self._sentence(f"cannot be read: {error.message}"))
        else:
            self._set(
                ring,
                "" if ring else self._sentence("does not exist while tokens exist; restore it from a backup"),
            )

    async def run(self) -> None:
        """Refresh until cancelled: after each watch event, and every few seconds while anything is wrong."""
        while True:
            patience = None if self._is_watched and self._is_read and not self._error else _PERIOD
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), patience)
            self._look.clear()
            await self.refresh()

    async def watch(self, api: Reader, clock: Clock) -> None:
        """Watch the key Secret until cancelled; every change makes `run` read it."""
        context = FeedContext(api, self, clock, self._entropy, _WATCH_SECONDS)
        selector = {"fieldSelector": f"metadata.name={names.KEYS_SECRET}"}
        try:
            await Feed(
                context,
                paths.secrets(self._namespace),
                decoder=_ANY,
                sink=_ChangeSignal(self._look),
                selector=selector,
            ).run()
        finally:
            self._is_watched = False
            self._look.set()

    def works(self, path: str) -> None:  # noqa: ARG002 - there is one
        """Learn that a list is complete or a watch is open; see `kube.watch.Observer`."""
        self._is_watched = True
        self._readiness.clear(_TOPIC)

    def failed(self, path: str, error: Exception) -> None:  # noqa: ARG002 - there is one
        """Learn that it could not be watched."""
        self._is_watched = False
        self._look.set()
        if isinstance(error, KubeError) and not isinstance(error, ApiUnavailable):
            what = self._sentence(f"cannot be watched, and is read every {_PERIOD:g} s: {error.message}")
            self._readiness.set(_TOPIC, what, essential=False)

    async def _read_or_create(self) -> KeyRing | None:
        try:
            return _ring_of(await self._secrets.get(self._namespace, names.KEYS_SECRET))
        except NotFound:
            if self._in_use():
                return None
        try:
            created = await self._secrets.create(self._namespace, self._new())
        except AlreadyExists:
            return _ring_of(await self._secrets.get(self._namespace, names.KEYS_SECRET))
        _log.info("key created", namespace=self._namespace, secret=names.KEYS_SECRET, key=FIRST_KEY)
        return _ring_of(created)

    def _new(self) -> dict[str, Any]:
        key = base64.b64encode(self._entropy(KEY_BYTES)).decode()
        return {"metadata": {"name": names.KEYS_SECRET}, "type": "Opaque", "data": {FIRST_KEY: key}}

    def _set(self, ring: KeyRing | None, error: str) -> None:
        changed = ring != self._ring or error != self._error
        self._ring, self._error = ring, error
        if not changed:
            return
        if error:
            _log.error("no keys", reason=error)
        self._changed()

    def _sentence(self, what: str) -> str:
        return f"The Secret '{names.KEYS_SECRET}' in namespace '{self._namespace}' {what}."


class _ChangeSignal:
    """Signals every change of the one object that a feed watches."""

    def __init__(self, look: asyncio.Event) -> None:
        self._look = look

    def begin(self) -> None:
        """Wait for the end of the list; see `kube.watch.Sink`."""

    def put(self, item: object) -> None:  # noqa: ARG002 - its content is read again
        """Signal a change."""
        self._look.set()

    def put_unreadable(self, identity: Identity) -> None:  # noqa: ARG002 - as above
        """Signal a change."""
        self._look.set()

    def remove(self, identity: Identity) -> None:  # noqa: ARG002 - as above
        """Signal a change."""
        self._look.set()

    def end(self) -> None:
        """Signal a change: the object may not be in the list."""
        self._look.set()

    def confirm(self, at: float) -> None:
        """Do nothing: a silent watch ends, and is opened again."""


def _ring_of(secret: Mapping[str, Any]) -> KeyRing:
    return KeyRing.from_secret_data(secret.get("data") or {})

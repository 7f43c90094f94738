"""The operator's keys: made once, read again every few seconds, never made anew while a token depends on them."""

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from servicetokens.api import names
from servicetokens.kube.errors import AlreadyExists, KubeError, NotFound
from servicetokens.runtime.entropy import Entropy
from servicetokens.runtime.logs import get_logger
from servicetokens.tokens.verifier import FIRST_KEY, KEY_BYTES, InvalidKeyRing, KeyRing

_log = get_logger(__name__)

# What is minted with a key that is lost is lost, too, so a loss has to be noticed within seconds. These are a dozen
# requests a minute; those for the Lease are sixty.
_PERIOD: Final = 5.0


class SecretStore(Protocol):
    """Reads and creates Secrets."""

    async def get(self, namespace: str, name: str) -> Mapping[str, Any]:
        """Return one; raises `NotFound`."""
        ...

    async def create(self, namespace: str, secret: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create one; raises `AlreadyExists`."""
        ...


class KeyringKeeper:
    """Holds the ring. *in_use* says whether any credential exists that a key may have signed."""

    def __init__(
        self,
        secrets: SecretStore,
        namespace: str,
        *,
        entropy: Entropy,
        in_use: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        self._secrets = secrets
        self._namespace = namespace
        self._entropy = entropy
        self._in_use = in_use
        self._changed = changed
        self._ring: KeyRing | None = None
        self._error = self._say("has not been read yet")

    @property
    def ring(self) -> KeyRing | None:
        """The keys, or None when there are none to be used."""
        return self._ring

    @property
    def error(self) -> str:
        """Why there are none, and what to do; empty when there are."""
        return self._error

    async def refresh(self) -> None:
        """Read the key Secret, and create it if nothing can depend on one. Raises nothing: see `error`."""
        try:
            ring = await self._read_or_create()
        except InvalidKeyRing as error:
            self._set(None, self._say(f"cannot be used: {error}; restore it from a backup"))
        except KubeError as error:
            if self._ring is None:
                self._set(None, self._say(f"cannot be read: {error.message}"))
        else:
            self._set(ring, "" if ring else self._say("is gone while tokens exist; restore it from a backup"))

    async def run(self) -> None:
        """Keep refreshing, for ever."""
        while True:
            await asyncio.sleep(_PERIOD)
            await self.refresh()

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

    def _say(self, what: str) -> str:
        return f"The Secret '{names.KEYS_SECRET}' in namespace '{self._namespace}' {what}."


def _ring_of(secret: Mapping[str, Any]) -> KeyRing:
    return KeyRing.from_secret_data(secret.get("data") or {})

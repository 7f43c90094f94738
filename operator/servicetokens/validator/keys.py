"""The operator's HMAC keys, read from their Secret: at start, now and then, and when a new one is in use.

The only Secret that the validator reads. While it is missing or cannot be used nothing can be verified, and
the index answers nothing; a key ring that was read stays in use while the API server cannot be asked.
"""

import asyncio
from typing import Final, Protocol

from servicetokens.api.names import KEYS_SECRET
from servicetokens.authn.index import Index
from servicetokens.kube.errors import KubeError, NotConfigured, NotFound
from servicetokens.runtime.logs import get_logger
from servicetokens.tokens.verifier import InvalidKeyRing, KeyRing

_log = get_logger(__name__)

_TOPIC: Final = "keys"
_PERIOD: Final = 60.0
# The operator makes the first key within seconds of its start.
_RETRY: Final = 2.0
# A planted key id must not make us ask the API server for every request.
_LEAST_GAP: Final = 2.0


class Secrets(Protocol):
    """Reads Secrets."""

    async def get(self, namespace: str, name: str) -> dict[str, object]:
        """Return one as plain JSON values; raises `KubeError`."""
        ...


class KeyReader:
    """Keeps the key ring of an index right."""

    def __init__(self, secrets: Secrets, namespace: str, index: Index) -> None:
        """Nothing is read until `run`."""
        self._secrets = secrets
        self._namespace = namespace
        self._index = index
        self._wanted = asyncio.Event()
        self._problem = ""
        index.hold(_TOPIC, self._sentence("has not been read yet"))

    def want(self) -> None:
        """Read again soon, since a key is in use that we do not know."""
        self._wanted.set()

    async def run(self) -> None:
        """Keep reading, for ever."""
        while True:
            self._wanted.clear()
            good = await self.read()
            await asyncio.sleep(_LEAST_GAP)
            try:
                await asyncio.wait_for(self._wanted.wait(), (_PERIOD if good else _RETRY) - _LEAST_GAP)
            except TimeoutError:
                continue

    async def read(self) -> bool:
        """Read the Secret once and say whether that gave a key ring."""
        try:
            secret = await self._secrets.get(self._namespace, KEYS_SECRET)
            keys = KeyRing.from_secret_data(_data_of(secret))
        except NotFound:
            self._hold("is not there; the operator creates it at its start")
            return False
        except InvalidKeyRing as error:
            self._hold(f"cannot be used: {error}; restore it from a backup")
            return False
        except (KubeError, NotConfigured) as error:
            if self._index.keys is None:
                self._hold(f"cannot be read: {error}")
            return False
        self._use(keys)
        return True

    def _use(self, keys: KeyRing) -> None:
        # The same object stays in use while the keys are the same: decisions depend on it.
        if keys != self._index.keys:
            self._index.set_keys(keys)
            _log.info("keys read", keys=sorted(keys.ids))
        self._index.release(_TOPIC)
        self._problem = ""

    def _hold(self, what: str) -> None:
        problem = self._sentence(what)
        self._index.hold(_TOPIC, problem)
        if problem != self._problem:
            self._problem = problem
            _log.warning("no keys", reason=problem)

    def _sentence(self, what: str) -> str:
        return f"the Secret '{KEYS_SECRET}' in namespace '{self._namespace}' {what}"


def _data_of(secret: dict[str, object]) -> dict[str, str]:
    data = secret.get("data")
    if not isinstance(data, dict):
        return {}
    return {key: value for key, value in data.items() if isinstance(key, str) and isinstance(value, str)}

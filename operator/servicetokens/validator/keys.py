"""The operator's HMAC keys, read from their Secret: at start, periodically, and when an unknown key is in use.

The only Secret that the validator reads. A key ring that was read stays in use, also while the Secret is missing or
damaged: tokens that are in use must not be rejected because of a mistake that a backup repairs. Before the first one
was read nothing can be verified, and the index answers nothing.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from servicetokens.api.names import KEYS_SECRET
from servicetokens.authn.index import Index
from servicetokens.kube.errors import KubeError, NotConfigured, NotFound
from servicetokens.kube.secrets import SecretReader
from servicetokens.runtime.logs import get_logger
from servicetokens.runtime.readiness import Readiness
from servicetokens.tokens.verifier import InvalidKeyRing, KeyRing

_log = get_logger(__name__)

_TOPIC: Final = "key Secret"
_PERIOD: Final = 60.0
# The operator creates the first key within seconds of its start.
_RETRY: Final = 2.0
# A forged key id must not make us send requests to the API server for every validation.
_LEAST_GAP: Final = 2.0


class KeyReader:
    """Keeps the key ring of an index current."""

    def __init__(self, secrets: SecretReader, namespace: str, index: Index, readiness: Readiness) -> None:
        """Nothing is read until `run`. *readiness* reports when the keys in use are not those of the Secret."""
        self._secrets = secrets
        self._namespace = namespace
        self._index = index
        self._readiness = readiness
        self._wanted = asyncio.Event()
        self._problem = ""
        self.usable: bool | None = None
        """Whether the Secret could be used the last time it was read; None before that."""
        index.hold(_TOPIC, self._sentence("has not been read yet"))

    def want(self) -> None:
        """Read again soon, since an object uses a key that is unknown."""
        self._wanted.set()

    async def run(self) -> None:
        """Keep reading until cancelled."""
        while True:
            self._wanted.clear()
            good = await self.read()
            await asyncio.sleep(_LEAST_GAP)
            try:
                await asyncio.wait_for(self._wanted.wait(), (_PERIOD if good else _RETRY) - _LEAST_GAP)
            except TimeoutError:
                continue

    async def read(self) -> bool:
        """Read the Secret once and return whether it held a valid key ring."""
        try:
            secret = await self._secrets.get(self._namespace, KEYS_SECRET)
            keys = KeyRing.from_secret_data(_data_of(secret))
        except NotFound:
            self._mark_unusable(
                "does not exist", "the operator creates it when it starts, unless tokens exist"
            )
            return False
        except InvalidKeyRing as error:
            self._mark_unusable(f"cannot be used: {error}", "")
            return False
        except (KubeError, NotConfigured) as error:
            if self._index.keys is None:
                self._hold(f"cannot be read: {error}")
            return False
        self._use(keys)
        return True

    def _mark_unusable(self, what: str, before: str) -> None:
        """Continue with the keys in memory if there are any; *before* is the message if there never were."""
        self.usable = False
        remedy = 'restore it from a backup (runbook "The keys")'
        if self._index.keys is None:
            self._hold(f"{what}; {before + '; if they do, ' if before else ''}{remedy}")
            return
        sentence = (
            f"{self._sentence(what)}; tokens are validated with the keys in memory, and a validator that starts now "
            f"has none: {remedy}"
        )
        self._readiness.set(_TOPIC, sentence, essential=False)

    def _use(self, keys: KeyRing) -> None:
        # The same object stays in use while the keys are the same: decisions depend on it.
        if keys != self._index.keys:
            self._index.set_keys(keys)
            _log.info("keys read", keys=sorted(keys.ids))
        self._index.release(_TOPIC)
        self._readiness.clear(_TOPIC)
        self._problem = ""
        self.usable = True

    def _hold(self, what: str) -> None:
        problem = self._sentence(what)
        self._index.hold(_TOPIC, problem)
        if problem != self._problem:
            self._problem = problem
            _log.warning("no keys", reason=problem)

    def _sentence(self, what: str) -> str:
        return f"the Secret '{KEYS_SECRET}' in namespace '{self._namespace}' {what}"


def _data_of(secret: Mapping[str, object]) -> dict[str, str]:
    data = secret.get("data")
    if not isinstance(data, dict):
        return {}
    return {key: value for key, value in data.items() if isinstance(key, str) and isinstance(value, str)}

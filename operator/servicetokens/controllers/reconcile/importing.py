"""Read a value that is to be imported: once, by name, and hashed immediately. The value itself is not kept."""

import base64
import binascii

from servicetokens.api import names
from servicetokens.api.service_token import Verifier
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.cache.facts import Raw
from servicetokens.kube.errors import NotFound
from servicetokens.kube.secrets import SecretReader
from servicetokens.lifecycle import importing
from servicetokens.lifecycle.snapshot import Importable, NotImportable, SecretFacts, TokenFacts
from servicetokens.tokens import imported
from servicetokens.tokens.verifier import ALGORITHM, KeyRing


class Importer:
    """Reads values to be imported. *prefix* is that of minted tokens."""

    def __init__(self, secrets: SecretReader, caches: Caches, *, prefix: str) -> None:
        self._secrets = secrets
        self._caches = caches
        self._prefix = prefix

    async def look(
        self, token: TokenFacts, delivered: SecretFacts | None, ring: KeyRing | None, now: int
    ) -> Importable | NotImportable | None:
        """Return what is to be imported for *token*; None when there is nothing, or its Secret does not exist.

        *delivered* is the Secret that the token is delivered in. Raises `KubeError`.
        """
        asked = importing.wanted_import(token, delivered, now)
        if ring is None or asked is None:
            return None
        try:
            raw = await self._secrets.get(token.namespace, asked.secret_ref.name)
        except NotFound:
            return None
        if raw.get("type") == names.SECRET_TYPE:
            return NotImportable(
                "is in a Secret of type servicetokens.dev/token, and such values are never imported"
            )
        value = _value_in(raw, importing.key_of(asked))
        if isinstance(value, NotImportable):
            return value
        fault = imported.find_fault(value, self._prefix)
        if fault is not None:
            return NotImportable(fault)
        handles = [imported.handle_of(value, ring, key_id) for key_id in ring.ids]
        if any(self._caches.is_imported(handle, (token.namespace, token.name)) for handle in handles):
            return NotImportable("is accepted for another ServiceToken already")
        verifier = ring.sign(ring.newest, token.uid, importing.SERIAL, value)
        return Importable(
            handle=imported.handle_of(value, ring, ring.newest),
            verifier=Verifier(algorithm=ALGORITHM, key_id=ring.newest, value=verifier),
        )


def _value_in(raw: Raw, key: str) -> str | NotImportable:
    stored = (raw.get("data") or {}).get(key)
    if not isinstance(stored, str):
        return NotImportable("does not exist")
    try:
        return base64.b64decode(stored, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return NotImportable("holds characters that a bearer token cannot have")

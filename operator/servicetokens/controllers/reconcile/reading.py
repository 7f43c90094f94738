"""Read a token and its Secret, none older than the other implies; most of it is answered by the caches.

The watches of tokens and Secrets are independent, and one of them may be seconds behind. The last writes of a previous
leader may therefore arrive in any order.
"""

import dataclasses

from servicetokens.api import names
from servicetokens.api.conditions import ConditionType
from servicetokens.api.origin import Origin
from servicetokens.api.reasons import Reason
from servicetokens.api.service_token import Credential
from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches, NamespacedName
from servicetokens.controllers.keyring import Keyring
from servicetokens.controllers.reconcile.importing import Importer
from servicetokens.controllers.reconcile.memory import Memories
from servicetokens.kube.errors import Conflict, NotFound
from servicetokens.kube.object_key import Key
from servicetokens.kube.objects import ObjectReader
from servicetokens.kube.secrets import SecretReader
from servicetokens.lifecycle import conditions
from servicetokens.lifecycle.snapshot import Importable, Memory, NotImportable, SecretFacts, TokenFacts
from servicetokens.runtime.logs import get_logger

_log = get_logger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class TokenReading:
    """A token, what this process remembers of earlier attempts for it, its Secret, and what it imports."""

    token: TokenFacts
    memory: Memory
    secret: SecretFacts | None
    imported: Importable | NotImportable | None


class TokenReader:
    """Reads tokens. With *watches_secrets* the cache of Secrets is complete, otherwise they are read by name."""

    def __init__(
        self,
        caches: Caches,
        memories: Memories,
        keys: Keyring,
        objects: ObjectReader,
        secrets: SecretReader,
        *,
        watches_secrets: bool,
        token_prefix: str = names.DEFAULT_PREFIX,
    ) -> None:
        self._importer = Importer(secrets, caches, prefix=token_prefix)
        self._caches = caches
        self._memories = memories
        self._keys = keys
        self._objects = objects
        self._secrets = secrets
        self._watches_secrets = watches_secrets

    async def read(self, key: Key, now: int) -> TokenReading | None:
        """Return everything about one token that only it decides about; None when it was deleted.

        Raises:
            KubeError: something cannot be read, or reads and watches disagree: retry.
        """
        token, memory, secret = await self._token_and_secret(key, now)
        if token is None:
            self._memories.forget(key)
            return None
        imported = await self._importer.look(token, secret, self._keys.ring, now)
        return TokenReading(token, memory, secret, imported)

    async def _token_and_secret(
        self, key: Key, now: int
    ) -> tuple[TokenFacts | None, Memory, SecretFacts | None]:
        """Return the token, earlier attempts for it, and its Secret, none older than the others imply."""
        token, memory, secret = await self._read_once(key, now)
        if token is None or not _is_ahead(secret, token, memory):
            return token, memory, secret
        # Either status is older than the Secret, or the operator that wrote the Secret exited before it wrote status.
        self._caches.tokens.invalidate((key.namespace, key.name))
        return await self._read_once(key, now)

    async def _read_once(self, key: Key, now: int) -> tuple[TokenFacts | None, Memory, SecretFacts | None]:
        token = await self._token((key.namespace, key.name))
        if token is None:
            return None, Memory(), None
        memory = self._memories.recall(key, token, now)
        secret = await self._secret(token, memory)
        is_whole = secret is not None and secret.belongs_to(token) and not secret.immutable
        if secret is not None and is_whole and self._memories.was_applied(key, secret.fingerprint):
            self._memories.delivered(key)
            _log.info(
                "recovered: the Secret was written, although the API server had not confirmed it",
                **key.fields,
            )
            memory = self._memories.recall(key, token, now)
        return token, memory, secret

    async def _token(self, place: NamespacedName) -> TokenFacts | None:
        if not self._caches.tokens.is_invalidated(place):
            return self._caches.token(place)
        try:
            raw = await self._objects.get(names.PLURAL_TOKENS, *place)
        except NotFound:
            if self._caches.tokens.get(place) is not None:
                # An API server that is starting answers so for existing objects. The watch or a list reports deletions.
                message = f"ServiceToken {'/'.join(place)} was not found, but the watch has not reported its deletion"
                raise Conflict(message) from None
            self._caches.tokens.mark_refreshed(place)
            return None
        self._caches.put_token(facts.token_facts(raw))
        self._caches.tokens.mark_refreshed(place)
        return self._caches.token(place)

    async def _secret(self, token: TokenFacts, memory: Memory) -> SecretFacts | None:
        place = (token.namespace, token.secret_name)
        known = self._with_source(token, self._caches.secrets.get(place))
        if not (
            self._must_be_read(token, place)
            or self._must_be_proven(token, memory, known)
            or self._is_behind(known, token, memory)
        ):
            return known
        try:
            raw = await self._secrets.get(*place)
        except NotFound:
            self._caches.secrets.drop(place)
            self._caches.secrets.mark_refreshed(place)
            return None
        found = facts.secret_facts(
            raw, self._keys.ring, token_uid=token.uid, candidates=_expected(token, memory)
        )
        self._caches.secrets.mark_refreshed(place)
        if self._watches_secrets and found.type == names.SECRET_TYPE:
            self._caches.secrets.put(place, found)
        return self._with_source(token, found)

    def _with_source(self, token: TokenFacts, secret: SecretFacts | None) -> SecretFacts | None:
        """Add to a Secret without owners, which may be a copy, the other token that it is a copy of."""
        if secret is None or secret.owners or not secret.token_id:
            return secret
        other = self._caches.other_token_with_id(secret.token_id, (token.namespace, token.name))
        return secret if other is None else dataclasses.replace(secret, copied_from="/".join(other))

    def _must_be_proven(self, token: TokenFacts, memory: Memory, known: SecretFacts | None) -> bool:
        """Return whether the annotations do not match any credential of the token.

        The value decides, not the annotations. It is not kept, so it is read once more and compared.
        """
        expected = _expected(token, memory)
        if known is None or known.is_foreign_to(token) or not expected or self._keys.ring is None:
            return False
        if any(known.holds(one) for one in expected):
            return False
        return not known.belongs_to(token) or known.serial not in {one.serial for one in expected}

    def _is_behind(self, known: SecretFacts | None, token: TokenFacts, memory: Memory) -> bool:
        """Return whether status lists a credential as written that is not in *known*.

        Only a read shows whether the Secret was lost, or its watch is behind that of the tokens.
        """
        waiting = memory.minted.id if memory.minted is not None else None
        written = (one for one in token.status.credentials if one.id != waiting)
        newest = max(written, key=lambda one: one.serial, default=None)
        if newest is None or newest.origin is Origin.IMPORTED or self._keys.ring is None:
            return False
        return known is None or not known.holds(newest)

    def _must_be_read(self, token: TokenFacts, place: NamespacedName) -> bool:
        """Return whether the cache cannot answer for the Secret at *place*.

        The watch delivers Secrets with our label only, so a foreign one, once seen, is read again. A token that never
        had a credential usually has no Secret: otherwise its creation fails.
        """
        if self._caches.secrets.is_invalidated(place) or _may_import(token):
            return True
        if not self._watches_secrets:
            return token.status.serial is not None
        synced = conditions.find(token.status.conditions, ConditionType.SECRET_SYNCED)
        return synced is not None and synced.reason == Reason.SECRET_CONFLICT


def _expected(token: TokenFacts, memory: Memory) -> tuple[Credential, ...]:
    """Return the credentials of which one should be in the Secret, the newest first."""
    listed = sorted(token.status.credentials, key=lambda one: -one.serial)
    return (memory.minted, *listed) if memory.minted is not None else tuple(listed)


def _is_ahead(secret: SecretFacts | None, token: TokenFacts, memory: Memory) -> bool:
    """Return whether the token's *secret* holds a later credential than status, and not one of this process."""
    if secret is None or not secret.belongs_to(token):
        return False
    if memory.minted is not None and secret.holds(memory.minted):
        return False
    listed = (token.status.serial or 0, *(one.serial for one in token.status.credentials))
    return secret.serial > max(listed)


def _may_import(token: TokenFacts) -> bool:
    """Return whether its Secret, which proves earlier mints, decides about an import; also one without our label."""
    return token.spec is not None and token.spec.import_ is not None and token.status.serial is None

"""Where new tokens come from: drawn, signed, and kept in memory until they are delivered."""

from collections.abc import Callable

from servicetokens.api.service_token import Credential
from servicetokens.controllers.keyring import Keyring
from servicetokens.controllers.reconcile.memory import Memories
from servicetokens.kube.errors import ApiUnavailable
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.actions import Mint
from servicetokens.lifecycle.snapshot import Snapshot
from servicetokens.tokens.format import Token
from servicetokens.tokens.verifier import KeyRing


class TokenMint:
    """Mints what plans ask for."""

    def __init__(self, memories: Memories, keys: Keyring, make: Callable[[], Token]) -> None:
        """Let *make* draw each new token."""
        self._memories = memories
        self._keys = keys
        self._make = make

    def mint(self, key: Key, snapshot: Snapshot, wanted: Mint) -> Credential:
        """Return the credential of a new token; its plaintext is kept until status lists it as delivered.

        Raises:
            ApiUnavailable: the keys were lost since *snapshot* was made.
        """
        token = self._make()
        value = self._ring.sign(wanted.key_id, snapshot.token.uid, wanted.serial, token.reveal())
        credential = wanted.credential(token.id, value)
        # Before the first write, not after it: its answer may get lost on the way.
        account = snapshot.account
        self._memories.hold(key, credential, token, account.uid if account else None)
        return credential

    @property
    def _ring(self) -> KeyRing:
        ring = self._keys.ring
        if ring is None:
            # The queue comes back, and the plan will say KeyMissing.
            message = f"the keys are missing: {self._keys.error}"
            raise ApiUnavailable(message, may_have_been_applied=False)
        return ring

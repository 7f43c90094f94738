"""Find the token that an imported value is accepted for: the value contains no id to look up.

Not used for values that have the shape of our tokens, and without cost while nothing is imported. Otherwise
an unknown value costs one keyed hash for each key of imported values, of which there are a few.
"""

from collections.abc import Iterator

from servicetokens.authn.index import Index
from servicetokens.authn.records import Credential, TokenRecord
from servicetokens.tokens.imported import MAX_LENGTH, MIN_LENGTH, handle_of
from servicetokens.tokens.verifier import KeyRing


def handles(token: str, index: Index, keys: KeyRing) -> Iterator[str]:
    """Yield the handles that *token* has if it was imported, one for each key in question."""
    if index.imports_by_key and MIN_LENGTH <= len(token) <= MAX_LENGTH:
        for key_id in index.imports_by_key.keys() & keys.ids:
            yield handle_of(token, keys, key_id)


def find_imported(
    token: str, handle: str, index: Index, keys: KeyRing
) -> tuple[TokenRecord, Credential] | None:
    """Return the object and the credential that *token*, with that *handle*, was imported as.

    Of several that verify it, this is the one that was imported first, whatever its state: a user who knows
    another user's value and imports it as well can neither give it other roles nor outlive its revocation.
    """
    fitting = [
        (record, credential)
        for record in index.claims.claimants(handle)
        for credential in record.credentials
        if credential.id == handle
        and keys.verify(credential.verifier.hex(), credential.key_id, record.uid, credential.serial, token)
    ]
    return min(fitting, key=lambda one: (one[1].mint_time, one[0].uid), default=None)

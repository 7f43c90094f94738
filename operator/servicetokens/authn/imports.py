"""Finding the token that an imported value is accepted for: the value has no id in it that could be looked up.

Never asked about what has the shape of a token of ours, and free as long as nothing is imported. Otherwise a stranger's
value costs one keyed hash for each key that imported values hang on, of which there are a few.
"""

from collections.abc import Iterator

from servicetokens.authn.index import Index
from servicetokens.authn.records import Credential, TokenRecord
from servicetokens.tokens.imported import MAX_LENGTH, MIN_LENGTH, handle_of
from servicetokens.tokens.verifier import KeyRing


def handles(token: str, index: Index, keys: KeyRing) -> Iterator[str]:
    """Give the handles that *token* has if it was imported, one for each key in question."""
    if index.imports_by_key and MIN_LENGTH <= len(token) <= MAX_LENGTH:
        for key_id in index.imports_by_key.keys() & keys.ids:
            yield handle_of(token, keys, key_id)


def find_imported(
    token: str, handle: str, index: Index, keys: KeyRing
) -> tuple[TokenRecord, Credential] | None:
    """Return the object and the credential that *token*, with that *handle*, was imported as.

    Of several that verify it is the one that was imported first, whatever state it is in: whoever knows a value of
    somebody else can neither give it other roles by importing it, too, nor outlive its revocation.
    """
    fitting = [
        (record, credential)
        for record in index.claims.claimants(handle)
        for credential in record.credentials
        if credential.id == handle
        and keys.verify(credential.verifier.hex(), credential.key_id, record.uid, credential.serial, token)
    ]
    return min(fitting, key=lambda one: (one[1].mint_time, one[0].uid), default=None)

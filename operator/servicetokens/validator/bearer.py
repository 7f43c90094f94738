"""The token in an `Authorization` header (RFC 6750 section 2.1), and the challenges for requests without one.

Only syntax: the authenticator decides whether the token is valid.
"""

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

from servicetokens.validator.responses import Header

# Much longer than a minted token, and shorter than signed tokens of other systems, which cost no work. It also limits
# what may be imported (`tokens.imported.MAX_LENGTH`).
_MAX_HEADER: Final = 512
# One space and a b64token; the scheme in any case, as proxies pass it on (IGNORECASE takes twice the time).
_BEARER: Final = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9\-._~+/]+=*)[ \t]*")
_SCHEME: Final = re.compile(rb"bearer(?![!#$%&'*+.^_`|~0-9A-Za-z-])", re.IGNORECASE)

_REALM: Final = 'Bearer realm="servicetokens"'
_CHALLENGE: Final = "WWW-Authenticate"

NO_CREDENTIALS: Final[Header] = (_CHALLENGE, _REALM)
"""The challenge without an error, since no token was presented."""
INVALID_REQUEST: Final[Header] = (
    _CHALLENGE,
    f'{_REALM}, error="invalid_request", error_description="The request is malformed"',
)
INVALID_TOKEN: Final[Header] = (
    _CHALLENGE,
    f'{_REALM}, error="invalid_token", error_description="The access token is invalid"',
)
"""The same for every reason: a client must not learn what is known about a token."""


class Missing(Enum):
    """Why there is no token in the header."""

    NO_CREDENTIALS = "NoCredentials"
    """No header, or one for another scheme."""
    MALFORMED = "Malformed"
    """It is for our scheme, and not a single word."""


def find_token(header: bytes | None) -> str | Missing:
    """Return the token in an `Authorization` header, or why there is none."""
    if header is None:
        return Missing.NO_CREDENTIALS
    match = _BEARER.fullmatch(header) if len(header) <= _MAX_HEADER else None
    if match is not None:
        return match[1].decode("ascii")
    return Missing.MALFORMED if _SCHEME.match(header) else Missing.NO_CREDENTIALS


def insufficient_scope(roles: Iterable[str]) -> Header:
    """Return the challenge for a valid token that lacks one of *roles*."""
    scope = " ".join(roles)
    named = f', scope="{scope}"' if scope else ""
    return (_CHALLENGE, f'{_REALM}, error="insufficient_scope"{named}')

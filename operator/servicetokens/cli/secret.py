"""The value of a token, read from its Secret: only when the user requests it, or to compare."""

import base64
import binascii

from servicetokens.api import names
from servicetokens.cli.exits import Failure
from servicetokens.cli.session import Session
from servicetokens.cli.views import TokenView, text
from servicetokens.kube import paths
from servicetokens.kube.errors import Forbidden, NotFound
from servicetokens.tokens.format import MalformedToken, Token, parse_any


async def reveal(session: Session, token: TokenView) -> Token:
    """Return the value in the Secret of *token*. Raises `Failure` when there is none, or it must not be read."""
    try:
        secret = await session.cluster.get(paths.secrets(token.namespace, token.secret))
    except NotFound:
        message = f"the Secret '{token.secret}' does not exist yet; `describe {token.name}` says why"
        raise Failure(message) from None
    except Forbidden as error:
        message = f"you do not have permission to read the Secret '{token.secret}': {error.message}"
        raise Failure(message) from None
    try:
        value = base64.b64decode(
            text((secret.get("data") or {}).get(names.SECRET_KEY)), validate=True
        ).decode()
        return parse_any(value)
    except (binascii.Error, UnicodeDecodeError, MalformedToken) as error:
        message = f"the Secret '{token.secret}' holds no token: the operator repairs it, or its conditions say why not"
        raise Failure(message) from error

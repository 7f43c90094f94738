"""Errors of the API server in words for people who look at an installation."""

from typing import Final

from servicetokens.kube.errors import NotFound

NOT_INSTALLED: Final = (
    "this API server does not know servicetokens.dev: install the CRDs "
    "(`servicetokens crds | kubectl apply --server-side -f -`), or choose another cluster"
)


def explained(error: Exception) -> str:
    """Return what *error* means: the API server's own sentence, except when it only says that there is no such page."""
    return NOT_INSTALLED if isinstance(error, NotFound) and not error.names_object else str(error)

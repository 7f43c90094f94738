"""Where a credential comes from. Its id says so, and no other module looks at how an id begins."""

from enum import StrEnum
from typing import Final

_IMPORTED_PREFIX: Final = "imp-"


class Origin(StrEnum):
    """Who made the value of a credential."""

    #: The operator.
    MINTED = "Minted"
    #: Another system. The account accepts it until its cut-over.
    IMPORTED = "Imported"


def origin_of(credential_id: str) -> Origin:
    """Return where the credential with this id comes from."""
    return Origin.IMPORTED if credential_id.startswith(_IMPORTED_PREFIX) else Origin.MINTED


def imported_id(digits: str) -> str:
    """Return the id of an imported value. No token that was minted has a `-` in its id: the two never collide."""
    return f"{_IMPORTED_PREFIX}{digits}"

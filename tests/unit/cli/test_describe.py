"""What `describe` says about a credential."""

import pytest

from servicetokens.cli.describe import expiry
from servicetokens.cli.views import CredentialView

NOW = 1_800_000_000
DAY = 86_400


@pytest.mark.parametrize(
    ("end", "pending", "said"),
    [
        (NOW + 3 * DAY, False, ", expires in 3 days (2027-01-18T08:00:00Z)"),
        (NOW - 3 * DAY, False, ", expired 3 days ago (2027-01-12T08:00:00Z)"),
        (None, False, ", never expires"),
        (NOW + 3 * DAY, True, ""),
    ],
)
def test_a_credential_expires_has_expired_or_never_does(end: int | None, pending: bool, said: str) -> None:
    """In the tense that is true; nothing is said of one that is not delivered, whose lifetime has not begun."""
    credential = CredentialView("0123456789AB", 1, minted=NOW, end=end, is_pending=pending)
    assert expiry(credential, NOW) == said

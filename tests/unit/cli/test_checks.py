"""What `doctor` reads out of the bundle of CAs."""

import base64

import pytest

from servicetokens.cli.checks import _bundle_deadline
from servicetokens.controllers.pki.certificates import new_authority
from servicetokens.controllers.pki.issuing import AUTHORITY_DAYS, signs_until

DAY = 86400


def encoded(*authorities: bytes) -> str:
    """Return a bundle as a Secret holds it."""
    return base64.b64encode(b"".join(authorities)).decode()


def test_with_two_cas_the_deadline_is_when_the_issuer_lets_the_new_one_sign() -> None:
    """In whatever order they are; with one there is none."""
    old, new = new_authority(0, AUTHORITY_DAYS), new_authority(500 * DAY, AUTHORITY_DAYS)
    assert _bundle_deadline(encoded(new.certificate, old.certificate)) == signs_until(old)
    assert _bundle_deadline(encoded(old.certificate, new.certificate)) == signs_until(old)
    assert _bundle_deadline(encoded(old.certificate)) is None


@pytest.mark.parametrize("text", ["", "%%%", base64.b64encode(b"junk").decode()])
def test_a_bundle_that_cannot_be_read_has_no_deadline(text: str) -> None:
    """The certificate itself is judged by another check."""
    assert _bundle_deadline(text) is None

"""What `doctor` reads out of the bundle of CAs."""

import base64

import pytest
from cryptography import x509

from servicetokens.cli.checks import _bundle_deadline
from servicetokens.controllers.pki.certificates import Issued, new_authority, new_leaf
from servicetokens.controllers.pki.issuing import AUTHORITY_DAYS, LEAF_DAYS, signs_until

DAY = 86400


def encoded(*authorities: bytes) -> str:
    """Return a bundle as a Secret holds it."""
    return base64.b64encode(b"".join(authorities)).decode()


def test_with_two_cas_the_deadline_is_when_the_issuer_lets_the_new_one_sign() -> None:
    """In whatever order they are; with one there is none."""
    for made_at in (-(-AUTHORITY_DAYS * DAY * 2 // 3), 500 * DAY):
        old, new = new_authority(0, AUTHORITY_DAYS), new_authority(made_at, AUTHORITY_DAYS)
        leaf = leaf_of(old, 490)
        assert _bundle_deadline(encoded(new.certificate, old.certificate), leaf) == signs_until(old)
        assert _bundle_deadline(encoded(old.certificate, new.certificate), leaf) == signs_until(old)
        assert _bundle_deadline(encoded(old.certificate), leaf) is None


@pytest.mark.parametrize("lost_after", [3, 300, 486])
def test_after_a_ca_was_lost_the_deadline_is_when_the_issuer_makes_the_next_certificate(
    lost_after: int,
) -> None:
    """The new CA was made before its time; the old one signs nothing any more."""
    old, new = new_authority(0, AUTHORITY_DAYS), new_authority(lost_after * DAY, AUTHORITY_DAYS)
    leaf = leaf_of(old, lost_after - 2)
    deadline = (lost_after - 2) * DAY + LEAF_DAYS * DAY * 2 // 3
    assert _bundle_deadline(encoded(new.certificate, old.certificate), leaf) == deadline


def leaf_of(authority: Issued, day: int) -> x509.Certificate:
    """Return a certificate that *authority* has signed on that day."""
    return x509.load_pem_x509_certificate(
        new_leaf(authority, ["example.com"], day * DAY, LEAF_DAYS).certificate
    )


@pytest.mark.parametrize("text", ["", "%%%", base64.b64encode(b"junk").decode()])
def test_a_bundle_that_cannot_be_read_has_no_deadline(text: str) -> None:
    """The certificate itself is checked by another check."""
    assert _bundle_deadline(text, leaf_of(new_authority(0, AUTHORITY_DAYS), 0)) is None

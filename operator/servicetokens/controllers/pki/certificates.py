"""Create and read the certificates of the validator: ECDSA P-256, one CA above one leaf."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_ORGANIZATION: Final = "servicetokens.dev"
# So that clients whose clock is slightly late accept a new certificate, too.
_BACKDATED: Final = dt.timedelta(hours=1)
_DAY: Final = 86400
# Anything longer was not written by us: a chain of two certificates has 1.5 kB.
_MAX_PEM: Final = 64 * 1024


class UnreadableCertificate(ValueError):
    """A stored certificate or key cannot be used. The message has the reason, and quotes nothing."""


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, as they are stored. Times are Unix seconds; `begins` is when it was issued."""

    certificate: bytes
    key: bytes = field(repr=False)
    begins: int
    ends: int
    names: tuple[str, ...]

    @classmethod
    def read(cls, certificate: bytes, key: bytes) -> Self:
        """Read a pair in PEM.

        Raises:
            UnreadableCertificate: one of the two is invalid, or they do not belong together.
        """
        if len(certificate) > _MAX_PEM or len(key) > _MAX_PEM:
            message = "it is too large"
            raise UnreadableCertificate(message)
        try:
            found = x509.load_pem_x509_certificate(certificate)
            private = _private_key(key)
        except (ValueError, TypeError) as error:
            message = "certificate or key is not in PEM format"
            raise UnreadableCertificate(message) from error
        if private.public_key() != found.public_key():
            message = "certificate and key do not belong together"
            raise UnreadableCertificate(message)
        return cls._of(found, certificate, key)

    @classmethod
    def read_certificate(cls, certificate: bytes) -> Self:
        """Read a certificate without a key: it signs nothing any more. Raises `UnreadableCertificate`."""
        if len(certificate) > _MAX_PEM:
            message = "it is too large"
            raise UnreadableCertificate(message)
        try:
            found = x509.load_pem_x509_certificate(certificate)
        except ValueError as error:
            message = "it is no certificate in PEM format"
            raise UnreadableCertificate(message) from error
        return cls._of(found, certificate, b"")

    @classmethod
    def _of(cls, found: x509.Certificate, certificate: bytes, key: bytes) -> Self:
        begins = found.not_valid_before_utc + _BACKDATED
        return cls(
            certificate,
            key,
            int(begins.timestamp()),
            int(found.not_valid_after_utc.timestamp()),
            _names_of(found),
        )

    def has_begun(self, now: int) -> bool:
        """Return whether clients accept it at *now* (Unix seconds); they do from slightly before `begins`."""
        return self.begins - int(_BACKDATED.total_seconds()) <= now

    def is_signed_by(self, authority: "Issued") -> bool:
        """Return whether *authority* has issued it."""
        mine = x509.load_pem_x509_certificate(self.certificate)
        try:
            mine.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate))
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def new_authority(now: int, days: int) -> Issued:
    """Create a CA that is valid for *days* from *now* (Unix seconds)."""
    key = ec.generate_private_key(ec.SECP256R1())
    # The time is part of the name, so that no chain is ever built with a CA of the same name and another key.
    moment = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
    name = _name(f"servicetokens validator CA {moment}")
    builder = (
        _builder(name, name, key, now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
    )
    return _signed(builder, key, key)


def new_leaf(authority: Issued, names: Sequence[str], now: int, days: int) -> Issued:
    """Create the validator's certificate for *names*, DNS names and IP addresses; it expires no later than its CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    parent = x509.load_pem_x509_certificate(authority.certificate)
    signer = _private_key(authority.key)
    builder = (
        _builder(
            _name("servicetokens validator"),
            parent.subject,
            key,
            now,
            min(days, (authority.ends - now) // _DAY),
        )
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    return _signed(builder, key, signer)


def split_pem(bundle: bytes) -> list[bytes]:
    """Return the certificates or keys of a bundle, one by one."""
    end = b"-----END "
    parts, rest = [], bundle[:_MAX_PEM]
    while end in rest:
        head, _, tail = rest.partition(end)
        label, _, rest = tail.partition(b"-----")
        parts.append(head.lstrip() + end + label + b"-----\n")
    return parts


def _private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Read a key of the type that we create. Raises ValueError and TypeError."""
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        message = "it is another kind of key"
        raise TypeError(message)
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: int, days: int
) -> x509.CertificateBuilder:
    moment = dt.datetime.fromtimestamp(now, dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _BACKDATED)
        .not_valid_after(moment + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> Issued:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    certificate = builder.add_extension(authority, critical=False).sign(signer, hashes.SHA256())
    return Issued.read(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def _usage(*, key_cert_sign: bool = False, digital_signature: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in found)

"""TLS of the listeners: who is accepted, what is shown, and what a replaced file changes."""

import shutil
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from controlplane.certificates import CertificateAuthority, KeyPair
from servicetokens.validator.tls import (
    CertificateFiles,
    ClientNames,
    ListenerTls,
    ServerTls,
    UnusableCertificate,
)

# A handshake of TLS 1.3 takes three flights; one that takes more hangs.
FLIGHTS = 10


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    """Signs servers and clients."""
    return CertificateAuthority(tmp_path / "pki", "first-ca")


@pytest.fixture
def files(authority: CertificateAuthority, tmp_path: Path) -> CertificateFiles:
    """What a validator is given: copies, so that they can be replaced."""
    return written(authority.server("one"), tmp_path)


def written(pair: KeyPair, directory: Path, client_ca: Path | None = None) -> CertificateFiles:
    """Put *pair* where the validator looks."""
    certificate, key = directory / "tls.crt", directory / "tls.key"
    shutil.copy(pair.certificate, certificate)
    shutil.copy(pair.key, key)
    return CertificateFiles(certificate, key, client_ca)


def shaken(server: ServerTls, client: ssl.SSLContext) -> bytes:
    """Shake hands in memory, and return the certificate that the server showed. Raises what either side raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.context.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    waiting = [theirs, ours]
    for _ in range(FLIGHTS):
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
        if not waiting:
            return theirs.getpeercert(binary_form=True) or b""
    message = "the handshake hangs"
    raise AssertionError(message)


def client_of(authority: CertificateAuthority, pair: KeyPair | None = None) -> ssl.SSLContext:
    """Return a client that trusts *authority*, and shows *pair* when asked."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def test_a_replaced_certificate_is_shown_to_who_comes_next(
    authority: CertificateAuthority, files: CertificateFiles, tmp_path: Path
) -> None:
    """Without a new listener; and nothing is read again while nothing has changed."""
    server, client = ServerTls(files), client_of(authority)
    before = shaken(server, client)
    assert not server.refresh()
    written(authority.server("two"), tmp_path)
    assert server.refresh()
    assert shaken(server, client) not in {before, b""}


def test_half_of_a_replacement_changes_nothing(
    authority: CertificateAuthority, files: CertificateFiles
) -> None:
    """The certificate is there and its key is not yet: the old pair stays in use until both fit."""
    server, client = ServerTls(files), client_of(authority)
    before, second = shaken(server, client), authority.server("two")
    shutil.copy(second.certificate, files.certificate)
    with pytest.raises(UnusableCertificate, match="cannot be used together"):
        server.refresh()
    assert shaken(server, client) == before
    shutil.copy(second.key, files.key)
    assert server.refresh()
    assert shaken(server, client) != before


def test_a_deleted_file_changes_nothing(authority: CertificateAuthority, files: CertificateFiles) -> None:
    """It is informed, and the old pair stays in use."""
    server, client = ServerTls(files), client_of(authority)
    before = shaken(server, client)
    files.key.unlink()
    with pytest.raises(UnusableCertificate, match=r"tls\.key"):
        server.refresh()
    assert shaken(server, client) == before


def test_files_that_cannot_be_used_are_named(files: CertificateFiles, tmp_path: Path) -> None:
    """Each with its reason; an encrypted key does not ask the terminal."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    encrypted = tmp_path / "encrypted.key"
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"word"),
        )
    )
    for broken, words in (
        (CertificateFiles(nonsense, files.key), "nonsense.pem"),
        (CertificateFiles(files.certificate, nonsense), "nonsense.pem"),
        (CertificateFiles(files.certificate, encrypted), "is encrypted"),
        (CertificateFiles(files.certificate, files.key, nonsense), "client CA .*nonsense.pem"),
        (CertificateFiles(files.certificate, files.key, tmp_path / "absent"), "absent"),
    ):
        with pytest.raises(UnusableCertificate, match=words):
            ServerTls(broken)


def test_with_a_client_ca_only_its_clients_come_in(
    authority: CertificateAuthority, files: CertificateFiles, tmp_path: Path
) -> None:
    """Neither unknown clients nor who shows nothing; and a replaced CA is asked about the next client."""
    second = CertificateAuthority(tmp_path / "pki2", "second-ca")
    client_ca = tmp_path / "client-ca.crt"
    shutil.copy(authority.certificate, client_ca)
    server = ServerTls(CertificateFiles(files.certificate, files.key, client_ca))
    known = client_of(authority, authority.client("proxy"))
    stranger = client_of(authority, second.client("proxy"))
    assert shaken(server, known)
    for refused in (stranger, client_of(authority)):
        with pytest.raises(ssl.SSLError):
            shaken(server, refused)
    shutil.copy(second.certificate, client_ca)
    assert server.refresh()
    assert shaken(server, stranger)
    with pytest.raises(ssl.SSLError):
        shaken(server, known)


@pytest.mark.parametrize(
    ("certificate", "served"),
    [
        ({"subjectAltName": (("DNS", "apiserver"),)}, True),
        ({"subjectAltName": (("URI", "spiffe://x/apiserver"),)}, True),
        ({"subject": ((("commonName", "apiserver"),),)}, True),
        ({"subjectAltName": (("DNS", "other"),), "subject": ((("commonName", "apiserver"),),)}, False),
        ({"subjectAltName": (("IP Address", "apiserver"),)}, False),
        ({"subject": ((("organizationName", "apiserver"),),)}, False),
        ({}, False),
        (None, False),
    ],
)
def test_only_clients_with_an_allowed_name_are_served(
    certificate: dict[str, object] | None, served: bool
) -> None:
    """The common name counts only where there is nothing better."""
    assert ClientNames(("apiserver", "spiffe://x/apiserver")).admit(certificate) is served
    assert ClientNames(()).admit(certificate), "without names, all"


def test_only_one_listener_requests_client_certificates(
    authority: CertificateAuthority, files: CertificateFiles
) -> None:
    """kube-apiserver shows a certificate; services that introspect show a token."""
    tls = ListenerTls(files.certificate, files.key, authority.certificate)
    assert tls.token_review.context.sni_callback is not None
    shaken(tls.introspection, client_of(authority))
    with pytest.raises(ssl.SSLError):
        # TLS 1.3 tells the client only when it reads.
        shaken(tls.token_review, client_of(authority))
    assert tls.refresh() is False


def test_the_end_of_the_certificate_is_known_and_follows_a_reload(
    authority: CertificateAuthority, files: CertificateFiles, tmp_path: Path
) -> None:
    """Also on the listener that asks for client certificates, without one."""
    for served in (files, CertificateFiles(files.certificate, files.key, authority.certificate)):
        server = ServerTls(served)
        shown = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        assert server.end == shown.not_valid_after_utc.timestamp()

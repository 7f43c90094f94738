"""TLS of the listeners: certificate and key from files, read again when they change."""

import asyncio
import socket
import ssl
from asyncio import sslproto
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Fingerprint = tuple[tuple[int, int, int], ...]
_ALPN: Final = ["http/1.1"]
"""Not h2: kube-apiserver would send all its requests over one connection, that is to one replica."""

# A TLS record holds as much (RFC 8446 section 5.1). asyncio would reserve 256 KiB for each connection, before its first
# byte: a thousand silent connections would be 300 MB.
_BUFFER: Final = 16 * 1024


class UnusableCertificate(ValueError):
    """Certificate, key or CA cannot be used. The message names the file and the reason."""


@dataclass(frozen=True)
class CertificateFiles:
    """The files; with `client_ca`, clients must present a certificate that it has signed."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def fingerprint(self) -> Fingerprint:
        """Return what changes whenever a file does; a mounted Secret is replaced as a whole, by a link.

        Raises:
            OSError: one does not exist.
        """
        found = [path.stat() for path in (self.certificate, self.key, self.client_ca) if path]
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in found)


class ServerTls:
    """A context for a listener whose certificate can be replaced while it is in use.

    Each handshake uses the newest context. Open connections keep theirs.
    """

    def __init__(self, files: CertificateFiles) -> None:
        """Read the files.

        Raises:
            UnusableCertificate: see there.
        """
        self._files = files
        self._seen = self._fingerprint()
        self._newest = _make_context(files)
        self.end = _read_end(self._newest, files.certificate)
        """When the certificate that is shown now expires, in Unix seconds."""
        self.context = _make_context(files)
        self.context.sni_callback = self._hand_over

    def refresh(self) -> bool:
        """Read the files again if one has changed, and return whether one had.

        Raises:
            UnusableCertificate: they cannot be used together, perhaps since only one of the two is written yet. The
                previous ones stay in use.
        """
        seen = self._fingerprint()
        if seen == self._seen:
            return False
        self._seen = seen
        self._newest = _make_context(self._files)
        self.end = _read_end(self._newest, self._files.certificate)
        return True

    def _hand_over(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self._newest

    def _fingerprint(self) -> Fingerprint:
        try:
            return self._files.fingerprint()
        except OSError as error:
            raise _unreadable(error) from error


class ListenerTls:
    """The TLS settings of the listeners: the same certificate; only kube-apiserver's callers present one of their own.

    Services that introspect authenticate with a token.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        """Read the files.

        Raises:
            UnusableCertificate: see there.
        """
        self.token_review = ServerTls(CertificateFiles(certificate, key, client_ca))
        self.introspection = ServerTls(CertificateFiles(certificate, key))

    def refresh(self) -> bool:
        """See `ServerTls`."""
        changed = [self.token_review.refresh(), self.introspection.refresh()]
        return any(changed)


class ClientNames:
    """Which certificates of the right CA are accepted: all, or those with one of these names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = frozenset(names)

    def admit(self, certificate: Mapping[str, Any] | None) -> bool:
        """Return whether its holder is accepted; *certificate* is as `ssl.SSLSocket.getpeercert` gives it.

        The names are those of the subjectAltName (DNS and URI); the common name counts only where there is none, as for
        servers (RFC 9110 section 4.3.4). Compared as written.
        """
        if not self._names:
            return True
        certificate = certificate or {}
        alternatives = certificate.get("subjectAltName", ())
        found = {value for kind, value in alternatives if kind in {"DNS", "URI"}}
        if not alternatives:
            found = {
                value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"
            }
        return not self._names.isdisjoint(found)


class _SmallBuffer(sslproto.SSLProtocol):
    """TLS of one connection; `max_size` is what asyncio calls the size of its buffer."""

    max_size = _BUFFER


async def accept_tls(
    accepted: socket.socket,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    *,
    handshake_seconds: float,
    goodbye_seconds: float,
) -> None:
    """Start *protocol* on a connection after its handshake; at most these seconds for it, and for the end of TLS.

    The same as `connect_accepted_socket`, with a smaller buffer.

    Raises:
        OSError: the handshake failed or took too long; the connection is closed.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    tls = _SmallBuffer(
        loop,
        protocol,
        context,
        done,
        server_side=True,
        ssl_handshake_timeout=handshake_seconds,  # type: ignore[arg-type] # any number, as everywhere in asyncio
        ssl_shutdown_timeout=goodbye_seconds,
    )
    transport, _ = await loop.connect_accepted_socket(lambda: tls, accepted)
    try:
        await done
    except BaseException:
        transport.abort()
        raise


def _make_context(files: CertificateFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(_ALPN)
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except ssl.SSLError as error:
        message = (
            f"the certificate {files.certificate} and the key {files.key} cannot be used together "
            f"({error.reason or 'not in PEM format'})"
        )
        raise UnusableCertificate(message) from error
    except OSError as error:
        raise _unreadable(error) from error
    except ValueError as error:
        message = f"the key {files.key} is encrypted; a key without password is needed"
        raise UnusableCertificate(message) from error
    if files.client_ca:
        _demand_client_certificates(context, files.client_ca)
    return context


def _read_end(context: ssl.SSLContext, certificate: Path) -> float:
    """Return when the certificate that *context* shows expires, in Unix seconds; 0 if it has, or is not valid yet.

    The ssl module decodes only the certificate of a peer, so we connect to ourselves for a moment, in memory; a library
    that reads the file would cost every validator 10 MB.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    peer = client.wrap_bio(to_client, to_server)
    for side in (peer, server, peer):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError:
            return 0.0
    found = peer.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(found["notAfter"])))


def _demand_client_certificates(context: ssl.SSLContext, client_ca: Path) -> None:
    try:
        context.load_verify_locations(client_ca)
    except ssl.SSLError as error:
        message = f"the client CA {client_ca} cannot be used ({error.reason or 'not in PEM format'})"
        raise UnusableCertificate(message) from error
    except OSError as error:
        raise _unreadable(error) from error
    context.verify_mode = ssl.CERT_REQUIRED
    # A resumed session is not verified again, and would outlive a removed CA.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET


def _no_password() -> str:
    # Without this, OpenSSL would prompt on the terminal.
    raise ValueError


def _unreadable(error: OSError) -> UnusableCertificate:
    return UnusableCertificate(f"cannot read {error.filename}: {error.strerror}")

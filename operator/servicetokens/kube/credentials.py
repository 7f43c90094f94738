"""Convert the entries of a kubeconfig's context to what a connection needs: TLS, headers, and their expiration.

The order of credentials is client-go's: a token file, a token, a password, an auth provider, an exec plugin; client
certificates are sent together with any of them.
"""

import base64
import contextlib
import os
import re
import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from yarl import URL

from servicetokens.kube import execplugin
from servicetokens.kube.entries import AuthProvider, ClusterEntry, UserEntry
from servicetokens.kube.kubeconfig import decode_data
from servicetokens.kube.trust import trust

Headers = tuple[tuple[str, str], ...]

# client-go reads a token file again as often.
FILE_SECONDS: Final = 60.0
# A token that expires while a request is on its way would be rejected.
_MARGIN: Final = 10
_MAX_FILE: Final = 1024 * 1024
# The value of a header cannot contain these (RFC 9110).
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# The characters of a header's name (RFC 9110), except `%`, by which the rest is escaped.
_PLAIN: Final = re.compile(rb"[0-9A-Za-z!#$&'*+.^_`|~-]")


@dataclass(frozen=True, slots=True)
class Impersonation:
    """The user that requests act as, instead of their sender; empty for no impersonation."""

    user: str = ""
    uid: str = ""
    groups: Sequence[str] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def over(self, entry: UserEntry) -> "Impersonation":
        """Return the same, with missing parts from a kubeconfig's *entry*, as kubectl's options do."""
        return Impersonation(
            self.user or entry.impersonate,
            self.uid or entry.as_uid,
            tuple(self.groups) or tuple(entry.as_groups or ()),
            self.extra or entry.as_user_extra or {},
        )

    def headers(self) -> Headers:
        """Return the impersonation headers. Raises `ValueError` when there are groups, but no user."""
        if not self.user:
            if self.uid or self.groups or self.extra:
                message = "--as-group, --as-uid and --as-user-extra need --as USER"
                raise ValueError(message)
            return ()
        found = [("Impersonate-User", self.user)]
        if self.uid:
            found.append(("Impersonate-Uid", self.uid))
        found += [("Impersonate-Group", group) for group in self.groups]
        for key, values in self.extra.items():
            found += [(f"Impersonate-Extra-{_escaped(key)}", value) for value in values]
        if any(_CONTROL.search(value) for _, value in found):
            message = (
                "the user or group to impersonate must not contain a line break or another control character"
            )
            raise ValueError(message)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Login:
    """How a user authenticates at this moment. *max_age* is in seconds; None means until it is rejected."""

    authorization: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    max_age: float | None = None


async def log_in(user: UserEntry, cluster: ClusterEntry, now: int) -> Login:
    """Return how *user* authenticates at *now* (Unix seconds); runs the exec plugin. Raises `ValueError`."""
    certificate = _material("client-certificate", user.client_certificate_data, user.client_certificate)
    key = _material("client-key", user.client_key_data, user.client_key)
    if user.token_file:
        return Login(f"Bearer {_of_file(user)}", certificate, key, FILE_SECONDS)
    if user.token:
        return Login(f"Bearer {user.token.strip()}", certificate, key)
    if user.username or user.password:
        return Login(_basic(user.username, user.password), certificate, key)
    if user.auth_provider is not None:
        return Login(f"Bearer {_id_token(user.auth_provider, now)}", certificate, key)
    # As in client-go, a certificate in the file is enough: no plugin is run for another credential.
    if user.exec is not None and not certificate:
        authority = authority_of(cluster) if user.exec.provide_cluster_info else b""
        made = await execplugin.run(user.exec, cluster, authority)
        age = None if made.expires is None else max(0.0, made.expires - now - _MARGIN)
        bearer = f"Bearer {made.token}" if made.token else ""
        return Login(bearer, made.certificate, made.key, age)
    return Login("", certificate, key)


def authority_of(cluster: ClusterEntry) -> bytes:
    """Return the certificates that the server is verified with; empty for those of the system. Raises `ValueError`."""
    return _material(
        "certificate-authority", cluster.certificate_authority_data, cluster.certificate_authority
    )


def tls_for(cluster: ClusterEntry, authority: bytes, login: Login) -> ssl.SSLContext:
    """Return the TLS settings: how the server is verified, and our client certificate. Raises `ValueError`."""
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = cluster.tls_server_name or None
    context.set_alpn_protocols(["http/1.1"])
    # As in Go: a trusted certificate need not be self-signed.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if cluster.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        _trust(context, authority)
    if login.certificate:
        _show(context, login.certificate, login.key)
    return context


class _NamedContext(ssl.SSLContext):
    """Expects the certificate of *name* (`tls-server-name`), whatever the address is; also behind a proxy."""

    name: str | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the signature of the standard library
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """See `ssl.SSLContext`; event loops make every connection with it."""
        return super().wrap_bio(incoming, outgoing, server_side, self.name or server_hostname, session)


def _trust(context: ssl.SSLContext, authority: bytes) -> None:
    if not authority:
        context.load_default_certs()
        return
    if not trust(context, authority):
        message = "certificate-authority holds no certificate in PEM"
        raise ValueError(message)


def _show(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    def reject_password() -> bytes:
        message = "the client key is encrypted, which is not supported"
        raise ValueError(message)

    try:
        with _as_file(certificate) as certificate_file, _as_file(key) as key_file:
            context.load_cert_chain(certificate_file, key_file, password=reject_password)
    except ssl.SSLError:
        message = "the client certificate and its key are not PEM, or do not belong together"
        raise ValueError(message) from None


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Provide a file with *content* for the ssl module: in memory on Linux, else readable for our user only."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("servicetokens")
        path = f"/proc/self/fd/{handle}"
    else:  # pragma: no cover - not on Linux
        handle, path = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            yield path
    finally:
        if not path.startswith("/proc/"):  # pragma: no cover - not on Linux
            Path(path).unlink()


def _material(field: str, data: str, path: str) -> bytes:
    """Return the content of a `…-data` field or else of a file; data wins, as with kubectl."""
    if data:
        return decode_data(f"{field}-data", data)
    return _bytes(path) if path else b""


def _bytes(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(_MAX_FILE)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise ValueError(message) from None


def _of_file(user: UserEntry) -> str:
    """Return the token in the file; the inline token is used while there is no file."""
    if user.token and not Path(user.token_file).exists():
        return user.token.strip()
    return _text(user.token_file)


def _text(path: str) -> str:
    try:
        found = _bytes(path).decode("ascii").strip()
    except UnicodeDecodeError:
        message = f"{path} holds no token"
        raise ValueError(message) from None
    if not found:
        message = f"{path} is empty"
        raise ValueError(message)
    return found


def of_address(server: URL) -> str:
    """Return the header for the user in *server*, empty for none; as in Go, other credentials take precedence."""
    if not server.user and not server.password:
        return ""
    return _basic(server.user or "", server.password or "")


def _basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode('ascii')}"


def _id_token(provider: AuthProvider, now: int) -> str:
    """Return the token of the auth provider `oidc`, which kubectl renews in the file; used until it expires."""
    if provider.name != "oidc":
        message = f"auth-provider '{provider.name}' is not supported: use an exec plugin or a token"
        raise ValueError(message)
    token = (provider.config or {}).get("id-token", "")
    try:
        payload = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        end = claims["exp"]
        is_over = end <= now
    except (IndexError, KeyError, TypeError, ValueError):
        is_over = True
    if is_over:
        message = "the id-token of auth-provider 'oidc' has expired: run any kubectl command, which renews it"
        raise ValueError(message)
    return token


def _escaped(key: str) -> str:
    """Return a key of `extra` as part of a header's name, percent-encoded as client-go does."""
    return "".join(
        chr(byte) if _PLAIN.match(bytes((byte,))) else f"%{byte:02X}" for byte in key.encode("utf-8")
    )

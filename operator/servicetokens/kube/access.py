"""How the API server is reached and which credentials we use: from a kubeconfig file, or from inside a pod.

A pod needs only two small files, which are read here; the code for kubeconfigs is imported only when one is used.
"""

import contextlib
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from yarl import URL

from servicetokens.kube.errors import NotConfigured
from servicetokens.kube.overrides import Overrides
from servicetokens.kube.trust import trust
from servicetokens.runtime.clock import Clock, SystemClock

if TYPE_CHECKING:
    from servicetokens.kube.credentials import Impersonation
    from servicetokens.kube.kubeconfig import Chosen

SERVICE_ACCOUNT_DIRECTORY: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# The default file of users. Processes in a cluster never read it.
PERSONAL_KUBECONFIG: Final = Path("~/.kube/config")
_MAX_PORT: Final = 65535
_NO_OVERRIDES: Final = Overrides()
# The port after the colon of an authority; an IPv6 address is in brackets.
_PORT: Final = re.compile(r"^[a-z]+://(?:[^/?#@]*@)?(?:\[[^\]]*\]|[^/?#:\[\]]*):([^/?#]*)")
_BARE_IPV6: Final = re.compile(r"^[a-z]+://(?:[^/?#@]*@)?[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:[/?#]|$)")
# The kubelet replaces the projected token at 80 % of its lifetime; client-go, too, reads it again once a minute.
_POD_TOKEN_AGE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Access:
    """An API server and our credentials for it, at one moment."""

    server: URL
    tls: ssl.SSLContext | bool
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    proxy: URL | None = field(default=None, repr=False)


class AccessSource(Protocol):
    """A source of `Access`, which can be loaded repeatedly."""

    max_age: float | None
    """Seconds after which `load` should be called again even though nothing failed; None is never."""

    async def load(self) -> Access:
        """Read everything again.

        Raises:
            NotConfigured: something is missing or unreadable.
        """
        ...


def find_source(
    kubeconfig: str | None,
    environment: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT_DIRECTORY,
    *,
    context: str | None = None,
    impersonation: "Impersonation | None" = None,
    overrides: Overrides = _NO_OVERRIDES,
    personal: bool = False,
) -> AccessSource:
    """Return the source to use: the file *kubeconfig*, else `$KUBECONFIG`, else the pod's own service account.

    With *personal*, `~/.kube/config` comes before the pod, and in a pod, files that do not exist or are empty count as
    none, both as with kubectl; a file that is named and does not exist is an error anywhere. *context*, *impersonation*
    and *overrides* come from the command line; a server among them needs neither a file nor a pod.

    Raises:
        NotConfigured: none of them exists.
    """
    files = find_files(kubeconfig, environment, personal=personal)
    if (
        personal
        and not overrides.server
        and _is_blank_in_pod(kubeconfig, files, environment, service_account)
    ):
        files = ()
    if overrides.server and kubeconfig and not files[0].exists():
        message = f"the kubeconfig {files[0]} does not exist; use --kubeconfig FILE"
        raise NotConfigured(message)
    if files or overrides.server:
        return KubeconfigSource(files, context, impersonation, environment, overrides=overrides)
    if context:
        message = f"there is no kubeconfig, so there is no context '{context}'"
        raise NotConfigured(message)
    if environment.get("KUBERNETES_SERVICE_HOST"):
        if unused := overrides.given(but=("token",)):
            message = f"there is no kubeconfig, and the pod's service account cannot be used with {unused[0]}"
            raise NotConfigured(message)
        return PodSource(environment, service_account, impersonation, overrides.token)
    message = "not in a pod, and neither --kubeconfig nor $KUBECONFIG names a file; use --kubeconfig FILE"
    raise NotConfigured(message)


def find_files(
    kubeconfig: str | None, environment: Mapping[str, str] = os.environ, *, personal: bool = False
) -> tuple[Path, ...]:
    """Return the kubeconfig files that kubectl would merge; empty where there is no kubeconfig."""
    # A user without an entry in passwd has no home directory; container runtimes set it to this value.
    os.environ.setdefault("HOME", "/")
    if kubeconfig:
        return (Path(kubeconfig).expanduser(),)
    if listed := environment.get("KUBECONFIG"):
        named = tuple(dict.fromkeys(Path(one).expanduser() for one in listed.split(os.pathsep) if one))
        if named:
            return named
    default = PERSONAL_KUBECONFIG.expanduser()
    return (default,) if personal and default.is_file() else ()


def _is_pod(environment: Mapping[str, str], service_account: Path) -> bool:
    return bool(environment.get("KUBERNETES_SERVICE_HOST")) and (service_account / "token").is_file()


def _is_blank_in_pod(
    kubeconfig: str | None, files: Sequence[Path], environment: Mapping[str, str], service_account: Path
) -> bool:
    """Say whether the *files* have no content, and a pod's service account exists, as client-go decides it."""
    if not files or not _is_pod(environment, service_account):
        return False
    if kubeconfig and not files[0].exists():
        return False
    from servicetokens.kube import kubeconfig as reading  # noqa: PLC0415 - see the module's docstring

    try:
        return reading.is_blank(files)
    except NotConfigured:
        # What is wrong with it is said when it is used.
        return False


def find_namespace(
    kubeconfig: str | None,
    context: str | None = None,
    environment: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT_DIRECTORY,
    overrides: Overrides = _NO_OVERRIDES,
) -> str | None:
    """Return the namespace that a user works in: that of the *context* (else the current one), else the pod's.

    The pod's is `$POD_NAMESPACE`, as for kubectl, else the one that the kubelet has mounted.

    None when nothing names one. An unreadable file counts as naming none; connecting with it fails with a message.
    """
    files = find_files(kubeconfig, environment, personal=True)
    if not files or (
        not overrides.server and _is_blank_in_pod(kubeconfig, files, environment, service_account)
    ):
        if overrides.server:
            return None
        if _is_pod(environment, service_account) and environment.get("POD_NAMESPACE"):
            return environment["POD_NAMESPACE"]
        path = service_account / "namespace"
        return path.read_text("ascii").strip() if path.is_file() else None
    from servicetokens.kube import kubeconfig as reading  # noqa: PLC0415 - see the module's docstring

    try:
        return reading.load(files, context, overrides).namespace or None
    except NotConfigured:
        return None


class PodSource:
    """The service account that the kubelet mounts into the pod. The API server is reached without a proxy."""

    max_age: float | None = _POD_TOKEN_AGE

    def __init__(
        self,
        environment: Mapping[str, str],
        directory: Path,
        impersonation: "Impersonation | None" = None,
        token: str = "",
    ) -> None:
        self._server = _pod_server(
            environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT") or "443"
        )
        self._directory = directory
        self._token = token
        self._impersonation = impersonation
        self._authority = b""
        self._tls: ssl.SSLContext | None = None

    async def load(self) -> Access:
        """See `AccessSource`.

        The TLS context stays the same object while the authority is the same: open connections are reused.
        """
        try:
            token = self._token or (self._directory / "token").read_text("ascii").strip()
            authority = (self._directory / "ca.crt").read_bytes()
            if self._tls is None or authority != self._authority:
                self._tls, self._authority = _trusting(authority), authority
            impersonated = self._impersonation.headers() if self._impersonation is not None else ()
        except OSError as error:
            message = (
                f"the pod's service account in {self._directory} cannot be read: {error.strerror or error}"
            )
            raise NotConfigured(message) from error
        except ValueError as error:
            message = f"the pod's service account in {self._directory} cannot be read: {error}"
            raise NotConfigured(message) from error
        return Access(self._server, self._tls, (("Authorization", f"Bearer {token}"), *impersonated))


class KubeconfigSource:
    """One kubeconfig, or several that are merged."""

    def __init__(
        self,
        files: Sequence[Path],
        context: str | None = None,
        impersonation: "Impersonation | None" = None,
        environment: Mapping[str, str] = os.environ,
        clock: Clock | None = None,
        overrides: Overrides = _NO_OVERRIDES,
    ) -> None:
        self.max_age: float | None = None
        self._files = tuple(files)
        self._context = context
        self._impersonation = impersonation
        self._environment = environment
        self._clock = clock or SystemClock()
        self._overrides = overrides
        self._tls: ssl.SSLContext | bool = True
        self._trust: object = None

    async def load(self) -> Access:
        """See `AccessSource`. Runs the file's exec plugin, if it names one."""
        from servicetokens.kube import kubeconfig  # noqa: PLC0415 - see the module's docstring

        chosen = kubeconfig.load(self._files, self._context, self._overrides)
        try:
            return await self._read(chosen)
        except ValueError as error:
            what = f"kubeconfig context '{chosen.context}'" if chosen.context else "command line"
            message = f"the {what} cannot be used: {error}"
            raise NotConfigured(message) from error

    async def _read(self, chosen: "Chosen") -> Access:
        from servicetokens.kube import credentials  # noqa: PLC0415 - see the module's docstring
        from servicetokens.kube.proxying import find_proxy  # noqa: PLC0415 - as above

        server = _server(chosen.cluster.server)
        proxy = find_proxy(server, chosen.cluster.proxy_url, self._environment)
        impersonation = (self._impersonation or credentials.Impersonation()).over(chosen.user)
        impersonated = impersonation.headers()
        login = credentials.Login()
        if server.scheme == "https":
            # As in client-go: without TLS, the network could read the credentials in the file.
            login = await credentials.log_in(chosen.user, chosen.cluster, self._clock.now())
        authority = credentials.authority_of(chosen.cluster)
        trust = (chosen.cluster, authority, login.certificate, login.key)
        if server.scheme == "https" and trust != self._trust:
            # The same object as long as nothing changes: open connections are reused.
            self._tls, self._trust = credentials.tls_for(chosen.cluster, authority, login), trust
        self.max_age = login.max_age
        header = login.authorization or credentials.of_address(server)
        authorization = (("Authorization", header),) if header else ()
        # Without the password, which must not appear in messages about the server.
        return Access(server.with_user(None), self._tls, (*authorization, *impersonated), proxy)


def _trusting(authority: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not trust(context, authority):
        message = "ca.crt holds no certificate in PEM"
        raise ValueError(message)
    return context


def _pod_server(host: str, port: str) -> URL:
    try:
        return URL.build(scheme="https", host=host, port=_port(port))
    except ValueError:
        message = (
            "$KUBERNETES_SERVICE_HOST and $KUBERNETES_SERVICE_PORT are no address and port of the API server"
        )
        raise NotConfigured(message) from None


def _port(text: str) -> int:
    """Parse a TCP port. Raises `ValueError` for an invalid one."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _MAX_PORT):
        message = f"the port must be a number from 1 to {_MAX_PORT}"
        raise ValueError(message)
    return int(text)


def _server(text: str) -> URL:
    # As in client-go, an address without a scheme is that of a plain HTTP server.
    whole = text.strip() if "://" in text else f"http://{text.strip()}"
    if _BARE_IPV6.search(whole) is not None:
        message = "the cluster's server: an IPv6 address needs brackets, as in https://[::1]:6443"
        raise ValueError(message)
    if (found := _PORT.search(whole)) is not None:
        try:
            _port(found[1])
        except ValueError as error:
            # It is not quoted: it may contain a password.
            message = f"the cluster's server: {error}"
            raise ValueError(message) from None
    with contextlib.suppress(ValueError):
        server = URL(whole)
        if server.scheme in {"http", "https"} and server.host and server.port is not None:
            return server.with_path(server.path.rstrip("/"))
    message = "the cluster's server is not an http:// or https:// URL"
    raise ValueError(message)

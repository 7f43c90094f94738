"""How the API server is reached and who we are to it: from inside a pod, or by a kubeconfig file.

Inside a pod two small files are all there is, and they are read here; the official client is imported only
for a kubeconfig, whose many ways to log in (exec plugins, OpenID Connect, token files) are its strength.
Importing it takes 16 MB, a quarter of the validator's memory.
"""

import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from yarl import URL

from servicetokens.kube.errors import NotConfigured

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

SERVICE_ACCOUNT_DIRECTORY: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# The kubelet replaces the projected token at 80 % of its life; client-go reads it again once a minute too.
_POD_TOKEN_AGE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Access:
    """An API server and our credentials for it, at one moment."""

    server: URL
    tls: ssl.SSLContext | bool
    authorization: str | None = field(default=None, repr=False)
    server_hostname: str | None = None
    proxy: str | None = None


class AccessSource(Protocol):
    """Where an `Access` comes from, again and again."""

    max_age: float | None
    """Seconds after which `load` should be called again even though nothing failed; None is never."""

    async def load(self) -> Access:
        """Read everything afresh.

        Raises:
            NotConfigured: something is missing or unreadable.
        """
        ...


def find_source(
    kubeconfig: str | None,
    environment: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT_DIRECTORY,
    context: str | None = None,
) -> AccessSource:
    """Return the source to use: the file *kubeconfig* with *context*, else the pod's own, else `$KUBECONFIG`.

    Raises:
        NotConfigured: none of them is there.
    """
    if kubeconfig:
        return KubeconfigSource(kubeconfig, context)
    if environment.get("KUBERNETES_SERVICE_HOST"):
        return PodSource(environment, service_account)
    if environment.get("KUBECONFIG"):
        return KubeconfigSource(environment["KUBECONFIG"])
    message = "not in a pod, and neither --kubeconfig nor $KUBECONFIG names a file; use --kubeconfig FILE"
    raise NotConfigured(message)


def namespace_of(kubeconfig: str | None, context: str | None = None) -> str | None:
    """Return the namespace that a person works in: that of the *context* (else the current one), else the pod's.

    None when nobody says. A file that cannot be read says nothing here; whoever connects with it is told.
    """
    if kubeconfig is None:
        path = SERVICE_ACCOUNT_DIRECTORY / "namespace"
        return path.read_text("ascii").strip() if path.is_file() else None
    from kubernetes.aio import config  # noqa: PLC0415 - see the module's docstring

    listed: Callable[..., tuple[list[dict[str, Any]], dict[str, Any]]] = config.list_kube_config_contexts
    try:
        contexts, current = listed(config_file=kubeconfig)
    except Exception:  # noqa: BLE001 - as in KubeconfigSource.load
        return None
    chosen = current if context is None else next((one for one in contexts if one["name"] == context), None)
    namespace: str | None = (chosen or {}).get("context", {}).get("namespace")
    return namespace


class PodSource:
    """The service account that the kubelet mounts into the pod."""

    max_age: float | None = _POD_TOKEN_AGE

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        host = environment["KUBERNETES_SERVICE_HOST"]
        port = environment.get("KUBERNETES_SERVICE_PORT") or "443"
        self._server = URL.build(scheme="https", host=host, port=int(port))
        self._directory = directory
        self._authority = ""
        self._tls: ssl.SSLContext | None = None

    async def load(self) -> Access:
        """See `AccessSource`.

        The TLS context stays the same object while the authority is the same: open connections stay in use.
        """
        try:
            token = (self._directory / "token").read_text("ascii").strip()
            authority = (self._directory / "ca.crt").read_text("ascii")
            if self._tls is None or authority != self._authority:
                self._tls = ssl.create_default_context(cadata=authority)
                self._authority = authority
        except (OSError, ValueError) as error:
            message = f"the pod's service account in {self._directory} cannot be read: {error}"
            raise NotConfigured(message) from error
        return Access(server=self._server, tls=self._tls, authorization=f"Bearer {token}")


class KubeconfigSource:
    """A kubeconfig file (or several, separated by colons), read by the official client."""

    max_age: float | None = None

    def __init__(self, path: str, context: str | None = None) -> None:
        self._path = path
        self._context = context

    async def load(self) -> Access:
        """See `AccessSource`. Runs the file's exec plugin, if it names one."""
        # The official client only logs a warning about files that are missing, and then fails obscurely.
        if not self._is_there():
            message = f"the kubeconfig {self._path} is not there; use --kubeconfig FILE"
            raise NotConfigured(message)
        try:
            return await self._read()
        except Exception as error:
            # The official client raises whatever its parsers do: KeyError, TypeError, YAMLError, OSError ...
            message = f"the kubeconfig {self._path} cannot be used: {_first_line(error)}"
            raise NotConfigured(message) from error

    def _is_there(self) -> bool:
        return any(Path(path).expanduser().is_file() for path in self._path.split(os.pathsep))

    async def _read(self) -> Access:
        from kubernetes.aio import client, config  # noqa: PLC0415 - see the module's docstring

        configuration = client.Configuration()
        # persist_config would write refreshed tokens back into the user's file.
        load: Callable[..., Awaitable[object]] = config.load_kube_config
        await load(
            config_file=self._path,
            context=self._context,
            client_configuration=configuration,
            persist_config=False,
        )
        return Access(
            server=URL(configuration.host),
            tls=_tls_of(configuration),
            authorization=configuration.api_key.get("BearerToken"),
            server_hostname=configuration.tls_server_name,
            proxy=configuration.proxy,
        )


def _tls_of(configuration: "Configuration") -> ssl.SSLContext:
    from kubernetes.aio.client.rest import RESTClientObject  # noqa: PLC0415 - see the module's docstring

    context: ssl.SSLContext = RESTClientObject(configuration).ssl_context
    return context


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__

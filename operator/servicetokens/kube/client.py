"""The client for the API server: a request in bytes, an answer in bytes, failures as `KubeError`.

It neither retries nor waits: only the caller knows what a failed request means (the operator must read before it
repeats a write; a watch must resume from its last position). The one exception is a 401: our credentials are read again
and the request is sent once more, since tokens in files and from exec plugins expire.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from multidict import CIMultiDict

from servicetokens.kube import failures
from servicetokens.kube.access import Access, AccessSource, find_source
from servicetokens.kube.errors import ApiUnavailable, KubeError, from_answer
from servicetokens.kube.proxying import shown
from servicetokens.kube.requester import BASE_HEADERS, CONNECT_SECONDS, MAX_ERROR_BODY, headers_for

if TYPE_CHECKING:
    from servicetokens.kube.credentials import Impersonation

# More than the operator's 32 workers and the watches together, so that no request ever queues for a connection.
_CONNECTIONS: Final = 100
# A line of a watch holds one object, and etcd accepts none above 1.5 MiB; its JSON may be somewhat larger.
_MAX_LINE: Final = 16 * 1024 * 1024


class Api:
    """A connection pool to one API server. Safe for any number of tasks of one event loop."""

    def __init__(self, source: AccessSource, access: Access) -> None:
        self._source = source
        self._access = access
        self._loaded_at = asyncio.get_running_loop().time()
        self._reloading = asyncio.Lock()
        self._may_write: Callable[[], bool] = lambda: True
        self._requested: Callable[[str, int], object] = lambda _method, _status: None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
            headers=BASE_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    @classmethod
    async def connect(
        cls,
        kubeconfig: str | None = None,
        context: str | None = None,
        *,
        impersonation: "Impersonation | None" = None,
        personal: bool = False,
    ) -> Self:
        """Read our credentials (of *context*, or of the current one); nothing is sent yet.

        See `servicetokens.kube.access.find_source`.

        Raises:
            NotConfigured: there is no usable configuration.
        """
        source = find_source(kubeconfig, context=context, impersonation=impersonation, personal=personal)
        return cls(source, await source.load())

    def fenced(self, may_write: Callable[[], bool]) -> Self:
        """Return a client for the same server that writes only while *may_write* returns true.

        It is called last of all, so that a process that was frozen in the middle of something does not continue to
        write when it resumes. Connections are shared; closing the first client closes them.
        """
        second = copy.copy(self)
        second._may_write = may_write  # noqa: SLF001 - of the same class
        return second

    def tell(self, requested: Callable[[str, int], object]) -> None:
        """Call *requested* with the method and the status of every request; status 0 is no answer."""
        self._requested = requested

    @property
    def server(self) -> str:
        """The address of the API server for messages, without user and password."""
        return str(self._access.server.with_user(None))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def open_session(self, *traces: aiohttp.TraceConfig) -> tuple[str, aiohttp.ClientSession]:
        """Return the server's address and an HTTP session with our credentials; the caller closes it.

        For a library that sends its own requests and takes over the session, which has no limit of connections.
        *traces* observe its requests.
        """
        access = await self._reload(self._access)
        headers = CIMultiDict([*BASE_HEADERS.items(), *access.headers])
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=access.tls),
            headers=headers,
            proxy=access.proxy,
            trace_configs=list(traces),
        )
        return str(access.server).rstrip("/"), session

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str | None = None,
        accept: str = "application/json",
        timeout: float = 10,  # noqa: ASYNC109 - the client's own time-out, which tells unsent from unanswered
    ) -> bytes:
        """Send one request and return the body of its answer.

        *path* is used as it is (percent-encode what needs it); *timeout* is in seconds, for everything. A PATCH is
        a merge patch (RFC 7386) unless *content_type* says otherwise.

        Raises:
            KubeError: one of its subclasses; see `servicetokens.kube.errors`.
            NotConfigured: our credentials had to be read again, and could not.
        """
        headers = headers_for(method, body, content_type, accept)
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, CONNECT_SECONDS))
        with self._translated():
            async with await self._send(method, path, query, headers, body, limits) as response:
                return await response.read()

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        query: Mapping[str, str],
        *,
        silence: float,
        accept: str = "application/json",
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch and yield its lines as they arrive.

        *silence* is the number of seconds after which a server that sends nothing counts as disconnected. Leaving the
        context closes the connection. The iterator ends when the server closes the watch.

        Raises:
            KubeError: also out of the iterator, when the connection breaks.
            NotConfigured: as for `request`.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence)
        with self._translated():
            response = await self._send("GET", path, query, {"Accept": accept}, None, limits)
        try:
            yield self._lines(response)
        finally:
            response.close()

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
        body: bytes | None,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Return the answer to a request, its body unread; a failure is raised."""
        access = await self._current_access()
        response = await self._send_as(access, method, path, query, headers, body, limits)
        if response.status == HTTPStatus.UNAUTHORIZED:
            response.close()
            access = await self._reload(access)
            response = await self._send_as(access, method, path, query, headers, body, limits)
        if response.status < HTTPStatus.MULTIPLE_CHOICES:
            return response
        async with response:
            raise await _failure(response)

    async def _send_as(
        self,
        access: Access,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
        body: bytes | None,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        if method != "GET" and not self._may_write():
            message = "nothing is written: another operator may be the leader"
            raise ApiUnavailable(message, may_have_been_applied=False)
        status = 0
        try:
            response = await self._session.request(
                method,
                access.server.joinpath(path.lstrip("/"), encoded=True).with_query(query),
                data=body,
                headers=CIMultiDict([*headers.items(), *access.headers]),
                timeout=limits,
                allow_redirects=False,
                ssl=access.tls,
                proxy=access.proxy,
            )
            status = response.status
        finally:
            self._requested(method, status)
        return response

    async def _current_access(self) -> Access:
        max_age = self._source.max_age
        if max_age is None or asyncio.get_running_loop().time() - self._loaded_at < max_age:
            return self._access
        return await self._reload(self._access)

    async def _reload(self, used: Access) -> Access:
        """Read our credentials again, unless another task has done so since *used* was current."""
        async with self._reloading:
            if self._access is used:
                self._access = await self._source.load()
                self._loaded_at = asyncio.get_running_loop().time()
            return self._access

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Convert errors of the HTTP client into `ApiUnavailable`, and record whether anything was sent."""
        where = f"the API server {self.server}"
        try:
            yield
        except (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError) as error:
            proxy = shown(self._access.proxy) if self._access.proxy is not None else ""
            message = f"{where} cannot be reached through the proxy {proxy}: {failures.in_words(error)}"
            raise ApiUnavailable(message, may_have_been_applied=False) from error
        except (aiohttp.ClientConnectorError, UnicodeError) as error:
            message = f"{where} cannot be reached: {failures.in_words(error)}"
            raise ApiUnavailable(message, may_have_been_applied=False) from error
        except aiohttp.ConnectionTimeoutError as error:
            message = f"{where} cannot be reached within {CONNECT_SECONDS:.0f} s"
            raise ApiUnavailable(message, may_have_been_applied=False) from error
        except TimeoutError as error:
            message = f"{where} did not answer in time"
            raise ApiUnavailable(message, timed_out=True) from error
        except (aiohttp.ClientError, OSError) as error:
            message = f"the connection to {where} broke: {failures.in_words(error)}"
            raise ApiUnavailable(message) from error

    async def _lines(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        # aiohttp's own readline gives up at twice its buffer size; objects may be larger.
        begun: list[bytes] = []
        length = 0
        with self._translated():
            async for chunk in response.content.iter_any():
                first, *rest = chunk.split(b"\n")
                begun.append(first)
                length += len(first)
                if length > _MAX_LINE:
                    message = (
                        f"the API server {self.server} sent a watch event of more than {_MAX_LINE} bytes"
                    )
                    raise ApiUnavailable(message)
                if not rest:
                    continue
                yield b"".join(begun)
                for line in rest[:-1]:
                    yield line
                begun = [rest[-1]]
                length = len(rest[-1])


async def _failure(response: aiohttp.ClientResponse) -> KubeError:
    body = await response.content.read(MAX_ERROR_BODY)
    return from_answer(response.status, body, response.headers.get("Retry-After"))

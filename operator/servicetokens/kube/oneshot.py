"""The API server for a short command: one request after the other, over HTTP/1.1, with asyncio alone.

`servicetokens.kube.client.Api` does the same and more, for long-running processes. The import of its HTTP library takes
longer than everything else that `kubectl servicetoken get` does; this module imports only what Python and the validator
need anyway. For a connection through a proxy, `connect` returns an `Api`, which supports proxies.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

import httptools

from servicetokens.kube import failures
from servicetokens.kube.access import Access, AccessSource, find_source
from servicetokens.kube.errors import ApiUnavailable, NotConfigured, from_answer
from servicetokens.kube.overrides import Overrides
from servicetokens.kube.requester import BASE_HEADERS, CONNECT_SECONDS, MAX_ERROR_BODY, headers_for

if TYPE_CHECKING:
    from yarl import URL

    from servicetokens.kube.client import Api
    from servicetokens.kube.credentials import Impersonation

# RFC 8305 section 8 recommends this delay before the next address of a host is tried in parallel.
_NEXT_ADDRESS_SECONDS: Final = 0.25
_CHUNK: Final = 65536
_NOT_HTTP: Final = "the answer is not HTTP"
_CLOSED: Final = "the connection was closed before an answer came"

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(
    kubeconfig: str | None = None,
    context: str | None = None,
    *,
    impersonation: "Impersonation | None" = None,
    overrides: Overrides | None = None,
) -> "OneShot | Api":
    """Read the credentials of a user (see `servicetokens.kube.access.find_source`); nothing is sent yet.

    Raises:
        NotConfigured: there is no usable configuration.
    """
    source = find_source(
        kubeconfig,
        context=context,
        impersonation=impersonation,
        overrides=overrides or Overrides(),
        personal=True,
    )
    return door(source, await source.load())


def door(source: AccessSource, access: Access) -> "OneShot | Api":
    """Return a client for the API server of *access*, direct or through its proxy."""
    if access.proxy is not None:
        from servicetokens.kube.client import Api  # noqa: PLC0415 - see the module's docstring

        return Api(source, access)
    return OneShot(source, access)


class OneShot:
    """A client for one API server, for use by one task. See `Api`, whose `request` and errors it has."""

    def __init__(self, source: AccessSource, access: Access) -> None:
        self._source = source
        self._access = access
        self._idle: _Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.close()
        # The transport closes in the next iteration of the loop, which may be the last.
        await asyncio.sleep(0)

    def close(self) -> None:
        """Close the connection."""
        if self._idle is not None:
            self._idle[1].transport.abort()
            self._idle = None

    @property
    def server(self) -> str:
        """The address of the API server for messages, without user and password."""
        return str(self._access.server.with_user(None))

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str | None = None,
        accept: str = "application/json",
        timeout: float = 10,  # noqa: ASYNC109 - as in `Api`
    ) -> bytes:
        """Send one request and return the body of its answer; see `Api.request`.

        Raises:
            KubeError: one of its subclasses; see `servicetokens.kube.errors`.
            NotConfigured: our credentials had to be read again, and could not.
        """
        headers = headers_for(method, body, content_type, accept)
        answer = await self._within(timeout, method, path, query, headers, body)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._access = await self._source.load()
            if self._access.proxy is not None:
                message = "the kubeconfig has changed: run the command again"
                raise NotConfigured(message)
            self.close()
            answer = await self._within(timeout, method, path, query, headers, body)
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return bytes(answer.body)
        raise from_answer(
            answer.status, bytes(answer.body[:MAX_ERROR_BODY]), answer.headers.get("retry-after")
        )

    async def _within(
        self,
        timeout: float,  # noqa: ASYNC109 - as above
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> "_Answer":
        url = self._access.server.joinpath(path.lstrip("/"), encoded=True).with_query(query)
        message = _encoded(
            method, url, (*BASE_HEADERS.items(), *headers.items(), *self._access.headers), body
        )
        where = f"the API server {self.server}"
        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(message, url, repeatable=method == "GET")
        except TimeoutError as error:
            text = f"{where} did not answer in time"
            raise ApiUnavailable(text) from error
        except httptools.HttpParserError as error:
            text = f"the connection to {where} broke: {_NOT_HTTP}"
            raise ApiUnavailable(text) from error
        except EOFError as error:
            text = f"the connection to {where} broke: {_CLOSED}"
            raise ApiUnavailable(text) from error
        except OSError as error:
            text = f"the connection to {where} broke: {failures.in_words(error)}"
            raise ApiUnavailable(text) from error

    async def _exchange(self, message: bytes, url: "URL", *, repeatable: bool) -> "_Answer":
        """Send *message* and read the answer.

        The server may have closed an idle connection, so only requests that may be sent twice are sent over one, and
        then once more over a new one.
        """
        idle, self._idle = self._idle, None
        if idle is not None and repeatable:
            try:
                return await self._once(idle, message)
            except (OSError, EOFError):
                pass
        elif idle is not None:
            idle[1].transport.abort()
        return await self._once(await self._open(url), message)

    async def _once(self, connection: _Connection, message: bytes) -> "_Answer":
        reader, writer = connection
        answer = _Answer()
        try:
            writer.write(message)
            await writer.drain()
            while not answer.is_complete:
                answer.feed(await reader.read(_CHUNK))
        except BaseException:
            writer.transport.abort()
            raise
        if answer.can_go_on:
            self._idle = connection
        else:
            writer.transport.abort()
        return answer

    async def _open(self, url: "URL") -> _Connection:
        where = f"the API server {self.server}"
        host, is_tls = url.raw_host or "", url.scheme == "https"
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(
                    host,
                    url.port,
                    ssl=self._access.tls if is_tls else None,
                    # A dot at the end is not part of the name in the certificate.
                    server_hostname=host.rstrip(".") if is_tls else None,
                    happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
                )
        except TimeoutError as error:
            text = f"{where} cannot be reached within {CONNECT_SECONDS:.0f} s"
            raise ApiUnavailable(text, may_have_been_applied=False) from error
        except (OSError, UnicodeError) as error:
            text = f"{where} cannot be reached: {failures.in_words(error)}"
            raise ApiUnavailable(text, may_have_been_applied=False) from error


class _Answer:
    """The result of the parser, which calls these methods by name."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.is_complete = False
        # Whether the connection can take the next request.
        self.can_go_on = False
        self._has_headers = False
        self._parser = httptools.HttpResponseParser(self)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self._parser.get_status_code())

    def feed(self, data: bytes) -> None:
        """Process received bytes; empty means the end of the connection. Raises `EOFError` if that comes too early."""
        if data:
            self._parser.feed_data(data)
            return
        has_length = {"content-length", "transfer-encoding"} & self.headers.keys()
        if not self._has_headers or has_length:
            raise EOFError
        self.is_complete = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """See `httptools`."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """See `httptools`."""
        self._has_headers = True

    def on_body(self, data: bytes) -> None:
        """See `httptools`."""
        self.body += data

    def on_message_complete(self) -> None:
        """See `httptools`. An interim answer (1xx) is followed by the one that counts."""
        self.is_complete = self.status >= HTTPStatus.OK
        self.can_go_on = self.is_complete and bool(self._parser.should_keep_alive())
        if not self.is_complete:
            self.headers.clear()
            self._has_headers = False


def _encoded(method: str, url: "URL", headers: tuple[tuple[str, str], ...], body: bytes | None) -> bytes:
    lines = [
        f"{method} {url.raw_path_qs} HTTP/1.1",
        f"Host: {url.host_port_subcomponent}",
        *(f"{name}: {value}" for name, value in headers),
        *([f"Content-Length: {len(body)}"] if body is not None else []),
    ]
    if any(character in line for line in lines for character in "\r\n\0"):
        # For a token that was pasted with a line break in it: nothing of it is quoted.
        message = "a credential for the API server has a line break in it"
        raise NotConfigured(message)
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")

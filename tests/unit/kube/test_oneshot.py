"""The plugin's way to the API server: one connection, HTTP/1.1 as servers really speak it, nothing sent twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from yarl import URL

from controlplane.ports import LOOPBACK
from servicetokens.kube import oneshot
from servicetokens.kube.access import Access
from servicetokens.kube.client import Api
from servicetokens.kube.errors import ApiUnavailable, NotConfigured, NotFound, TooManyRequests, Unauthorized
from servicetokens.kube.oneshot import OneShot

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Scripted:
    """A server that gives one answer after the other; None hangs up instead of answering."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self._serving: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Scripted"]:
        """Listen until the context ends."""
        async with await asyncio.start_server(self._serve, LOOPBACK, 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self
            await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.append(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line.split(b":")[1])
                        for line in head.split(b"\r\n")
                        if line.lower().startswith(b"content-length")
                    ),
                    0,
                )
                self.requests.append(head + await reader.readexactly(length))
                answer = self._answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
                if b"Content-Length" not in answer and b"chunked" not in answer:
                    break
        await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whatever the other side does."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


class Credentials:
    """Tokens, one for each time that they are read."""

    max_age: float | None = None

    def __init__(self, access: Access, *tokens: str) -> None:
        self._access, self._tokens = access, list(tokens)

    async def load(self) -> Access:
        """See `AccessSource`."""
        return replace(self._access, headers=(("Authorization", f"Bearer {self._tokens.pop(0)}"),))


@contextlib.asynccontextmanager
async def asked(server: Scripted, tokens: Sequence[str] = ("t",)) -> AsyncIterator[OneShot]:
    """Give what asks *server*, logged in by the first of *tokens*."""
    source = Credentials(Access(URL(f"http://{LOOPBACK}:{server.port}/clusters/one"), tls=True), *tokens)
    door = oneshot.door(source, await source.load())
    assert isinstance(door, OneShot)
    async with door:
        yield door


async def test_a_request_is_what_the_server_expects() -> None:
    """Address with its path, query, login, and a body with its type and length."""
    async with Scripted(OK, OK).running() as server, asked(server) as api:
        assert await api.request("GET", "/api", query={"a": "b c"}, accept="x/y") == b"ok"
        assert await api.request("PATCH", "/api/x", body=b"{}") == b"ok"
    first, second = server.requests
    assert first.startswith(b"GET /clusters/one/api?a=b+c HTTP/1.1\r\n")
    assert f"Host: {LOOPBACK}:{server.port}\r\n".encode() in first
    assert b"Authorization: Bearer t\r\n" in first
    assert b"Accept: x/y\r\n" in first
    assert b"Content-Type: application/merge-patch+json\r\n" in second
    assert second.endswith(b"Content-Length: 2\r\n\r\n{}")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", b"a"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
async def test_answers_are_read_to_their_end(answer: bytes, body: bytes) -> None:
    """In chunks, behind an interim answer, until the connection ends, or empty; the next request works, too."""
    async with Scripted(answer, OK).running() as server, asked(server) as api:
        assert await api.request("GET", "/a") == body
        assert await api.request("GET", "/b") == b"ok"


async def test_what_reads_is_repeated_over_a_new_connection_and_what_writes_is_never() -> None:
    """A server may close an idle connection at any moment: a write over it could have happened or not."""
    async with Scripted(OK, None, OK, OK, None).running() as server, asked(server) as api:
        await api.request("GET", "/1")
        assert await api.request("GET", "/2") == b"ok"
        assert (server.connections, len(server.requests)) == (2, 3)
        await api.request("POST", "/3", body=b"")
        assert server.connections == 3
        with pytest.raises(ApiUnavailable, match="closed before an answer came") as caught:
            await api.request("POST", "/4", body=b"")
        assert caught.value.may_have_been_applied
        assert len(server.requests) == 5


async def test_an_answer_that_is_cut_off_is_none() -> None:
    """Half a list is not a shorter list."""
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nab"
    for answer in (half, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", b"HTTP/1.1 20"):

        async def cut(
            _reader: asyncio.StreamReader, writer: asyncio.StreamWriter, it: bytes = answer
        ) -> None:
            writer.write(it)
            await hang_up(writer)

        server = Scripted()
        async with await asyncio.start_server(cut, LOOPBACK, 0) as listening:
            server.port = listening.sockets[0].getsockname()[1]
            async with asked(server) as api:
                with pytest.raises(ApiUnavailable):
                    await api.request("GET", "/")


async def test_credentials_are_read_again_once() -> None:
    """After a 401 they may have been renewed; a second one is the answer."""
    rejection = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    async with Scripted(rejection, OK).running() as server, asked(server, ("old", "new")) as api:
        assert await api.request("GET", "/") == b"ok"
    assert b"Bearer new" in server.requests[1]
    async with Scripted(rejection, rejection).running() as server, asked(server, ("old", "new")) as api:
        with pytest.raises(Unauthorized):
            await api.request("GET", "/")


async def test_errors_are_those_of_the_server() -> None:
    """With its own sentence, and how long to wait."""
    gone = b'{"kind":"Status","message":"x \\"y\\" not found","reason":"NotFound"}'
    answers = (
        b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(gone), gone),
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
    )
    async with Scripted(*answers).running() as server, asked(server) as api:
        with pytest.raises(NotFound, match='x "y" not found'):
            await api.request("GET", "/")
        with pytest.raises(TooManyRequests) as caught:
            await api.request("GET", "/")
        assert caught.value.retry_after == 7


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    """After the time that the request has."""
    ended = asyncio.Event()

    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(-1)
        await hang_up(writer)
        ended.set()

    server = Scripted()
    async with await asyncio.start_server(be_silent, LOOPBACK, 0) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        async with asked(server) as api:
            with pytest.raises(ApiUnavailable, match="did not answer in time"):
                await api.request("GET", "/", timeout=0.1)
        await ended.wait()


@pytest.mark.parametrize("token", ["a\r\nX-Admin: yes", "a\nb", "a\0b"])
async def test_a_line_break_in_a_credential_sends_nothing(token: str) -> None:
    """It would be a header of its own; the credential is not quoted."""
    async with Scripted(OK).running() as server, asked(server, (token,)) as api:
        with pytest.raises(NotConfigured, match="has a line break in it") as caught:
            await api.request("GET", "/")
        assert "X-Admin" not in str(caught.value)
        assert server.requests == []


async def test_through_a_proxy_goes_the_client_that_knows_proxies() -> None:
    """The plugin's own speaks to API servers only."""
    access = Access(URL("https://example.com"), tls=True, proxy=URL("http://proxy.example.com:3128"))
    async with oneshot.door(Credentials(access), access) as api:
        assert isinstance(api, Api)

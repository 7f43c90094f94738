"""The server of the validator on real sockets: what is served, and which requests are rejected."""

import asyncio

import pytest

from common.drivers.served import HOST, last, seen, serving
from servicetokens.validator.heads import MAX_BODY, MAX_HEAD


async def test_requests_are_answered_on_a_connection_that_stays_open() -> None:
    """Method, target and header arrive as they were sent; every answer has a date."""
    async with serving() as served, served.connection() as client:
        for _ in range(3):
            client.writer.write(b"GET /a?b=%2f HTTP/1.1\r\n" + HOST + b"X-Word: hi\r\n\r\n")
            answer = await client.answer()
            assert answer.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
            assert seen(answer) == b"GET /a?b=%2f hi -"


async def test_requests_that_arrive_together_are_answered_together_and_in_order() -> None:
    """Pipelining."""
    async with serving() as served:
        requests = b"".join(b"GET /%d HTTP/1.1\r\n" % number + HOST + b"\r\n" for number in range(5))
        answers = await served.ask(requests + last(b"GET /end HTTP/1.1\r\n" + HOST + b"\r\n"))
        assert answers.count(b"HTTP/1.1 200") == 6
        order = [answers.index(b"GET /%d " % number) for number in range(5)]
        assert order == sorted(order)


@pytest.mark.parametrize("reads_body", [True, False])
async def test_a_request_that_arrives_byte_by_byte_is_one_request(reads_body: bool) -> None:
    """Wherever the network cuts it."""
    request = last(b"POST /x HTTP/1.1\r\n" + HOST + b"X-Word: hi\r\nContent-Length: 3\r\n\r\nabc")
    async with serving(reads_body=reads_body) as served, served.connection() as client:
        for number in range(len(request)):
            client.writer.write(request[number : number + 1])
            await client.writer.drain()
            await asyncio.sleep(0)
        answer = await client.rest()
        assert seen(answer) == b"POST /x hi " + (b"abc" if reads_body else b"-")


async def test_http_1_0_is_served_without_a_host_and_closed() -> None:
    """Nginx asks so, unless it is informed otherwise; keep-alive where it is requested."""
    async with serving() as served:
        answer = await served.ask(b"GET /x HTTP/1.0\r\n\r\n")
        assert seen(answer) == b"GET /x - -"
        assert b"Connection: close" in answer
        async with served.connection() as client:
            for _ in range(2):
                client.writer.write(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                assert b"Connection: keep-alive" in await client.answer()


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    """HAProxy asks so."""
    async with serving() as served:
        answer = await served.ask(last(b"HEAD /x HTTP/1.1\r\n" + HOST + b"\r\n"))
        assert seen(answer) == b"HEAD /x - -"
        assert answer.endswith(b"\r\n\r\n")


REFUSED = {
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "nonsense": (b"hello\r\n\r\n", 400),
    "a line break in a header": (b"GET / HTTP/1.1\r\n" + HOST + b"X-Word: a\nX-Evil: b\r\n\r\n", 400),
    "a NUL in a header": (b"GET / HTTP/1.1\r\n" + HOST + b"X-Word: a\0b\r\n\r\n", 400),
    "two lengths": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        400,
    ),
    "a length and chunks": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "another encoding": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "a length that is none": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
    "one large header": (
        b"GET / HTTP/1.1\r\n" + HOST + b"X-Word: " + b"a" * (MAX_HEAD + 8192) + b"\r\n\r\n",
        431,
    ),
    "many headers": (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 20_000 + b"\r\n", 431),
    "a header without an end": (b"GET / HTTP/1.1\r\n" + HOST + b"X-Word: " + b"a" * 2 * MAX_HEAD, 431),
    "chunks in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nConnection: keep-alive\r\n" + HOST + b"\r\n", 505),
    "HTTP/0.9": (b"GET / HTTP/0.9\r\n" + HOST + b"\r\n", 505),
    "a large target": (b"GET /" + b"a" * (MAX_HEAD + 8192) + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
}


@pytest.mark.parametrize(("request_", "status"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("reads_body", [True, False])
async def test_malformed_or_large_requests_are_rejected_and_close_the_connection(
    request_: bytes, status: int, reads_body: bool
) -> None:
    """What follows it could mean anything, so it is not looked at."""
    async with serving(reads_body=reads_body) as served:
        answer = await served.ask(request_ + b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:80]
        assert b"Connection: close" in answer
        assert b"smuggled" not in answer


async def test_a_body_is_read_up_to_its_bound() -> None:
    """By its length before it arrives, and by what arrives."""
    async with serving(reads_body=True) as served:
        head = b"POST / HTTP/1.1\r\n" + HOST
        assert seen(await served.ask(last(head + b"Content-Length: 3\r\n\r\nabc"))) == b"POST / - abc"
        old = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"
        assert (await served.ask(old)).startswith(b"HTTP/1.1 200 "), "HTTP/1.0 knows no 100 Continue"
        chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
        assert seen(await served.ask(last(chunked + b"3\r\nabc\r\n0\r\n\r\n"))) == b"POST / - abc"
        large = head + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1)
        assert (await served.ask(large)).startswith(b"HTTP/1.1 413 ")
        parts = b"8000\r\n" + b"a" * 0x8000 + b"\r\n"
        assert (await served.ask(chunked + parts * 3)).startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_waits_for_a_word_gets_it() -> None:
    """`Expect: 100-continue`; any other expectation is rejected."""
    async with serving(reads_body=True) as served, served.connection() as client:
        head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n"
        client.writer.write(head + b"Expect: 100-continue\r\n\r\n")
        assert await client.answer() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.writer.write(b"abc")
        assert seen(await client.answer()) == b"POST / - abc"
        client.writer.write(head + b"Expect: more\r\n\r\n")
        assert (await client.answer()).startswith(b"HTTP/1.1 417 ")


ANNOUNCED = {
    "a length": b"Content-Length: 77\r\n",
    "a length beyond the bound": b"Content-Length: 10000000\r\n",
    "chunks": b"Transfer-Encoding: chunked\r\n",
    "an expectation": b"Content-Length: 77\r\nExpect: 100-continue\r\n",
    "an upgrade and a length": b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 77\r\n",
    "an upgrade and chunks": b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n",
    "an upgrade in HTTP/1.0": b"Connection: keep-alive, Upgrade\r\nUpgrade: x\r\nContent-Length: 7\r\n",
}
NEXT = b"GET /next HTTP/1.1\r\n" + HOST + b"X-Word: " + b"n" * 200 + b"\r\n\r\n"
FOLLOWING = {
    "nothing": b"",
    "the next request": NEXT,
    "the body, and the next request": b"b" * 77 + NEXT,
    "chunks, and the next request": b"4d\r\n" + b"b" * 77 + b"\r\n0\r\n\r\n" + NEXT,
    "no more chunks, and the next request": b"0\r\n\r\n" + NEXT,
    "a hundred kilobytes": b"b" * 100_000,
}


@pytest.mark.parametrize("announced", ANNOUNCED.values(), ids=ANNOUNCED)
@pytest.mark.parametrize("following", FOLLOWING.values(), ids=FOLLOWING)
@pytest.mark.parametrize("late", [False, True], ids=["together", "late"])
async def test_an_answer_before_an_announced_body_closes_the_connection(
    announced: bytes, following: bytes, late: bool
) -> None:
    """A proxy may keep the body to itself, so what follows is neither swallowed nor answered, whenever it comes."""
    version = b"1.0" if b"keep-alive" in announced else b"1.1"
    head = b"POST /x HTTP/%b\r\n" % version + HOST + announced + b"\r\n"
    async with serving() as served, served.connection() as client:
        if late:
            client.writer.write(head)
            answer = await client.answer()
            client.writer.write(following)
        else:
            client.writer.write(head + following)
            answer = await client.answer()
        assert seen(answer) == b"POST /x - -"
        assert b"Connection: close\r\n" in answer
        assert await client.rest() == b""


@pytest.mark.parametrize("length", [b"Content-Length: 0\r\n", b"Content-Length: 00\r\n"])
async def test_a_body_of_no_bytes_keeps_the_connection(length: bytes) -> None:
    """Also with an upgrade, which is ignored."""
    async with serving() as served, served.connection() as client:
        for more in (b"", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b""):
            client.writer.write(b"POST /x HTTP/1.1\r\n" + HOST + length + more + b"\r\n")
            answer = await client.answer()
            assert seen(answer) == b"POST /x - -"
            assert b"Connection: close" not in answer


async def test_an_upgrade_is_ignored_or_rejected() -> None:
    """WebSockets pass through proxies that copy headers; on the webhook there is no other protocol."""
    upgrade = b"GET /x HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with serving() as served, served.connection() as client:
        for _ in range(2):
            client.writer.write(upgrade)
            assert seen(await client.answer()) == b"GET /x - -"
        client.writer.write(upgrade + upgrade)
        assert seen(await client.answer()) == seen(await client.answer()) == b"GET /x - -"
    async with serving(reads_body=True) as served:
        assert (await served.ask(upgrade)).startswith(b"HTTP/1.1 400 ")


async def test_an_unknown_method_is_accepted_as_a_method() -> None:
    """Where it does not matter; the webhook takes known ones only."""
    request = last(b"FROBNICATE /x HTTP/1.1\r\n" + HOST + b"\r\n")
    async with serving() as served:
        assert seen(await served.ask(request)) == b"FROBNICATE /x - -"
    async with serving(reads_body=True) as served:
        assert (await served.ask(request)).startswith(b"HTTP/1.1 400 ")


async def test_after_an_answer_an_unknown_method_is_malformed_and_nothing_is_answered_twice() -> None:
    """The parser does not say where it stopped, so a guess could answer the first request again."""
    async with serving() as served:
        request = b"BREW /pot HTTP/1.1\r\n" + HOST + b"\r\n"
        for first in (request, b"GET /pot HTTP/1.1\r\n" + HOST + b"\r\n"):
            answer = await served.ask(first + request)
            assert [line[9:12] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/")] == [
                b"200",
                b"400",
            ]
        assert served.defects == []


async def test_a_defect_costs_one_request_and_is_reported() -> None:
    """Not the listener."""
    async with serving() as served:
        served.handler.fails = True
        answer = await served.ask(b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert [str(error) for error in served.defects] == ["a defect"]
        served.handler.fails = False
        assert b"200 OK" in await served.ask(last(b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n"))

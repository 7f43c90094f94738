"""What an attacker can send to a running validator, and what other clients notice of it."""

import asyncio
import contextlib
import json
import resource
import ssl
import time
from collections import Counter

import pytest

from common.builders.stored import StoredToken
from common.drivers.validating import V1, RunningValidator
from controlplane.ports import LOOPBACK
from controlplane.waiting import patience, patient
from hostile.raw import exchange, keep_asking, question, statuses
from servicetokens.validator.failures import BURST, PER_SECOND

UNKNOWN = "svt_AAAAAAAAAAAA_" + "a" * 49
SLOW = 300
FLOOD_SECONDS = 3.0
FLOODERS = 16


# Malformed bytes.


@pytest.mark.parametrize(
    ("head", "allowed"),
    [
        (question("x" * 20_000), {401}),
        (question("x" * 70_000), {431}),
        (question("x", "X-Long: " + "y" * (1 << 20)), {431}),
        (question("x", *(f"X-{number}: y" for number in range(10_000))), {431}),
        (question("x", *(f"Authorization: Bearer {number}" for number in range(500))), {400}),
        (question("x", path="/validate?" + "q" * 60_000), {431}),
    ],
)
async def test_large_heads_are_rejected(running: RunningValidator, head: bytes, allowed: set[int]) -> None:
    """By one answer, and the connection ends; nothing of it is kept."""
    for port in (running.ports.forward_auth, running.ports.ext_authz):
        assert set(statuses(await exchange(port, head))) <= allowed


@pytest.mark.parametrize(
    "token_text",
    [
        "good\0",
        "\0{good}",
        "{good}\0",
        "{good}%0d%0aX-Evil: 1",
        "{good}\r\n X-Evil: 1",
        "{good}\rX-Evil: 1",
        "{good}\nX-Evil: 1",
        "\xff\xfe{good}",
        "{good}\xe4",
        "{good} {good}",
        "{good},{good}",
    ],
)
async def test_no_byte_splits_an_answer(
    running: RunningValidator, token: StoredToken, token_text: str
) -> None:
    """Nor makes something good of what is not: it is rejected, and the answer has no header of theirs."""
    answer = await exchange(running.ports.forward_auth, question(token_text.replace("{good}", token.text)))
    assert set(statuses(answer)) <= {400, 401}
    assert b"evil" not in answer.lower()


SMUGGLED = b"GET /validate HTTP/1.1\r\nHost: x\r\n\r\n"


AMBIGUOUS = (
    ("Content-Length: 5", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chunked", "Content-Length: 5"),
    ("Content-Length: 5", "Content-Length: 6"),
    ("Content-Length: 5, 5",),
    ("Content-Length: +5",),
    ("Content-Length: -1",),
    ("Content-Length: 0x5",),
    ("Content-Length : 5",),
    ("Transfer-Encoding: xchunked",),
    ("Transfer-Encoding: chunked, identity",),
    ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding : chunked",),
    ("Transfer-Encoding:\x0bchunked",),
    ("X: y\nTransfer-Encoding: chunked",),
    ("X: y\r\n folded: z",),
    (" X: y",),
    ("X\0: y",),
)


@pytest.mark.parametrize("headers", AMBIGUOUS)
@pytest.mark.parametrize("listener", ["forward_auth", "ext_authz"])
async def test_an_ambiguous_request_closes_the_connection(
    running: RunningValidator, token: StoredToken, headers: tuple[str, ...], listener: str
) -> None:
    """A second request hidden behind it is never answered."""
    port = getattr(running.ports, listener)
    answer = await exchange(port, question(token.text, *headers, method="POST") + SMUGGLED * 2)
    assert statuses(answer) in ([400], [])


async def test_an_ambiguous_review_is_rejected(running: RunningValidator, token: StoredToken) -> None:
    """Over TLS, all together, since each is hung up on only after a while."""
    sent = [
        question(token.text, *headers, method="POST", path="/authenticate") + SMUGGLED * 2
        for headers in AMBIGUOUS
    ]
    answers = await asyncio.gather(*(asyncio.to_thread(running.raw_review, one) for one in sent))
    assert [answer for answer in answers if statuses(answer) not in ([400], [])] == []


async def test_a_pipeline_byte_by_byte_is_answered_in_order(
    running: RunningValidator, token: StoredToken
) -> None:
    """Good, bad, good: each gets its own answer."""
    reader, writer = await asyncio.open_connection(LOOPBACK, running.ports.forward_auth)
    for byte in question(token.text) + question(UNKNOWN) + question(token.text, "Connection: close"):
        writer.write(bytes([byte]))
        await writer.drain()
    assert statuses(await asyncio.wait_for(reader.read(), patient(15))) == [200, 401, 200]
    writer.close()


async def test_a_body_of_ten_megabytes_is_answered_before_it_arrives(running: RunningValidator) -> None:
    """Where the body is the question it is rejected unread; where it is not, it is ignored."""
    body = b"x" * (10 << 20)
    head = question(UNKNOWN, f"Content-Length: {len(body)}", method="POST")
    assert statuses(await exchange(running.ports.forward_auth, head + body)) == [401]
    chunked = question(UNKNOWN, "Transfer-Encoding: chunked", method="POST")
    chunks = b"".join(b"100000\r\n" + b"x" * 0x100000 + b"\r\n" for _ in range(10))
    assert statuses(await exchange(running.ports.forward_auth, chunked + chunks + b"0\r\n\r\n")) == [401]
    # A client that sends all of it before it reads may find the connection gone instead of the answer.
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        assert running.post(body).status == 413
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        assert running.introspect("token=" + "x" * (10 << 20)).status == 413


async def test_a_client_that_never_reads_fills_no_memory(
    running: RunningValidator, token: StoredToken
) -> None:
    """It asks and asks; at some point nothing is read from it any more, and then it is closed."""
    _, writer = await asyncio.open_connection(LOOPBACK, running.ports.forward_auth, limit=1)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    asked = question(token.text) * 100
    began = time.monotonic()
    sent = 0
    while time.monotonic() - began < 3:
        writer.write(asked)
        sent += 1
        try:
            await asyncio.wait_for(writer.drain(), 0.5)
        except (TimeoutError, ConnectionError):
            break
    assert sent < 5000, "the validator has to stop reading"
    writer.transport.abort()


# JSON.


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"spec":' * 7000 + b"1" + b"}" * 7000,
        b'{"apiVersion":"'
        + V1.encode()
        + b'","kind":"TokenReview","spec":{"token":"x","deep":'
        + b"[" * 20_000
        + b"]" * 20_000
        + b"}}",
        b'{"apiVersion":"authentication.k8s.io/v2","kind":"TokenReview","spec":{"token":"x"}}',
        b'{"apiVersion":"' + V1.encode() + b'","kind":"TokenReview","spec":{"token":1e400}}',
        b'{"apiVersion":"' + V1.encode() + b'","kind":"TokenReview","spec":{"token":"\\ud800"}}',
        b'"' + b"\\" * 60_000,
        b"\xff\xfe{}",
    ],
)
def test_malformed_json_is_not_a_review(running: RunningValidator, body: bytes) -> None:
    """Rejected, or a no; never a crash, never a yes."""
    reply = running.post(body)
    assert reply.status in {200, 400}
    if reply.status == 200:
        assert reply.json["status"]["authenticated"] is False


def test_a_repeated_key_with_an_invalid_token_is_not_authenticated(
    running: RunningValidator, token: StoredToken
) -> None:
    """The decision is about one of them, and only the good one gives a yes."""
    body = '{"apiVersion":"%s","kind":"TokenReview","spec":{"token":"%s","token":"%s"}}'
    assert running.post((body % (V1, token.text, UNKNOWN)).encode()).json["status"]["authenticated"] is False


def test_audiences_are_bounded(running: RunningValidator, token: StoredToken) -> None:
    """Ten thousand of them, or one of a megabyte."""
    review = {"apiVersion": V1, "kind": "TokenReview"}
    many = {**review, "spec": {"token": token.text, "audiences": [f"a{number}" for number in range(5000)]}}
    assert running.post(json.dumps(many).encode()).status == 400
    large = {**review, "spec": {"token": token.text, "audiences": ["a" * (1 << 20)]}}
    assert running.post(json.dumps(large).encode()).status == 413


# Load.


@pytest.mark.alone
async def test_slow_clients_are_disconnected_and_do_not_delay_others(
    running: RunningValidator, token: StoredToken
) -> None:
    """Three hundred connections of a byte a second; good requests are answered as before meanwhile."""
    ending = asyncio.Event()
    good = asyncio.create_task(keep_asking(running.ports.forward_auth, token.text, ending))
    lasted = await asyncio.gather(*(_drip(running.ports.forward_auth) for _ in range(SLOW)))
    ending.set()
    asked = await good
    assert max(lasted) < patient(12), "the deadline of a head is five seconds"
    assert set(asked.statuses) == {200}
    assert len(asked.times) > 100 / patience()
    assert asked.percentile(95) < patient(0.1)


async def _drip(port: int) -> float:
    """Send a byte a second until the server has had enough; return for how many seconds it did not."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        for byte in question("x" * 100):
            writer.write(bytes([byte]))
            try:
                if not await asyncio.wait_for(reader.read(1000), 1):
                    break
            except TimeoutError:
                continue
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
    return time.monotonic() - began


@pytest.mark.alone
async def test_one_peer_that_opens_all_it_can_leaves_room_for_others(
    running: RunningValidator, token: StoredToken
) -> None:
    """A quarter of the connections of a listener is its share; good requests from elsewhere go on meanwhile."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # As the validator divides its files: five listeners, 256 for itself, ten thousand for each listener at most.
    share = min(10_000, (min(hard, 50_256) - 256) // 5) // 4
    more = 50
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, share + 1000), hard))
    ending = asyncio.Event()
    good = asyncio.create_task(keep_asking(running.ports.forward_auth, token.text, ending))
    opened = []
    try:
        for _ in range(share):
            opened.append(
                await asyncio.open_connection(
                    LOOPBACK, running.ports.forward_auth, local_addr=("127.0.0.2", 0)
                )
            )
            # The deadline of a connection that has not asked yet is five seconds, and this takes longer.
            opened[-1][1].write(question(UNKNOWN, "X: y"))
        for reader, _ in opened:
            await reader.readuntil(b"\r\n\r\n")
        refused = []
        for _ in range(more):
            reader, writer = await asyncio.open_connection(
                LOOPBACK, running.ports.forward_auth, local_addr=("127.0.0.2", 0)
            )
            refused += statuses(await asyncio.wait_for(reader.read(), 15))
            writer.close()
    finally:
        for _, writer in opened:
            writer.transport.abort()
        ending.set()
    asked = await good
    assert refused == [503] * more
    assert set(asked.statuses) == {200}
    assert len(asked.times) > 10


@pytest.mark.alone
async def test_clients_with_many_failures_are_throttled_and_valid_tokens_are_accepted(
    running: RunningValidator, token: StoredToken
) -> None:
    """Thousands a second from the same address: 429 beyond the bucket, and every good request a yes."""
    ending = asyncio.Event()
    good = asyncio.create_task(keep_asking(running.ports.forward_auth, token.text, ending))
    began = time.monotonic()
    floods = await asyncio.gather(*(_flood(running.ports.forward_auth) for _ in range(FLOODERS)))
    ending.set()
    asked = await good
    lasted = time.monotonic() - began
    answers = sum(floods, Counter[int]())
    assert set(answers) == {401, 429}
    assert answers.total() > 5000 * FLOOD_SECONDS / patience()
    assert answers[401] <= BURST + PER_SECOND * (lasted + 1)
    assert set(asked.statuses) == {200}
    assert asked.percentile(95) < patient(0.1)


async def _flood(port: int) -> Counter[int]:
    """Present unknown tokens, fifty at a time, for as long as the flood lasts."""
    found: Counter[int] = Counter()
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    ends = time.monotonic() + FLOOD_SECONDS
    batch = question(UNKNOWN) * 50
    while time.monotonic() < ends:
        writer.write(batch)
        for _ in range(50):
            found.update(statuses(await reader.readuntil(b"\r\n\r\n")))
        await asyncio.sleep(0)
    writer.close()
    return found

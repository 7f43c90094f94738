"""Calls of the gRPC listener: the limit of open calls per peer, the deadline of their messages, and health.

For grpc, a call with one message is open from its header on, even if the message never arrives; it has no deadline,
takes about 22 KB, and our code would be called only once the message is complete. So methods are registered as if
messages were streamed, which is the same protocol, and the message is read under our own deadline.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import DESCRIPTOR, HealthCheckRequest, HealthCheckResponse

from servicetokens.authn.addresses import Address, parse_address
from servicetokens.validator.shares import HANDSHAKE_SECONDS, PEER_SHARE, Shares

MAX_CALLS: Final = 4_000
"""90 MB, if all are held open. Each Envoy has a few open, since an answer takes less than a millisecond."""

_HEALTH: Final = DESCRIPTOR.services_by_name["Health"].full_name
_SERVING: Final = HealthCheckResponse.SERVING
_NOT_SERVING: Final = HealthCheckResponse.NOT_SERVING
_UNKNOWN: Final = HealthCheckResponse.SERVICE_UNKNOWN


class Calls:
    """Counts the open calls, and reads their messages."""

    def __init__(self, peer_share: int = PEER_SHARE) -> None:
        """Allow `MAX_CALLS`, and *peer_share* percent of them for one client address (of IPv6, one /64)."""
        self._shares = Shares(MAX_CALLS, peer_share, "calls")

    @property
    def total(self) -> int:
        """Number of open calls."""
        return self._shares.total

    async def receive(self, context: Any) -> bytes:
        """Count the call of *context* until it has ended, and return its message.

        Raises what grpc wants raised after the call was ended with a status: `RESOURCE_EXHAUSTED` if its peer, or all
        together, have too many, `DEADLINE_EXCEEDED` if the message takes too long, `INVALID_ARGUMENT` if there is none.
        """
        peer = _address(context.peer())
        objection = self._shares.take(peer, int(asyncio.get_running_loop().time()))
        if objection:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, objection)
        context.add_done_callback(lambda _: self._shares.give_back(peer))
        message = grpc.aio.EOF
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                message = await context.read()
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the message took too long")
        if message is grpc.aio.EOF:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the message is missing")
        return bytes(message)

    def unary(self, answer: Callable[[bytes, Any], Awaitable[bytes]]) -> Any:
        """Return the handler of a method that answers one message with one."""

        async def handle(_messages: object, context: Any) -> bytes:
            return await answer(await self.receive(context), context)

        return grpc.stream_unary_rpc_method_handler(handle)

    def stream(self, answer: Callable[[bytes], AsyncIterator[bytes]]) -> Any:
        """Return the handler of a method that answers one message with many."""

        async def handle(_messages: object, context: Any) -> None:
            async for part in answer(await self.receive(context)):
                await context.write(part)

        return grpc.stream_stream_rpc_method_handler(handle)


class Health:
    """The service `grpc.health.v1.Health`, with the same status for all services.

    The library's implementation waits for every watcher, even for one that does not read.
    """

    def __init__(self, *services: str) -> None:
        """For the server itself, which has no name, and *services*; not serving yet."""
        self._services = ("", *services)
        self._is_serving = False
        self._is_ending = False
        self._changed = asyncio.Event()

    def handler(self, calls: Calls) -> Any:
        """Return what grpc is to add to a server."""
        methods = {"Check": calls.unary(self._check), "Watch": calls.stream(self._watch)}
        return grpc.method_handlers_generic_handler(_HEALTH, methods)

    def set(self, *, is_serving: bool) -> None:
        """Publish the status to all watchers."""
        if is_serving != self._is_serving and not self._is_ending:
            self._is_serving = is_serving
            self._notify()

    def end(self) -> None:
        """Report from now on that nothing is served."""
        self._is_ending, self._is_serving = True, False
        self._notify()

    async def _check(self, message: bytes, context: Any) -> bytes:
        status = self._status(message)
        if status == _UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return bytes(HealthCheckResponse(status=status).SerializeToString())

    async def _watch(self, message: bytes) -> AsyncIterator[bytes]:
        told = None
        while True:
            changed = self._changed
            status = self._status(message)
            if status != told:
                yield HealthCheckResponse(status=status).SerializeToString()
                told = status
            await changed.wait()

    def _status(self, message: bytes) -> HealthCheckResponse.ServingStatus:
        try:
            service = HealthCheckRequest.FromString(message).service
        except DecodeError:
            return _UNKNOWN
        if service not in self._services:
            return _UNKNOWN
        return _SERVING if self._is_serving else _NOT_SERVING

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


# One connection has many calls.
@functools.lru_cache(maxsize=4096)
def _address(peer: str) -> Address | None:
    """Return the address in what grpc calls a peer, as in `ipv4:192.0.2.7:4711` or `ipv6:%5B2001:db8::1%5D:4711`."""
    return parse_address(unquote(peer.partition(":")[2].rpartition(":")[0]).strip("[]"))

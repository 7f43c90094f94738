"""Objects put straight into etcd: 100,000 by way of the API server would take longer than all the rest.

The API server stores custom resources as JSON; its watches tell about these as about any other. Two messages of
etcd's API (`etcdserverpb`, rpc.proto) are written by hand here: a put, and a transaction of puts.
"""

import asyncio
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

import grpc

# etcd rejects transactions of more than 128 operations (--max-txn-ops).
_PUTS: Final = 100
_IN_FLIGHT: Final = 8
_SECONDS: Final = 60

# Tags of protobuf: the number of the field, then 2 for "bytes of this length".
_KEY: Final = b"\x0a"
_VALUE: Final = b"\x12"
_REQUEST_PUT: Final = b"\x12"
_SUCCESS: Final = b"\x12"


async def put_all(socket: Path, objects: Iterable[tuple[str, bytes]]) -> None:
    """Store every value under its key in the etcd behind *socket*."""
    async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        send = channel.unary_unary("/etcdserverpb.KV/Txn")
        room = asyncio.Semaphore(_IN_FLIGHT)

        async def one(part: tuple[tuple[str, bytes], ...]) -> None:
            """Send one transaction when there is room."""
            async with room:
                await send(_transaction(part), timeout=_SECONDS)

        async with asyncio.TaskGroup() as group:
            remaining = iter(objects)
            while part := tuple(islice(remaining, _PUTS)):
                group.create_task(one(part))


def _transaction(puts: Iterable[tuple[str, bytes]]) -> bytes:
    """A TxnRequest without conditions: everything is done."""
    return b"".join(_SUCCESS + _bytes(_REQUEST_PUT + _bytes(_put(key, value))) for key, value in puts)


def _put(key: str, value: bytes) -> bytes:
    return _KEY + _bytes(key.encode()) + _VALUE + _bytes(value)


def _bytes(content: bytes) -> bytes:
    """The length as a varint, then the content."""
    length = len(content)
    prefix = bytearray()
    while length >= 0x80:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + content

"""Whether kopf's watches work, as seen from the requests of its session."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from controlplane.ports import LOOPBACK
from servicetokens.controllers.sources.streams import Streams
from servicetokens.runtime.readiness import Readiness
from servicetokens.runtime.supervision import PartEnded

ROLES = "/apis/servicetokens.dev/v1beta1/serviceroles"
TOKENS = "/apis/servicetokens.dev/v1beta1/namespaces/team-a/servicetokens"
ACCOUNTS = "/apis/servicetokens.dev/v1beta1/namespaces/team-a/serviceaccounts"
SECONDS = 0.2


async def request(streams: Streams, *paths: str) -> None:
    """Request watches at *paths* of a server that knows none of them."""
    runner = web.AppRunner(web.Application())
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0)
    await site.start()
    try:
        async with aiohttp.ClientSession(site.name, trace_configs=[streams.trace()]) as session:
            for path in paths:
                async with session.get(path, params={"watch": "true"}):
                    pass
    finally:
        await runner.cleanup()


async def test_a_watch_that_is_never_requested_ends_the_watches() -> None:
    """Otherwise the operator would stay unready, and mint nothing."""
    streams = Streams(Readiness(), ["team-a"], secrets=False)
    streams.expect()
    await request(streams, TOKENS, ROLES)
    with pytest.raises(PartEnded, match="not begun the watch of serviceaccounts"):
        await streams.until_overdue(SECONDS)


async def test_watches_that_were_requested_do_not_end() -> None:
    """Whether or not they can be opened: kopf goes on trying."""
    streams = Streams(Readiness(), ["team-a"], secrets=False)
    streams.expect()
    await request(streams, TOKENS, ROLES, ACCOUNTS)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(streams.until_overdue(SECONDS), 3 * SECONDS)


async def test_watches_that_are_begun_again_have_to_be_requested_again() -> None:
    """As after a restart of the part."""
    streams = Streams(Readiness(), ["team-a"], secrets=False)
    streams.expect()
    await request(streams, TOKENS, ROLES, ACCOUNTS)
    streams.expect()
    with pytest.raises(PartEnded):
        await streams.until_overdue(SECONDS)

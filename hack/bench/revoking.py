"""How long a revoked token is still accepted, counted from the API server's answer to the revocation."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.objects import token_path
from bench.report import Section
from bench.stored import Stored
from bench.yardstick import Target, Yardstick
from controlplane.processes import Process
from servicetokens.kube.client import Api

RATE: Final = 1000
GOAL_MILLIS: Final = 250
# Between two questions: well below what is measured, and few enough not to be load themselves.
POLL_SECONDS: Final = 0.001
# A revocation that takes longer has failed.
PATIENCE_SECONDS: Final = 10
# Each takes a PATCH and a few questions.
SECONDS_PER_REVOCATION: Final = 0.03

METHOD = f"""\
One validator with all tokens stored, under {RATE:,} requests a second on 32 connections. Tokens outside
that load are revoked one after the other by a merge patch of `spec.state`; from the moment the API server
has answered, forward-auth is asked every millisecond until it rejects. The time ends when the rejection has
arrived. The operator does not run: the validator decides by the spec itself."""


async def measure(
    api: Api, yardstick: Yardstick, target: Target, *, namespace: str, victims: Sequence[Stored], load: Path
) -> Section:
    """Revoke all *victims* and return the rows."""
    duration = 5 + len(victims) * SECONDS_PER_REVOCATION
    background = yardstick.background(target, load, rate=RATE, seconds=duration)
    await asyncio.sleep(1)
    host, _, port = target.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    took = sorted([await _revoke(api, namespace, one, reader, writer) for one in victims])
    writer.close()
    served = json.loads((await asyncio.to_thread(_finish, background, duration)).splitlines()[-1])
    section = Section("Revoking", METHOD)
    p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
    section.add(f"revoke, p50 of {len(took)}", f"{p50:.1f} ms")
    section.add("revoke, p99", f"{p99:.1f} ms", f"<= {GOAL_MILLIS} ms", met=p99 <= GOAL_MILLIS)
    section.add(
        "requests served meanwhile",
        f"{served['requests'] / served['seconds']:,.0f}/s, p99 {served['p99Millis']:.1f} ms",
    )
    return section


async def _revoke(
    api: Api, namespace: str, victim: Stored, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> float:
    """Revoke one token; return the milliseconds from the API server's answer to the first rejection."""
    assert await ask(victim.plaintext, reader, writer) == b"200", "a token is refused before it is revoked"
    await api.request("PATCH", token_path(namespace, victim.name), body=b'{"spec":{"state":"Revoked"}}')
    answered = time.monotonic()
    while await ask(victim.plaintext, reader, writer) == b"200":
        assert time.monotonic() - answered < PATIENCE_SECONDS, "a revoked token is still accepted"
        await asyncio.sleep(POLL_SECONDS)
    return (time.monotonic() - answered) * 1000


async def ask(token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Ask forward-auth over the open connection and return the status code."""
    writer.write(f"GET /validate HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    status, _, headers = head.partition(b"\r\n")
    for line in headers.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return status.split(b" ", 2)[1]


def _finish(load: Process, duration: float) -> str:
    """Wait for the load generator to end and return what it wrote."""
    load.wait(duration + 30)
    return load.output()

"""Watches what several validators say of one token while it is revoked and restored again and again."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from common.drivers.world import HOME, World
from controlplane.ports import LOOPBACK
from servicetokens.api.names import API_VERSION
from servicetokens.kube.client import Api
from servicetokens.propagation.record import SELECTOR

_LEASES: Final = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases"

# Between two questions to one validator; there are as many askers as validators.
_ASK_PERIOD: Final = 0.002
# How long validators are watched after each Enforced=True, before the state is changed again.
_WATCHED_SECONDS: Final = 0.03
_PATIENCE_SECONDS: Final = 60.0
# A client that is rejected so often is throttled.
_REJECTIONS: Final = frozenset({"401", "429"})


@dataclass
class Observations:
    """Seconds from the API server's answer to Enforced=True, and what contradicted it afterwards."""

    revoked: list[float] = field(default_factory=list)
    restored: list[float] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    asked: int = 0

    def percentile(self, percent: int) -> float:
        """Return that percentile of all times, in seconds."""
        times = sorted(self.revoked + self.restored)
        return times[min(len(times) - 1, len(times) * percent // 100)]


class Witness:
    """Presents a token to each of *ports* (forward-auth, on loopback) all the time."""

    def __init__(self, ports: Sequence[int], token: str) -> None:
        self._ports = ports
        self._token = token
        self.answers: list[tuple[float, int, str]] = []
        """When each question was begun (monotonic), at which port, and the status that came back."""

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Ask while the context lasts."""
        tasks = [asyncio.create_task(self._ask(port)) for port in self._ports]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, port: int) -> None:
        question = f"GET /validate HTTP/1.1\r\nHost: witness\r\nAuthorization: Bearer {self._token}\r\n\r\n"
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(LOOPBACK, port)
                try:
                    await self._converse(port, question.encode(), reader, writer)
                finally:
                    writer.close()
            await asyncio.sleep(_ASK_PERIOD)

    async def _converse(
        self, port: int, question: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            began = time.monotonic()
            writer.write(question)
            head = await reader.readuntil(b"\r\n\r\n")
            self.answers.append((began, port, head[9:12].decode()))
            if b"Connection: close" in head:
                return
            await asyncio.sleep(_ASK_PERIOD)


async def revoke_and_restore(
    api: Api, namespace: str, name: str, witness: Witness, rounds: int
) -> Observations:
    """Revoke and restore the token *rounds* times, each time waiting for Enforced, and compare with the witness."""
    found = Observations()
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/servicetokens"
    async with witness.asking(), _following(api, path, name) as changes:
        for _ in range(rounds):
            found.revoked.append(await _change(api, f"{path}/{name}", "Revoked", changes))
            await _compare(witness, _REJECTIONS, found, "accepted after Enforced=True")
            found.restored.append(await _change(api, f"{path}/{name}", None, changes))
            await _compare(witness, {"200"}, found, "refused after it was restored and Enforced=True")
        found.asked = len(witness.answers)
    return found


async def _change(api: Api, path: str, state: str | None, changes: "asyncio.Queue[dict[str, Any]]") -> float:
    """Change the state; return the seconds from the API server's answer until the watch shows Enforced=True."""
    body = json.dumps({"spec": {"state": state}}).encode()
    answer = json.loads(await api.request("PATCH", path, body=body))
    answered = time.monotonic()
    generation = answer["metadata"]["generation"]
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            item = await changes.get()
            if is_enforced(item, generation):
                return time.monotonic() - answered


def is_enforced(item: dict[str, Any], generation: int) -> bool:
    """Say whether the object's status says Enforced=True of that generation, as kubectl wait would."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(
        one["type"] == "Enforced" and one["status"] == "True" and one["observedGeneration"] == generation
        for one in conditions
    )


async def _compare(witness: Witness, expected: Collection[str], found: Observations, words: str) -> None:
    since = time.monotonic()
    await asyncio.sleep(_WATCHED_SECONDS)
    found.contradictions += [
        f"port {port} answered {status}: {words}"
        for began, port, status in witness.answers[-200:]
        if began >= since and status not in expected
    ]


@asynccontextmanager
async def _following(api: Api, path: str, name: str) -> AsyncIterator["asyncio.Queue[dict[str, Any]]"]:
    """Give every version of one object as a watch brings it."""
    version = json.loads(await api.request("GET", path, query={"limit": "1"}))["metadata"]["resourceVersion"]
    changes: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    query = {"watch": "true", "resourceVersion": version, "fieldSelector": f"metadata.name={name}"}

    async def follow() -> None:
        """Read the watch."""
        async with api.stream(path, query, silence=_PATIENCE_SECONDS * 10) as lines:
            async for line in lines:
                changes.put_nowait(json.loads(line)["object"])

    task = asyncio.create_task(follow())
    try:
        yield changes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def enforced(world: World, namespace: str) -> tuple[str, str, str]:
    """Return what the condition says of the present generation, or of none."""
    token = world.get(namespace)
    condition = world.condition(namespace, "Enforced")
    if condition.get("observedGeneration") != token["metadata"]["generation"]:
        return ("", "", "")
    return condition["status"], condition["reason"], condition["message"]


def leases(world: World) -> set[str]:
    """Return the names of the validators' Leases."""
    found = world.ok("GET", f"{_LEASES}?labelSelector={SELECTOR}").body["items"]
    return {lease["metadata"]["name"] for lease in found}


def delete_leases(world: World) -> None:
    """Delete what validators left behind that were killed. The operator does so when something waits for them."""
    for name in leases(world):
        world.client.request("DELETE", f"{_LEASES}/{name}")

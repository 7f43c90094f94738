"""A thousand tokens applied together, by our operator and by a bare writer of the same objects."""

import asyncio
import http.client
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.machine import cpu_seconds
from bench.objects import (
    IN_FLIGHT,
    Json,
    gather_limited,
    get,
    names,
    prepare_namespace,
    send,
    token_object,
    token_path,
    watching,
)
from bench.report import Section
from bench.request_counts import RequestCounts
from bench.yardstick import BenchFailed
from controlplane.processes import Process
from servicetokens.api.names import LABEL_TOKEN_SECRET
from servicetokens.kube.client import Api

# As a CI system or a GitOps controller applies many objects.
APPLIERS: Final = 8
GOAL_SECONDS: Final = 8
GOAL_SHARE: Final = 0.5
GOAL_WRITES: Final = 2
GOAL_CPU_MILLIS: Final = 3
# Ten times the goal: a machine may be slow, but a hang must end.
PATIENCE_SECONDS: Final = 120

METHOD: Final = f"""\
The tokens are POSTed by {APPLIERS} workers; the clock runs from the first POST until two watches have shown
the last Secret and the last `Ready=True`. API server, etcd, operator and this program share all cores. The
bare writer then sends the same pairs (POST Secret, PUT status; the bodies are copies of what the operator
wrote) for tokens that exist already, {IN_FLIGHT} in flight, with the same client; its clock does not
include the POSTs of the tokens, so the share is a strict one. Rounds alternate, medians. Writes are counted
by the API server (`apiserver_request_total`), less our own."""


def patience(count: int) -> float:
    """Return the seconds after which *count* tokens count as hung: a tenth of the rate that is aimed at."""
    return PATIENCE_SECONDS + count / 20


@dataclass
class Round:
    """What one round has shown."""

    operator_seconds: float
    writer_seconds: float
    writer_seconds_with_tokens: float
    writes: float
    """API writes of the operator per token, Events not counted."""
    events: float
    cpu_millis: float
    """CPU time of the operator per token."""


@dataclass
class _Progress:
    """Which tokens have what, as two watches see it."""

    expected: int
    ready: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def see_token(self, event: Json) -> None:
        found = event["object"]
        conditions = found.get("status", {}).get("conditions", ())
        if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
            self.ready.add(found["metadata"]["name"])
            self._check()

    def see_secret(self, event: Json) -> None:
        self.secrets.add(event["object"]["metadata"]["name"])
        self._check()

    def _check(self) -> None:
        if len(self.ready) >= self.expected and len(self.secrets) >= self.expected:
            self.done.set()


async def measure(
    api: Api, operator: Process, health: str, namespaces: Sequence[tuple[str, str]], count: int
) -> Section:
    """Run one round for each pair of namespaces (the operator's, the bare writer's) and return the rows."""
    await wait_until_ready(operator, health)
    rounds = [await run_round(api, operator, watched, bare, count) for watched, bare in namespaces]
    section = Section(f"Minting {count:,} tokens", METHOD)

    def median(of: Callable[[Round], float]) -> float:
        """Over all rounds."""
        return statistics.median(of(one) for one in rounds)

    seconds, bare = median(lambda one: one.operator_seconds), median(lambda one: one.writer_seconds)
    share = median(lambda one: one.writer_seconds / one.operator_seconds)
    like = median(lambda one: one.writer_seconds_with_tokens / one.operator_seconds)
    writes, cpu = median(lambda one: one.writes), median(lambda one: one.cpu_millis)
    section.add(
        "first apply -> all Secrets, all Ready",
        f"{seconds:.1f} s ({count / seconds:,.0f}/s)",
        f"<= {GOAL_SECONDS} s",
        met=seconds <= GOAL_SECONDS,
    )
    section.add("bare writer, the same pairs", f"{bare:.1f} s ({count / bare:,.0f}/s)")
    section.add(
        "share of the bare writer's rate", f"{share:.0%}", f">= {GOAL_SHARE:.0%}", met=share >= GOAL_SHARE
    )
    section.add("the same, if the bare writer POSTs the tokens as well", f"{like:.0%}")
    section.add(
        "API writes per token", f"{writes:.2f}", f"{GOAL_WRITES}", met=round(writes, 2) <= GOAL_WRITES
    )
    section.add("Events per token", f"{median(lambda one: one.events):.2f}")
    section.add(
        "operator CPU per token", f"{cpu:.2f} ms", f"<= {GOAL_CPU_MILLIS} ms", met=cpu <= GOAL_CPU_MILLIS
    )
    return section


async def run_round(api: Api, operator: Process, watched: str, bare: str, count: int) -> Round:
    """Let the operator mint *count* tokens in *watched*, then write the same objects into *bare*."""
    before, cpu = await RequestCounts.read(api), cpu_seconds(operator.pid)
    seconds = await let_the_operator_mint(api, watched, count)
    cpu = cpu_seconds(operator.pid) - cpu
    after = await RequestCounts.read(api)
    creating, writing = await _write_the_same(api, watched, bare, count)
    return Round(
        operator_seconds=seconds,
        writer_seconds=writing,
        writer_seconds_with_tokens=creating + writing,
        # Ours are the POSTs of the tokens.
        writes=(after.writes - before.writes - count) / count,
        events=(after.events - before.events) / count,
        cpu_millis=cpu / count * 1000,
    )


async def let_the_operator_mint(api: Api, namespace: str, count: int) -> float:
    """Create *count* tokens; return the seconds until all are Ready and delivered. Raises `BenchFailed`."""
    progress = _Progress(count)
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    async with (
        watching(api, token_path(namespace), progress.see_token),
        watching(api, secrets, progress.see_secret, labelSelector=f"{LABEL_TOKEN_SECRET}=true"),
    ):
        start = time.monotonic()
        await create_tokens(api, namespace, count, APPLIERS)
        try:
            await asyncio.wait_for(progress.done.wait(), patience(count))
        except TimeoutError:
            message = (
                f"after {patience(count):.0f} s {len(progress.ready)} of {count} tokens are Ready "
                f"and {len(progress.secrets)} have a Secret"
            )
            raise BenchFailed(message) from None
        return time.monotonic() - start


async def create_tokens(api: Api, namespace: str, count: int, in_flight: int) -> list[Json]:
    """Create *count* tokens, *in_flight* at a time."""

    async def create(name: str) -> Json:
        """Create one."""
        return await send(api, "POST", token_path(namespace), token_object(name))

    return await gather_limited(create, names(count), in_flight=in_flight)


async def _write_the_same(api: Api, source: str, target: str, count: int) -> tuple[float, float]:
    """Copy *source*'s Secrets and statuses into *target*; return the seconds for tokens and for pairs."""
    await prepare_namespace(api, target)
    minted = {one["metadata"]["name"]: one for one in (await get(api, token_path(source)))["items"]}
    delivered = (await get(api, f"/api/v1/namespaces/{source}/secrets"))["items"]
    by_name = {one["metadata"]["name"]: one for one in delivered}
    start = time.monotonic()
    created = await create_tokens(api, target, count, APPLIERS)
    creating = time.monotonic() - start

    async def write_pair(token: Json) -> None:
        name = token["metadata"]["name"]
        secret = _copy_secret(by_name[name], token["metadata"]["uid"])
        await send(api, "POST", f"/api/v1/namespaces/{target}/secrets", secret)
        token["status"] = minted[name]["status"]
        await send(api, "PUT", f"{token_path(target, name)}/status", token, fieldValidation="Strict")

    start = time.monotonic()
    await gather_limited(write_pair, created)
    return creating, time.monotonic() - start


def _copy_secret(secret: Json, owner_uid: str) -> Json:
    metadata = secret["metadata"]
    kept = {key: metadata[key] for key in ("name", "labels", "annotations") if key in metadata}
    owners = [{**owner, "uid": owner_uid} for owner in metadata.get("ownerReferences", ())]
    return {"metadata": {**kept, "ownerReferences": owners}, "type": secret["type"], "data": secret["data"]}


async def wait_until_ready(operator: Process, health: str) -> None:
    """Wait until `/readyz` says so. Raises `BenchFailed`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await asyncio.to_thread(_is_ready, health):
        operator.raise_if_ended()
        if time.monotonic() > deadline:
            message = f"the operator does not get ready:\n{operator.tail()}"
            raise BenchFailed(message)
        await asyncio.sleep(0.2)


def _is_ready(health: str) -> bool:
    connection = http.client.HTTPConnection(health, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()

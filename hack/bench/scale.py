"""Ten and fifty thousand tokens: `make bench-scale`. Minutes; its page is docs/concepts/scale.md."""

import argparse
import asyncio
import contextlib
import http.client
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

from bench import report
from bench.machine import Machine, cpu_seconds, resident_megabytes
from bench.minting import let_the_operator_mint, patience, run_round, wait_until_ready
from bench.objects import (
    ACCOUNT,
    GROUP_PATH,
    IN_FLIGHT,
    Json,
    gather_limited,
    names,
    prepare_namespace,
    send,
    token_object,
    token_path,
    watching,
)
from bench.processes import start_operator
from bench.report import Section
from bench.request_counts import RequestCounts
from bench.stored import create_key
from bench.yardstick import BenchFailed
from controlplane import build
from controlplane.cluster import Cluster
from controlplane.crds import install_crds
from controlplane.processes import Process
from servicetokens.api.names import DEFAULT_NAMESPACE
from servicetokens.api.values import format_time
from servicetokens.kube.client import Api

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "concepts" / "scale.md"
FIRST, MORE, CUT, ENDING, BARE = (f"scale-{word}" for word in ("first", "more", "cut", "ending", "bare"))
WATCHED: Final = [FIRST, MORE, CUT, ENDING]
REST_SECONDS: Final = 60
REST_PATIENCE: Final = 240
# Longer than the operator waits before the list that follows the beginning of its watches.
CALM_SECONDS: Final = 12
# Long enough to create them all and to see them minted before they end.
LEAD_SECONDS: Final = 40
GOAL_SHARE, GOAL_CPU_MILLIS, GOAL_RESTART, GOAL_MEGABYTES = 0.6, 2.0, 8.0, 350
# The goal is for so many.
GOAL_RESTART_TOKENS: Final = 10_000

METHOD: Final = """\
Everything on one machine: API server, etcd, operator and this program share its cores. Minting and the bare writer are
those of [the benchmarks](benchmarks.md). *Restart* is from the start of the process until it is ready and its queue is
empty; writes are counted by the API server. *Rest* counts the new operator's own requests
(`servicetokens_operator_api_requests_total`; one operator, no Lease) once that is so. Every minute it asks for the
three CRDs, which may have been replaced by older ones. Memory is what is resident (RSS)."""


class Operator:
    """One operator, restarted on request."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._running: Process | None = None
        self._health = ""

    async def start(self) -> float:
        """Start it; return the seconds until it is ready and has nothing left to do."""
        began = time.monotonic()
        self._running, self._health = start_operator(
            self._cluster, sys.executable, WATCHED, "--no-leader-election", "--no-issue-certificate"
        )
        await wait_until_ready(self.process, self._health)
        while await self.metric("queue_length"):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def metric(self, name: str) -> float:
        """Return the sum of a metric of the operator's over all its labels."""

        def read() -> str:
            """Ask."""
            connection = http.client.HTTPConnection(self._health, timeout=10)
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()

        page = await asyncio.to_thread(read)
        found = re.findall(rf"^servicetokens_operator_{name}(?:\{{.*\}})? (\S+)$", page, re.MULTILINE)
        return sum(map(float, found))

    async def come_to_rest(self) -> None:
        """Wait until it has asked for nothing for a while. Raises `BenchFailed`."""
        deadline, asked, since = time.monotonic() + REST_PATIENCE, -1.0, time.monotonic()
        while time.monotonic() - since < CALM_SECONDS:
            if (now := await self.metric("api_requests_total")) != asked:
                asked, since = now, time.monotonic()
            if time.monotonic() > deadline:
                message = f"the operator does not come to rest within {REST_PATIENCE} s"
                raise BenchFailed(message)
            await asyncio.sleep(1)

    @property
    def process(self) -> Process:
        """The one that runs, or ran last."""
        assert self._running is not None
        return self._running

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu_seconds(self.process.pid)

    @property
    def megabytes(self) -> float:
        """Resident now."""
        return resident_megabytes(self.process.pid)[0]


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__)
    parser.add_argument("--first", type=int, default=10_000, help="tokens beside the bare writer")
    parser.add_argument("--all", type=int, default=50_000, help="tokens in the end")
    parser.add_argument("--some", type=int, default=1000, help="tokens of one account, and of one second")
    parser.add_argument("--rest", type=int, default=REST_SECONDS, help="seconds of rest")
    parser.add_argument("--write", action="store_true", help="write docs/concepts/scale.md")
    options = parser.parse_args()
    with Cluster(binaries=build.find()) as cluster:
        install_crds(cluster, ROOT / "crds")
        machine = Machine.inspect(cluster.client().request("GET", "/version").body["gitVersion"])
        section = Section(f"{options.first:,} and {options.all:,} tokens", METHOD)
        try:
            asyncio.run(_measure(cluster, section, options))
        except BenchFailed as error:
            print(f"bench-scale: {error}", file=sys.stderr)
            return 1
    print(report.text([section]))
    if options.write:
        report.write_page(
            PAGE, machine, [section], "", title="Scale", command="make bench-scale ARGS=--write"
        )
    return 0


async def _measure(cluster: Cluster, section: Section, options: argparse.Namespace) -> None:
    async with await Api.connect(str(cluster.kubeconfig)) as api:
        await create_key(api, DEFAULT_NAMESPACE)
        for namespace in WATCHED:
            await prepare_namespace(api, namespace)
        operator = Operator(cluster)
        await operator.start()
        await _mint(section, api, operator, options.first)
        await _restart_and_rest(section, api, operator, options.first, options.rest)
        await _suspend(section, api, operator, options.some)
        await _end_at_once(section, api, operator, options.some)
        rest = options.all - options.first - 2 * options.some
        if rest > 0:
            _say(f"minting {rest:,} more")
            cpu = operator.cpu
            seconds = await let_the_operator_mint(api, MORE, rest)
            section.add(f"mint {rest:,} more", f"{seconds:.0f} s ({rest / seconds:,.0f}/s)")
            _cpu(section, f"operator CPU per token, {rest:,} more", (operator.cpu - cpu) / rest)
            await _restart_and_rest(section, api, operator, options.all, options.rest)
        operator.process.stop()


async def _mint(section: Section, api: Api, operator: Operator, count: int) -> None:
    _say(f"minting {count:,}, by the operator and by a bare writer")
    found = await run_round(api, operator.process, FIRST, BARE, count)
    share = found.writer_seconds / found.operator_seconds
    section.add(
        f"mint {count:,}", f"{found.operator_seconds:.1f} s ({count / found.operator_seconds:,.0f}/s)"
    )
    section.add("bare writer, the same pairs", f"{count / found.writer_seconds:,.0f}/s")
    section.add(
        "share of the bare writer's rate", f"{share:.0%}", f">= {GOAL_SHARE:.0%}", met=share >= GOAL_SHARE
    )
    _cpu(section, "operator CPU per token", found.cpu_millis / 1000)
    section.add("API writes per token", f"{found.writes:.2f}")


def _cpu(section: Section, what: str, seconds: float) -> None:
    millis = seconds * 1000
    section.add(what, f"{millis:.2f} ms", f"<= {GOAL_CPU_MILLIS:g} ms", met=millis <= GOAL_CPU_MILLIS)


async def _restart_and_rest(section: Section, api: Api, operator: Operator, count: int, rest: int) -> None:
    _say(f"a restart with {count:,}, then rest")
    operator.process.stop()
    before = await RequestCounts.read(api)
    seconds = await operator.start()
    cpu = operator.cpu
    if count <= GOAL_RESTART_TOKENS:
        met = seconds <= GOAL_RESTART
        section.add(f"restart with {count:,}", f"{seconds:.1f} s", f"<= {GOAL_RESTART:g} s", met=met)
    else:
        section.add(f"restart with {count:,}", f"{seconds:.1f} s")
    section.add("CPU of it", f"{cpu:.1f} s")
    began = time.monotonic()
    await operator.come_to_rest()
    section.add(
        "until it rests: all shown by its watches, all listed once more", f"{time.monotonic() - began:.0f} s"
    )
    writes = (await RequestCounts.read(api)).writes - before.writes
    section.add("writes of it", f"{writes:.0f}", "0", met=writes == 0)
    requests, cpu = await operator.metric("api_requests_total"), operator.cpu
    await asyncio.sleep(rest)
    requests = await operator.metric("api_requests_total") - requests
    section.add(f"requests in {rest} s of rest", f"{requests:.0f}", "0", met=requests == 0)
    section.add("CPU meanwhile", f"{(operator.cpu - cpu) / rest:.2%}")
    memory = operator.megabytes
    section.add(
        f"memory, {count:,}", f"{memory:.0f} MB", f"<= {GOAL_MEGABYTES} MB", met=memory <= GOAL_MEGABYTES
    )


async def _suspend(section: Section, api: Api, operator: Operator, count: int) -> None:
    _say(f"suspending an account with {count:,} tokens")
    await let_the_operator_mint(api, CUT, count)
    cpu = operator.cpu
    async with _until(api, CUT, count, lambda conditions: conditions["Active"] == "AccountSuspended") as done:
        began = time.monotonic()
        path = f"{GROUP_PATH}/namespaces/{CUT}/serviceaccounts/{ACCOUNT}"
        await api.request("PATCH", path, body=b'{"spec":{"state":"Suspended"}}')
        seconds = await done() - began
    section.add(f"account suspended -> the status of all {count:,} says so", f"{seconds:.1f} s")
    _cpu(section, "operator CPU per token of it", (operator.cpu - cpu) / count)


async def _end_at_once(section: Section, api: Api, operator: Operator, count: int) -> None:
    _say(f"{count:,} tokens that end in the same second")
    end = int(time.time()) + LEAD_SECONDS

    async def create(name: str) -> Json:
        """Create one that ends then."""
        body = token_object(name)
        del body["spec"]["expiresAfter"]
        body["spec"]["expirationTime"] = format_time(end)
        return await send(api, "POST", token_path(ENDING), body)

    async with _until(api, ENDING, count, lambda conditions: conditions["Active"] == "Expired") as done:
        await gather_limited(create, names(count), in_flight=IN_FLIGHT)
        await asyncio.sleep(max(0.0, end - 1 - time.time()))
        cpu = operator.cpu
        await done()
        section.add(
            f"{count:,} tokens expire in one second -> the status of each says so",
            f"{time.time() - end:.1f} s",
        )
    _cpu(section, "operator CPU per token of it", (operator.cpu - cpu) / count)


@contextlib.asynccontextmanager
async def _until(
    api: Api, namespace: str, count: int, is_it: Callable[[dict[str, str]], bool]
) -> AsyncIterator[Callable[[], Awaitable[float]]]:
    """Give a function that waits until *count* tokens have conditions that *is_it* takes, and returns when."""
    seen: set[str] = set()
    done = asyncio.Event()

    def see(event: Json) -> None:
        """Look at the reasons of one token's conditions."""
        found = event["object"]
        reasons = {one["type"]: one["reason"] for one in found.get("status", {}).get("conditions", ())}
        if is_it({"Active": "", **reasons}):
            seen.add(found["metadata"]["name"])
            if len(seen) >= count:
                done.set()

    async def wait() -> float:
        """Wait. Raises `BenchFailed`."""
        try:
            await asyncio.wait_for(done.wait(), patience(count))
        except TimeoutError:
            message = f"{len(seen)} of {count} tokens of {namespace} are where they should be"
            raise BenchFailed(message) from None
        return time.monotonic()

    async with watching(api, token_path(namespace), see):
        yield wait


def _say(what: str) -> None:
    print(f"bench-scale: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

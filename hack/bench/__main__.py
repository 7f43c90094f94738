"""The command line of the benchmarks: `make bench`, or `make bench ARGS=--write`."""

import argparse
import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Final

from bench import (
    enforcing,
    finding,
    helping,
    minting,
    rejecting,
    relisting,
    report,
    revoking,
    serving,
    starting,
)
from bench.comparison import FEW, FEW_NAMESPACE, MANY_NAMESPACE, ROTATION, start_servers
from bench.machine import Machine
from bench.objects import prepare_namespace
from bench.processes import mount_service_account, start_operator, start_validator
from bench.report import Section
from bench.starting import Store
from bench.stored import create_key, store, store_caller, write_tokens
from bench.yardstick import BenchFailed, Yardstick
from common.drivers.peers import PeerMissing
from controlplane import build
from controlplane.cluster import Cluster
from controlplane.crds import install_crds
from controlplane.kubectl import KubectlFailed
from controlplane.processes import ProcessFailed
from servicetokens.api.names import DEFAULT_NAMESPACE
from servicetokens.kube.client import Api
from servicetokens.kube.errors import KubeError

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "concepts" / "benchmarks.md"
SOME_NAMESPACE: Final = "bench-some"
REVOCATIONS: Final = 200
MINTING_ROUNDS: Final = 3
FAILURES: Final = (
    build.ControlPlaneMissing,
    PeerMissing,
    BenchFailed,
    ProcessFailed,
    KubectlFailed,
    KubeError,
    TimeoutError,
    OSError,
)

REMARKS: Final = """\
- Go stands here for net/http and encoding/json as most people would write it; a tuned Go server (fasthttp,
  a JSON code generator, cached answers) is faster, and is not measured.
- Our validator keeps the finished answer of a token and does not compute its checksum; the yardstick builds
  its answer each time. That is part of the design, and part of the ratio.
- The validator does more per request than the yardstick: it reads the forwarded request, joins account and
  roles when a token is presented, and enforces deadlines and limits on every connection.
- The Python here decides, too: a build without PGO and LTO is up to a fifth slower than that of the image.
- Requests per second are what one core gave while the other one produced the load; latencies under full
  load say little on two cores.
"""


def main() -> int:
    """Measure everything, print it, return the exit status."""
    options = _parse()
    try:
        with Cluster(binaries=build.find()) as cluster:
            install_crds(cluster, ROOT / "crds")
            version = cluster.client().request("GET", "/version").body["gitVersion"]
            machine = Machine.inspect(version)
            sections = asyncio.run(_measure(cluster, options))
            _say("helping: the plugin, a bare interpreter and kubectl in turn")
            sections.append(helping.measure(build.find() / "kubectl"))
            _say("finding leaks: two large logs without a token")
            sections.append(finding.measure(options.megabytes))
    except FAILURES as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\n".join(f"{name:<28}{value}" for name, value in machine.facts))
    print(report.text(sections))
    if options.write:
        report.write_page(PAGE, machine, sections, REMARKS)
        print(f"\nwritten: {PAGE.relative_to(ROOT)}")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure against Go and a bare writer.")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--stored", type=int, default=100_000, help="tokens that the validator holds")
    parser.add_argument("--applied", type=int, default=1000, help="tokens that are applied at once")
    parser.add_argument("--revocations", type=int, default=100, help="of one token, each with its proof")
    parser.add_argument(
        "--megabytes", type=int, default=100, help="size of the log that is searched for leaks"
    )
    parser.add_argument("--refusals", type=int, default=rejecting.QUESTIONS, help="of each kind")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of serving")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one sample of serving")
    return parser.parse_args()


async def _measure(cluster: Cluster, options: argparse.Namespace) -> list[Section]:
    async with await Api.connect(str(cluster.kubeconfig)) as api:
        key = await create_key(api, DEFAULT_NAMESPACE)
        # First, while the API holds little: the bare writer's and the operator's rounds see the same server.
        sections = [await _measure_minting(cluster, api, options.applied)]
        yardstick = Yardstick(cluster.directory)
        _say(f"storing {options.stored:,} tokens, and a tenth of them")
        etcd = cluster.directory / "etcd.sock"
        few = await store(api, etcd, FEW_NAMESPACE, FEW, key)
        some = await store(api, etcd, SOME_NAMESPACE, max(1, options.stored // 10), key)
        many = await store(api, etcd, MANY_NAMESPACE, options.stored, key)
        caller = await store_caller(api, MANY_NAMESPACE, key)
        _say("starting: our validator and a bare list in turn")
        stores = (Store(SOME_NAMESPACE, some, 60), Store(MANY_NAMESPACE, many, 110))
        certificate = cluster.files.authority.server("bench-start")
        start = partial(
            start_validator,
            cluster,
            sys.executable,
            certificate=certificate,
            service_account=mount_service_account(cluster),
        )
        sections.append(await asyncio.to_thread(starting.measure, cluster, stores, start))
        servers = start_servers(cluster, yardstick, few, many, caller, key)
        _say("serving: our validator and the yardsticks in turn")
        sections.append(
            serving.measure(yardstick, servers.comparison, rounds=options.rounds, seconds=options.seconds)
        )
        _say("revoking under load")
        victims = many[-min(REVOCATIONS, options.stored // 2) :]
        spared = write_tokens(cluster.directory / "spared.txt", many[: -len(victims)][:ROTATION])
        forward = servers.ours.target("forward-auth")
        sections.append(
            await revoking.measure(
                api, yardstick, forward, namespace=MANY_NAMESPACE, victims=victims, load=servers.tokens
            )
        )
        _say("refusing what is wrong")
        # The load has presented those before it.
        unused = many[min(ROTATION, len(many) - 1)].plaintext
        sections.append(
            await rejecting.measure(forward, unused, many[0].plaintext, questions=options.refusals)
        )
        servers.stop()
        _say("proving revocations under load")
        sections.append(await enforcing.measure(cluster, api, yardstick, rounds=options.revocations))
        _say("listing again under load")
        sections.append(
            relisting.measure(cluster, yardstick, servers.plain, tokens=spared, count=options.stored)
        )
        servers.plain.process.stop()
        return sections


async def _measure_minting(cluster: Cluster, api: Api, count: int) -> Section:
    pairs = [(f"bench-operator-{number}", f"bench-writer-{number}") for number in range(MINTING_ROUNDS)]
    for watched, _ in pairs:
        await prepare_namespace(api, watched)
    operator, health = start_operator(cluster, sys.executable, [watched for watched, _ in pairs])
    _say(f"minting {count:,} tokens, {len(pairs)} rounds, operator and bare writer in turn")
    try:
        return await minting.measure(api, operator, health, pairs, count)
    finally:
        operator.stop()


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

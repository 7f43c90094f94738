"""The command line of the benchmarks: `make bench`, or `make bench ARGS=--write`."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from bench import minting, report, revoking, serving
from bench.machine import Machine
from bench.objects import prepare_namespace
from bench.processes import start_operator, start_validator
from bench.report import Section
from bench.serving import Contest, Contestant
from bench.stored import create_key, store, write_index, write_tokens
from bench.yardstick import BenchFailed, Yardstick, wait_until_served
from controlplane import build
from controlplane.cluster import Cluster
from controlplane.crds import install_crds
from controlplane.kubectl import KubectlFailed
from controlplane.processes import ProcessFailed
from servicetokens.api.names import DEFAULT_NAMESPACE
from servicetokens.kube.client import Api
from servicetokens.kube.errors import KubeError

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "benchmarks.md"
FEW: Final = 10
ROTATION: Final = 1000
REVOCATIONS: Final = 200
MINTING_ROUNDS: Final = 3
FAILURES: Final = (
    build.ControlPlaneMissing,
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
    parser.add_argument("--stored", type=int, default=10_000, help="tokens that the validator holds")
    parser.add_argument("--applied", type=int, default=1000, help="tokens that are applied at once")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of serving")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one sample of serving")
    return parser.parse_args()


async def _measure(cluster: Cluster, options: argparse.Namespace) -> list[Section]:
    async with await Api.connect(str(cluster.kubeconfig)) as api:
        key = await create_key(api, DEFAULT_NAMESPACE)
        # First, while the API holds little: the bare writer's and the operator's rounds see the same server.
        minted = await _measure_minting(cluster, api, options.applied)
        yardstick = Yardstick(cluster.directory)
        _say(f"storing {options.stored:,} tokens")
        few = await store(api, "bench-few", FEW, key)
        many = await store(api, "bench-many", options.stored, key)
        certificate = cluster.files.authority.server("bench")
        few_tokens = write_tokens(cluster.directory / "few.txt", few)
        tokens = write_tokens(cluster.directory / "tokens.txt", many[:ROTATION])
        ours_few, _ = start_validator(cluster, sys.executable, "bench-few", certificate)
        ours, ours_review = start_validator(cluster, sys.executable, "bench-many", certificate)
        index = write_index(cluster.directory / "index.json", many, key)
        go, go_review = yardstick.serve("goserver", index, certificate)
        stored = f"{options.stored:,} stored"
        contest = Contest(
            Contestant(f"forward-auth, ours, {FEW} stored", ours_few, few_tokens),
            Contestant(f"forward-auth, ours, {stored}", ours, tokens),
            Contestant(f"forward-auth, Go, {stored}", go, tokens),
            Contestant(f"TokenReview over TLS, ours, {stored}", ours_review, tokens),
            Contestant(f"TokenReview over TLS, Go, {stored}", go_review, tokens),
        )
        for one in contest.everybody:
            wait_until_served(yardstick, one.target, one.tokens)
        _say("serving: our validator and the yardstick in turn")
        served = serving.measure(yardstick, contest, rounds=options.rounds, seconds=options.seconds)
        _say("revoking under load")
        victims = many[-min(REVOCATIONS, options.stored // 2) :]
        revoked = await revoking.measure(
            api, yardstick, ours, namespace="bench-many", victims=victims, load=tokens
        )
        for target in (ours_few, ours, go):
            target.process.stop()
        return [minted, served, revoked]


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

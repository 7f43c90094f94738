"""How long it takes from a revocation to the proof that no validator accepts the token any more."""

import asyncio
import base64
import json
import sys
from contextlib import ExitStack
from typing import Final

from bench.objects import get, names, prepare_namespace, send, token_object, token_path
from bench.processes import Validator, start_operator, start_validator
from bench.report import Section
from bench.stored import write_plaintexts
from bench.yardstick import BenchFailed, Yardstick, wait_until_served
from common.drivers.witness import Witness, revoke_and_restore
from controlplane.cluster import Cluster
from servicetokens.kube.client import Api
from servicetokens.kube.errors import NotFound

NAMESPACE: Final = "bench-enforced"
VALIDATORS: Final = 3
RATE: Final = 5000
LOADED_TOKENS: Final = 50
GOAL_SECONDS: Final = 1.0
# A machine may be slow, but a hang must end.
_PATIENCE_SECONDS: Final = 60
# More than a change takes, so that the load outlasts them all.
_SECONDS_PER_CHANGE: Final = 0.45

METHOD: Final = f"""\
An operator and {VALIDATORS} validators, which answer {RATE:,} requests a second in all. One more token is revoked and
restored again and again; the time runs from the API server's answer until a watch shows `Enforced=True` of that
generation. The token is presented to every validator all the time: an acceptance of a request that began after
`Enforced=True` of a revocation, or a rejection after that of a restoration, ends the benchmark."""


async def measure(cluster: Cluster, api: Api, yardstick: Yardstick, *, rounds: int) -> Section:
    """Run everything and return the rows."""
    await prepare_namespace(api, NAMESPACE)
    certificate = cluster.files.authority.server("bench-enforced")
    with ExitStack() as stack:
        operator, _ = start_operator(cluster, sys.executable, [NAMESPACE])
        stack.callback(operator.stop)
        victim, *loaded = await asyncio.gather(*(_mint(api, name) for name in names(LOADED_TOKENS + 1)))
        tokens = write_plaintexts(cluster.directory / "enforced.txt", loaded)
        validators: list[Validator] = []
        for _ in range(VALIDATORS):
            validators.append(start_validator(cluster, sys.executable, NAMESPACE, certificate))
            stack.callback(validators[-1].process.kill)
        for one in validators:
            wait_until_served(yardstick, one.target("forward-auth"), tokens)
        duration = 5 + 2 * rounds * _SECONDS_PER_CHANGE
        loads = [
            yardstick.background(
                one.target("forward-auth"), tokens, rate=RATE // VALIDATORS, seconds=duration
            )
            for one in validators
        ]
        ports = [int(one.addresses["forward-auth"].rpartition(":")[2]) for one in validators]
        found = await revoke_and_restore(api, NAMESPACE, names(1)[0], Witness(ports, victim), rounds)
        served = 0.0
        for load in loads:
            await asyncio.to_thread(load.wait, duration + 60)
            report = json.loads(load.output().splitlines()[-1])
            served += report["requests"] / report["seconds"]
    if found.contradictions:
        raise BenchFailed(found.contradictions[0])
    section = Section("Proving a revocation", METHOD)
    p99 = found.percentile(99)
    changes = len(found.revoked) + len(found.restored)
    section.add(f"apply -> Enforced, p50 of {changes}", f"{found.percentile(50):.2f} s")
    section.add("apply -> Enforced, p99", f"{p99:.2f} s", f"< {GOAL_SECONDS:.0f} s", met=p99 < GOAL_SECONDS)
    section.add("contradictions seen", f"0 in {found.asked:,} questions", "0", met=True)
    section.add("requests served meanwhile", f"{served:,.0f}/s")
    return section


async def _mint(api: Api, name: str) -> str:
    """Apply a token and return its plaintext once the operator has delivered it."""
    await send(api, "POST", token_path(NAMESPACE), token_object(name))
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            await asyncio.sleep(0.1)
            try:
                secret = await get(api, f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}")
            except NotFound:
                continue
            return base64.b64decode(secret["data"]["token"]).decode()

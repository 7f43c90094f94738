"""How long a new validator needs until its answers are right, and how much memory it then has."""

import asyncio
import http.client
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.machine import SERVER_CORE, pinned, resident_megabytes
from bench.objects import token_path
from bench.processes import Validator
from bench.report import Section
from bench.stored import Stored
from bench.yardstick import BenchFailed
from controlplane.cluster import Cluster
from servicetokens.kube.client import Api
from servicetokens.kube.watch import list_pages

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS: Final = 3
GOAL_RATIO: Final = 1.5
# A machine may be slow, but a hang must end.
PATIENCE_SECONDS: Final = 120
# Between two questions: well below what is measured.
POLL_SECONDS: Final = 0.005

METHOD: Final = f"""\
A validator is started; from the start of its process it is asked every {POLL_SECONDS * 1000:.0f} ms about the token
that comes last in a list, until it says yes. Whatever it answers before that must be 503, never "invalid". The bare
list is a process too: the same client reads the same objects in pages of 500 and throws them away. Both start the
interpreter and load the client library. In turn, {ROUNDS} rounds, medians. Memory is what is resident (RSS) when the
validator has answered, and the most it ever was."""


@dataclass(frozen=True)
class Store:
    """A namespace full of tokens."""

    namespace: str
    stored: Sequence[Stored]
    goal_megabytes: int


def measure(cluster: Cluster, stores: Sequence[Store], start: Callable[[str], Validator]) -> Section:
    """Start validators and bare lists in turn; *start* starts a validator of a namespace."""
    section = Section("Starting", METHOD)
    for store in stores:
        _measure_one(section, cluster, store, start)
    return section


def _measure_one(section: Section, cluster: Cluster, store: Store, start: Callable[[str], Validator]) -> None:
    ours, bare, resident, peak = [], [], [], []
    for _ in range(ROUNDS):
        began = time.monotonic()
        validator = start(store.namespace)
        _wait_until_right(validator, store.stored[-1].plaintext)
        ours.append(time.monotonic() - began)
        # Within a fraction of a second these objects are excluded from garbage collection.
        time.sleep(1)
        now, most = resident_megabytes(validator.process.pid)
        resident.append(now)
        peak.append(most)
        validator.process.kill()
        bare.append(_list(cluster, store.namespace))
    count = f"{len(store.stored):,} tokens"
    ratio = statistics.median(ours) / statistics.median(bare)
    section.add(f"start until right, {count}", f"{statistics.median(ours):.2f} s; 503 until then")
    section.add(f"bare paged list, {count}", f"{statistics.median(bare):.2f} s")
    section.add(f"ratio, {count}", f"{ratio:.2f} x", f"<= {GOAL_RATIO} x", met=ratio <= GOAL_RATIO)
    memory = max(resident)
    section.add(
        f"memory, {count}",
        f"{memory:.0f} MB (at most {max(peak):.0f} MB)",
        f"<= {store.goal_megabytes} MB",
        met=memory <= store.goal_megabytes,
    )


def _wait_until_right(validator: Validator, token: str) -> None:
    host, _, port = validator.addresses["forward-auth"].partition(":")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        validator.process.raise_if_ended()
        status = _ask(host, int(port), token)
        if status == http.client.OK:
            return
        if status not in (None, http.client.SERVICE_UNAVAILABLE):
            message = f"{validator.name} answered {status} before it knew everything"
            raise BenchFailed(message)
        time.sleep(POLL_SECONDS)
    message = f"{validator.name} was not right after {PATIENCE_SECONDS} s"
    raise BenchFailed(message)


def _ask(host: str, port: int, token: str) -> int | None:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", "/validate", headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status
    except OSError:
        return None  # does not listen yet
    finally:
        connection.close()


def _list(cluster: Cluster, namespace: str) -> float:
    began = time.monotonic()
    command: list[str | Path] = [sys.executable, "-m", "bench.starting", cluster.kubeconfig, namespace]
    with pinned(SERVER_CORE):
        subprocess.run(command, check=True, timeout=PATIENCE_SECONDS)
    return time.monotonic() - began


async def _read_list(kubeconfig: str, namespace: str) -> None:
    async with await Api.connect(kubeconfig) as api:
        async for _page in list_pages(api, token_path(namespace)):
            pass


if __name__ == "__main__":
    asyncio.run(_read_list(*sys.argv[1:]))

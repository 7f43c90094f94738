"""What those who ask feel while a validator lists everything again."""

import json
import os
import signal
import statistics
import time
from pathlib import Path
from typing import Final

from bench.machine import LOAD_CORE
from bench.processes import Validator
from bench.report import Section
from bench.yardstick import Yardstick
from controlplane.cluster import Cluster

RATE: Final = 2000
SECONDS: Final = 5.0
ROUNDS: Final = 3
GOAL_MILLIS: Final = 10
# The lowest priority: on a cluster the API server has cores of its own.
_NICENESS: Final = 19

METHOD: Final = f"""\
{RATE:,} requests a second for {SECONDS:.0f} s, first alone, then while the validator lists all tokens again, and again
when it is done. The validator has a core to itself; API server and etcd share the other one with the load, at the
lowest priority. In turn, {ROUNDS} rounds, medians of the p99. No answer may be anything but 200."""


def measure(
    cluster: Cluster, yardstick: Yardstick, validator: Validator, *, tokens: Path, count: int
) -> Section:
    """Run the rounds; *validator* must be a `bench.plain`."""
    for name in ("kube-apiserver", "etcd"):
        _step_aside(cluster.process(name).pid)
    quiet, busy = [], []
    for _ in range(ROUNDS):
        quiet.append(_p99(yardstick, validator, tokens))
        busy.append(_p99(yardstick, validator, tokens, relists=True))
    section = Section("Listing again", METHOD)
    before, during = statistics.median(quiet), statistics.median(busy)
    section.add(f"p99 at {RATE:,}/s, {count:,} tokens", f"{before:.1f} ms")
    section.add(
        "p99 while they are listed again",
        f"{during:.1f} ms",
        f"<= {before:.1f} + {GOAL_MILLIS} ms",
        met=during <= before + GOAL_MILLIS,
    )
    return section


def _p99(yardstick: Yardstick, validator: Validator, tokens: Path, *, relists: bool = False) -> float:
    target = validator.target("forward-auth")
    load = yardstick.background(target, tokens, rate=RATE, seconds=SECONDS)
    ends = time.monotonic() + SECONDS
    while relists and time.monotonic() < ends - 0.5:
        # One that comes while a list goes on is not counted twice.
        validator.process.send(signal.SIGUSR1)
        time.sleep(0.25)
    load.wait(SECONDS + 30)
    report = json.loads(load.output().splitlines()[-1])
    yardstick.require_good_answers(target, report)
    return float(report["p99Millis"])


def _step_aside(pid: int) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {LOAD_CORE})
        os.setpriority(os.PRIO_PROCESS, int(thread.name), _NICENESS)

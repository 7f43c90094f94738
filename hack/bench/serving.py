"""What one request costs: our validator and the yardsticks, sample by sample in turn."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.report import Section
from bench.yardstick import Sample, Target, Yardstick

METHOD: Final = """\
Each server alone on core 0, the load generator on core 1: 32 keep-alive connections, 1,000 different valid
tokens in rotation, requests with the headers of an ingress controller (13), of Envoy (8), of kube-apiserver (6)
or of a resource server (5). The figure is the CPU time of the server's process tree per request: median of the
rounds, in which the servers take turns, forwards and backwards. Go is net/http with the standard library only: the
same HMAC, the same answer, account and roles already joined. nginx is `return 200`: no answer is cheaper. What the
number of stored tokens costs is measured with ten tokens in rotation on both sides, since a load of a hundred times
as many different tokens costs every server some of its cache, whatever it stores."""

FLATNESS_GOAL: Final = 0.10
# As dear as this, in units of forward-auth.
PROTOCOL_COST_GOAL: Final = 1.3


@dataclass(frozen=True)
class Server:
    """A server and the tokens that are sent to it."""

    label: str
    target: Target
    tokens: Path


@dataclass(frozen=True)
class Ratio:
    """One cost divided by another, and what it should be: at least, or at most."""

    what: str
    cost: str
    by: str
    goal: float
    at_least: bool = True


@dataclass(frozen=True)
class Comparison:
    """The servers that are compared, as pairs of labels."""

    servers: tuple[Server, ...]
    ratios: tuple[Ratio, ...]
    few: str
    many: str
    """The same load on a store of few and of many tokens."""


def measure(yardstick: Yardstick, comparison: Comparison, *, rounds: int, seconds: float) -> Section:
    """Run the rounds and return the rows."""
    samples: dict[str, list[Sample]] = {one.label: [] for one in comparison.servers}
    for one in comparison.servers:
        # A server that has been up for a minute is warm: caches, specialised byte code.
        yardstick.sample(one.target, one.tokens, seconds / 2)
    for number in range(rounds):
        order = comparison.servers if number % 2 == 0 else comparison.servers[::-1]
        for one in order:
            samples[one.label].append(yardstick.sample(one.target, one.tokens, seconds))
    section = Section("Serving", METHOD)
    for one in comparison.servers:
        section.add(one.label, _describe(samples[one.label]))
    cost = {label: _median(found) for label, found in samples.items()}
    for ratio in comparison.ratios:
        value = cost[ratio.cost] / cost[ratio.by]
        goal = f"{'>=' if ratio.at_least else '<='} {ratio.goal} x"
        met = value >= ratio.goal if ratio.at_least else value <= ratio.goal
        section.add(ratio.what, f"{value:.2f} x", goal, met=met)
    growth = cost[comparison.many] / cost[comparison.few] - 1
    section.add(
        "forward-auth, cost with all tokens stored against 10",
        f"{growth:+.0%}",
        f"within ±{FLATNESS_GOAL:.0%}",
        met=abs(growth) <= FLATNESS_GOAL,
    )
    return section


def _describe(samples: Sequence[Sample]) -> str:
    spread = [sample.microseconds for sample in samples]
    per_second = statistics.median(sample.per_second for sample in samples)
    return f"{_median(samples):.1f} us/request ({min(spread):.1f} to {max(spread):.1f}), {per_second:,.0f}/s"


def _median(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.microseconds for sample in samples)

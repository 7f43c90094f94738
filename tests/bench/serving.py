"""What one request costs: our validator and the yardstick, sample by sample in turn."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import Section
from bench.yardstick import Sample, Target, Yardstick

METHOD = """\
Each server alone on core 0, the load generator on core 1: 32 keep-alive connections, 1,000 different valid
tokens in rotation (10 where only 10 are stored), requests with the headers of an ingress controller (13) or
of kube-apiserver (6). The figure is the CPU time of the server's process tree per request: median of the
rounds, in which the servers take turns, forwards and backwards. The yardstick is Go's net/http with the
standard library only: the same HMAC, the same answer, account and roles already joined."""

FORWARD_AUTH_GOAL = 0.9
TOKEN_REVIEW_GOAL = 1.2
FLATNESS_GOAL = 0.15


@dataclass(frozen=True)
class Contestant:
    """A server and the tokens that are sent to it."""

    label: str
    target: Target
    tokens: Path


@dataclass(frozen=True)
class Contest:
    """The five servers that are compared."""

    forward_auth_few: Contestant
    forward_auth: Contestant
    forward_auth_go: Contestant
    token_review: Contestant
    token_review_go: Contestant

    @property
    def everybody(self) -> tuple[Contestant, ...]:
        """In the order of a round."""
        return (
            self.forward_auth_few,
            self.forward_auth,
            self.forward_auth_go,
            self.token_review,
            self.token_review_go,
        )


def measure(yardstick: Yardstick, contest: Contest, *, rounds: int, seconds: float) -> Section:
    """Run the rounds and return the rows."""
    samples: dict[str, list[Sample]] = {one.label: [] for one in contest.everybody}
    for one in contest.everybody:
        # A server that has been up for a minute is warm: caches, specialised byte code.
        yardstick.sample(one.target, one.tokens, seconds / 2)
    for number in range(rounds):
        order = contest.everybody if number % 2 == 0 else contest.everybody[::-1]
        for one in order:
            samples[one.label].append(yardstick.sample(one.target, one.tokens, seconds))
    section = Section("Serving", METHOD)
    for one in contest.everybody:
        section.add(one.label, _describe(samples[one.label]))
    cost = {label: _median(found) for label, found in samples.items()}
    _add_ratio(
        section,
        "forward-auth",
        cost[contest.forward_auth_go.label] / cost[contest.forward_auth.label],
        FORWARD_AUTH_GOAL,
    )
    _add_ratio(
        section,
        "TokenReview over TLS",
        cost[contest.token_review_go.label] / cost[contest.token_review.label],
        TOKEN_REVIEW_GOAL,
    )
    growth = cost[contest.forward_auth.label] / cost[contest.forward_auth_few.label] - 1
    section.add(
        "forward-auth, cost with all tokens stored against 10",
        f"{growth:+.0%}",
        f"within ±{FLATNESS_GOAL:.0%}",
        met=abs(growth) <= FLATNESS_GOAL,
    )
    return section


def _add_ratio(section: Section, what: str, ratio: float, goal: float) -> None:
    section.add(f"{what}, Go's cost divided by ours", f"{ratio:.2f} x", f">= {goal} x", met=ratio >= goal)


def _describe(samples: Sequence[Sample]) -> str:
    spread = [sample.microseconds for sample in samples]
    per_second = statistics.median(sample.per_second for sample in samples)
    return f"{_median(samples):.1f} us/request ({min(spread):.1f} to {max(spread):.1f}), {per_second:,.0f}/s"


def _median(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.microseconds for sample in samples)

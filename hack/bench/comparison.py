"""Who takes part in the serving benchmark: validators that hold few and many tokens, Go, and nginx."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.processes import Validator, start_validator
from bench.serving import PROTOCOL_COST_GOAL, Comparison, Ratio, Server
from bench.stored import Stored, write_index, write_tokens
from bench.yardstick import Target, Yardstick, wait_until_served
from controlplane.cluster import Cluster

ROTATION: Final = 1000
FEW: Final = 10
FEW_NAMESPACE: Final = "bench-few"
MANY_NAMESPACE: Final = "bench-many"


@dataclass(frozen=True)
class Servers:
    """Everything that runs while the servers are compared."""

    comparison: Comparison
    ours: Validator
    plain: Validator
    tokens: Path
    others: tuple[Target, ...]

    def stop(self) -> None:
        """Stop every server but `plain`, which is still needed."""
        for target in self.others:
            target.process.stop()


def start_servers(
    cluster: Cluster, yardstick: Yardstick, few: list[Stored], many: list[Stored], caller: Stored, key: bytes
) -> Servers:
    """Start every server and return when all of them serve."""
    certificate = cluster.files.authority.server("bench")
    few_tokens = write_tokens(cluster.directory / "few.txt", few)
    tokens = write_tokens(cluster.directory / "tokens.txt", many[:ROTATION])
    ten_of_many = write_tokens(cluster.directory / "ten.txt", many[:FEW])
    ours_few = start_validator(cluster, sys.executable, FEW_NAMESPACE, certificate)
    ours = start_validator(cluster, sys.executable, MANY_NAMESPACE, certificate)
    plain = start_validator(cluster, sys.executable, MANY_NAMESPACE, certificate, plain=True)
    index = write_index(cluster.directory / "index.json", many, key)
    go, go_review, go_review_tls = yardstick.serve("goserver", index, certificate)
    nginx = yardstick.serve_nginx("nginx")
    count = f"{len(many):,} stored"
    credentials = f"{caller.record['id']}:{caller.plaintext}"
    candidates = {
        "few": Server(
            f"forward-auth, ours, {FEW} stored, {FEW} asked", ours_few.target("forward-auth"), few_tokens
        ),
        "ten": Server(f"forward-auth, ours, {count}, {FEW} asked", ours.target("forward-auth"), ten_of_many),
        "forward": Server(f"forward-auth, ours, {count}", ours.target("forward-auth"), tokens),
        "go": Server(f"forward-auth, Go, {count}", go, tokens),
        "nginx": Server("forward-auth, nginx, `return 200`", nginx, tokens),
        "authz": Server(f"ext_authz over HTTP, ours, {count}", ours.target("ext-authz"), tokens),
        "introspection": Server(
            f"introspection without TLS, ours, {count}", plain.target("introspection", credentials), tokens
        ),
        "review": Server(f"TokenReview without TLS, ours, {count}", plain.target("token-review"), tokens),
        "go_review": Server(f"TokenReview without TLS, Go, {count}", go_review, tokens),
        "review_tls": Server(f"TokenReview, ours, {count}", ours.target("token-review"), tokens),
        "go_review_tls": Server(f"TokenReview, Go, {count}", go_review_tls, tokens),
    }
    label = {name: one.label for name, one in candidates.items()}
    for one in candidates.values():
        wait_until_served(yardstick, one.target, one.tokens)
    ratios = (
        Ratio("forward-auth, Go's cost divided by ours", label["go"], label["forward"], 1.0),
        Ratio("forward-auth, nginx's cost divided by ours", label["nginx"], label["forward"], 0.5),
        Ratio("TokenReview without TLS, Go's cost divided by ours", label["go_review"], label["review"], 1.5),
        Ratio("TokenReview, Go's cost divided by ours", label["go_review_tls"], label["review_tls"], 1.3),
        Ratio(
            "ext_authz, our cost divided by forward-auth's",
            label["authz"],
            label["forward"],
            PROTOCOL_COST_GOAL,
            False,
        ),
        Ratio(
            "introspection, our cost divided by forward-auth's",
            label["introspection"],
            label["forward"],
            PROTOCOL_COST_GOAL,
            False,
        ),
    )
    comparison = Comparison(tuple(candidates.values()), ratios, few=label["few"], many=label["ten"])
    return Servers(
        comparison,
        ours,
        plain,
        tokens,
        (ours_few.target("forward-auth"), ours.target("forward-auth"), go, nginx),
    )

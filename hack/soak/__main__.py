"""The command line of the long run: `make soak MINUTES=30`, and `--seed` to have the same acts again."""

import argparse
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

from common.drivers.validating import RunningValidator
from common.drivers.world import World, decode
from controlplane import build
from controlplane.cluster import Cluster
from controlplane.processes import ProcessFailed
from servicetokens.api.names import SECRET_TYPE
from soak.life import Installation, Users
from soak.model import Decision, Model, TokenModel, Value

# A busy machine, and an API server that has just been restarted.
SETTLE_SECONDS = 90.0
# A revocation reaches a validator within a second; a restarted one lists first.
CHECK_SECONDS = 30.0
PING_SECONDS = 0.05
REPORT_EVERY = 10


class Witness:
    """Presents one token that no act changes, all the time, to every validator: it must never be rejected."""

    def __init__(self, world: World, installation: Installation) -> None:
        self._installation = installation
        self._namespace = world.cluster.create_namespace()
        world.account(self._namespace)
        world.token(self._namespace)
        self._world = world
        self._value = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.answers = {200: 0, 503: 0, 401: 0, 0: 0}

    def start(self) -> None:
        """Begin once the token is there."""
        self._value = self._world.until_ready(self._namespace)
        for one in self._installation.validators:
            self._world.until(partial(self._is_accepted, one), "the witness to be known")
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join(10)

    def _is_accepted(self, asked: RunningValidator) -> bool:
        return asked.forward(self._value).status == 200

    def _ask(self) -> None:
        while not self._ended.wait(PING_SECONDS):
            for one in list(self._installation.validators):
                try:
                    status = one.forward(self._value).status
                except OSError:
                    status = 0
                self.answers[status] = self.answers.get(status, 0) + 1


def main() -> int:
    """Run, and say what was done and seen."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="how long (3)")
    parser.add_argument("--seed", type=int, default=None, help="of the acts; a new one each time by default")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else time.time_ns() % 1_000_000
    print(f"seed {seed}, {options.minutes:g} minutes", flush=True)
    with tempfile.TemporaryDirectory() as directory, Cluster(binaries=build.find()) as cluster:
        world = World(cluster)
        world.install()
        with Installation(world, Path(directory), seed) as installation:
            try:
                run(world, installation, Users(world, seed), options.minutes * 60)
            except (AssertionError, TimeoutError, ProcessFailed) as error:
                keep = Path("soak-failure.log")
                keep.write_text(installation.logs())
                print(f"seed {seed}: {error}\nThe logs of all processes are in {keep}", file=sys.stderr)
                return 1
    return 0


def run(world: World, installation: Installation, users: Users, seconds: float) -> None:
    """Act, disturb, settle, check, until the time is over.

    Raises:
        AssertionError: the model knows better.
        TimeoutError: it did not settle.
    """
    installation.until_ready()
    witness = Witness(world, installation)
    witness.start()
    begun, rounds, checked = time.monotonic(), 0, 0
    while time.monotonic() - begun < seconds:
        installation.disturb()
        users.act()
        installation.disturb()
        installation.until_ready()
        settle(world, users.model)
        checked += check(installation, users.model)
        rounds += 1
        assert witness.answers[401] == 0, "a token that nobody touched was refused"
        if rounds % REPORT_EVERY == 0:
            print(f"{time.monotonic() - begun:5.0f} s: {rounds} rounds, {checked} decisions", flush=True)
    witness.stop()
    logs = installation.logs()
    assert "Traceback" not in logs, "a traceback in the logs"
    for token in users.model.tokens:
        for value in token.values:
            assert value.text not in logs, "a token in the logs"
    print(f"{rounds} rounds, {checked} decisions, all as the model says")
    for counted in (users.done, installation.done):
        print("  " + ", ".join(f"{word} {count}" for word, count in sorted(counted.items())))
    print(f"  the untouched token: {witness.answers[200]} accepted, {witness.answers[401]} refused, ", end="")
    print(f"{witness.answers[503] + witness.answers[0]} unanswered")


def settle(world: World, model: Model) -> None:
    """Wait until everything is minted, and tell the model what is in the Secrets."""
    seen: dict[tuple[str, str], str] = {}

    def is_settled() -> bool:
        seen.clear()
        seen.update(delivered(world, {token.namespace for token in model.tokens}))
        return all(
            (place := (token.namespace, token.name)) in seen and token.may_hold(seen[place])
            for token in model.tokens
            if token.exists
        )

    world.until(is_settled, "every token to be settled and delivered", timeout=SETTLE_SECONDS)
    now = time.monotonic()
    for token in model.tokens:
        if token.exists:
            token.settled(seen[token.namespace, token.name], now)


def delivered(world: World, namespaces: set[str]) -> dict[tuple[str, str], str]:
    """Return the value of each token whose spec is answered and whose Secret holds its newest credential."""
    keys, found = world.keys(), {}
    for namespace in namespaces:
        secrets = world.ok("GET", f"/api/v1/namespaces/{namespace}/secrets").body["items"]
        values = {
            secret["metadata"]["name"]: decode((secret.get("data") or {}).get("token", ""))
            for secret in secrets
            if secret["type"] == SECRET_TYPE
        }
        for token in world.ok("GET", world.path("servicetokens", namespace)).body["items"]:
            status, name = token.get("status") or {}, token["metadata"]["name"]
            newest = max(status.get("credentials") or [{}], key=lambda one: one.get("serial", 0))
            if status.get("observedGeneration") != token["metadata"]["generation"] or not newest:
                continue
            verifier = newest["verifier"]
            uid, value = token["metadata"]["uid"], values.get(name, "")
            if keys.verify(verifier["value"], verifier["keyID"], uid, newest["serial"], value):
                found[namespace, name] = value
    return found


def check(installation: Installation, model: Model) -> int:
    """Ask every validator about every value ever seen, until all say what they must; return how many were asked."""
    asked = 0
    for one in installation.validators:
        deadline = time.monotonic() + CHECK_SECONDS
        while True:
            problems, count = wrong_decisions(one, model)
            asked += count
            if not problems:
                break
            assert time.monotonic() < deadline, "; ".join(problems[:5])
            time.sleep(0.2)
    return asked


def wrong_decisions(asked: RunningValidator, model: Model) -> tuple[list[str], int]:
    """Ask one validator about everything; return what it said wrongly, and how often it was asked."""
    wrong, count = [], 0
    for token, value in model.everything():
        before = model.decision(token, value, time.monotonic())
        # The webhook of kube-apiserver is not limited by failures, as forward-auth is.
        status = asked.review(value.text).json["status"]
        said = Decision.ACCEPTED if status.get("authenticated") else Decision.REJECTED
        count += 1
        # An overlap may have ended while we asked.
        allowed = {before, model.decision(token, value, time.monotonic())}
        if said not in allowed and Decision.EITHER not in allowed:
            wrong.append(describe(token, value, said))
    return wrong, count


def describe(token: TokenModel, value: Value, said: Decision) -> str:
    """Describe the value with a wrong answer, without showing it."""
    which = "the current value" if value.is_current else "an earlier value"
    return f"{which} of {token.namespace}/{token.name} (token id {value.text.split('_')[1]}) is {said}"


if __name__ == "__main__":
    sys.exit(main())

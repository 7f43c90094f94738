"""The acts: what users do to tokens, and what befalls the processes."""

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from common.drivers.operators import RunningOperator
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import World
from servicetokens.controllers.leadership import EXIT_LOST
from soak.model import AccountModel, Model, TokenModel

NAMESPACES = 3
ACCOUNTS = 2
NAMES = 8
REPLICAS = 2
# Seconds: short, so that many handovers fit in.
LEASE = 5
OVERLAP = 12

Act = Callable[[TokenModel], None]
T = TypeVar("T", bound=RunningOperator)


class Users:
    """Applies random acts, and reports each to the model. One act for a token in a round."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = random.Random(seed)
        self.done: Counter[str] = Counter()
        namespaces = [world.cluster.create_namespace() for _ in range(NAMESPACES)]
        accounts = [
            AccountModel(space, f"account-{number}") for space in namespaces for number in range(ACCOUNTS)
        ]
        for account in accounts:
            world.account(account.namespace, account.name)
        tokens = [
            TokenModel(account.namespace, f"{account.name}-{number}", account.name)
            for account in accounts
            for number in range(NAMES)
        ]
        self.model = Model(accounts, tokens)

    def act(self) -> None:
        """Do something to about half of the tokens, and now and then to an account."""
        cut = self._random.choice(self.model.accounts) if self._random.random() < 0.1 else None
        for token in self.model.tokens:
            if cut is not None and (token.namespace, token.account) == (cut.namespace, cut.name):
                continue
            if self._random.random() < 0.5:
                self._do(self._random.choice(self._possible(token)), token)
        if cut is not None:
            self._cut(cut)
        if self._random.random() < 0.3:
            self._suspend(self._random.choice(self.model.accounts))

    def _possible(self, token: TokenModel) -> list[Act]:
        if not token.exists:
            return [self._create]
        acts: list[Act] = [self._edit, self._revoke_or_restore, self._revoke_or_restore]
        acts += [self._rotate, self._rotate_now, self._delete]
        # The effect of a lost Secret on a value that overlaps is not specified.
        return acts if token.overlaps else [*acts, self._lose]

    def _do(self, act: Act, token: TokenModel) -> None:
        act(token)
        self.done[act.__name__.strip("_")] += 1

    def _create(self, token: TokenModel) -> None:
        rotation = {"id": "0", "overlap": f"{OVERLAP}s"}
        self._world.token(token.namespace, token.name, token.account, rotation=rotation)
        token.exists = True

    def _delete(self, token: TokenModel) -> None:
        self._world.delete("servicetokens", token.namespace, token.name)
        token.deleted()

    def _edit(self, token: TokenModel) -> None:
        self._world.change(token.namespace, token.name, description=self._word())

    def _revoke_or_restore(self, token: TokenModel) -> None:
        token.revoked = not token.revoked
        self._world.change(token.namespace, token.name, state="Revoked" if token.revoked else "Active")

    def _rotate(self, token: TokenModel) -> None:
        now = time.monotonic()
        self._world.change(
            token.namespace, token.name, rotation={"id": self._word(), "overlap": f"{OVERLAP}s"}
        )
        token.rotated(OVERLAP, now)

    def _rotate_now(self, token: TokenModel) -> None:
        self._world.change(token.namespace, token.name, rotation={"id": self._word(), "overlap": "0s"})
        token.rotated(0, time.monotonic())

    def _lose(self, token: TokenModel) -> None:
        self._world.client.request("DELETE", f"/api/v1/namespaces/{token.namespace}/secrets/{token.name}")
        token.replaced()

    def _suspend(self, account: AccountModel) -> None:
        account.suspended = not account.suspended
        state = "Suspended" if account.suspended else "Active"
        self._world.change(account.namespace, account.name, "serviceaccounts", state=state)
        self.done["suspend or resume"] += 1

    def _cut(self, account: AccountModel) -> None:
        """Reject everything of an account that was minted before now."""
        # Times are whole seconds: what is minted in the same second has to be later than the cut.
        time.sleep(1.1)
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._world.change(account.namespace, account.name, "serviceaccounts", tokensNotBeforeTime=at)
        for token in self.model.tokens:
            if token.exists and (token.namespace, token.account) == (account.namespace, account.name):
                token.replaced()
        self.done["cut"] += 1

    def _word(self) -> str:
        return f"{self._random.getrandbits(40):010x}"


class Installation:
    """Operators and validators, as processes that are ended, killed and started again."""

    def __init__(self, world: World, directory: Path, seed: int) -> None:
        self._world = world
        self._directory = directory
        self._random = random.Random(seed + 1)
        self._running = contextlib.ExitStack()
        self._number = 0
        self.operators: list[RunningOperator] = []
        self.validators: list[RunningValidator] = []
        self.done: Counter[str] = Counter()

    def __enter__(self) -> Self:
        for _ in range(REPLICAS):
            self._start_operator()
            self._start_validator()
        return self

    def __exit__(self, *_error: object) -> None:
        self._running.close()

    def disturb(self) -> None:
        """End or kill a process, or restart the API server; three rounds of four see one of these."""
        chance = self._random.random()
        if chance < 0.25:
            self._replace(self.operators, self._start_operator, signal.SIGTERM)
        elif chance < 0.45:
            self._replace(self.operators, self._start_operator, signal.SIGKILL)
        elif chance < 0.6:
            self._replace(self.validators, self._start_validator, signal.SIGTERM)
        elif chance < 0.7:
            self._replace(self.validators, self._start_validator, signal.SIGKILL)
        elif chance < 0.76:
            self._world.cluster.restart_api_server(kill=self._random.random() < 0.5)
            self.done["API server restarted"] += 1

    def until_ready(self) -> None:
        """Wait until every process says that it is; an operator that gave itself up is started again."""
        for given_up in [one for one in self.operators if one.process.status == EXIT_LOST]:
            self.operators.remove(given_up)
            self._start_operator()
            self.done["operator gave itself up"] += 1
        for one in (*self.operators, *self.validators):
            self._world.until(one.is_ready, f"the {one.process.name} to be ready", timeout=60)

    def logs(self) -> str:
        """Return everything that was logged."""
        return "".join(path.read_text() for path in sorted(self._directory.glob("*.log")))

    def _start_operator(self) -> None:
        flags = ("--leader-election", f"--lease-duration={LEASE}s")
        context = self._world.operator(self._log("operator"), *flags, wait=False)
        self.operators.append(self._running.enter_context(context))

    def _start_validator(self) -> None:
        context = validator(self._world, self._log("validator"), wait=False)
        self.validators.append(self._running.enter_context(context))

    def _log(self, name: str) -> Path:
        self._number += 1
        return self._directory / f"{name}-{self._number}.log"

    def _replace(self, running: list[T], start: Callable[[], None], how: signal.Signals) -> None:
        # It may take its time to end, while its successor runs.
        victim = running.pop(self._random.randrange(len(running)))
        victim.process.send(how)
        start()
        self.done[f"{victim.process.name} {how.name}"] += 1

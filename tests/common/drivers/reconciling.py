"""The operator's real parts around one ServiceToken, over a fake API: gather, plan and execute, one pass at a time."""

import base64
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import pytest

from common.fakes.api import SECRETS, FakeApi, Raw
from common.fakes.clock import FakeClock
from common.fakes.enforcing import NobodyAsked
from common.fakes.entropy import CountingEntropy
from servicetokens.api import names
from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.reconcile.delivery import Delivery
from servicetokens.controllers.reconcile.execute import Executor
from servicetokens.controllers.reconcile.gather import Gatherer
from servicetokens.controllers.reconcile.memory import Memories
from servicetokens.controllers.reconcile.minting import TokenMint
from servicetokens.controllers.reconcile.reading import TokenReader
from servicetokens.controllers.reconcile.reports import Reports
from servicetokens.controllers.reconcile.statuses import Statuses
from servicetokens.kube.errors import KubeError
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.actions import MintCause, Plan
from servicetokens.lifecycle.plan import plan
from servicetokens.lifecycle.snapshot import Snapshot
from servicetokens.tokens.format import mint
from servicetokens.tokens.verifier import KeyRing

KEY: Final = Key(names.KIND_TOKEN, "team-a", "ci-prod")
PLACE: Final = ("team-a", "ci-prod")
TOKEN: Final = (names.PLURAL_TOKENS, *PLACE)
ACCOUNT: Final = (names.PLURAL_ACCOUNTS, "team-a", "ci")
SECRET: Final = (SECRETS, *PLACE)
UID: Final = "u-1"
RING: Final = KeyRing({"k1": bytes(range(0x20, 0x40))})


class Keys:
    """One key; implements `Keyring`."""

    ring: KeyRing | None = RING
    error = ""


class Cluster(FakeApi):
    """A fake API with the token `team-a/ci-prod` and its account in it, but no Secret."""

    def __init__(self) -> None:
        super().__init__()
        self.put(
            TOKEN,
            {
                "metadata": {"uid": UID, "generation": 1},
                "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "30d"},
            },
        )
        self.put(ACCOUNT, {"metadata": {"uid": "a-1", "generation": 1}, "spec": {}})

    @property
    def token(self) -> Raw | None:
        """The token as it is stored."""
        return self.objects.get(TOKEN)

    @property
    def secret(self) -> Raw | None:
        """Its Secret as it is stored."""
        return self.objects.get(SECRET)


class Operator:
    """What one process of the operator has, and what reaches it through its watches.

    *clock* and *minted* are those of `Reports`; *is_complete* says whether the watch of Secrets is there.
    """

    def __init__(
        self,
        cluster: Cluster | None = None,
        clock: FakeClock | None = None,
        minted: Callable[[MintCause], object] = lambda _: None,
    ) -> None:
        self.cluster = cluster or Cluster()
        self.clock = clock or FakeClock()
        self.keys = Keys()
        self._minted = minted
        self._entropy = CountingEntropy()
        self.restart()

    def restart(self, *, watches_secrets: bool = True) -> None:
        """Forget everything that is in memory, as a crash does, and list everything."""
        self.caches, self.memories, self._watched = Caches(), Memories(), -1
        self.watch()
        api = self.cluster
        reader = TokenReader(
            self.caches, self.memories, self.keys, api.custom, api.secrets, watches_secrets=watches_secrets
        )
        self.gatherer = Gatherer(reader, self.caches, self.keys, api.custom, NobodyAsked())
        self.reports = Reports(self.memories, api, self.clock, self._minted)
        self.executor = Executor(
            self.memories,
            Statuses(self.caches, api.custom),
            Delivery(self.caches, self.memories, self.keys, api.secrets, self.clock),
            self.reports,
            self.clock,
        )
        self.minting = TokenMint(self.memories, self.keys, lambda: mint("svt", self._entropy))

    def watch(self) -> None:
        """Let the watches deliver whatever the caches do not know yet, as `sources.wakeup` does."""
        if self._watched == self.cluster.version:
            return
        self._watched, caches = self.cluster.version, self.caches
        for plural, table, take in (
            (names.PLURAL_TOKENS, caches.tokens, self._take_token),
            (names.PLURAL_ACCOUNTS, caches.accounts, self._take_account),
            (names.PLURAL_ROLES, caches.roles, self._take_role),
            (SECRETS, caches.secrets, self._take_secret),
        ):
            seen = {
                (namespace, name): raw
                for (kind, namespace, name), raw in self.cluster.objects.items()
                if kind == plural and (plural != SECRETS or _is_watched(raw))
            }
            for place, raw in seen.items():
                if not table.is_known(place, raw["metadata"]["resourceVersion"]):
                    take(place, raw)
            for place in [known for known in table if known not in seen]:
                self._drop(plural, place)

    def _take_token(self, _place: tuple[str, str], raw: Raw) -> None:
        self.caches.put_token(facts.token_facts(raw))

    def _take_account(self, place: tuple[str, str], raw: Raw) -> None:
        self.caches.accounts.put(place, facts.account_facts(raw))

    def _take_role(self, place: tuple[str, str], raw: Raw) -> None:
        self.caches.roles.put(place, facts.role_facts(raw))

    def _take_secret(self, place: tuple[str, str], raw: Raw) -> None:
        self.caches.secrets.put(place, facts.secret_facts(raw, self.keys.ring))

    def _drop(self, plural: str, place: tuple[str, str]) -> None:
        caches = self.caches
        if plural == names.PLURAL_TOKENS:
            caches.drop_token(place)
        elif plural == names.PLURAL_ACCOUNTS:
            caches.accounts.drop(place)
        elif plural == names.PLURAL_ROLES:
            caches.roles.drop(place)
        else:
            caches.secrets.drop(place)
            # It was deleted, or has only lost its label.
            caches.secrets.invalidate(place)

    def lose_keys(self) -> None:
        """Let the key Secret be deleted."""
        self.keys.ring, self.keys.error = None, "gone"
        self._invalidate_secrets()

    def restore_keys(self) -> None:
        """Let the same key be there again."""
        self.keys.ring, self.keys.error = RING, ""
        self._invalidate_secrets()

    def _invalidate_secrets(self) -> None:
        """Do what the process does when its keys have changed."""
        for place in list(self.caches.secrets):
            self.caches.secrets.invalidate(place)

    async def reconcile(self) -> bool:
        """Run one pass."""
        snapshot = await self.gatherer.token(KEY, self.clock.now())
        if snapshot is None:
            return False
        again = await self.executor.execute(KEY, snapshot, self.plan(snapshot))
        assert all(self.cluster.hidden), "a failure could quote the value"
        return again

    async def come_to_rest(self, most: int) -> int:
        """Run passes until one writes nothing, *most* at most; return how many wrote something."""
        for passes in range(most):
            self.watch()
            before = self.cluster.version
            await self.reconcile()
            if self.cluster.version == before:
                return passes
        message = "the operator does not come to rest"
        raise AssertionError(message)

    def plan(self, snapshot: Snapshot) -> Plan:
        """Return the plan for *snapshot*, with what was minted for it."""
        return plan(snapshot, self.clock.now(), partial(self.minting.mint, KEY, snapshot))

    async def fails_with(self, kind: type[KubeError]) -> None:
        """Run one pass that fails."""
        with pytest.raises(kind):
            await self.reconcile()

    # What is stored.

    def status(self) -> Mapping[str, Any]:
        """Return the token's status."""
        assert self.cluster.token is not None
        found: Mapping[str, Any] = self.cluster.token.get("status", {})
        return found

    def credentials(self) -> list[dict[str, Any]]:
        """Return the credentials on status."""
        return list(self.status().get("credentials", []))

    def condition(self, wanted: str) -> Mapping[str, Any]:
        """Return a condition of the token."""
        found: Mapping[str, Any] = next(c for c in self.status()["conditions"] if c["type"] == wanted)
        return found

    def value(self) -> str:
        """Return the value in the Secret; nothing when there is none."""
        return value_in(self.cluster.secret) if self.cluster.secret is not None else ""

    def is_known_value(self) -> bool:
        """Say whether status lists the value in the Secret."""
        return any(self._is_of(credential) for credential in self.credentials())

    def is_delivered(self) -> bool:
        """Say whether the Secret's value is the one and only credential on status."""
        credentials = self.credentials()
        return len(credentials) == 1 and self._is_of(credentials[0])

    def _is_of(self, credential: Mapping[str, Any]) -> bool:
        stored = credential["verifier"]
        return RING.verify(stored["value"], stored["keyID"], UID, credential["serial"], self.value())

    # What users do; the watches deliver it.

    def edit(self, **spec: Any) -> None:
        """Change the spec."""
        assert self.cluster.token is not None
        meta = self.cluster.token["metadata"]
        self.cluster.put(
            TOKEN,
            {
                **self.cluster.token,
                "metadata": {**meta, "generation": meta["generation"] + 1},
                "spec": {**self.cluster.token["spec"], **spec},
            },
        )
        self.watch()

    def see_secret(self) -> None:
        """Give the Secret, as a test has changed it, a new version."""
        assert self.cluster.secret is not None
        self.cluster.put(SECRET, self.cluster.secret)
        self.watch()

    def lose_secret(self) -> None:
        """Delete the Secret."""
        self.cluster.remove(SECRET)
        self.watch()


def value_in(secret: Mapping[str, Any]) -> str:
    """Return the token in a Secret as it is stored; nothing when it holds none."""
    return base64.b64decode((secret.get("data") or {}).get(names.SECRET_KEY, "")).decode()


def _is_watched(secret: Mapping[str, Any] | None) -> bool:
    labels = (secret or {}).get("metadata", {}).get("labels") or {}
    return labels.get(names.LABEL_TOKEN_SECRET) == "true"

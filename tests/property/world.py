"""One token's world: its objects in a fake API, and the operator's own gather, plan and execute that work on them.

What must hold after every single write is asserted here; what must hold at rest is asserted by the machine.
"""

from functools import partial
from typing import Final

from common.drivers.reconciling import KEY, TOKEN, UID, Operator
from common.fakes.api import answered
from property.ledger import Entry, Ledger, overlap_of
from property.objects import Objects
from servicetokens.api.conditions import ConditionType
from servicetokens.api.service_token import Credential
from servicetokens.kube.errors import AlreadyExists, ApiUnavailable
from servicetokens.lifecycle import conditions
from servicetokens.lifecycle.actions import Mint, MintCause, Plan, SecretUpdate, SecretWrite
from servicetokens.lifecycle.plan import plan
from servicetokens.lifecycle.snapshot import Memory, Snapshot, TokenFacts

# A new token, a lost Secret and a changed template need three passes in a row; one more finds nothing to do.
MOST_PASSES: Final = 6
# The process dies, or the last write fails while it goes on.
MISHAPS: Final = ("dies before the Secret", "dies after the Secret", "does not get to say so")
_WRITES: Final = ("create secret", "patch secret")


class Died(Exception):
    """The operator's process ends at this request."""


class World(Objects):
    """Everything there is. Methods named like orders are done by people; `converge` is the operator."""

    def __init__(self) -> None:
        super().__init__()
        self.requeue_at: int | None = None
        #: What goes wrong at the next mint; see `MISHAPS`.
        self.mishap = ""
        self.ledger = Ledger()
        self.plaintexts: dict[str, str] = {}
        self.retired: list[Credential] = []
        self.causes: list[MintCause] = []
        #: The greatest serial that status has had since it was last lost as a whole.
        self.floor = 0
        self._one_waited = False
        self._wanted = Plan()
        self._delivered = False
        self._status_before = self.status
        self.cluster.before, self.cluster.after = self._before, self._after
        self.operator = Operator(self.cluster, self.clock, self.causes.append)

    # The operator.

    def restart(self) -> None:
        """The operator's process ends, in order or not: what it had in memory is lost."""
        self.operator.restart()

    def lose_keys(self) -> None:
        """The keys are deleted."""
        self.keys_are_there = False
        self.operator.lose_keys()

    def restore_keys(self) -> None:
        """The keys are there again."""
        self.keys_are_there = True
        self.operator.restore_keys()

    @property
    def latest_use(self) -> int | None:
        """The latest use of any token that the operator knows of."""
        return self.operator.caches.latest_use

    @property
    def memory(self) -> Memory:
        """What the operator remembers."""
        token = TokenFacts(
            name=KEY.name,
            namespace=KEY.namespace,
            uid=UID,
            generation=1,
            resource_version="1",
            spec=self.spec,
            status=self.status,
        )
        return self.operator.memories.recall(KEY, token, self.now)

    def waits(self, credential: Credential) -> bool:
        """Say whether the plaintext of *credential* is in memory."""
        return self.operator.memories.plaintext(KEY, credential.serial) is not None

    def converge(self) -> int:
        """Let the operator work until it has nothing to do; return how many passes it took."""
        for passes in range(MOST_PASSES):
            self.operator.watch()
            try:
                if answered(self._has_nothing_to_do()):
                    return passes
            except Died:
                self.restart()
            except (ApiUnavailable, AlreadyExists):
                # The queue comes back. A Secret of another type, which no watch delivers, is found when it is created.
                pass
        message = "the operator does not come to rest"
        raise AssertionError(message)

    async def _has_nothing_to_do(self) -> bool:
        """Run one pass, and say whether it had nothing to do."""
        snapshot = await self.operator.gatherer.token(KEY, self.now)
        assert snapshot is not None
        assert snapshot.token.spec is not None
        assert snapshot.token.resource_version == self.cluster.objects[TOKEN]["metadata"]["resourceVersion"]
        wanted = plan(snapshot, self.now, partial(self._mint, snapshot))
        assert wanted.requeue_at is None or wanted.requeue_at > self.now
        self.requeue_at, self._wanted, self._delivered = wanted.requeue_at, wanted, False
        rests = wanted.status is None and wanted.deliver is None
        if rests:
            assert wanted.ahead is None
            assert wanted.mint is None
            assert wanted.events == ()
        if wanted.mint is not None and wanted.ahead is not None:
            assert not self._one_waited, "one is enough"
        if wanted.deliver is not None:
            self._check_delivery(wanted.deliver, snapshot)
        await self.operator.executor.execute(KEY, snapshot, wanted)
        assert all(self.cluster.hidden), "a failure could quote the value"
        return rests

    def _mint(self, snapshot: Snapshot, wanted: Mint) -> Credential:
        self._check_mint(wanted, snapshot)
        cut = self.account.tokens_not_before_time if self.account else None
        self._one_waited = any(
            one.is_pending and self.waits(one) and not (cut is not None and one.mint_time <= cut <= self.now)
            for one in self.status.credentials
        )
        credential = self.operator.minting.mint(KEY, snapshot, wanted)
        token = self.operator.memories.plaintext(KEY, wanted.serial)
        assert token is not None
        self.plaintexts[token.id] = token.reveal()
        self.ledger.entries[token.reveal()] = Entry(wanted.serial, self._counts_from, self.account_number)
        return credential

    @property
    def _counts_from(self) -> int:
        """The mint time of what is delivered now: in the second of a cut it is the next one."""
        return self.now + (self.account is not None and self.account.tokens_not_before_time == self.now)

    # At each request.

    def _strikes(self, mishap: str) -> bool:
        """Say whether that mishap is due, which then is over."""
        strikes = self._wanted.mint is not None and self.mishap == mishap
        if strikes:
            self.mishap = ""
        return strikes

    def _before(self, call: str) -> None:
        if call == "put status":
            self._status_before = self.status
            if self._delivered and self._strikes("does not get to say so"):
                message = "the API server did not answer"
                raise ApiUnavailable(message)
        elif call.endswith(" secret") and self._wanted.deliver is not None:
            if not self._delivered and self._strikes("dies before the Secret"):
                raise Died
            self._check_reach(call)

    def _after(self, call: str) -> None:
        if call == "put status":
            self._check_write()
        elif call in _WRITES:
            self._delivered = True
            self._note_delivery()
            if self._strikes("dies after the Secret"):
                raise Died

    def _check_write(self) -> None:
        """Note a status that was written, as it comes back from the API server; a watch sees it at this moment."""
        assert self.status in (self._wanted.ahead, self._wanted.status)
        self.floor = max([self.floor, *(one.serial for one in self.status.credentials)])
        if self.status.credentials != self._status_before.credentials:
            # What is written ahead may correct the conditions only, before a change of the spec is applied.
            self.check_status()
        self.check_conditions()
        kept = {credential.id for credential in self.status.credentials}
        self.retired += [one for one in self._status_before.credentials if one.id not in kept]

    def _check_reach(self, call: str) -> None:
        """Assert that no request changes a foreign Secret: it may only be read, or its name be asked for."""
        if call in {"patch secret", "delete secret"}:
            assert self.secret is not None
            assert not self.secret.is_foreign, "a foreign Secret is never written"

    def _check_delivery(self, deliver: SecretUpdate, snapshot: Snapshot) -> None:
        """Assert what no delivery may do."""
        secret = self.secret
        if snapshot.secret is not None or secret is None:
            # Otherwise nothing of it was known yet.
            assert (deliver.write is SecretWrite.CREATE) is (secret is None)
        if snapshot.secret is not None and secret is not None:
            assert not secret.is_foreign, "a foreign Secret is never written"
            assert (deliver.write is SecretWrite.RECREATE) is secret.immutable
        if not deliver.keeps_value:
            held = self.operator.memories.plaintext(KEY, deliver.subject.serial)
            assert held is not None
            assert deliver.subject.token_id == held.id
        elif deliver.holds is not None:
            assert secret is not None
            assert self.is_value_of(deliver.holds, secret.value)

    def _note_delivery(self) -> None:
        """Note what was just written to the Secret."""
        deliver, secret = self._wanted.deliver, self.secret
        assert deliver is not None
        assert secret is not None
        assert secret.serial == deliver.subject.serial
        if not deliver.keeps_value:
            entry = self.ledger.entries[secret.value]
            assert entry.serial == deliver.subject.serial
            entry.delivered, entry.mint_time = True, self._counts_from
            self.ledger.last = entry
        if not deliver.keeps_value or deliver.holds is not None:
            # Not where what has expired is only marked so: then the conditions are about the past already.
            self.check_claims()

    # What must hold.

    def check_conditions(self) -> None:
        """Assert that a token is only called ready while its Secret holds the current credential."""
        ready = conditions.find(self.status.conditions, ConditionType.READY)
        synced = conditions.find(self.status.conditions, ConditionType.SECRET_SYNCED)
        if not self.keys_are_there:
            return
        if ready is not None and (ready.status, ready.reason) == ("True", "Minted"):
            assert self.secret_holds_current, "ready without its Secret"
        if synced is not None and synced.status == "True" and self.current is not None:
            assert self.secret_holds_current, "the Secret holds something else"

    def check_claims(self) -> None:
        """Assert that a Secret that was just written holds what status lists, where a condition calls it usable."""
        claims = [
            one
            for one in self.status.conditions
            if one.status == "True"
            and ((one.type, one.reason) == ("Ready", "Minted") or one.type in {"Active", "SecretSynced"})
            and (one.type != "SecretSynced" or self.current is not None)
        ]
        if claims:
            assert self.secret is not None
            assert any(self.is_value_of(one, self.secret.value) for one in self.status.credentials)

    def _check_mint(self, wanted: Mint, snapshot: Snapshot) -> None:
        """Assert what no mint may do."""
        assert self.account is not None
        assert self.keys_are_there
        assert wanted.serial > max((one.serial for one in self.status.credentials), default=0)
        assert wanted.serial > self.floor, "one number is never two credentials"
        assert not self.is_over_limit(self.now)
        assert self.secret is None or not self.secret.is_foreign or snapshot.secret is None
        if wanted.cause is MintCause.FIRST:
            assert self.role_is_granted
        elif wanted.cause is MintCause.SECRET_LOST or (
            wanted.cause is MintCause.ROTATION_DUE and not self.status.credentials
        ):
            assert snapshot.memory.not_before <= self.now, "the patience with a rival"

    def check_status(self) -> None:
        """Assert what every status that is written holds, also between two passes."""
        credentials = sorted(self.status.credentials, key=lambda one: one.serial)
        assert len(credentials) <= 2
        assert not any(one.is_pending for one in credentials[:-1]), "only the newest can be pending"
        assert all(
            one.expiration_time is None or one.expiration_time > self.now
            for one in credentials
            if not one.is_pending
        )
        if len(credentials) == 2 and not credentials[1].is_pending:
            end = credentials[0].expiration_time
            assert end is not None
            assert end <= credentials[1].mint_time + overlap_of(self.spec)

"""One token's world in memory: what people and accidents do to it, and an operator that works on it.

The operator here does what `controllers` does, in the same order and with the same memory, without a network. All
durations are tiny (1 to 12 seconds), so that expiry, rotation and overlap collide all the time. What must hold after
every single write is asserted here; what must hold at rest is asserted by the machine.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from common.fakes.entropy import CountingEntropy
from property.ledger import Entry, Ledger, end_by, overlap_of
from servicetokens.api import names
from servicetokens.api.conditions import ConditionType
from servicetokens.api.service_account import ServiceAccountSpec, ServiceAccountStatus, TokenPolicy
from servicetokens.api.service_role import ServiceRoleSpec, ServiceRoleStatus
from servicetokens.api.service_token import (
    AccountRef,
    Credential,
    Rotation,
    ServiceTokenSpec,
    ServiceTokenStatus,
)
from servicetokens.controllers.reconcile.memory import Attempt, Memories
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle import conditions
from servicetokens.lifecycle.actions import Mint, MintCause, Plan, SecretUpdate, SecretWrite
from servicetokens.lifecycle.content import desired_content
from servicetokens.lifecycle.plan import plan
from servicetokens.lifecycle.snapshot import (
    AccountFacts,
    Controller,
    Keys,
    Memory,
    RoleFacts,
    SecretFacts,
    Snapshot,
    TokenFacts,
)
from servicetokens.tokens.format import mint
from servicetokens.tokens.verifier import KeyRing

KEY: Final = Key(names.KIND_TOKEN, "team-a", "ci-prod")
RING: Final = KeyRing({"k1": bytes(range(0x20, 0x40))})
UID: Final = "u-1"
ROLE: Final = "reader"
START: Final = 1_000_000
# A new token, a lost Secret and a changed template need three passes in a row; one more finds nothing to do.
MOST_PASSES: Final = 6
# The process dies, or the last write fails while it goes on.
MISHAPS: Final = ("dies before the Secret", "dies after the Secret", "does not get to say so")


@dataclass
class Stored:
    """The Secret as it is stored. *owner* is uid and name of the controlling ServiceToken."""

    value: str
    serial: int
    mint_time: int
    fingerprint: str
    version: int
    owner: tuple[str, str] | None = (UID, "ci-prod")
    type: str = names.SECRET_TYPE
    immutable: bool = False

    @property
    def is_foreign(self) -> bool:
        """It is of another type, or another token's."""
        return self.type != names.SECRET_TYPE or (self.owner is not None and self.owner[1] != "ci-prod")


class World:
    """Everything there is. Methods named like orders are done by people; `converge` is the operator."""

    def __init__(self) -> None:
        self.now = START
        self.spec = spec_of(expires_after=10)
        self.generation = 1
        self.status = ServiceTokenStatus()
        self.account_number = 1
        self.account: ServiceAccountSpec | None = ServiceAccountSpec()
        self.role: ServiceRoleSpec | None = None
        self.secret: Stored | None = None
        self.keys_are_there = True
        self.memories = Memories()
        self.requeue_at: int | None = None
        self.refuses_secrets = False
        #: What goes wrong at the next mint; see `MISHAPS`.
        self.mishap = ""
        self.ledger = Ledger()
        self.plaintexts: dict[str, str] = {}
        self.retired: list[Credential] = []
        self.causes: list[MintCause] = []
        self.version = 1
        #: The latest use of any token that the operator knows of.
        self.latest_use: int | None = None
        #: The greatest serial that status has had since it was last lost as a whole.
        self.floor = 0
        self._entropy = CountingEntropy()
        self._one_waited = False

    # The operator.

    def snapshot(self) -> Snapshot:
        """Return the facts as the operator gathers them."""
        token = self._token_facts()
        account = None
        if self.account is not None:
            account = AccountFacts(
                name="ci",
                namespace="team-a",
                uid=self.account_uid,
                generation=1,
                resource_version="1",
                spec=self.account,
                status=ServiceAccountStatus(),
            )
        keys = Keys(newest="k1", ids=RING.ids) if self.keys_are_there else Keys(newest=None, error="gone")
        return Snapshot(
            token=token,
            account=account,
            roles={ROLE: self._role_facts()} if self.asks_for_role else {},
            secret=self._secret_facts(),
            keys=keys,
            memory=self.memories.recall(KEY, token, self.now),
            latest_use=self.latest_use,
        )

    @property
    def memory(self) -> Memory:
        """What the operator remembers."""
        return self.snapshot().memory

    def converge(self) -> int:
        """Let the operator work until it has nothing to do; return how many passes it took."""
        for passes in range(MOST_PASSES):
            snapshot = self.snapshot()
            wanted = plan(snapshot, self.now, partial(self._mint, snapshot.memory))
            assert wanted.requeue_at is None or wanted.requeue_at > self.now
            self.requeue_at = wanted.requeue_at
            if wanted.status is None and wanted.deliver is None:
                self.memories.told(KEY)
                if not wanted.owes:
                    self.memories.delivered(KEY)
                assert wanted.ahead is None
                assert wanted.mint is None
                assert wanted.events == ()
                return passes
            if wanted.mint is not None and wanted.ahead is not None:
                assert not self._one_waited, "one is enough"
            self._carry_out(wanted, snapshot.memory)
        message = "the operator does not come to rest"
        raise AssertionError(message)

    def _carry_out(self, wanted: Plan, memory: Memory) -> None:
        if wanted.mint is None:
            self._release(wanted, memory)
        if wanted.ahead is not None:
            self._write(wanted.ahead)
        if self._strikes(wanted, "dies before the Secret"):
            return
        if wanted.deliver is not None and not self._deliver(wanted.deliver):
            return
        if self._strikes(wanted, "dies after the Secret") or self._strikes(wanted, "does not get to say so"):
            return
        if wanted.status is not None:
            self._write(wanted.status)
        if wanted.arrives is not None:
            self.causes.append(wanted.arrives)
            if wanted.arrives is MintCause.SECRET_LOST:
                self.memories.reminted(KEY, self.now)
            self.memories.settled(KEY)
        self.memories.told(KEY)
        if not wanted.owes:
            self.memories.delivered(KEY)

    def _strikes(self, wanted: Plan, mishap: str) -> bool:
        """Say whether that mishap is due, which then is over."""
        strikes = wanted.mint is not None and self.mishap == mishap
        if strikes:
            self.mishap = ""
            if mishap.startswith("dies"):
                self.restart()
        return strikes

    def _release(self, wanted: Plan, memory: Memory) -> None:
        """Forget a plaintext that nobody waits for."""
        kept = (wanted.status or self.status).credentials
        if memory.minted is not None and all(one.serial != memory.minted.serial for one in kept):
            self.memories.release(KEY)

    def _mint(self, memory: Memory, wanted: Mint) -> Credential:
        self._check_mint(wanted, memory)
        self._one_waited = any(one.is_pending and self.waits(one) for one in self.status.credentials)
        token = mint("svt", self._entropy)
        value = RING.sign(wanted.key_id, UID, wanted.serial, token.reveal())
        credential = wanted.credential(token.id, value)
        self.memories.hold(KEY, credential, token, self.account_uid)
        self.plaintexts[token.id] = token.reveal()
        self.ledger.entries[token.reveal()] = Entry(wanted.serial, self._counts_from, self.account_number)
        return credential

    def _write(self, status: ServiceTokenStatus) -> None:
        """Write the status, as it comes back from the API server; a watch sees it at this moment."""
        before = self.status
        self.status = ServiceTokenStatus.read(status.to_wire())
        assert self.status == status
        self.floor = max([self.floor, *(one.serial for one in status.credentials)])
        self.check_status()
        self.check_conditions()
        kept = {credential.id for credential in status.credentials}
        self.retired += [one for one in before.credentials if one.id not in kept]

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

    def _check_mint(self, wanted: Mint, memory: Memory) -> None:
        """Assert what no mint may do."""
        assert self.account is not None
        assert self.keys_are_there
        assert wanted.serial > max((one.serial for one in self.status.credentials), default=0)
        assert wanted.serial > self.floor, "one number is never two credentials"
        assert not self.is_over_limit(self.now)
        assert self.secret is None or not self.secret.is_foreign
        if wanted.cause is MintCause.FIRST:
            assert self.role_is_granted
        elif wanted.cause is MintCause.SECRET_LOST or (
            wanted.cause is MintCause.ROTATION_DUE and not self.status.credentials
        ):
            assert memory.not_before <= self.now, "the patience with a rival"

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

    def _deliver(self, deliver: SecretUpdate) -> bool:
        if self.refuses_secrets:
            self.memories.failed(KEY, "exceeded quota", Attempt("refused", self.now))
            return False
        token = self._token_facts()
        subject = deliver.subject
        if deliver.keeps_value:
            assert self.secret is not None
            value = self.secret.value
            if deliver.holds is not None:
                verifier = deliver.holds.verifier
                assert RING.verify(verifier.value, verifier.key_id, UID, deliver.holds.serial, value)
        else:
            held = self.memories.plaintext(KEY, subject.serial)
            assert held is not None
            value = held.reveal()
            assert subject.token_id == held.id
            entry = self.ledger.entries[value]
            entry.delivered, entry.mint_time = True, self._counts_from
            self.ledger.last = entry
        assert (deliver.write is SecretWrite.CREATE) is (self.secret is None)
        if self.secret is not None:
            assert not self.secret.is_foreign, "a foreign Secret is never written"
            assert (deliver.write is SecretWrite.RECREATE) is self.secret.immutable
        self.version += 1
        fingerprint = desired_content(token, subject).fingerprint
        self.secret = Stored(value, subject.serial, subject.mint_time, fingerprint, self.version)
        if not deliver.keeps_value or deliver.holds is not None:
            # Not where what has expired is only marked so: then the conditions are about the past already.
            self.check_claims()
        if deliver.keeps_value:
            self.memories.refreshed(KEY, fingerprint, self.now)
        self.memories.delivered(KEY)
        return True

    @property
    def _counts_from(self) -> int:
        """The mint time of what is delivered now: in the second of a cut it is the next one."""
        return self.now + (self.account is not None and self.account.tokens_not_before_time == self.now)

    def waits(self, credential: Credential) -> bool:
        """Say whether the plaintext of *credential* is in memory."""
        return self.memories.plaintext(KEY, credential.serial) is not None

    def restart(self) -> None:
        """The operator's process ends, in order or not: what it had in memory is lost."""
        self.memories = Memories()

    def _token_facts(self) -> TokenFacts:
        return TokenFacts(
            name="ci-prod",
            namespace="team-a",
            uid=UID,
            generation=self.generation,
            resource_version="1",
            spec=self.spec,
            status=self.status,
        )

    def _role_facts(self) -> RoleFacts | None:
        if self.role is None:
            return None
        return RoleFacts(
            name=ROLE,
            uid="r-1",
            generation=1,
            resource_version="1",
            spec=self.role,
            status=ServiceRoleStatus(),
        )

    def _secret_facts(self) -> SecretFacts | None:
        secret = self.secret
        if secret is None:
            return None
        version = str(secret.version)
        controller = None
        if secret.owner is not None:
            uid, name = secret.owner
            controller = Controller(api_version=names.API_VERSION, kind=names.KIND_TOKEN, name=name, uid=uid)
        if secret.type != names.SECRET_TYPE:
            return SecretFacts(uid="s", resource_version=version, type=secret.type, controller=controller)
        verifiers = {}
        serial = secret.serial
        if self.keys_are_there:
            proven = next((one for one in self._expected() if self.is_value_of(one, secret.value)), None)
            if proven is not None:
                serial, verifiers = proven.serial, {"k1": proven.verifier.value}
            elif controller is not None:
                verifiers = {"k1": RING.sign("k1", controller.uid, serial, secret.value)}
        return SecretFacts(
            uid="s",
            resource_version=version,
            type=secret.type,
            controller=controller,
            serial=serial,
            mint_time=secret.mint_time,
            verifiers=verifiers,
            fingerprint=secret.fingerprint if serial == secret.serial else "other marks",
            immutable=secret.immutable,
            marked_for="ci-prod",
        )

    def _expected(self) -> list[Credential]:
        """Return the credentials that the operator compares with the value, the marks aside."""
        minted = self.memories.recall(KEY, self._token_facts(), self.now).minted
        return [*([minted] if minted is not None else []), *self.status.credentials]

    def is_value_of(self, credential: Credential, value: str) -> bool:
        """Say whether *value* is the plaintext of *credential*, for this object."""
        verifier = credential.verifier
        return RING.verify(verifier.value, verifier.key_id, UID, credential.serial, value)

    # What follows from the objects without their status.

    @property
    def account_uid(self) -> str:
        """The uid of the account that is there, or was last."""
        return f"a-{self.account_number}"

    @property
    def asks_for_role(self) -> bool:
        """The token wants the role, itself or through its account."""
        wanted = self.spec.roles
        return bool(wanted if wanted is not None else self.account and self.account.roles)

    @property
    def role_is_granted(self) -> bool:
        """Nothing is requested that catalogue or account reject."""
        if not self.asks_for_role:
            return True
        account, role = self.account, self.role
        return (
            account is not None
            and ROLE in account.roles
            and role is not None
            and role.allowed_namespaces == ("*",)
        )

    def is_over_limit(self, mint_time: int) -> bool:
        """Say whether what is minted at *mint_time* lives longer than account or role allow."""
        policy = self.account.token_policy if self.account else None
        limits = [policy.max_lifetime if policy else None]
        limits.append(self.role.max_lifetime if self.role and self.asks_for_role else None)
        end = end_by(self.spec, mint_time)
        return any(isinstance(limit, int) and (end is None or end - mint_time > limit) for limit in limits)

    @property
    def current(self) -> Credential | None:
        """The current credential on status: the newest that was delivered, if status does not know of a later one."""
        delivered = [one for one in self.status.credentials if not one.is_pending]
        newest = max(delivered, key=lambda one: one.serial, default=None)
        if newest is None or newest.id == self.status.token_id or self.status.token_id is None:
            return newest
        return None if newest.serial < (self.status.serial or 0) else newest

    @property
    def secret_holds_current(self) -> bool:
        """The Secret may be written to, and its value is the current token, whatever its marks say."""
        secret, current = self.secret, self.current
        if secret is None or current is None or secret.is_foreign:
            return False
        return self.is_value_of(current, secret.value)

    @property
    def secret_is_in_order(self) -> bool:
        """The Secret is ours, and its value is the current token."""
        secret, current = self.secret, self.current
        return (
            secret is not None
            and current is not None
            and self.secret_holds_current
            and secret.owner == (UID, "ci-prod")
            and secret.serial == current.serial
        )

    # What users do.

    def edit(self, **changes: object) -> None:
        """Change the spec."""
        self.spec = self.spec.model_copy(update=changes)
        self.generation += 1

    def edit_account(self, **changes: object) -> None:
        """Change the account's spec, if there is an account."""
        if self.account is not None:
            self.account = self.account.model_copy(update=changes)

    @property
    def is_limited(self) -> bool:
        """The account has a longest lifetime."""
        policy = self.account.token_policy if self.account else None
        return policy is not None and policy.max_lifetime is not None

    def limit(self, seconds: int | None) -> None:
        """Set the account's longest lifetime, or remove it."""
        self.edit_policy(max_lifetime=seconds)

    def edit_policy(self, **changes: int | None) -> None:
        """Change the account's policy, by periods that are shorter than the schema allows; without any it goes."""
        if self.account is not None:
            policy = self.account.token_policy or TokenPolicy.model_construct()
            changed = policy.model_copy(update=changes)
            self.edit_account(token_policy=changed if any(vars(changed).values()) else None)


def spec_of(
    *, expires_after: int | Literal["never"] | None = None, expiration_time: int | None = None
) -> ServiceTokenSpec:
    """Return a spec with an end that is shorter than the schema allows."""
    return ServiceTokenSpec.model_construct(
        account_ref=AccountRef.model_construct(name="ci"),
        expires_after=expires_after,
        expiration_time=expiration_time,
    )


def rotation_of(*, every: int | None, overlap: int | None, number: str | None) -> Rotation:
    """Return a rotation that is quicker than the schema allows."""
    return Rotation.model_construct(every=every, overlap=overlap, id=number)


def role_of(*, namespaces: tuple[str, ...], longest: int | None) -> ServiceRoleSpec:
    """Return a role with a limit that is shorter than the schema allows."""
    return ServiceRoleSpec.model_construct(allowed_namespaces=namespaces, max_lifetime=longest)

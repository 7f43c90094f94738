"""One token's world in memory: what people, accidents and an operator do to it, and what a validator would say.

The operator here does what `controllers` does, in the same order and with the same memory, without a network. All
durations are tiny (1 to 12 seconds), so that expiry, rotation and overlap collide all the time.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from common.entropy import CountingEntropy
from servicetokens.api import names
from servicetokens.api.service_account import ServiceAccountSpec, ServiceAccountStatus, TokenPolicy
from servicetokens.api.service_token import (
    AccountRef,
    Credential,
    Rotation,
    ServiceTokenSpec,
    ServiceTokenStatus,
)
from servicetokens.controllers.keys import Key
from servicetokens.controllers.memory import Memories
from servicetokens.lifecycle.actions import Deliver, MintCause, Plan, SecretWrite
from servicetokens.lifecycle.content import desired_content
from servicetokens.lifecycle.plan import plan, with_minted
from servicetokens.lifecycle.snapshot import (
    AccountFacts,
    Controller,
    Keys,
    SecretFacts,
    Snapshot,
    TokenFacts,
)
from servicetokens.tokens import lifetime
from servicetokens.tokens.format import mint
from servicetokens.tokens.verifier import KeyRing

KEY: Final = Key(names.KIND_TOKEN, "team-a", "ci-prod")
RING: Final = KeyRing({"k1": bytes(range(0x20, 0x40))})
UID: Final = "u-1"
START: Final = 1_000_000
# A new token, a lost Secret and a changed template need three passes in a row; one more finds nothing to do.
MOST_PASSES: Final = 6


@dataclass
class Stored:
    """The Secret as it is stored. *owner* is the uid of the controlling ServiceToken."""

    value: str
    serial: int
    mint_time: int
    fingerprint: str
    version: int
    owner: str | None = UID
    type: str = names.SECRET_TYPE
    immutable: bool = False


class World:
    """Everything there is. Methods named like orders are done by people; `converge` is the operator."""

    def __init__(self) -> None:
        self.now = START
        self.spec = spec_of(expires_after=10)
        self.generation = 1
        self.status = ServiceTokenStatus()
        self.account_number = 1
        self.account: ServiceAccountSpec | None = ServiceAccountSpec()
        self.secret: Stored | None = None
        self.keys_are_there = True
        self.memories = Memories()
        self.requeue_at: int | None = None
        self.refuses_secrets = False
        self.crashes_next = False
        self.plaintexts: dict[str, str] = {}
        self.delivered: set[str] = set()
        self.serials: list[int] = []
        self.retired: list[Credential] = []
        self.causes: list[MintCause] = []
        self.version = 1
        self._entropy = CountingEntropy()

    # -------------------------------------------------------------------------------------- the operator

    def snapshot(self) -> Snapshot:
        """Return the facts as the operator gathers them."""
        token = TokenFacts(
            name="ci-prod",
            namespace="team-a",
            uid=UID,
            generation=self.generation,
            resource_version="1",
            spec=self.spec,
            status=self.status,
        )
        account = None
        if self.account is not None:
            account = AccountFacts(
                name="ci",
                namespace="team-a",
                uid=f"a-{self.account_number}",
                generation=1,
                resource_version="1",
                spec=self.account,
                status=ServiceAccountStatus(),
            )
        keys = Keys(newest="k1", ids=RING.ids) if self.keys_are_there else Keys(newest=None, error="gone")
        return Snapshot(
            token=token,
            account=account,
            secret=self._secret_facts(),
            keys=keys,
            memory=self.memories.recall(KEY, token, self.now),
        )

    def converge(self) -> int:
        """Let the operator work until it has nothing to do; return how many passes it took."""
        for passes in range(MOST_PASSES):
            wanted = plan(self.snapshot(), self.now)
            assert wanted.requeue_at is None or wanted.requeue_at > self.now
            self.requeue_at = wanted.requeue_at
            if wanted.status is None and wanted.deliver is None:
                assert wanted.mint is None
                assert wanted.events == ()
                return passes
            self._carry_out(wanted)
        message = "the operator does not come to rest"
        raise AssertionError(message)

    def _carry_out(self, wanted: Plan) -> None:
        before = self.status
        status = wanted.status or before
        if wanted.mint is not None:
            token = mint("svt", self._entropy)
            value = RING.sign(wanted.mint.key_id, UID, wanted.mint.serial, token.reveal())
            status = with_minted(status, wanted.mint, token.id, value)
            self.memories.hold(KEY, wanted.mint.serial, token)
            self.plaintexts[token.id] = token.reveal()
            self.serials.append(wanted.mint.serial)
            self.causes.append(wanted.mint.cause)
        self.status = status
        kept = {credential.serial for credential in status.credentials}
        self.retired += [one for one in before.credentials if one.serial not in kept]
        if self.crashes_next and wanted.mint is not None:
            self.crashes_next = False
            self.restart()
        elif wanted.deliver is not None:
            self._deliver(wanted, wanted.deliver)

    def _deliver(self, wanted: Plan, deliver: Deliver) -> None:
        if self.refuses_secrets:
            self.memories.failed(KEY, "exceeded quota", self.now)
            return
        token = self.snapshot().token
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
            subject = replace(subject, token_id=held.id)
            self.delivered.add(value)
        assert (deliver.write is SecretWrite.CREATE) is (self.secret is None)
        if self.secret is not None:
            assert self.secret.type == names.SECRET_TYPE, "a foreign Secret is never written"
            assert self.secret.owner in {UID, None, "dead"}
            assert (deliver.write is SecretWrite.RECREATE) is self.secret.immutable
        self.version += 1
        fingerprint = desired_content(token, subject).fingerprint
        self.secret = Stored(value, subject.serial, subject.mint_time, fingerprint, self.version)
        if deliver.keeps_value:
            self.memories.refreshed(KEY, fingerprint, self.now)
        elif wanted.mint is not None and wanted.mint.cause is MintCause.SECRET_LOST:
            self.memories.reminted(KEY, self.now)
        self.memories.delivered(KEY)

    def restart(self) -> None:
        """The operator's process ends, in order or not: what it had in memory is gone."""
        self.memories = Memories()

    def _secret_facts(self) -> SecretFacts | None:
        secret = self.secret
        if secret is None:
            return None
        if secret.type != names.SECRET_TYPE:
            return SecretFacts(
                uid="s", resource_version=str(secret.version), type=secret.type, controller=None
            )
        controller = None
        if secret.owner is not None:
            controller = Controller(
                api_version=names.API_VERSION, kind="ServiceToken", name="ci-prod", uid=secret.owner
            )
        verifiers = {}
        if self.keys_are_there and controller is not None:
            verifiers = {"k1": RING.sign("k1", controller.uid, secret.serial, secret.value)}
        return SecretFacts(
            uid="s",
            resource_version=str(secret.version),
            type=secret.type,
            controller=controller,
            serial=secret.serial,
            mint_time=secret.mint_time,
            verifiers=verifiers,
            fingerprint=secret.fingerprint,
            immutable=secret.immutable,
        )

    # ------------------------------------------------------------------------------------- the validator

    def accepts(self, value: str) -> bool:
        """Say whether a validator would accept *value* now, by the rules that it shares with nobody here."""
        account = self.account
        if account is None or self.status.account_uid != f"a-{self.account_number}":
            return False
        if self.spec.state == "Revoked" or account.state == "Suspended" or not self.keys_are_there:
            return False
        newest = max((one.serial for one in self.status.credentials), default=0)
        current = next((one for one in self.status.credentials if one.serial == newest), None)
        for credential in self.status.credentials:
            end = lifetime.effective_end(
                mint_time=credential.mint_time,
                stored_end=credential.expiration_time,
                expires_after=self.spec.expires_after,
                expiration_time=self.spec.expiration_time,
            )
            if current is not None and credential is not current:
                end = lifetime.earliest(end, current.mint_time + overlap_of(self.spec))
            cut = account.tokens_not_before_time
            is_cut = cut is not None and credential.mint_time < cut <= self.now
            verifier = credential.verifier
            if (
                not is_cut
                and (end is None or end > self.now)
                and RING.verify(verifier.value, verifier.key_id, UID, credential.serial, value)
            ):
                return True
        return False

    # ------------------------------------------------------------------------------------------- people

    def edit(self, **changes: object) -> None:
        """Change the spec."""
        self.spec = self.spec.model_copy(update=changes)
        self.generation += 1

    def edit_account(self, **changes: object) -> None:
        """Change the account's spec, if there is an account."""
        if self.account is not None:
            self.account = self.account.model_copy(update=changes)

    def limit(self, seconds: int | None) -> None:
        """Set the account's longest lifetime, or take it away."""
        policy = None if seconds is None else TokenPolicy.model_construct(max_lifetime=seconds)
        self.edit_account(token_policy=policy)

    @staticmethod
    def secret_of_others() -> Stored:
        """Return a Secret that is not ours to touch."""
        return Stored("theirs", 0, 0, "theirs", 1, owner=None, type="Opaque")

    @property
    def current(self) -> Credential | None:
        """The current credential on status."""
        return max(self.status.credentials, key=lambda one: one.serial, default=None)


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


def overlap_of(spec: ServiceTokenSpec) -> int:
    """Return the seconds for which an old credential outlives a rotation."""
    rotation = spec.rotation
    return (
        lifetime.overlap_of(rotation.every, rotation.overlap) if rotation else lifetime.overlap_of(None, None)
    )

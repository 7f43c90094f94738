"""Last used: at most one write an hour for each token, and twenty a second for all."""

from dataclasses import dataclass, field

import pytest

from common.builders.presenting import Surroundings
from common.fakes.entropy import CountingEntropy
from servicetokens.authn.decision import Accepted, AuthenticationRequest
from servicetokens.authn.records import STATES, Account, Credential, Restrictions, TokenRecord, pack_mint
from servicetokens.kube.errors import ApiUnavailable, Conflict, KubeError, NotFound, Unprocessable
from servicetokens.validator.usage import GRAIN_SECONDS, WRITES_PER_SECOND, Usage


@dataclass
class Store:
    """Remembers what was written; fails as often as it is informed to."""

    written: list[tuple[str, int, int]] = field(default_factory=list)
    failures: list[KubeError] = field(default_factory=list)

    async def set_last_used(self, _namespace: str, name: str, _uid: str, *, before: int, at: int) -> None:
        """See `UsageStore`."""
        if self.failures:
            raise self.failures.pop()
        self.written.append((name, before, at))


class Ledger:
    """A `Usage` on a fake clock, which `settle` lets run until nothing is left to do."""

    def __init__(self, validators: int = 1) -> None:
        self.around = Surroundings(on_use=self.note)
        self.clock = self.around.clock
        self.store = Store()
        self.validators = validators
        self.usage = Usage(
            self.store, self.around.index, self.clock, CountingEntropy(), count_validators=self.count
        )

    def note(self, accepted: Accepted, _presented: AuthenticationRequest) -> None:
        """Receive a use."""
        self.usage.note(accepted)

    async def count(self) -> int:
        """Return how many validators there are."""
        return self.validators

    async def settle(self) -> float:
        """Do all that is pending; return how many seconds it took."""
        began = self.clock.monotonic()
        for _ in range(200_000):
            delay = await self.usage.step()
            if delay is None:
                return self.clock.monotonic() - began
            self.clock.advance(delay)
        raise AssertionError(self.usage.pending)

    def present(self) -> None:
        """Present the token, whatever time it is."""
        self.around.confirm()
        self.around.accepted()


async def test_many_uses_are_one_write_an_hour() -> None:
    """Also though the decision is made again every minute; the time is that of the first use in that hour."""
    ledger = Ledger()
    first = ledger.clock.now()
    for _ in range(59):
        ledger.present()
        await ledger.settle()
        ledger.clock.advance(60)
    assert ledger.store.written == [("ci-prod", 0, first)]
    ledger.clock.advance(GRAIN_SECONDS)
    ledger.present()
    await ledger.settle()
    assert [before for _, before, _ in ledger.store.written] == [0, first]


async def test_a_rejected_token_is_not_used() -> None:
    """Nor is one that is good, but not for this."""
    ledger = Ledger()
    ledger.around.put_token(audiences=["https://a"])
    assert ledger.around.reason(audiences=("https://b",)) == "Audience"
    assert ledger.usage.pending == 0
    ledger.around.accepted(audiences=("https://a",))
    assert ledger.usage.pending == 1


async def test_a_restart_finds_what_was_written_and_another_validator_does_too() -> None:
    """The status says when it was; a time that is less than an hour old is not changed."""
    ledger = Ledger()
    ledger.present()
    ledger.around.put_token()
    record = ledger.around.accepted().record
    record.last_used = ledger.clock.now() - 10
    await ledger.settle()
    assert ledger.store.written == [], "somebody else was faster"
    again = Ledger()
    again.around.accepted().record.last_used = again.clock.now() - GRAIN_SECONDS + 61
    again.usage._pending.clear()
    again.clock.advance(60)
    again.present()
    assert again.usage.pending == 0


async def test_a_time_in_the_future_is_forged_and_overwritten_by_the_next_use() -> None:
    """It would hide every use until then; a validator whose clock is a little ahead plants nothing."""
    ledger = Ledger()
    record = ledger.around.accepted().record
    ledger.usage._pending.clear()
    ledger.clock.advance(60)
    planted = record.last_used = ledger.clock.now() + 365 * 24 * GRAIN_SECONDS
    ledger.present()
    await ledger.settle()
    assert [before for _, before, _ in ledger.store.written] == [planted]
    record.last_used = ledger.clock.now() + 60
    ledger.clock.advance(60)
    ledger.present()
    assert ledger.usage.pending == 0


@pytest.mark.parametrize(
    "error", [Conflict("x"), NotFound("x"), Unprocessable("x", causes=("FieldValueInvalid",))]
)
async def test_what_cannot_be_written_is_dropped(error: KubeError) -> None:
    """Another validator was faster, it was deleted, or this object rejects it: it is not retried."""
    ledger = Ledger()
    ledger.store.failures = [error]
    ledger.present()
    await ledger.settle()
    assert ledger.store.written == []


async def test_while_the_api_server_is_away_everything_waits() -> None:
    """And is written when it is back."""
    ledger = Ledger()
    ledger.store.failures = [ApiUnavailable("away")] * 3
    ledger.present()
    took = await ledger.settle()
    assert len(ledger.store.written) == 1
    assert ledger.usage.failures == 3
    assert took >= 90


@pytest.mark.parametrize("validators", [1, 3])
async def test_ten_thousand_tokens_are_written_in_turn(validators: int) -> None:
    """Twenty a second, which all validators share; and each once."""
    ledger = Ledger(validators)
    count = 10_000 // validators
    account, restrictions = Account("team-a", "ci", uid="a-1"), Restrictions(None, (), ())
    for number in range(count):
        token_id = f"{number:012}"
        credential = Credential(token_id, 1, "k1", pack_mint(ledger.clock.now(), b""), None)
        record = TokenRecord(
            f"u{number}",
            f"t{number}",
            account,
            "a-1",
            restrictions,
            STATES[False, False, False, True],
            credential,
        )
        ledger.around.index.link(record)
        ledger.usage.note(Accepted(record, token_id, None, (), ()))
    took = await ledger.settle()
    assert len(ledger.store.written) == count
    assert len({name for name, _, _ in ledger.store.written}) == count
    assert took >= (count - 1) * validators / WRITES_PER_SECOND

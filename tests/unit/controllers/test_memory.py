"""What one process remembers of unfinished work, and how its patience grows."""

import pytest

from servicetokens.api.service_token import Credential, ServiceTokenStatus, Verifier
from servicetokens.controllers.keys import Key
from servicetokens.controllers.memory import Memories
from servicetokens.lifecycle.snapshot import Memory, TokenFacts
from servicetokens.tokens.format import Token, assemble

KEY = Key("ServiceToken", "team-a", "ci-prod")
NOW = 1_800_000_000
TOKEN = assemble("svt", "0123456789AB", bytes(32))


def facts(*credentials: tuple[int, str]) -> TokenFacts:
    """Return a token whose status has these credentials (serial, id)."""
    verifier = Verifier(algorithm="HMACSHA256", key_id="k1", value="0" * 64)
    status = ServiceTokenStatus(
        credentials=tuple(
            Credential(serial=serial, id=token_id, mint_time=NOW, verifier=verifier)
            for serial, token_id in credentials
        )
    )
    return TokenFacts(
        name="ci-prod",
        namespace="team-a",
        uid="u",
        generation=1,
        resource_version="1",
        spec=None,
        status=status,
    )


@pytest.fixture
def memories() -> Memories:
    """Nothing remembered."""
    return Memories()


def plaintext(memories: Memories, serial: int) -> Token | None:
    """Return what waits to be delivered."""
    return memories.plaintext(KEY, serial)


def test_a_minted_token_waits_until_it_is_delivered(memories: Memories) -> None:
    """It is known as undelivered as long as status has its credential and the Secret does not."""
    memories.hold(KEY, 4, TOKEN)
    assert memories.recall(KEY, facts((4, TOKEN.id)), NOW) == Memory(undelivered=4)
    assert plaintext(memories, 4) == TOKEN
    assert plaintext(memories, 5) is None
    assert not memories.delivered(KEY)
    assert memories.recall(KEY, facts((4, TOKEN.id)), NOW) == Memory()
    assert len(memories) == 0


def test_a_token_that_status_never_got_is_forgotten(memories: Memories) -> None:
    """A write that failed, or an equal serial of somebody else's mint, leaves nothing to deliver."""
    memories.hold(KEY, 4, TOKEN)
    assert memories.recall(KEY, facts((4, "AAAAAAAAAAAA")), NOW).undelivered is None
    assert plaintext(memories, 4) is None


def test_release_and_forget_drop_the_plaintext(memories: Memories) -> None:
    """Neither minds being asked twice."""
    memories.hold(KEY, 1, TOKEN)
    memories.release(KEY)
    assert plaintext(memories, 1) is None
    memories.hold(KEY, 1, TOKEN)
    memories.forget(KEY)
    memories.forget(KEY)
    memories.release(KEY)
    assert len(memories) == 0


def test_the_first_repair_is_free_and_each_one_after_it_waits_longer(memories: Memories) -> None:
    """10 s after the first, doubling, five minutes at most."""
    waits = []
    for _ in range(8):
        memories.reminted(KEY, NOW)
        waits.append(memories.recall(KEY, facts(), NOW).not_before - NOW)
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]


def test_patience_is_restored_after_ten_quiet_minutes(memories: Memories) -> None:
    """A Secret that is deleted once a day is healed at once every day."""
    for _ in range(5):
        memories.reminted(KEY, NOW)
    later = NOW + 601
    assert memories.recall(KEY, facts(), later) == Memory()
    memories.reminted(KEY, later)
    assert memories.recall(KEY, facts(), later).not_before == later + 10


def test_a_refused_secret_is_remembered_with_its_reason_until_it_is_written(memories: Memories) -> None:
    """The plaintext keeps waiting, and status has to be put right after the delivery."""
    memories.hold(KEY, 1, TOKEN)
    memories.failed(KEY, "exceeded quota", NOW)
    assert memories.recall(KEY, facts((1, TOKEN.id)), NOW) == Memory(
        undelivered=1, delivery_error="exceeded quota", not_before=NOW + 10
    )
    assert memories.delivered(KEY)
    assert memories.recall(KEY, facts((1, TOKEN.id)), NOW) == Memory()


def test_new_content_is_free_and_the_same_content_again_is_not(memories: Memories) -> None:
    """An edited template is followed at once; whoever undoes it is not fought at full speed."""
    memories.refreshed(KEY, "one", NOW)
    assert not memories.delivered(KEY)
    assert memories.recall(KEY, facts(), NOW).not_before == 0
    memories.refreshed(KEY, "one", NOW)
    assert memories.recall(KEY, facts(), NOW).not_before == NOW + 10
    memories.refreshed(KEY, "two", NOW)
    assert memories.recall(KEY, facts(), NOW).not_before == 0


def test_a_memory_does_not_print_the_plaintext(memories: Memories) -> None:
    """Not even in a debugger."""
    memories.hold(KEY, 1, TOKEN)
    assert TOKEN.reveal() not in repr(memories.__dict__)

"""What one process remembers of unfinished work, and how its patience grows."""

from dataclasses import replace
from typing import Literal

import pytest

from servicetokens.api.service_token import Credential, ServiceTokenStatus, Verifier
from servicetokens.controllers.reconcile.memory import Attempt, Memories
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.snapshot import Memory, TokenFacts
from servicetokens.tokens.format import Token, assemble

KEY = Key("ServiceToken", "team-a", "ci-prod")
NOW = 1_800_000_000
AT_ONCE = Attempt("fingerprint", NOW)
TOKEN = assemble("svt", "0123456789AB", bytes(32))


def credential(serial: int, *, pending: bool = False, token_id: str = TOKEN.id) -> Credential:
    """Return the credential of `TOKEN`."""
    verifier = Verifier(algorithm="HMACSHA256", key_id="k1", value="0" * 64)
    delivery: Literal["Pending", "Delivered"] | None = "Pending" if pending else None
    return Credential(serial=serial, id=token_id, mint_time=NOW, verifier=verifier, delivery=delivery)


def facts(*credentials: Credential) -> TokenFacts:
    """Return a token whose status has these credentials."""
    status = ServiceTokenStatus(observed_generation=1, credentials=credentials)
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


def test_a_minted_token_waits_until_status_lists_it_as_delivered(memories: Memories) -> None:
    """Whether status does not know it yet, or as pending: its plaintext is nowhere else."""
    memories.hold(KEY, credential(4), TOKEN, "a-1")
    waiting = Memory(minted=credential(4), minted_for="a-1")
    assert memories.recall(KEY, facts(), NOW) == waiting
    assert memories.recall(KEY, facts(credential(4, pending=True)), NOW) == waiting
    assert plaintext(memories, 4) == TOKEN
    assert plaintext(memories, 5) is None
    assert not memories.delivered(KEY)
    assert memories.recall(KEY, facts(credential(4)), NOW).minted is None
    assert plaintext(memories, 4) is None


@pytest.mark.parametrize("pending", [False, True])
def test_a_token_of_a_serial_that_another_operator_used_is_dropped(memories: Memories, pending: bool) -> None:
    """It was minted at the same time, and is not the one that status lists."""
    memories.hold(KEY, credential(4), TOKEN, "a-1")
    other = credential(4, pending=pending, token_id="BA9876543210")
    assert memories.recall(KEY, facts(other), NOW).minted is None
    assert plaintext(memories, 4) is None


def test_what_is_settled_is_forgotten(memories: Memories) -> None:
    """A token that was delivered leaves nothing behind."""
    memories.hold(KEY, credential(4), TOKEN, "a-1")
    memories.settled(KEY)
    assert len(memories) == 0
    memories.settled(KEY)
    assert memories.recall(KEY, facts(), NOW) == Memory()


def test_release_and_forget_drop_the_plaintext(memories: Memories) -> None:
    """Neither minds being asked twice."""
    memories.hold(KEY, credential(1), TOKEN, "a-1")
    memories.release(KEY)
    assert plaintext(memories, 1) is None
    memories.hold(KEY, credential(1), TOKEN, "a-1")
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
    """A Secret that is deleted once a day is healed immediately every day."""
    for _ in range(5):
        memories.reminted(KEY, NOW)
    later = NOW + 601
    assert memories.recall(KEY, facts(), later) == Memory()
    memories.reminted(KEY, later)
    assert memories.recall(KEY, facts(), later).not_before == later + 10


def test_a_rejected_secret_is_remembered_with_its_reason_until_it_is_written(memories: Memories) -> None:
    """The plaintext keeps waiting; that a reason is news is said once."""
    memories.hold(KEY, credential(1), TOKEN, "a-1")
    assert memories.failed(KEY, "exceeded quota", AT_ONCE)
    assert memories.has_failed(KEY)
    assert memories.recall(KEY, facts(credential(1, pending=True)), NOW) == Memory(
        minted=credential(1), minted_for="a-1", delivery_error="exceeded quota", not_before=NOW + 1
    )
    assert not memories.failed(KEY, "exceeded quota", AT_ONCE)
    assert memories.failed(KEY, "denied by a policy", AT_ONCE)
    assert memories.delivered(KEY)
    assert not memories.has_failed(KEY)
    assert memories.recall(KEY, facts(), NOW) == Memory(minted=credential(1), minted_for="a-1")


def test_a_rejected_write_is_repeated_within_ten_seconds(memories: Memories) -> None:
    """1, 2, 4 and then 8 s; a server may ask for more, but not for longer than that."""
    waits = []
    for _ in range(6):
        memories.failed(KEY, "exceeded quota", AT_ONCE)
        waits.append(memories.recall(KEY, facts(), NOW).not_before - NOW)
    assert waits == [1, 2, 4, 8, 8, 8]
    memories.delivered(KEY)
    for asked, wait in ((2.5, 3), (3600.0, 8)):
        memories.failed(KEY, "too many requests", AT_ONCE, retry_after=asked)
        assert memories.recall(KEY, facts(), NOW).not_before - NOW == wait
        memories.delivered(KEY)


def test_many_rejected_writes_share_a_rate_limit(memories: Memories) -> None:
    """Fifty a second of all tokens together; and a cause that has gone shortens the wait of the others."""
    keys = [Key("ServiceToken", "team-a", f"token-{number}") for number in range(1000)]
    for key in keys:
        memories.failed(key, "exceeded quota", AT_ONCE)
    assert memories.recall(keys[-1], facts(), NOW).not_before == NOW + 20
    for key in keys[1:]:
        memories.delivered(key)
    memories.failed(keys[0], "exceeded quota", AT_ONCE)
    assert memories.recall(keys[0], facts(), NOW).not_before == NOW + 2


def test_writes_that_are_not_answered_leave_most_workers_to_other_tokens(memories: Memories) -> None:
    """A webhook that hangs is asked again soon for one token, and more rarely for many, counted from its end."""
    hung = Attempt("fingerprint", NOW, seconds=10.0)
    memories.failed(KEY, "no answer", hung)
    assert memories.recall(KEY, facts(), NOW).not_before == NOW + 10 + 1
    keys = [Key("ServiceToken", "team-a", f"token-{number}") for number in range(79)]
    for key in keys:
        memories.failed(key, "no answer", hung)
    # Of 80 tokens, each for 10 s in every 100 s: 8 workers.
    assert memories.recall(keys[-1], facts(), NOW).not_before == NOW + 10 + 90


def test_a_write_that_was_applied_after_all_is_recognised_by_its_content(memories: Memories) -> None:
    """And by nothing else; once it has arrived, nothing is outstanding."""
    assert not memories.was_applied(KEY, "")
    memories.failed(KEY, "etcdserver: request timed out", AT_ONCE)
    assert memories.was_applied(KEY, "fingerprint")
    assert not memories.was_applied(KEY, "another")
    memories.delivered(KEY)
    assert not memories.was_applied(KEY, "fingerprint")
    assert not memories.was_applied(KEY, "")


def test_a_namespace_that_is_being_deleted_is_asked_once_for_each_token(memories: Memories) -> None:
    """Others wait for a moment, since a namespace of that name may be there again; a new object is not the old one."""
    other = Key("ServiceToken", "team-a", "other")
    memories.hold(KEY, credential(1), TOKEN, "a-1")
    memories.namespace_ends(KEY, "u", NOW)
    assert plaintext(memories, 1) is None
    assert memories.recall(KEY, facts(), NOW) == Memory(namespace_ends=True)
    assert memories.recall(other, facts(), NOW) == Memory(namespace_ends=True)
    assert memories.recall(other, facts(), NOW + 20) == Memory()
    assert memories.recall(KEY, facts(), NOW + 10_000) == Memory(namespace_ends=True)
    assert memories.recall(KEY, replace(facts(), uid="another"), NOW + 20) == Memory()
    unseen = replace(facts(), uid="another", status=ServiceTokenStatus())
    assert memories.recall(KEY, unseen, NOW) == memories.recall(other, unseen, NOW) == Memory()
    assert memories.recall(KEY, replace(unseen, uid="u"), NOW) == Memory(namespace_ends=True)
    memories.clear()
    assert memories.recall(KEY, facts(), NOW) == Memory()


def test_a_namespace_in_which_a_secret_was_created_is_not_being_deleted(memories: Memories) -> None:
    """It is a new one of the same name: nothing in it waits any longer."""
    memories.namespace_ends(KEY, "u", NOW)
    another = replace(facts(), uid="another")
    assert memories.recall(KEY, another, NOW) == Memory(namespace_ends=True)
    memories.created(Key("ServiceToken", "team-a", "other"))
    assert memories.recall(KEY, another, NOW) == Memory()


def test_new_content_is_free_and_the_same_content_again_is_not(memories: Memories) -> None:
    """An edited template is followed immediately; repeated changes by another writer are repaired with delays."""
    memories.refreshed(KEY, "one", NOW)
    assert not memories.delivered(KEY)
    assert memories.recall(KEY, facts(), NOW).not_before == 0
    memories.refreshed(KEY, "one", NOW)
    assert memories.recall(KEY, facts(), NOW).not_before == NOW + 10
    memories.refreshed(KEY, "two", NOW)
    assert memories.recall(KEY, facts(), NOW).not_before == 0


def test_a_memory_does_not_print_the_plaintext(memories: Memories) -> None:
    """Not even in a debugger."""
    memories.hold(KEY, credential(1), TOKEN, "a-1")
    assert TOKEN.reveal() not in repr(memories.__dict__)

"""Ids that several objects claim, and ids whose credential has ended."""

import gc
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from uuid import UUID

import pytest

from common.builders.presenting import DAY, RING, Surroundings
from servicetokens.authn import evaluation as module
from servicetokens.authn.decision import Accepted, Rejected, Unavailable
from servicetokens.kube.watch import Identity
from servicetokens.tokens.format import Token
from servicetokens.tokens.verifier import KeyRing

OTHER_RING = KeyRing({"k9": bytes(32)})


@pytest.fixture
def it() -> Surroundings:
    """A valid token."""
    return Surroundings()


def plant(it: Surroundings, number: int, *, ring: KeyRing = RING) -> None:
    """Put another object whose status claims the id of the token."""
    uid = f"rival-{number}"
    it.put_token(uid=uid, name=uid, credentials=[it.credential(it.token, uid="u-other", ring=ring)])


def again(it: Surroundings) -> None:
    """List everything again, so that the rightful object comes last."""
    it.tokens.remove(Identity("u-1", "ci-prod", "team-a"))
    it.put_token()


# Several objects claim one id.


@pytest.mark.parametrize("rivals", [1, 15, 16, 17, 100])
@pytest.mark.parametrize("ring", [RING, OTHER_RING], ids=["of a known key", "of an unknown key"])
def test_the_rightful_token_is_accepted_however_many_objects_claim_its_id(
    it: Surroundings, rivals: int, ring: KeyRing
) -> None:
    """Whether it was there before them or after, and also when they are deleted again."""
    for number in range(rivals):
        plant(it, number, ring=ring)
    assert it.accepted().record.name == "ci-prod"
    again(it)
    assert it.accepted().record.name == "ci-prod"
    for number in range(rivals):
        it.tokens.remove(Identity(f"rival-{number}", f"rival-{number}", "team-a"))
        assert it.accepted().record.name == "ci-prod"
    assert len(it.index) == 1
    it.remove_token()
    assert it.reason() == "Deleted"
    assert len(it.index) == 0


def test_a_rival_with_an_unknown_key_does_not_hide_the_others(it: Surroundings) -> None:
    """The rival is first; every claimant is tried, and only when none fits it may be for want of a key."""
    asked: list[int] = []
    plant(it, 1, ring=OTHER_RING)
    again(it)
    it.index.on_unknown_key = lambda: asked.append(1)
    it.accepted()
    assert asked == []
    wrong = it.token.reveal()[:-1] + ("a" if it.token.reveal()[-1] != "a" else "b")
    it.tokens.remove(Identity("u-1", "ci-prod", "team-a"))
    assert it.reason(wrong) == "UnknownKey"
    assert asked


def test_a_token_that_was_proven_costs_one_hash_from_then_on(it: Surroundings) -> None:
    """Also for the wrong secret, and also after its object was written again; the decision about it is kept."""
    for number in range(5):
        plant(it, number)
    again(it)
    claims = it.index.claims
    assert len(claims.claimants(it.token.id)) == 6
    first = it.accepted()
    assert [one.name for one in claims.claimants(it.token.id)] == ["ci-prod"]
    assert it.accepted() is first
    it.put_token()
    plant(it, 9)
    assert [one.name for one in claims.claimants(it.token.id)] == ["ci-prod"]
    it.put_token(credentials=[it.credential(it.token, serial=2)])
    assert len(claims.claimants(it.token.id)) == 7, "another credential has to be proven again"
    it.remove_token()
    assert it.reason() == "WrongSecret"


def test_what_many_claimants_cost_together_is_bounded(
    it: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is spent the answer is "unavailable", never "invalid"; the next second and a proven token are served."""
    monkeypatch.setattr(module, "_HASHES_PER_SECOND", 50)
    around = Surroundings()
    for number in range(40):
        plant(around, number)
    wrong = around.token.reveal()[:-1] + ("a" if around.token.reveal()[-1] != "a" else "b")
    assert around.reason(wrong) == "WrongSecret"
    assert around.reason(wrong) == "WrongSecret"
    assert isinstance(around.present(wrong), Unavailable)
    assert isinstance(around.present(), Unavailable)
    around.clock.advance(1)
    around.accepted()
    for _ in range(10):
        assert around.reason(wrong) == "WrongSecret"
    around.accepted()


def test_a_few_claimants_are_never_rejected_for_their_cost(
    it: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to sixteen."""
    monkeypatch.setattr(module, "_HASHES_PER_SECOND", 0)
    around = Surroundings()
    for number in range(15):
        plant(around, number)
    around.accepted()


# Expired credentials.


def rejected(it: Surroundings, token: Token | None = None) -> Rejected:
    """Present a token that must be rejected."""
    decision = it.present(token)
    assert isinstance(decision, Rejected), decision
    return decision


def test_a_rotated_credential_stays_known_after_it_left_status(it: Surroundings) -> None:
    """Its id names the object, without a record: whether the secret part was right cannot be verified any more."""
    newer = it.mint()
    it.put_token(credentials=[it.credential(newer, serial=2)])
    found = rejected(it)
    assert (found.reason, found.token_id, found.record) == ("Replaced", it.token.id, None)
    assert found.ended is not None
    assert (found.ended.namespace, found.ended.name, found.ended.account) == ("team-a", "ci-prod", "ci")
    it.accepted(newer)
    it.remove_token()
    assert (rejected(it, newer).reason, rejected(it).reason) == ("Deleted", "Replaced")


def test_an_expired_credential_stays_known_by_the_id_on_status(it: Surroundings) -> None:
    """Also for a validator that started afterwards; the end that status names tells why."""
    end = it.clock.now() + DAY
    it.remove_token()
    status = {"tokenID": it.token.id, "expirationTime": end}
    it.put_token(uid="u-7", credentials=[], status=status)
    assert rejected(it).reason == "Replaced"
    it.clock.advance(DAY)
    it.confirm()
    assert rejected(it).reason == "Expired"
    it.put_token(uid="u-7", credentials=[], status={"tokenID": it.token.id, "expirationTime": "soon"})
    assert rejected(it).reason == "Replaced"


def test_an_id_that_is_claimed_again_has_not_ended(it: Surroundings) -> None:
    """What an object claims now counts, in whichever order it is informed."""
    it.put_token(credentials=[])
    assert rejected(it).reason == "Replaced"
    it.put_token()
    it.accepted()
    plant(it, 1)
    it.tokens.remove(Identity("rival-1", "rival-1", "team-a"))
    it.accepted()
    it.put_token(uid="u-9", name="planted", credentials=[], status={"tokenID": it.token.id})
    it.accepted()


def test_an_ended_id_stays_with_the_object_that_had_it(it: Surroundings) -> None:
    """An object that names it as its last one, or claims it and is deleted, does not appear in the log instead."""
    newer, end = it.mint(), it.clock.now() + 5
    it.put_token(credentials=[it.credential(newer, serial=2)])
    planted = [it.credential(it.token, uid="u-other")]
    for status, credentials in (({"tokenID": it.token.id, "expirationTime": end}, []), ({}, planted)):
        it.put_token(uid="u-9", name="planted", credentials=credentials, status=status)
    it.tokens.remove(Identity("u-9", "planted", "team-a"))
    it.put_token(uid="u-9", name="planted", credentials=[], status={"tokenID": it.token.id})
    found = rejected(it)
    assert found.ended is not None
    assert (found.reason, found.ended.name) == ("Replaced", "ci-prod")


def test_an_id_that_another_object_named_first_is_its_owners_once_it_ends(it: Surroundings) -> None:
    """A validator that lists the copy before the owner believes it no longer than that."""
    late = it.mint()
    it.put_token(uid="u-9", name="planted", credentials=[], status={"tokenID": late.id})
    it.put_token(uid="u-2", name="owner", credentials=[it.credential(late, uid="u-2")])
    it.put_token(uid="u-2", name="owner", credentials=[])
    it.put_token(uid="u-9", name="planted", credentials=[], status={"tokenID": late.id})
    found = rejected(it, late)
    assert found.ended is not None
    assert found.ended.name == "owner"


def test_an_object_that_cannot_be_read_has_not_ended(it: Surroundings) -> None:
    """It may be readable in a moment, so the answer is not final."""
    it.tokens.put_unreadable(Identity("u-1", "ci-prod", "team-a"))
    assert rejected(it).reason == "Unknown"


def test_ended_ids_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten."""
    monkeypatch.setattr("servicetokens.authn.claims._MOST_ENDED", 1)
    it = Surroundings()
    newer = it.mint()
    it.put_token(credentials=[it.credential(newer, serial=2)])
    assert rejected(it).reason == "Replaced"
    it.remove_token()
    assert rejected(it).reason == "Unknown"
    assert rejected(it, newer).reason == "Deleted"


# Restored credentials.


def test_a_rotated_out_credential_stays_expired_when_it_is_restored(it: Surroundings) -> None:
    """Its successor's serial is on status, so it ends with the overlap, as it did before."""
    old = it.credential(it.token)
    it.clock.advance(10)
    last = {"serial": 2, "mintTime": it.clock.now()}
    for overlap, answer in (("0s", "Expired"), ("30s", None)):
        it.put_token(credentials=[old], status=last, rotation={"id": "x", "overlap": overlap})
        assert isinstance(it.present(), Accepted) if answer is None else it.reason() == answer, overlap
    it.clock.advance(30)
    assert it.reason() == "Expired"


def test_only_the_newest_two_credentials_count_by_the_serial_of_status(it: Surroundings) -> None:
    """An older one that is put next to them, or back without them, is accepted by no validator."""
    third, now = it.mint(), it.clock.now()
    old, newer = it.credential(it.token, serial=3), it.credential(third, serial=4)
    rotation = {"id": "x", "overlap": "1h"}
    it.put_token(credentials=[old, newer], status={"serial": 4, "mintTime": now}, rotation=rotation)
    it.accepted()
    it.accepted(third)
    it.put_token(credentials=[old, newer], status={"serial": 5, "mintTime": now + 1}, rotation=rotation)
    it.accepted(third)
    assert it.reason() == "Replaced"


def test_a_token_is_accepted_until_its_successor_is_in_the_secret(it: Surroundings) -> None:
    """One that is pending begins no overlap; it is accepted itself: it may be there now."""
    pending, now = it.mint(), it.clock.now()
    old, new = it.credential(it.token), it.credential(pending, serial=2)
    last = {"serial": 2, "mintTime": now, "tokenID": it.token.id}
    rotation = {"id": "x", "overlap": "30s"}
    it.put_token(credentials=[old, {**new, "delivery": "Pending"}], status=last, rotation=rotation)
    it.accepted(pending)
    it.accepted()
    it.clock.advance(31)
    it.confirm()
    it.accepted()
    it.put_token(credentials=[old, new], status=last, rotation=rotation)
    it.accepted(pending)
    assert it.reason() == "Expired"


@pytest.mark.parametrize("token_id", ["old", "new", None])
@pytest.mark.parametrize("overlap", ["0s", "30s"])
def test_marking_the_newest_as_pending_does_not_lift_the_overlap(
    it: Surroundings, token_id: str | None, overlap: str
) -> None:
    """Only what was delivered last waits for its successor, and with an overlap of nothing it does not wait."""
    newest, now = it.mint(), it.clock.now()
    new = it.credential(newest, serial=2) | {"delivery": "Pending"}
    last = {"old": it.token.id, "new": newest.id}.get(token_id or "")
    it.put_token(
        credentials=[it.credential(it.token), new],
        status={"serial": 2, "mintTime": now} | ({} if last is None else {"tokenID": last}),
        rotation={"id": "x", "overlap": overlap},
    )
    it.clock.advance(30)
    waits = overlap != "0s" and token_id == "old"
    assert isinstance(it.present(), Accepted) if waits else it.reason() == "Expired"
    it.accepted(newest)


def test_one_whose_successor_could_not_be_delivered_keeps_the_end_on_status(it: Surroundings) -> None:
    """The operator has removed the successor: its serial remains, and the mint time is that of the older one."""
    now = it.clock.now()
    stored = it.credential(it.token, end=now + 20)
    it.put_token(
        credentials=[stored],
        status={"serial": 2, "mintTime": now},
        rotation={"id": "x", "overlap": "0s"},
    )
    it.accepted()
    it.clock.advance(20)
    assert it.reason() == "Expired"


def test_one_whose_successor_was_lost_in_the_second_of_its_mint_has_the_overlap_of_the_spec(
    it: Surroundings,
) -> None:
    """The successor was delivered, which its id on status tells; the overlap may have been removed since."""
    now = it.clock.now()
    it.put_token(
        credentials=[it.credential(it.token, end=now + 20)],
        status={"serial": 2, "mintTime": now, "tokenID": "ID0000000002"},
        rotation={"id": "x", "overlap": "0s"},
    )
    assert it.reason() == "Expired"


@pytest.mark.parametrize("mint_time", [None, "yesterday"])
def test_a_serial_without_the_time_of_its_mint_is_not_understood(
    it: Surroundings, mint_time: str | None
) -> None:
    """No guess in favour of what may have been restored."""
    it.put_token(credentials=[it.credential(it.token)], status={"serial": 2, "mintTime": mint_time})
    assert it.reason() == "Unreadable"


# Equal work for every answer.


def calls(work: Callable[[], object]) -> list[str]:
    """Return what *work* calls, in order, in Python and in C."""
    found: list[str] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            found.append(frame.f_code.co_qualname)
        elif event == "c_call":
            found.append(getattr(argument, "__qualname__", repr(argument)))

    # What a collection of garbage calls belongs to other tests.
    gc.disable()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return found


def presented(it: Surroundings) -> Iterator[tuple[str, str]]:
    """Give tokens with a wrong secret: of an unknown id, of a known one, and of one that is in use."""
    unknown, unused, used = it.mint(), it.mint(), it.mint()
    for number, token in enumerate((unused, used)):
        uid = str(UUID(int=number + 1))
        it.put_token(uid=uid, name=uid, credentials=[it.credential(token, uid=uid)])
    it.accepted(used)
    for name, token in (("unknown", unknown), ("known", unused), ("in use", used)):
        text = token.reveal()
        yield name, text[:-1] + ("a" if text[-1] != "a" else "b")


def test_a_rejection_costs_the_same_whether_or_not_the_id_is_known(it: Surroundings) -> None:
    """One comparison with what is kept, and one keyed hash, whatever the id is."""
    found = {}
    for name, text in presented(it):
        assert isinstance(it.present(text), Rejected)
        found[name] = calls(partial(it.present, text))
    assert found["known"] == found["in use"]
    assert found["unknown"] == found["known"]
    assert {"compare_digest", "hmac_digest"} <= set(found["unknown"])

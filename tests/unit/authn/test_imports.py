"""Values that were imported: found without an id in them, rejected like any other token, never another user's."""

from typing import Any

import pytest

from common.builders.presenting import DAY, RING, Surroundings
from servicetokens.api.values import format_time
from servicetokens.authn.decision import Accepted, AuthenticationRequest
from servicetokens.tokens.imported import MAX_LENGTH, MAX_SECONDS, handle_of
from servicetokens.tokens.verifier import ALGORITHM, KeyRing

VALUE = "glpat-abcdefGHIJ0123456789"
BOTH = KeyRing({"k1": bytes(range(0x20, 0x40)), "k2": bytes(32)})


def entry(
    it: Surroundings, value: str = VALUE, *, uid: str = "u-1", minted: int | None = None, **changes: Any
) -> dict[str, Any]:
    """Return the entry of `status.credentials` of an imported value."""
    ring, key_id = changes.pop("ring", RING), changes.pop("key_id", "k1")
    verifier = {"algorithm": ALGORITHM, "keyID": key_id, "value": ring.sign(key_id, uid, 1, value)}
    return {
        "serial": 1,
        "id": handle_of(value, ring, key_id),
        "mintTime": format_time(it.clock.now() if minted is None else minted),
        "verifier": verifier,
    } | changes


def put(it: Surroundings, *, uid: str = "u-1", until: int | None = 10 * DAY, **spec: Any) -> None:
    """Put a token that imported a value now, and accepts it for *until* seconds."""
    imported = spec.pop("imported", None) or entry(it, uid=uid)
    asked: dict[str, Any] = {}
    if until is not None:
        asked = {"import": {"secretRef": {"name": "legacy"}, "until": format_time(it.clock.now() + until)}}
    own = it.credential(it.token, uid=uid, serial=2)
    it.put_token(uid=uid, credentials=[own, imported], **asked, **spec)


@pytest.fixture
def it() -> Surroundings:
    """A token with a value that was imported a moment ago."""
    it = Surroundings()
    put(it)
    return it


def test_both_are_accepted_until_the_cut_over_and_ours_after_it(it: Surroundings) -> None:
    """To the second, by the validator's own clock, whatever the operator does meanwhile."""
    assert it.accepted(VALUE).token_id == handle_of(VALUE, RING, "k1")
    assert it.accepted().token_id == it.token.id
    it.clock.advance(10 * DAY - 1)
    it.confirm()
    it.accepted(VALUE)
    it.clock.advance(1)
    it.confirm()
    assert it.reason(VALUE) == "Expired"
    it.accepted()


def test_a_decision_is_kept_and_reported_once_as_for_any_token(it: Surroundings) -> None:
    """The second decision is the kept one, and the hot path of the listeners finds it, too."""
    it.put_role("reader")
    it.put_account(roles=["reader"])
    assert it.authenticator.recognize(VALUE.encode()) is None
    first = it.accepted(VALUE)
    assert it.accepted(VALUE) is first
    assert it.authenticator.recognize(VALUE.encode()) is first


def test_a_value_that_is_as_long_as_a_token_of_ours_is_found(it: Surroundings) -> None:
    """Its length does not make it one."""
    value = ("abcdefgh-" * 8)[: len(it.token.reveal())]
    put(it, imported=entry(it, value))
    first = it.accepted(value)
    assert it.accepted(value) is first


@pytest.mark.parametrize(
    "text", ["", "x", VALUE[:-1], VALUE + "x", VALUE.upper(), "a" * (MAX_LENGTH + 1), "\udc80" * 30]
)
def test_a_value_that_was_not_imported_is_malformed(it: Surroundings, text: str) -> None:
    """As it is where nothing is imported."""
    assert it.reason(text) == "Malformed"


def test_what_ends_a_token_ends_its_imported_value(it: Surroundings) -> None:
    """Revocation, suspension, another account, the account's cut, deletion; and the roles are those of the token."""
    put(it, state="Revoked")
    assert it.reason(VALUE) == "Revoked"
    put(it, suspended=format_time(it.clock.now()))
    assert it.reason(VALUE) == it.reason()
    put(it)
    it.accepted(VALUE)
    it.put_account(state="Suspended")
    assert it.reason(VALUE) == "AccountSuspended"
    it.put_account(tokensNotBeforeTime=format_time(it.clock.now() + 5))
    it.clock.advance(5)
    assert it.reason(VALUE) == "MintedTooEarly"
    it.put_account(uid="a-2")
    assert it.reason(VALUE) == "AccountReplaced"
    it.put_account(roles=["reader"])
    it.put_role("reader")
    assert [role.name for role in it.accepted(VALUE).roles] == ["reader"]
    assert it.reason(VALUE, required_roles=("writer",)) == "RoleMissing"
    put(it, audiences=["orders"])
    assert it.reason(VALUE) == "Audience"
    put(it, allowedCIDRs=["10.0.0.0/8"])
    assert it.reason(VALUE) == "NoClientAddress"
    it.remove_token()
    assert it.reason(VALUE) == "Malformed"


@pytest.mark.parametrize(
    ("spec", "lives"),
    [
        ({"until": DAY}, DAY),
        ({"until": MAX_SECONDS + DAY, "expiresAfter": "1y"}, MAX_SECONDS),
        ({"until": 20 * DAY, "expiresAfter": "5d"}, 5 * DAY),
        ({"until": DAY, "rotation": {"id": "one", "overlap": "0s"}}, DAY),
    ],
)
def test_status_is_never_believed_where_it_is_kinder_than_the_spec(
    it: Surroundings, spec: dict[str, Any], lives: int
) -> None:
    """Nor is the spec beyond ninety days; an overlap applies to minted tokens only."""
    far = format_time(it.clock.now() + 1000 * DAY)
    put(it, **spec, imported=entry(it) | {"expirationTime": far})
    it.clock.advance(lives - 1)
    it.confirm()
    it.accepted(VALUE)
    it.clock.advance(1)
    it.confirm()
    assert it.reason(VALUE) == "Expired"


def test_an_import_that_is_no_longer_requested_is_rejected(it: Surroundings) -> None:
    """`spec.import` was removed: the operator need not have noticed. What cannot be read is rejected."""
    put(it, until=None)
    assert it.reason(VALUE) == "Expired"
    it.accepted()
    odd: dict[str, Any] = {"import": {"secretRef": {"name": "legacy"}, "until": "tomorrow"}}
    it.put_token(credentials=[entry(it)], **odd)
    assert it.reason(VALUE) == "Unreadable"


def test_a_token_of_ours_gains_nothing_by_being_called_imported(it: Surroundings) -> None:
    """A status edited by hand, to outlive an overlap: ours are looked up by the id in them."""
    own = it.credential(it.token) | {"id": handle_of(it.token.reveal(), RING, "k1")}
    newer = it.credential(it.mint(), serial=2)
    asked: dict[str, Any] = {
        "import": {"secretRef": {"name": "x"}, "until": format_time(it.clock.now() + DAY)}
    }
    it.put_token(credentials=[newer, own], **asked)
    assert it.reason() == "Replaced"


def test_a_copied_verifier_of_an_imported_value_never_fits(it: Surroundings) -> None:
    """It is bound to the object's uid, and does not get into the way of the original."""
    put(it, uid="u-2", imported=entry(it, uid="u-1"))
    assert it.accepted(VALUE).record.uid == "u-1"
    it.remove_token()
    assert it.reason(VALUE) == "WrongSecret"


@pytest.mark.parametrize("order", [("u-1", "u-2"), ("u-2", "u-1")], ids=["first", "last"])
def test_a_tenant_that_imports_the_value_of_another_does_not_affect_it(
    it: Surroundings, order: tuple[str, str]
) -> None:
    """The first importer keeps it, with its roles, in whatever order they are listed; revoked it stays rejected."""
    it.remove_token()
    then = it.clock.now()
    it.clock.advance(60)
    it.confirm()

    def victim(**spec: Any) -> None:
        put(it, uid="u-1", imported=entry(it, uid="u-1", minted=then), **spec)

    def attacker(**spec: Any) -> None:
        put(it, uid="u-2", imported=entry(it, uid="u-2"), **spec)

    for uid in order:
        victim() if uid == "u-1" else attacker()
    assert it.accepted(VALUE).record.uid == "u-1"
    attacker(state="Revoked")
    assert it.accepted(VALUE).record.uid == "u-1"
    attacker()
    victim(state="Revoked")
    assert it.reason(VALUE) == "Revoked"


def test_values_are_found_under_each_key_that_is_in_use(it: Surroundings) -> None:
    """A newer key does not lose what was imported under the older one; with a lost key it is rejected."""
    it.index.set_keys(BOTH)
    it.accepted(VALUE)
    newer = "0123456789abcdef-0123456789abcdef"
    put(it, uid="u-2", imported=entry(it, newer, uid="u-2", ring=BOTH, key_id="k2"))
    assert it.accepted(newer).record.uid == "u-2"
    it.index.set_keys(RING)
    assert it.reason(newer) == "Malformed"
    it.accepted(VALUE)


def test_where_nothing_is_imported_a_foreign_value_costs_no_hash() -> None:
    """The ring that would be asked for a digest has none of that key."""
    it = Surroundings()
    put(it)
    assert it.index.imports_by_key == {"k1": 1}
    it.put_token()
    assert it.index.imports_by_key == {}
    assert it.reason(VALUE) == "Malformed"


def test_a_use_is_reported_once_a_minute() -> None:
    """Of an imported value as of any other: the time of use is not written at each request."""
    told: list[Accepted] = []

    def note(accepted: Accepted, _presented: AuthenticationRequest) -> None:
        told.append(accepted)

    it = Surroundings(on_use=note)
    put(it)
    for _ in range(3):
        it.accepted(VALUE)
    assert [one.token_id for one in told] == [handle_of(VALUE, RING, "k1")]
    it.clock.advance(61)
    it.confirm()
    it.accepted(VALUE)
    assert len(told) == 2

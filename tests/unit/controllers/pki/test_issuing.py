"""The operator as issuer: what is made when, and what a client may rely on."""

import base64
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.fakes.api import SECRETS, FakeApi, Place
from common.fakes.clock import FakeClock
from servicetokens.api.names import BUNDLE_RESERVE_DAYS, VALIDATOR_TLS_SECRET
from servicetokens.api.values import format_time
from servicetokens.controllers.pki.certificates import (
    Issued,
    UnreadableCertificate,
    new_authority,
    new_leaf,
    split_pem,
)
from servicetokens.controllers.pki.issuing import (
    AUTHORITY_DAYS,
    AUTHORITY_SECRET,
    LEAF_DAYS,
    Issuer,
    service_names,
)
from servicetokens.kube.errors import Forbidden

DAY = 86400
SERVICE = "servicetokens-validator.servicetokens.svc"


def place(name: str) -> Place:
    """Return where the Secret of that name is."""
    return (SECRETS, "servicetokens", name)


class World:
    """An issuer on a fake clock."""

    def __init__(self, *names: str) -> None:
        self.api, self.clock = FakeApi(), FakeClock()
        self.notes: list[str] = []
        self.issuer = self.another(*names)

    def another(self, *names: str) -> Issuer:
        """Return an issuer of another process, perhaps with other flags."""
        return Issuer(
            self.api.secrets,
            "servicetokens",
            self.clock,
            names=names,
            leads=lambda: True,
            announce=self._announce,
        )

    async def _announce(self, secret: Mapping[str, Any], note: str) -> None:
        assert secret["metadata"]["name"] == VALIDATOR_TLS_SECRET
        self.notes.append(note)

    @property
    def writes(self) -> int:
        """How many Secrets were written."""
        return sum(self.api.calls.count(call) for call in ("create secret", "patch secret"))

    def data(self, name: str, key: str) -> bytes:
        """Return a value of a Secret."""
        return base64.b64decode(self.api.objects[place(name)]["data"][key])

    @property
    def bundle(self) -> bytes:
        """What clients are given to trust."""
        return self.data(VALIDATOR_TLS_SECRET, "ca.crt")

    def is_trusted(self, bundle: bytes) -> bool:
        """Say whether a client with that bundle connects now."""
        store = Store(x509.load_pem_x509_certificates(bundle))
        moment = dt.datetime.fromtimestamp(self.clock.now(), dt.UTC)
        verifier = PolicyBuilder().store(store).time(moment).build_server_verifier(x509.DNSName(SERVICE))
        leaf = x509.load_pem_x509_certificate(self.data(VALIDATOR_TLS_SECRET, "tls.crt"))
        try:
            verifier.verify(leaf, [])
        except x509.verification.VerificationError:
            return False
        return True


async def test_the_first_look_makes_everything_and_the_second_nothing() -> None:
    """Both Secrets, for all names of the Service and those that were asked for; the CA's key is in one only."""
    world = World("203.0.113.7", "tokens.example.com")
    assert await world.issuer.refresh()
    assert world.writes == 2
    assert world.is_trusted(world.bundle)
    leaf = Issued.read(
        world.data(VALIDATOR_TLS_SECRET, "tls.crt"),
        world.data(VALIDATOR_TLS_SECRET, "tls.key"),
    )
    assert {"203.0.113.7", "tokens.example.com", SERVICE} <= set(leaf.names)
    assert set(world.api.objects[place(VALIDATOR_TLS_SECRET)]["data"]) == {"tls.crt", "tls.key", "ca.crt"}
    assert world.issuer.end == leaf.ends == world.clock.now() + LEAF_DAYS * DAY
    assert await world.issuer.refresh()
    assert await world.another("203.0.113.7", "tokens.example.com").refresh()
    assert world.writes == 2


async def test_the_certificate_is_renewed_at_two_thirds_or_for_other_names() -> None:
    """Not a second earlier, and under the same CA."""
    world = World()
    await world.issuer.refresh()
    first, bundle = world.data(VALIDATOR_TLS_SECRET, "tls.crt"), world.bundle
    world.clock.advance(20 * DAY - 1)
    await world.issuer.refresh()
    assert world.data(VALIDATOR_TLS_SECRET, "tls.crt") == first
    world.clock.advance(1)
    await world.issuer.refresh()
    second = world.data(VALIDATOR_TLS_SECRET, "tls.crt")
    assert second != first
    assert world.bundle == bundle
    await world.another("tokens.example.com").refresh()
    assert world.data(VALIDATOR_TLS_SECRET, "tls.crt") != second


@pytest.mark.parametrize("name", [VALIDATOR_TLS_SECRET, AUTHORITY_SECRET])
async def test_a_deleted_secret_is_made_again(name: str) -> None:
    """Without the CA's key there has to be a new CA, and a certificate of it."""
    world = World()
    await world.issuer.refresh()
    bundle = world.bundle
    world.api.remove(place(name))
    assert await world.issuer.refresh()
    assert world.is_trusted(world.bundle)
    assert (world.bundle == bundle) is (name == VALIDATOR_TLS_SECRET)


async def test_a_broken_certificate_is_replaced_and_a_broken_ca_is_not() -> None:
    """A CA key cannot be recreated; the message says what to do."""
    world = World()
    await world.issuer.refresh()
    world.api.objects[place(VALIDATOR_TLS_SECRET)]["data"]["tls.key"] = base64.b64encode(b"junk").decode()
    assert await world.issuer.refresh()
    assert world.is_trusted(world.bundle)
    world.api.objects[place(AUTHORITY_SECRET)]["data"]["ca.key"] = "%%%"
    assert not await world.issuer.refresh()
    assert "restore it" in world.issuer.problem


async def test_secrets_of_others_are_not_changed() -> None:
    """Under our name, but without our label."""
    world = World()
    world.api.put(place(VALIDATOR_TLS_SECRET), {"data": {"tls.crt": "eA=="}})
    assert not await world.issuer.refresh()
    assert "--no-issue-certificate" in world.issuer.problem
    assert world.api.objects[place(VALIDATOR_TLS_SECRET)]["data"] == {"tls.crt": "eA=="}


async def test_a_rejection_is_reported_and_a_race_is_not() -> None:
    """Another operator may have been faster: the next look finds it so."""
    world = World()
    world.api.rejects["get secret"] = Forbidden("secrets is forbidden")
    assert not await world.issuer.refresh()
    assert "forbidden" in world.issuer.problem
    world.api.rejects.clear()
    assert await world.issuer.refresh()
    assert world.issuer.problem == ""


def test_pairs_that_do_not_belong_together_are_rejected() -> None:
    """Nor is anything taken that is no certificate, or is far too large."""
    one, other = new_authority(0, 10), new_authority(0, 10)
    leaf = new_leaf(one, ["a"], 0, 5)
    assert leaf.is_signed_by(one)
    assert not leaf.is_signed_by(other)
    for certificate, key in ((one.certificate, other.key), (b"x", one.key), (one.certificate * 100, one.key)):
        with pytest.raises(UnreadableCertificate):
            Issued.read(certificate, key)
    assert "PRIVATE" not in repr(one)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
async def test_a_client_that_reads_the_bundle_once_in_a_leaf_lifetime_always_connects(
    data: st.DataObject,
) -> None:
    """Over several generations of CAs, whenever the operator happens to look and the client happens to read."""
    world = World()
    await world.issuer.refresh()
    bundle, age = world.bundle, 0
    for _ in range(140):
        step = data.draw(st.integers(1, 9), label="days until the operator looks") * DAY
        world.clock.advance(step)
        age += step
        if age > (LEAF_DAYS - 9) * DAY:
            bundle, age = world.bundle, 0
        await world.issuer.refresh()
        assert world.is_trusted(bundle)
        assert len(split_pem(world.bundle)) in {1, 2}


async def test_a_client_with_the_old_bundle_connects_until_the_deadline_and_is_warned_for_half_a_year() -> (
    None
):
    """The new CA signs from the deadline on; Event, metric and log name it daily from the day the new CA is made."""
    world = World()
    await world.issuer.refresh()
    old, made = world.bundle, world.clock.now()
    ends = made + AUTHORITY_DAYS * DAY
    deadline = ends - BUNDLE_RESERVE_DAYS * DAY
    published = 0
    while world.is_trusted(old):
        world.clock.advance(DAY)
        await world.issuer.refresh()
        now = world.clock.now()
        both = len(split_pem(world.bundle)) == 2
        published = published or (now if both else 0)
        assert world.issuer.bundle_deadline == (deadline if both else None)
        assert (now < deadline) <= world.is_trusted(old)
        assert world.is_trusted(world.bundle)
    failed = world.clock.now()
    assert deadline - published >= 180 * DAY
    assert deadline <= failed <= deadline + LEAF_DAYS * DAY
    assert len(world.notes) == (failed - published) // DAY + 1
    assert all(format_time(deadline) in note for note in world.notes)
    while world.clock.now() <= ends:
        world.clock.advance(DAY)
        await world.issuer.refresh()
    assert world.issuer.bundle_deadline is None
    assert len(split_pem(world.bundle)) == 1


async def test_a_ca_that_was_made_late_signs_only_once_it_was_published_for_a_leafs_life() -> None:
    """As when no operator ran for a year: there is less time than promised, and still some."""
    world = World()
    await world.issuer.refresh()
    world.clock.advance((AUTHORITY_DAYS - 50) * DAY)
    old = world.bundle
    await world.issuer.refresh()
    assert len(split_pem(world.bundle)) == 2
    assert world.is_trusted(old)
    for _ in range(LEAF_DAYS - 1):
        world.clock.advance(DAY)
        await world.issuer.refresh()
        assert world.is_trusted(old)
    both = world.bundle
    for _ in range(40):
        world.clock.advance(DAY)
        await world.issuer.refresh()
        assert world.is_trusted(both)


@pytest.mark.parametrize("words", [["another-name.example.com"], []])
async def test_a_certificate_that_is_made_during_the_overlap_is_signed_by_the_old_ca(
    words: list[str],
) -> None:
    """Whatever the occasion: other names, or a Secret that was deleted."""
    world = World()
    await world.issuer.refresh()
    old = world.bundle
    world.clock.advance(AUTHORITY_DAYS * 2 // 3 * DAY + 60 * DAY)
    await world.issuer.refresh()
    if not words:
        world.api.remove(place(VALIDATOR_TLS_SECRET))
    assert await world.another(*words).refresh()
    assert world.is_trusted(old)


async def test_certificates_issued_while_the_clock_was_ahead_are_replaced() -> None:
    """Clients would reject it until its time comes; clients that trust that CA continue to trust it."""
    world = World()
    world.clock.advance(400 * DAY)
    await world.issuer.refresh()
    ahead = world.bundle
    world.clock.advance(-400 * DAY)
    assert await world.issuer.refresh()
    assert world.is_trusted(world.bundle)
    assert ahead in world.bundle
    writes = world.writes
    assert await world.another().refresh()
    assert world.writes == writes
    for _ in range(AUTHORITY_DAYS // 5):
        before = world.bundle
        world.clock.advance(10 * DAY)
        assert await world.issuer.refresh()
        assert world.is_trusted(before)
        assert len(split_pem(world.bundle)) <= 3


async def test_a_leaf_issued_while_the_clock_was_ahead_is_replaced_under_the_same_ca() -> None:
    """Clients keep what they trust. A clock that is late by less than an hour changes nothing."""
    world = World()
    await world.issuer.refresh()
    bundle = world.bundle
    world.clock.advance(25 * DAY)
    await world.issuer.refresh()
    ahead = world.data(VALIDATOR_TLS_SECRET, "tls.crt")
    world.clock.advance(-3600)
    await world.issuer.refresh()
    assert world.data(VALIDATOR_TLS_SECRET, "tls.crt") == ahead
    world.clock.advance(-1)
    await world.issuer.refresh()
    assert world.data(VALIDATOR_TLS_SECRET, "tls.crt") != ahead
    assert world.bundle == bundle
    assert world.is_trusted(bundle)


async def test_a_lost_ca_leaves_clients_with_the_old_bundle_the_time_until_the_next_leaf() -> None:
    """The leaf stays until two thirds of its lifetime, with the new CA; not so with both Secrets lost."""
    world = World()
    await world.issuer.refresh()
    old, leaf = world.bundle, world.data(VALIDATOR_TLS_SECRET, "tls.crt")
    world.clock.advance(5 * DAY)
    world.api.remove(place(AUTHORITY_SECRET))
    for _ in range(14):
        assert await world.issuer.refresh()
        assert world.data(VALIDATOR_TLS_SECRET, "tls.crt") == leaf
        assert len(split_pem(world.bundle)) == 2
        assert world.bundle.endswith(old)
        assert world.is_trusted(old)
        assert world.is_trusted(world.bundle)
        world.clock.advance(DAY)
    assert len(world.notes) == 14
    learned = world.bundle
    deadline = world.issuer.bundle_deadline
    assert deadline is not None
    world.clock.advance(deadline - world.clock.now() - 1)
    await world.another().refresh()
    assert world.is_trusted(old)
    world.clock.advance(1)
    await world.issuer.refresh()
    assert world.issuer.bundle_deadline is None
    assert len(split_pem(world.bundle)) == 1
    assert not world.is_trusted(old)
    assert world.is_trusted(learned)
    assert world.is_trusted(world.bundle)


async def test_a_leaf_of_a_lost_ca_does_not_stay_for_other_names_or_when_forged() -> None:
    """One that is newer than the CA that signs was forged; nor does one stay whose CA does not exist."""
    world = World()
    await world.issuer.refresh()
    old, leaf = world.bundle, world.data(VALIDATOR_TLS_SECRET, "tls.crt")
    world.clock.advance(DAY)
    world.api.remove(place(AUTHORITY_SECRET))
    await world.another("example.com").refresh()
    assert world.data(VALIDATOR_TLS_SECRET, "tls.crt") != leaf
    assert len(split_pem(world.bundle)) == 1
    world.clock.advance(DAY)
    strange = new_authority(world.clock.now(), AUTHORITY_DAYS)
    planted = new_leaf(strange, service_names("servicetokens"), world.clock.now(), LEAF_DAYS)
    data = {"tls.crt": planted.certificate, "tls.key": planted.key, "ca.crt": strange.certificate}
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    world.api.objects[place(VALIDATOR_TLS_SECRET)]["data"] = encoded
    await world.another().refresh()
    assert world.data(VALIDATOR_TLS_SECRET, "tls.crt") != planted.certificate
    assert strange.certificate not in world.bundle
    assert old not in world.bundle


async def test_a_leaf_whose_ca_is_not_in_the_bundle_is_replaced_when_the_ca_is_lost() -> None:
    """Clients could not trust it."""
    world = World()
    await world.issuer.refresh()
    leaf = world.data(VALIDATOR_TLS_SECRET, "tls.crt")
    world.clock.advance(DAY)
    world.api.remove(place(AUTHORITY_SECRET))
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    world.api.objects[place(VALIDATOR_TLS_SECRET)]["data"]["ca.crt"] = base64.b64encode(
        broken + b"-----BEGIN CERTIFICATE-----\n" + b"A" * 70_000 + b"\n-----END CERTIFICATE-----\n"
    ).decode()
    await world.issuer.refresh()
    assert world.data(VALIDATOR_TLS_SECRET, "tls.crt") != leaf
    assert world.is_trusted(world.bundle)

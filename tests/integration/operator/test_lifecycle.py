"""A token's life on a real API server: minted, revoked, restored, rotated, expired, renewed."""

import time

import pytest

from common.drivers.world import World, in_seconds

pytestmark = pytest.mark.usefixtures("operator")


def test_a_new_token_gets_a_secret_that_holds_it(world: World, namespace: str) -> None:
    """Type, label, owner and annotations are those of the API, and status names it by its public id."""
    world.token(namespace)
    value = world.until_ready(namespace)
    secret, token = world.secret(namespace), world.get(namespace)
    assert secret is not None
    assert secret["type"] == "servicetokens.dev/token"
    assert secret["metadata"]["labels"] == {"servicetokens.dev/token-secret": "true"}
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (
        "ServiceToken",
        token["metadata"]["uid"],
        True,
        False,
    )
    assert value.split("_")[1] == token["status"]["tokenID"]
    assert secret["metadata"]["annotations"]["servicetokens.dev/token-id"] == token["status"]["tokenID"]
    assert value not in str(token)


def test_a_revoked_token_is_ready_and_not_active_and_restoring_brings_the_same_one_back(
    world: World, namespace: str
) -> None:
    """The Secret does not change; both moments are on status, and each is reported once."""
    world.token(namespace)
    value = world.until_ready(namespace)
    world.change(namespace, state="Revoked", revocationReason="KeyCompromise")
    world.until_reason(namespace, "Active", "Revoked")
    assert world.until_ready(namespace, reason="Revoked") == value
    world.change(namespace, state=None, revocationReason=None)
    world.until_reason(namespace, "Active", "Valid")
    assert world.until_ready(namespace) == value
    assert {"revocationTime", "restorationTime"} <= set(world.status(namespace))
    world.until(lambda: len(world.events(namespace)) == 2, "two Events")
    assert sorted(world.events(namespace)) == ["TokenRestored", "TokenRevoked"]


def test_a_changed_rotation_id_mints_alongside_the_old_one(world: World, namespace: str) -> None:
    """During the overlap both are on status; a second rotation drops the oldest immediately."""
    world.token(namespace, rotation={"id": "one", "overlap": "1h"})
    first = world.until_ready(namespace)
    world.change(namespace, rotation={"id": "two"})
    second = world.until_ready(namespace)
    assert [world.serial_of(value, namespace) for value in (first, second)] == [1, 2]
    world.change(namespace, rotation={"id": "three"})
    third = world.until_ready(namespace)
    assert [world.serial_of(value, namespace) for value in (first, second, third)] == [None, 2, 3]
    world.until(lambda: world.events(namespace) == ["TokenRotated"] * 2, "two Events")


def test_a_rotation_without_overlap_ends_the_old_one_immediately(world: World, namespace: str) -> None:
    """That is what one wants after a leak."""
    world.token(namespace, rotation={"id": "one", "overlap": "0s"})
    first = world.until_ready(namespace)
    world.change(namespace, rotation={"id": "two"})
    assert world.until_ready(namespace) != first
    assert world.serial_of(first, namespace) is None


def test_without_its_rotation_id_a_token_stays_as_it_is(world: World, namespace: str) -> None:
    """Removing the id does nothing, and the last id that caused a rotation may be set again."""
    world.token(namespace, rotation={"id": "one"})
    value = world.until_ready(namespace)
    for rotation in (None, {"id": "one"}):
        world.change(namespace, rotation=rotation)
        assert world.until_ready(namespace) == value


def test_a_shorter_overlap_ends_the_old_one_earlier(world: World, namespace: str) -> None:
    """Also one that is running: what is on status follows the spec."""
    world.token(namespace, rotation={"id": "one", "overlap": "1h"})
    first = world.until_ready(namespace)
    world.change(namespace, rotation={"id": "two"})
    second = world.until_ready(namespace)
    assert world.serial_of(first, namespace) == 1
    world.change(namespace, rotation={"overlap": "0s"})
    assert world.until_ready(namespace) == second
    assert world.serial_of(first, namespace) is None


def test_a_revoked_token_rotates_and_stays_revoked(world: World, namespace: str) -> None:
    """`state` decides who is accepted, not what is minted."""
    world.token(namespace, state="Revoked")
    first = world.until_ready(namespace, reason="Revoked")
    world.change(namespace, rotation={"id": "two"})
    assert world.until_ready(namespace, reason="Revoked") != first
    assert world.condition(namespace, "Active")["reason"] == "Revoked"


def test_a_token_expires_and_its_secret_stays_marked(world: World, namespace: str) -> None:
    """The credential is forgotten; a pod that mounts the Secret still starts."""
    world.token(namespace, expirationTime=in_seconds(3))
    value = world.until_ready(namespace)
    world.until_reason(namespace, "Active", "Expired")
    world.until(
        lambda: "servicetokens.dev/expired" in (world.secret(namespace) or {})["metadata"]["annotations"],
        "the mark on the Secret",
    )
    assert "credentials" not in world.status(namespace)
    assert world.condition(namespace, "Ready")["reason"] == "Expired"
    assert world.value(namespace) == value
    assert world.events(namespace).count("TokenExpired") == 1


def test_a_later_expiry_mints_again_and_a_description_does_not(world: World, namespace: str) -> None:
    """What has expired never comes back to life."""
    world.token(namespace, expirationTime=in_seconds(2))
    value = world.until_ready(namespace)
    world.until_reason(namespace, "Active", "Expired")
    world.change(namespace, description="still dead")
    world.until(lambda: world.is_settled(namespace), "the operator to have looked")
    assert world.condition(namespace, "Active")["reason"] == "Expired"
    world.change(namespace, expirationTime=in_seconds(3600))
    assert world.until_ready(namespace) != value
    annotations = (world.secret(namespace) or {})["metadata"]["annotations"]
    assert "servicetokens.dev/expired" not in annotations
    assert world.status(namespace)["serial"] == 2


def test_an_expiration_in_the_past_mints_nothing(world: World, namespace: str) -> None:
    """There is no Secret, and the conditions say why."""
    world.token(namespace, expirationTime=in_seconds(-60))
    world.until_reason(namespace, "Active", "AlreadyExpired")
    assert world.secret(namespace) is None


def test_a_changed_lifetime_moves_the_end_of_the_live_token(world: World, namespace: str) -> None:
    """It counts from the mint, and the Secret's annotation follows."""
    world.token(namespace, expiresAfter="30d")
    value = world.until_ready(namespace)
    before = world.status(namespace)["expirationTime"]
    world.change(namespace, expiresAfter="60d")
    world.until(lambda: world.status(namespace)["expirationTime"] > before, "a later end")
    after = world.status(namespace)["expirationTime"]
    world.until(
        lambda: (
            (world.secret(namespace) or {})["metadata"]["annotations"]["servicetokens.dev/expires"] == after
        ),
        "the Secret to follow",
    )
    assert world.value(namespace) == value


def test_a_token_waits_for_its_account_and_its_role(world: World, namespace: str) -> None:
    """It says for what, and continues automatically when they come."""
    world.token(namespace, account="later", roles=[f"role-of-{namespace}"])
    ready = world.until_reason(namespace, "Ready", "AccountNotFound")
    assert "ServiceAccount 'later'" in ready["message"]
    world.account(namespace, "later", roles=[f"role-of-{namespace}"])
    ready = world.until_reason(namespace, "Ready", "RoleNotFound")
    assert "No token is minted until then." in ready["message"]
    for kind in ("RolesAccepted", "Active"):
        assert world.condition(namespace, kind)["reason"] == "RoleNotFound"
    world.role(f"role-of-{namespace}", allowedNamespaces=["elsewhere"])
    world.until_reason(namespace, "RolesAccepted", "RoleNotGranted")
    assert world.condition(namespace, "Stalled")["status"] == "True"
    assert world.secret(namespace) is None
    world.change("", f"role-of-{namespace}", "serviceroles", allowedNamespaces=[namespace])
    world.until_ready(namespace)
    assert world.condition(namespace, "Stalled") == {}


def test_a_suspended_account_suspends_its_tokens(world: World, namespace: str) -> None:
    """They say so, and come back with it; the account counts them."""
    world.token(namespace)
    value = world.until_ready(namespace)
    world.change(namespace, "ci", "serviceaccounts", state="Suspended")
    world.until_reason(namespace, "Active", "AccountSuspended")
    world.change(namespace, "ci", "serviceaccounts", state=None)
    world.until_reason(namespace, "Active", "Valid")
    assert world.value(namespace) == value
    world.until(
        lambda: world.get(namespace, "ci", "serviceaccounts")["status"].get("tokenCount") == 1, "the count"
    )


def test_an_account_that_is_created_again_gets_a_new_token(world: World, namespace: str) -> None:
    """The old one belonged to the old object and is rejected from then on."""
    world.token(namespace)
    value = world.until_ready(namespace)
    world.delete("serviceaccounts", namespace, "ci")
    world.until_reason(namespace, "Active", "AccountNotFound")
    uid = world.account(namespace)
    world.until(lambda: world.status(namespace)["accountUID"] == uid, "the new account's token")
    world.until_ready(namespace)
    assert world.value(namespace) != value
    assert world.serial_of(value, namespace) is None
    assert "AccountReplaced" in world.events(namespace)


def test_the_kill_switch_replaces_everything_minted_before(world: World, namespace: str) -> None:
    """Without overlap; what is minted afterwards stays."""
    world.token(namespace)
    value = world.until_ready(namespace)
    time.sleep(1.1)
    world.change(namespace, "ci", "serviceaccounts", tokensNotBeforeTime=in_seconds(0))
    world.until(lambda: world.status(namespace)["serial"] == 2, "a fresh mint")
    fresh = world.until_ready(namespace)
    assert fresh != value
    assert world.serial_of(value, namespace) is None


def test_a_policy_rejects_a_longer_token_and_names_its_owner(world: World, namespace: str) -> None:
    """Nothing is minted until the lifetime fits."""
    world.change(namespace, "ci", "serviceaccounts", tokenPolicy={"maxLifetime": "7d"})
    world.token(namespace, expiresAfter="never")
    ready = world.until_reason(namespace, "Ready", "LifetimeTooLong")
    assert "never to expire" in ready["message"]
    assert "ServiceAccount 'ci'" in ready["message"]
    assert world.secret(namespace) is None
    world.change(namespace, expiresAfter="7d")
    world.until_ready(namespace)


def test_deleting_a_token_deletes_its_secret(world: World, namespace: str) -> None:
    """By garbage collection; no finalizer holds anything up."""
    world.token(namespace)
    world.until_ready(namespace)
    assert "finalizers" not in world.get(namespace)["metadata"]
    world.delete("servicetokens", namespace, "ci-prod")
    world.until(lambda: world.secret(namespace) is None, "the Secret to go")


def test_a_removed_role_is_reported_immediately(world: World, namespace: str) -> None:
    """The token stays; what it may do does not, and its condition says which role is missing."""
    role = f"reader-{namespace}"
    world.role(role)
    world.change(namespace, "ci", "serviceaccounts", roles=[role])
    world.token(namespace, roles=[role])
    value = world.until_ready(namespace)
    world.until(lambda: world.condition(namespace, "RolesAccepted").get("reason") == "AllGranted", "the role")
    world.delete("serviceroles", "", role)
    found = world.until_reason(namespace, "RolesAccepted", "RoleNotFound")
    assert role in found["message"]
    assert world.value(namespace) == value


def test_a_role_is_granted_by_names_of_namespaces_and_not_by_their_labels(
    world: World, namespace: str
) -> None:
    """A tenant who changes the labels of the namespace gains nothing."""
    role, granted = f"only-{namespace}", world.cluster.create_namespace()
    world.role(role, allowedNamespaces=[granted])
    world.account(granted)
    for space in (namespace, granted):
        world.change(space, "ci", "serviceaccounts", roles=[role])
        world.token(space, roles=[role])
    world.until_ready(granted)
    world.until_reason(namespace, "RolesAccepted", "RoleNotGranted")
    world.cluster.kubectl(
        "label", "namespace", namespace, f"kubernetes.io/metadata.name={granted}", "--overwrite"
    )
    world.cluster.kubectl("label", "namespace", namespace, "team=granted")
    world.change(namespace, description="look again")
    world.until_reason(namespace, "RolesAccepted", "RoleNotGranted")

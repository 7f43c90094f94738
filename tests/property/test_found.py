"""Short stories that the machine found or was slow to find, told once and for all."""

from property.objects import rotation_of, spec_of
from property.validator import accepts
from property.world import World


def rotating_while_secrets_are_refused() -> tuple[World, str]:
    """Return a world in which a rotation was requested and no Secret can be written, and the value in use."""
    world = World()
    world.spec = spec_of(expires_after="never")
    world.edit(rotation=rotation_of(every=None, overlap=6, number="a"))
    world.converge()
    assert world.secret is not None
    old = world.secret.value
    world.refuses_secrets = True
    world.edit(rotation=rotation_of(every=None, overlap=6, number="b"))
    return world, old


def test_the_old_token_lives_until_the_new_one_is_delivered_and_its_overlap_begins_then() -> None:
    """However long the Secret cannot be written: one credential waits, and no second one is minted."""
    world, old = rotating_while_secrets_are_refused()
    for _ in range(10):
        world.converge()
        world.now += 10
        assert accepts(world, old)
        assert [one.serial for one in world.status.credentials] == [1, 2]
    world.refuses_secrets = False
    world.converge()
    assert world.secret is not None
    assert world.secret.value != old
    assert world.status.rotation_id == "b"
    world.now += 5
    world.converge()
    assert accepts(world, old)
    world.now += 1
    world.converge()
    assert not accepts(world, old)


def test_an_undeliverable_successor_does_not_bring_the_old_one_back() -> None:
    """A Secret that is not ours any more holds nothing: the old one is over, and the new one waits on."""
    world, old = rotating_while_secrets_are_refused()
    world.converge()
    world.put_foreign_secret(owner=None)
    world.converge()
    assert not accepts(world, old)
    assert [(one.serial, one.is_pending) for one in world.status.credentials] == [(2, True)]
    world.touch_secret("deleted")
    world.refuses_secrets = False
    world.now += 1000
    world.converge()
    assert world.current is not None
    assert world.current.serial == 2
    assert world.secret_is_in_order


def test_an_end_that_comes_while_nothing_can_be_minted_is_waited_for() -> None:
    """Also when there has never been a token, since its account is missing."""
    world = World()
    world.delete_account()
    world.spec = spec_of(expiration_time=world.now + 9)
    world.converge()
    assert world.requeue_at == world.now + 9


def test_a_violated_limit_is_reported_once() -> None:
    """Time alone does not change the message, and nothing is written."""
    world = World()
    world.limit(3)
    world.spec = spec_of(expiration_time=world.now + 9)
    world.converge()
    world.now += 1
    assert world.converge() == 0

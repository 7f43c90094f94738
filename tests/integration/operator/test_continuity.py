"""What the Secret holds is accepted: at every instant, through rotations, with operator and validator both real."""

import threading
from collections import Counter
from functools import partial
from pathlib import Path

from common.drivers.validating import validator
from common.drivers.world import World

ROTATIONS = 8


def test_the_value_in_the_secret_is_accepted_at_every_instant(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """Read and presented again and again while the token rotates; revoked, it is rejected, and restored the same."""
    with (
        world.operator(tmp_path / "operator.log"),
        validator(world, tmp_path / "validator.log") as running,
    ):
        world.token(namespace, rotation={"id": "0", "overlap": "1m"})
        first = world.until_ready(namespace)
        world.until(lambda: running.forward(first).status == 200, "the validator to know the token")
        verdicts: Counter[int] = Counter()
        presented: set[str] = set()
        ending = threading.Event()

        def present() -> None:
            client = world.cluster.client()
            reader = World(world.cluster)
            reader.client = client
            while not ending.is_set():
                value = reader.value(namespace)
                verdicts[running.forward(value).status] += 1
                presented.add(value)

        presenting = threading.Thread(target=present)
        presenting.start()
        world.until(lambda: first in presented, "the first value to be presented")
        try:
            for number in range(ROTATIONS):
                world.change(namespace, rotation={"id": str(number + 1)})
                value = world.until_ready(namespace)
                world.until(partial(presented.__contains__, value), "the new value to be presented")
        finally:
            ending.set()
            presenting.join(10)
        assert set(verdicts) == {200}, verdicts
        assert len(presented) == ROTATIONS + 1

        last = world.value(namespace)
        world.change(namespace, state="Revoked")
        world.until(lambda: running.forward(last).status == 401, "the revocation")
        world.change(namespace, state=None)
        world.until(lambda: running.forward(last).status == 200, "the restoration")
        assert world.value(namespace) == last

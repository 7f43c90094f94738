"""Events on a real API server: series, what is left out, and what people see of them."""

import uuid

import pytest

from common.drivers.world import GROUPS, OPERATOR, World
from common.fakes.clock import FakeClock
from servicetokens.api import names
from servicetokens.kube.client import Api
from servicetokens.kube.correlation import BURST
from servicetokens.kube.events import EventRecorder, Regarding
from servicetokens.runtime.entropy import os_entropy


def listed(world: World, namespace: str) -> list[tuple[str, int]]:
    """Return note and count of each Event of a namespace."""
    items = world.ok("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events").body["items"]
    return sorted((item["note"], (item.get("series") or {}).get("count", 1)) for item in items)


async def test_what_repeats_is_one_event_with_a_count_and_what_loops_ends(
    world: World, namespace: str
) -> None:
    """`kubectl events` shows how often; and a token that fails in a loop cannot fill etcd."""
    world.token(namespace)
    uid = world.get(namespace)["metadata"]["uid"]
    regarding = Regarding(kind=names.KIND_TOKEN, namespace=namespace, name="ci-prod", uid=uid)
    outcomes: list[str] = []
    clock = FakeClock()
    async with await Api.connect(str(world.cluster.user(OPERATOR, GROUPS))) as api:
        recorder = EventRecorder(
            api, instance="test", clock=clock, entropy=os_entropy, outcome=outcomes.append
        )
        for _ in range(3):
            await recorder.send(regarding, "Warning", "SecretConflict", "Somebody else's.")
        await recorder.send(regarding, "Warning", "SecretConflict", "Another one's.")
        assert listed(world, namespace) == [("Another one's.", 1), ("Somebody else's.", 3)]
        shown = world.cluster.kubectl("events", "-n", namespace, "--for", "servicetoken/ci-prod").stdout
        assert "(x3 over" in shown
        world.cluster.kubectl("delete", "events", "-n", namespace, "--all")
        await recorder.send(regarding, "Warning", "SecretConflict", "Somebody else's.")
        assert listed(world, namespace) == [("Somebody else's.", 1)]
        for _ in range(BURST):
            await recorder.send(regarding, "Warning", "SecretConflict", "Somebody else's.")
    assert outcomes.count("dropped") == 5
    assert outcomes.count("sent") == 3
    assert outcomes.count("repeated") == BURST - 3


@pytest.mark.parametrize("letter", ["x", "é", "𝄞"])
async def test_a_long_note_is_shortened_to_what_the_api_server_takes(
    world: World, namespace: str, letter: str
) -> None:
    """The API server counts bytes: a long rejection that is quoted in an Event does not keep it from being recorded."""
    regarding = Regarding(kind=names.KIND_TOKEN, namespace=namespace, name="ci-prod", uid=str(uuid.uuid4()))
    async with await Api.connect(str(world.cluster.user(OPERATOR, GROUPS))) as api:
        recorder = EventRecorder(api, instance="test", clock=FakeClock(), entropy=os_entropy)
        exact = letter * (1024 // len(letter.encode()))
        await recorder.send(regarding, "Warning", "DeliveryFailed", exact)
        await recorder.send(regarding, "Warning", "DeliveryFailed", f"aa{exact}")
    shortened, whole = (note for note, _ in listed(world, namespace))
    assert whole == exact
    assert shortened.startswith(f"aa{letter}")
    assert shortened.endswith(f"{letter}…")
    assert 1024 - 4 < len(shortened.encode()) <= 1024

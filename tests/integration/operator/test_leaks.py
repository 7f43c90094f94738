"""A token is in its Secret and nowhere else: no log, object, Event, metric or line of the audit has it."""

import json
from pathlib import Path

from common.drivers.world import World


def test_a_minted_token_appears_only_in_its_secret(world: World, namespace: str, tmp_path: Path) -> None:
    """Through a life with rotations, edits, losses and a conflict, with the log at its most talkative."""
    minted = set()
    with world.operator(tmp_path / "operator.log", "--log-level=debug") as operator:
        world.token(namespace, secret={"template": {"data": {"header": "Bearer {token}"}}})
        minted.add(world.until_ready(namespace))
        world.change(namespace, rotation={"id": "one"})
        minted.add(world.until_ready(namespace))
        world.edit_secret(namespace, {"data": {"token": "bm9uc2Vuc2U="}})
        world.until(lambda: world.holds(namespace), "a fresh token")
        minted.add(world.value(namespace))
        world.edit_secret(namespace, {"immutable": True})
        world.change(namespace, state="Revoked")
        world.until_reason(namespace, "Active", "Revoked")
        world.create_secret(namespace, {"metadata": {"name": "taken"}, "type": "Opaque"})
        world.token(namespace, "taken")
        world.until_reason(namespace, "Ready", "SecretConflict", "taken")
        pages = [operator.page(path)[1] for path in ("/metrics", "/readyz")]
    assert len(minted) == 3
    outputs = {
        "log": operator.process.output(),
        "health": "".join(pages),
        "objects": json.dumps(
            [
                world.ok("GET", world.path(plural, namespace)).body
                for plural in ("servicetokens", "serviceaccounts")
            ]
        ),
        "events": json.dumps(world.ok("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events").body),
        "audit": world.cluster.files.audit_log.read_text(),
    }
    for name, text in outputs.items():
        for token in minted:
            # The secret part: what follows the public id.
            assert token.split("_")[2] not in text, name

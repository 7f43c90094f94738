"""What kopf is asked to do, where its defaults would harm a process that starts it again."""

from typing import Any

from servicetokens.controllers.sources.watching import _NoMemories, _settings


def test_kopf_does_not_kill_a_process_whose_watches_were_restarted() -> None:
    """By default it sends SIGKILL ten minutes after its tasks were ended, whatever ended them."""
    assert _settings(watches_secrets=True).process.ultimate_exiting_timeout is None


def test_after_an_outage_kopf_retries_within_seconds_without_limit() -> None:
    """Everything that is created meanwhile waits for its next try."""
    backoffs = iter(_settings(watches_secrets=True).networking.error_backoffs)  # type: ignore[arg-type]
    assert max(next(backoffs) for _ in range(1000)) <= 2


async def test_kopf_remembers_no_object() -> None:
    """Its memory of an object takes half as much as all that the operator keeps of it, and nothing uses it."""
    memories = _NoMemories()
    body: Any = {"metadata": {"uid": "u-1", "name": "one"}}
    first = await memories.recall(body, noticed_by_listing=True)
    assert first.noticed_by_listing
    assert await memories.recall(body) is not first
    await memories.forget(body)
    assert list(memories.iter_all_memories()) == []

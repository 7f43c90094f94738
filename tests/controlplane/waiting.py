"""One way to wait for the world: poll a condition, and say in words what did not happen."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05  # well below what a person notices, and a few percent of a core at most


def wait_until(
    condition: Callable[[], T | None], *, what: str, timeout: float = 10.0, poll: float = POLL_SECONDS
) -> T:
    """Call `condition` until it returns something true, and return that.

    `what` completes the sentence "waited 10 s for ...". Exceptions of `condition` are not swallowed: a
    condition that may fail for a while says so itself.

    Raises:
        TimeoutError: `timeout` seconds went by; the message holds the last thing that the condition returned.
    """
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        if time.monotonic() >= deadline:
            message = f"waited {timeout:g} s for {what}; the last answer was {result!r}"
            raise TimeoutError(message)
        time.sleep(poll)
    return result

"""One way to wait for the world: poll a condition, and say in words what did not happen."""

import os
import time
from collections.abc import Callable
from functools import cache
from typing import Final, TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05  # well below what a person notices, and a few percent of a core at most
PATIENCE: Final = "SERVICETOKENS_PATIENCE"
"""The variable that holds `patience`; 1 without it."""
MOST_PATIENT: Final = 10.0  # on a machine that is slower still a failure should not take an hour to be seen
# What `_LOOPS` of the loop below take on one core of an ordinary machine that does nothing else (2.5 to 3.5 GHz).
_ORDINARY_SECONDS: Final = 0.1
_LOOPS: Final = 2_000_000


@cache
def patience() -> float:
    """Return how many times longer a wait may last here than on an ordinary machine that does nothing else.

    Waits end when their condition is met, so that only failures take longer.
    """
    return float(os.environ.get(PATIENCE, "1"))


def patient(seconds: float) -> float:
    """Return how long to wait here for what takes less than *seconds* on an ordinary machine that does nothing else."""
    return seconds * patience()


def measure_patience(*, is_shared: bool) -> float:
    """Return what `patience` should be on this machine as it is now, between 1 and MOST_PATIENT.

    With *is_shared* several workers are about to use its cores at the same time.
    """
    began, total = time.perf_counter(), 0
    for number in range(_LOOPS):
        total += number
    slowness = max(1.0, (time.perf_counter() - began) / _ORDINARY_SECONDS)
    return min(MOST_PATIENT, slowness * (2 if is_shared else 1))


def wait_until(
    condition: Callable[[], T | None], *, what: str, timeout: float = 10.0, poll: float = POLL_SECONDS
) -> T:
    """Call `condition` until it returns something true, and return that.

    `what` completes the sentence "waited 10 s for ...". Exceptions of `condition` are not swallowed: a
    condition that may fail for a while says so itself. `timeout` is for an ordinary machine (see `patience`).

    Raises:
        TimeoutError: the time is up; the message holds the last thing that the condition returned.
    """
    timeout = patient(timeout)
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        if time.monotonic() >= deadline:
            message = f"waited {timeout:g} s for {what}; the last answer was {result!r}"
            raise TimeoutError(message)
        time.sleep(poll)
    return result

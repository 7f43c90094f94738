"""What a mutant is, and the files that most of them are in."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Mutant:
    """In *file*, *before* (found exactly once) becomes *after*. *says* completes "a product that ...".

    *tests* are the folders and files whose tests have to notice it; empty means those of the lifecycle.
    """

    says: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...] = ()


ARRIVAL: Final = "lifecycle/arrival.py"
CREDENTIALS: Final = "lifecycle/credentials.py"
PLAN: Final = "lifecycle/plan.py"
CHECKS: Final = "lifecycle/checks.py"
SNAPSHOT: Final = "lifecycle/snapshot.py"
SCHEDULE: Final = "lifecycle/schedule.py"
LIFETIME: Final = "tokens/lifetime.py"
VERIFIER: Final = "tokens/verifier.py"

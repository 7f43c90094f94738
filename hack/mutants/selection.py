"""Which tests run the code that a mutant changes: they are asked first, since others cannot notice it.

Measured once, in a run of all tests without any mutant. What runs when a module is imported, such
as a constant, runs for no test in particular: then every test is asked first that runs anything of that file.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import coverage
import pytest

from mutants.mutant import Mutant

# A test that takes longer is asked after all others. Those that search for examples do, and hardly any other.
_QUICK_SECONDS: Final = 0.5

Stages = Sequence[Sequence[str]]


class Recorder:
    """A plugin of pytest: notes which test runs which line of *package*, and how long each takes, in seconds."""

    def __init__(self, package: Path, data: Path) -> None:
        self._package = package
        self._coverage = coverage.Coverage(data_file=str(data), include=[f"{package}/*"], config_file=False)
        self._seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Note what runs from now on under the name of *item*."""
        began = time.monotonic()
        self._coverage.switch_context(item.nodeid)
        yield
        self._seconds[item.nodeid] = time.monotonic() - began

    def start(self) -> None:
        """Begin, before anything of the package is imported."""
        self._coverage.start()

    def stop(self) -> None:
        """End."""
        self._coverage.stop()

    def stages(self, mutant: Mutant, places: Sequence[str]) -> Stages:
        """Return the tests in *places* that run what *mutant* changes: the quick ones, then the others, in order."""
        file = self._package / mutant.file
        by_line = self._coverage.get_data().contexts_by_lineno(str(file))
        tests = {test for line in lines(mutant, file.read_text()) for test in by_line.get(line, ()) if test}
        if not tests:
            tests = {test for found in by_line.values() for test in found if test}
        found = sorted(
            (test for test in tests if is_in(test, places)), key=lambda test: (self._seconds[test], test)
        )
        quick = [test for test in found if self._seconds[test] < _QUICK_SECONDS]
        return [stage for stage in (quick, found[len(quick) :]) if stage]


def is_in(test: str, places: Sequence[str]) -> bool:
    """Say whether *test*, as pytest names it, is in one of the folders and files *places*, or is one of them."""
    return any(test == place or test.startswith((f"{place}/", f"{place}::")) for place in places)


def lines(mutant: Mutant, text: str) -> range:
    """Return the numbers of the lines of *text* that *mutant* changes, from one."""
    first = text[: text.index(mutant.before)].count("\n") + 1
    stripped = mutant.before.lstrip("\n")
    first += len(mutant.before) - len(stripped)
    return range(first, first + stripped.rstrip("\n").count("\n") + 1)

"""How tests share the cores: which worker runs what, what ends with which test, and how long a test may take.

`make test` runs several workers of pytest-xdist. A worker stays in one folder for as long as it can, since the tests
of a folder share a control plane, and helps in another one when its own is done.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

DURATIONS: Final = Path(__file__).parent.parent / "durations.json"
"""What files of tests take, in seconds: roughly, since only their order matters. `Durations` writes it again."""
WRITE_DURATIONS: Final = "SERVICETOKENS_WRITE_DURATIONS"
"""The variable that has a run write DURATIONS."""
SHORT: Final = 5.0  # what a file takes that is not in DURATIONS
ONE_AFTER_THE_OTHER: Final = frozenset({"tests/image"})
"""Folders whose files write to the same place of this tree (`dist/`): one worker runs all of them."""


class Folder(pytest.Package):
    """A folder with fixtures of its own. Those of scope "package" end with the last test of it.

    pytest on its own takes folders without an `__init__.py` for no packages, and lets such fixtures live until the end
    of the whole run: every control plane of every folder.
    """

    def setup(self) -> None:
        """Do nothing: what a package would do is in its `__init__.py`."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # a class without types, as all of xdist
    """Gives each worker one file of tests after the other, the longest folders first."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        super().__init__(config, log)
        self._seconds: Mapping[str, float] = json.loads(DURATIONS.read_text(encoding="utf-8"))
        self._last: dict[WorkerController, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)

    def _assign_work_unit(self, node: "WorkerController") -> None:
        others = [
            folder(last) for other, last in self._last.items() if other is not node and self._works(other)
        ]
        chosen = choose(self.workqueue, folder(self._last.get(node, "")), others, self._seconds)
        self._last[node] = chosen
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)

    def _works(self, node: "WorkerController") -> bool:
        return node in self.assigned_work and self._pending_of(self.assigned_work[node]) > 0


class Durations:
    """A plugin that adds up what the files of tests took, and writes it to DURATIONS at the end."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the preparation, the test, and what comes after it."""
        file = unit(report.nodeid)
        self._seconds[file] = self._seconds.get(file, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        """Write what is longer than SHORT; files that were not run keep what is written."""
        written = json.loads(DURATIONS.read_text(encoding="utf-8")) | self._seconds
        kept = {file: round(seconds) for file, seconds in sorted(written.items()) if seconds > SHORT}
        DURATIONS.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def unit(nodeid: str) -> str:
    """Return what one worker runs as a whole: the file of a test, or its folder if that is in ONE_AFTER_THE_OTHER."""
    file = nodeid.split("::", 1)[0]
    return folder(file) if folder(file) in ONE_AFTER_THE_OTHER else file


def folder(file: str) -> str:
    """Return the folder of a file of tests, as pytest names it."""
    return file.rpartition("/")[0]


def choose(waiting: Iterable[str], own: str, others: Collection[str], seconds: Mapping[str, float]) -> str:
    """Return which of the *waiting* files a worker should run next.

    *own* is the folder that it has been at, *others* those that the other workers are at. It stays in its own folder;
    then it takes the folder with most to do where no worker is; then the longest file of the folder in which most is
    left for each worker.
    """
    left: dict[str, list[str]] = {}
    for file in waiting:
        left.setdefault(folder(file), []).append(file)

    def work(place: str) -> float:
        return sum(seconds.get(file, SHORT) for file in left[place]) / (1 + list(others).count(place))

    if own in left:
        return left[own][0]
    if free := [place for place in left if place not in others]:
        return left[max(free, key=work)][0]
    return max(left[max(left, key=work)], key=lambda file: seconds.get(file, SHORT))


def together(items: list[pytest.Item]) -> None:
    """Put the tests of each folder one after the other, in the order in which they were; folders, too."""
    places: dict[Path, int] = {}
    for item in items:
        places.setdefault(item.path.parent, len(places))
    items.sort(key=lambda item: places[item.path.parent])

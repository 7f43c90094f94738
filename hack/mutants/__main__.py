"""Runs the tests against every mutant, in a copy of the package; prints who noticed it."""

import argparse
import contextlib
import importlib
import io
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Final, NoReturn

import pytest

from controlplane.waiting import PATIENCE, measure_patience, patient
from mutants.catalogue import MUTANTS
from mutants.mutant import Mutant
from mutants.selection import Recorder, Stages

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = ROOT / "operator" / "servicetokens"
EVERYBODY: Final = ("tests/unit/tokens", "tests/unit/lifecycle", "tests/property")
"""Whose tests a mutant is shown to that names none."""
# A mutant may make a test loop; the slowest test takes 20 s.
_SECONDS: Final = 240
# All tests together, while it may be noted what they run.
_EVERYBODY_SECONDS: Final = 900
# One per core of a small machine.
_AT_ONCE: Final = 2
# What takes long to import and is none of ours: once, for all.
_LIBRARIES: Final = ("hypothesis.stateful", "msgspec", "prometheus_client", "pydantic", "structlog", "yaml")
_OUT_OF_TIME: Final = "none of them ended in time"


class Inapplicable(ValueError):
    """The text that a mutant replaces does not exist exactly once: the mutant has to be updated."""


class _OutOfTime(KeyboardInterrupt):
    """What pytest takes for the wish of a person to end."""


class _First:
    """A plugin of pytest: remembers the first failure."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take note of a module that cannot be imported."""
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a test."""
        if report.failed:
            self.failed = self.failed or report.nodeid


@dataclass(frozen=True)
class Trial:
    """A mutant, and the tests that are to notice it, stage by stage: pytest stops at the first failure."""

    mutant: Mutant
    stages: Stages


def mutated(mutant: Mutant, text: str) -> str:
    """Make the mistake in *text*, that of its file.

    Raises:
        Inapplicable: see there.
    """
    if (found := text.count(mutant.before)) != 1:
        message = f"the mutant that {mutant.says}: its text is {found} times in {mutant.file}"
        raise Inapplicable(message)
    return text.replace(mutant.before, mutant.after)


def run_tests(source_root: Path, tests: Sequence[str], seconds: float, *plugins: object) -> str:
    """Return the first of *tests* that fails with the package in *source_root*, or nothing when all pass.

    In a process of its own, which knows the libraries and nothing of ours yet. *seconds* are how long it may take.
    """
    first = _First()
    arguments = [
        *("-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"),
        # The libraries that were imported before have no assertions to explain.
        *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
        *("-o", f"pythonpath={source_root} hack tests", *tests),
    ]
    signal.signal(signal.SIGALRM, _run_out_of_time)
    signal.alarm(round(patient(seconds)))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = pytest.main(arguments, plugins=[first, *plugins])
    signal.alarm(0)
    if status == pytest.ExitCode.OK:
        return ""
    if status == pytest.ExitCode.INTERRUPTED and not first.failed:
        return _OUT_OF_TIME
    return first.failed or f"pytest itself (exit {int(status)})"


def _run_out_of_time(*_signal: object) -> NoReturn:
    raise _OutOfTime


@contextlib.contextmanager
def copied() -> Iterator[Path]:
    """Give a copy of the package."""
    with tempfile.TemporaryDirectory(prefix="servicetokens-mutant-") as directory:
        package = Path(directory) / "servicetokens"
        shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("__pycache__"))
        yield package


def prepare(allowed: Mapping[Mutant, Sequence[str]], *, measures: bool) -> tuple[str, list[Trial]]:
    """Return the tests that fail without any mutant, and for each mutant the tests to run, of those that are *allowed*.

    All of them are the last stage, for a mutant that is run by rare examples only. For a few mutants, measuring which
    test runs what takes longer than running all tests.
    """
    everybody = tuple(dict.fromkeys(test for tests in allowed.values() for test in tests))
    with copied() as package:
        if not measures:
            failed = run_tests(package.parent, everybody, _EVERYBODY_SECONDS)
            return failed, [Trial(mutant, (tests,)) for mutant, tests in allowed.items()]
        recorder = Recorder(package, package.parent / "coverage")
        recorder.start()
        failed = run_tests(package.parent, everybody, _EVERYBODY_SECONDS, recorder)
        recorder.stop()
        return failed, [
            Trial(mutant, (*recorder.stages(mutant, tests), tests)) for mutant, tests in allowed.items()
        ]


def try_stage(trial: Trial, number: int) -> str:
    """Return who of that stage of *trial* noticed it."""
    with copied() as package:
        file = package / trial.mutant.file
        file.write_text(mutated(trial.mutant, file.read_text()))
        return run_tests(package.parent, trial.stages[number], _SECONDS)


def try_all(trials: Sequence[Trial], at_once: int, tell: Callable[[Trial, str], None]) -> int:
    """Run *trials*, report which tests noticed each, and return how many were not noticed."""
    survivors = 0
    with processes(at_once) as pool:
        under_way = [(trial, pool.apply_async(try_stage, (trial, 0))) for trial in trials]
        for trial, result in under_way:
            killer = result.get()
            for number in range(1, len(trial.stages)):
                killer = killer or pool.apply_async(try_stage, (trial, number)).get()
            survivors += not killer
            tell(trial, killer)
    return survivors


def processes(at_once: int) -> Pool:
    """Return a pool that forks again for each task: a process knows only one package of that name."""
    return multiprocessing.get_context("fork").Pool(at_once, maxtasksperchild=1)


def main(arguments: Sequence[str]) -> int:
    """Try all mutants, or those whose sentence contains the word given."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("word", nargs="?", default="", help="only mutants whose sentence contains it")
    parser.add_argument("--tests", action="append", help="whom to ask, instead of all; may be given again")
    parser.add_argument("--workers", type=int, default=_AT_ONCE, help="how many at the same time")
    given = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if given.word in mutant.says]
    if not chosen:
        # Without a mutant the whole suite would run.
        parser.error(f"no mutant's sentence contains '{given.word}'")
    os.chdir(ROOT)
    os.environ.setdefault(PATIENCE, f"{measure_patience(is_shared=True):.1f}")
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_PROFILE": "mutants"}
    sys.dont_write_bytecode = True

    allowed = {mutant: given.tests or mutant.tests or EVERYBODY for mutant in chosen}
    with processes(1) as pool:
        failed, trials = pool.apply(prepare, (allowed,), {"measures": not given.word})
    if failed:
        print(f"the tests fail without any mutant: {failed}")
        return 1

    def tell(trial: Trial, killer: str) -> None:
        print(f"{trial.mutant.says:60} {killer or 'NOBODY NOTICED'}", flush=True)

    survivors = try_all(trials, given.workers, tell)
    print(f"{len(chosen) - survivors} of {len(chosen)} noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    for library in _LIBRARIES:
        importlib.import_module(library)
    sys.exit(main(sys.argv[1:]))

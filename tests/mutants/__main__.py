"""Runs the tests against every mutant, in a copy of the package; prints who noticed it."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from mutants.catalogue import MUTANTS
from mutants.mutant import Mutant

ROOT: Final = Path(__file__).resolve().parents[2]
# The quick ones first: pytest stops at the first failure.
TESTS: Final = ("tests/unit/tokens", "tests/unit/lifecycle", "tests/property")
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
# A run of all tests takes 20 s; a mutant may make a test loop.
_SECONDS: Final = 240
# One per core of a small machine.
_AT_ONCE: Final = 2


class Inapplicable(ValueError):
    """The text that a mutant replaces is not there exactly once: the mutant has to be updated."""


def apply(mutant: Mutant, package: Path) -> None:
    """Make the mistake in the copy *package*.

    Raises:
        Inapplicable: see there.
    """
    file = package / mutant.file
    text = file.read_text()
    if (found := text.count(mutant.before)) != 1:
        message = f"the mutant that {mutant.says}: its text is {found} times in {mutant.file}"
        raise Inapplicable(message)
    file.write_text(text.replace(mutant.before, mutant.after))


def run_tests(source_root: Path, tests: Sequence[str]) -> str:
    """Return the first of *tests* that fails with the package in *source_root*, or nothing when all pass."""
    command = [
        *(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"),
        *("-o", f"pythonpath={source_root} tests", *tests),
    ]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_PROFILE": "mutants"}
    try:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "none of them ended in time"
    if ended.returncode == 0:
        return ""
    failed = _FAILED.search(ended.stdout)
    return failed[1] if failed else f"pytest itself (exit {ended.returncode})"


def try_mutant(mutant: Mutant | None, tests: Sequence[str] = TESTS) -> str:
    """Return who of *tests* noticed *mutant*; None is the package as it is."""
    with tempfile.TemporaryDirectory(prefix="servicetokens-mutant-") as directory:
        package = Path(directory) / "servicetokens"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "operator" / "servicetokens", package, ignore=ignored)
        if mutant is not None:
            apply(mutant, package)
        return run_tests(Path(directory), tests)


def main(arguments: Sequence[str]) -> int:
    """Try all mutants, or those whose sentence contains the word given."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("word", nargs="?", default="", help="only mutants whose sentence contains it")
    parser.add_argument("--tests", action="append", help="whom to ask, instead of all; may be given again")
    given = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if given.word in mutant.says]

    def asked(mutant: Mutant) -> tuple[str, ...]:
        return tuple(given.tests or mutant.tests or TESTS)

    everybody = dict.fromkeys(test for mutant in chosen for test in asked(mutant))
    if failed := try_mutant(None, tuple(everybody)):
        print(f"the tests fail without any mutant: {failed}")
        return 1
    survivors = 0
    with ThreadPoolExecutor(_AT_ONCE) as executor:
        for mutant, killer in zip(
            chosen, executor.map(lambda mutant: try_mutant(mutant, asked(mutant)), chosen), strict=True
        ):
            survivors += not killer
            print(f"{mutant.says:60} {killer or 'NOBODY NOTICED'}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

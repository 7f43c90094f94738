"""Mutants are shown to the tests that run them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane.waiting import patient
from mutants.__main__ import ROOT
from mutants.mutant import Mutant
from mutants.selection import is_in, lines

HACK = ROOT / "hack"

TEXT = """A = 1


def used():
    value = A

    return value


def unused():
    return 2
"""


@pytest.mark.parametrize(
    ("before", "changed"),
    [
        ("    value = A\n", [5]),
        ("\n    return value", [7]),
        ("value = A\n\n    return", [5, 6, 7]),
        ("A = 1", [1]),
    ],
)
def test_the_lines_of_a_mutant_are_those_that_differ(before: str, changed: list[int]) -> None:
    """Line breaks around the text are none of its lines."""
    assert list(lines(Mutant("is wrong", "module.py", before, ""), TEXT)) == changed


# In a process of its own: a measurement within a measurement ends the outer one.
MEASURE = """
import json, sys
from pathlib import Path

import pytest

from mutants.mutant import Mutant
from mutants.selection import Recorder

root = Path(sys.argv[1])
recorder = Recorder(root / "package", root / "data")
recorder.start()
options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(root), "-o", f"pythonpath={root}"]
status = pytest.main([*options, str(root)], plugins=[recorder])
recorder.stop()
asked = json.loads(sys.argv[2])
stages = [recorder.stages(Mutant("is wrong", "module.py", before, ""), [place]) for before, place in asked]
print(json.dumps([int(status), stages]))
"""


def test_a_mutant_is_shown_to_the_tests_that_run_it(tmp_path: Path) -> None:
    """Where no test runs the line itself, as at import, every test is asked that runs anything of the file."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "module.py").write_text(TEXT)
    (tmp_path / "test_module.py").write_text(
        "from package import module\n\n\ndef test_one():\n    module.used()\n\n\ndef test_two():\n    pass\n"
    )
    everywhere = "test_module.py"
    asked = [
        ("value = A", everywhere),
        ("return 2", everywhere),
        ("A = 1", everywhere),
        ("value = A", "other"),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    printed = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path, json.dumps(asked)],
        env=environment | {"PYTHONPATH": os.pathsep.join(map(str, (HACK, HACK.parent / "tests")))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=True,
    ).stdout
    status, stages = json.loads(printed.splitlines()[-1])
    assert status == 0
    assert stages == [*[[["test_module.py::test_one"]]] * 3, []]


def test_a_place_is_a_folder_a_file_or_a_test() -> None:
    """And nothing that only begins alike."""
    assert is_in("tests/unit/a/test_b.py::test_c", ["tests/unit"])
    assert is_in("tests/unit/a/test_b.py::test_c", ["tests/unit/a/test_b.py"])
    assert is_in("tests/unit/a/test_b.py::test_c", ["tests/unit/a/test_b.py::test_c"])
    assert not is_in("tests/unit/a/test_b.py::test_c", ["tests/un", "tests/unit/b"])

"""How files of tests are given to workers, and what ends when."""

import subprocess
import sys
from pathlib import Path

from common.parallel import choose, folder, unit

SECONDS = {"a/test_1.py": 100.0, "a/test_2.py": 50.0, "b/test_3.py": 120.0, "c/test_4.py": 10.0}
FILES = ("c/test_4.py", "a/test_2.py", "a/test_1.py", "b/test_3.py")


def test_a_worker_begins_with_the_longest_folder() -> None:
    """By the sum of its files; their order is the one that they came in, which may be a random one."""
    assert choose(FILES, "", [], SECONDS) == "a/test_2.py"


def test_a_worker_stays_in_its_folder() -> None:
    """However little is left there: what the folder needs runs already."""
    assert choose(FILES, "c", ["a", "b"], SECONDS) == "c/test_4.py"


def test_a_free_worker_takes_unassigned_work() -> None:
    """The longest of it."""
    assert choose(FILES, "done", ["a"], SECONDS) == "b/test_3.py"
    assert choose(FILES, "done", ["a", "b"], SECONDS) == "c/test_4.py"


def test_a_worker_helps_where_most_is_left_for_each() -> None:
    """With the longest file: the last to be finished should not be begun last."""
    assert choose(FILES[:-1], "", ["a", "c"], SECONDS) == "a/test_1.py"
    assert choose(FILES[:-1], "", ["a"] * 40 + ["c"], SECONDS) == "c/test_4.py"


def test_files_that_were_never_measured_count_a_little() -> None:
    """A new test needs no entry in a table."""
    assert choose(("new/test_5.py", "b/test_3.py"), "", [], SECONDS) == "b/test_3.py"
    assert choose(("new/test_5.py",), "", [], SECONDS) == "new/test_5.py"
    assert folder("tests/unit/api/test_x.py") == "tests/unit/api"


def test_files_that_write_to_the_same_place_are_one_unit() -> None:
    """Every other file is one on its own, parametrised tests included."""
    assert unit("tests/image/test_a.py::test_x") == unit("tests/image/test_b.py::test_y")
    assert unit("tests/admission/test_a.py::test_x[a/b::c]") == "tests/admission/test_a.py"


TESTS = """
def test_one(shared): pass
def test_two(shared): pass
"""
CONFTEST = """
import pytest

@pytest.fixture(scope="package")
def shared():
    print("BEGIN {0}")
    yield
    print("END {0}")
"""


def test_what_a_folder_shares_ends_with_the_folder_in_any_order(tmp_path: Path) -> None:
    """Fixtures of scope "package" are made once for each folder and do not outlive its last test."""
    (tmp_path / "conftest.py").write_text(
        "from common.parallel import Folder, together\n"
        "def pytest_collect_directory(path, parent):\n"
        "    return Folder.from_parent(parent, path=path) if (path / 'conftest.py').exists() else None\n"
        "def pytest_collection_modifyitems(items):\n"
        "    items.sort(key=lambda item: item.name)\n"
        "    together(items)\n"
    )
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "conftest.py").write_text(CONFTEST.format(name))
        (tmp_path / name / f"test_{name}.py").write_text(TESTS)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-s",
        "--import-mode=importlib",
        "-p",
        "no:randomly",
        tmp_path,
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.lstrip(".") for line in done.stdout.splitlines() if "BEGIN" in line or "END" in line]
    assert told == ["BEGIN first", "END first", "BEGIN second", "END second"]

"""Mutants are shown to the tests that run them."""

from pathlib import Path

import pytest

from mutants.mutant import Mutant
from mutants.selection import Recorder, is_in, lines

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


def test_a_mutant_is_shown_to_the_tests_that_run_it(tmp_path: Path) -> None:
    """Where no test runs the line itself, as at import, every test is asked that runs anything of the file."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "module.py").write_text(TEXT)
    (tmp_path / "test_module.py").write_text(
        "from package import module\n\n\ndef test_one():\n    module.used()\n\n\ndef test_two():\n    pass\n"
    )
    recorder = Recorder(package, tmp_path / "data")
    recorder.start()
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(tmp_path)]
    pytest.main([*options, "-o", f"pythonpath={tmp_path}", str(tmp_path)], plugins=[recorder])
    recorder.stop()

    def shown(before: str, place: str = "test_module.py") -> list[list[str]]:
        stages = recorder.stages(Mutant("is wrong", "module.py", before, ""), [place])
        return [list(stage) for stage in stages]

    assert shown("value = A") == [["test_module.py::test_one"]]
    assert shown("return 2") == [["test_module.py::test_one"]]
    assert shown("A = 1") == [["test_module.py::test_one"]]
    assert shown("value = A", "tests/property") == []


def test_a_place_is_a_folder_a_file_or_a_test() -> None:
    """And nothing that only begins alike."""
    assert is_in("tests/unit/a/test_b.py::test_c", ["tests/unit"])
    assert is_in("tests/unit/a/test_b.py::test_c", ["tests/unit/a/test_b.py"])
    assert is_in("tests/unit/a/test_b.py::test_c", ["tests/unit/a/test_b.py::test_c"])
    assert not is_in("tests/unit/a/test_b.py::test_c", ["tests/un", "tests/unit/b"])

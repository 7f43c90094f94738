"""Which unit tests `make check` leaves out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import pytest

from changed import imports
from unchanged import Recorder, digests

FILES: Final[Mapping[str, str]] = {
    "README.md": "",
    "operator/pkg/__init__.py": "",
    "operator/pkg/base.py": "",
    "operator/pkg/user.py": "from pkg import base\n",
    "operator/pkg/lazy.py": "from importlib import import_module\n",
    "operator/pkg/other.py": "",
    "hack/tool.py": "import subprocess\n",
    "tests/unit/test_user.py": "import pkg.user\n",
    "tests/unit/test_other.py": "from pkg.other import anything\n",
    "tests/unit/test_tool.py": "def test_it():\n    import tool\n",
    "tests/unit/test_lazy.py": "import pkg.lazy\n",
    "tests/unit/test_reads.py": "text = path.read_text()\n",
    "tests/integration/test_servers.py": "import pkg.user\n",
}
OPAQUE: Final = ["tests/unit/test_lazy.py", "tests/unit/test_reads.py", "tests/unit/test_tool.py"]


def states(root: Path, changes: Mapping[str, str]) -> Mapping[str, str]:
    """Return the digests of the small project with *changes*."""
    files = {**FILES, **changes}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return digests({name: text.encode() for name, text in files.items()}, imports(root))


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        ("operator/pkg/base.py", ["tests/unit/test_user.py"]),
        ("operator/pkg/other.py", ["tests/unit/test_other.py"]),
        ("tests/unit/test_other.py", ["tests/unit/test_other.py"]),
        ("tests/integration/test_servers.py", []),
    ],
)
def test_a_test_is_run_again_when_something_that_it_imports_has_changed(
    tmp_path: Path, changed: str, tests: list[str]
) -> None:
    """One that starts programs, reads files or loads modules by name is run again whatever has changed."""
    before = states(tmp_path, {})
    after = states(tmp_path, {changed: FILES[changed] + "# another\n"})
    assert sorted(before) == sorted(name for name in FILES if name.startswith("tests/unit/"))
    assert [name for name in before if before[name] != after[name]] == sorted([*tests, *OPAQUE])


def test_every_test_is_run_again_when_a_file_that_is_not_python_has_changed(tmp_path: Path) -> None:
    """Such as a manifest, a page, or the pins of what is installed."""
    before, after = states(tmp_path, {}), states(tmp_path, {"README.md": "another"})
    assert all(before[name] != after[name] for name in before)


def test_nothing_is_run_again_when_nothing_has_changed(tmp_path: Path) -> None:
    """The order in which files are found does not count."""
    assert states(tmp_path, {}) == states(tmp_path, dict(reversed(list(FILES.items()))))


@pytest.mark.parametrize(
    ("outcomes", "passed"),
    [
        ([("a", "passed"), ("a", "passed"), ("b", "passed")], {"a", "b"}),
        ([("a", "passed"), ("a", "failed"), ("b", "passed")], {"b"}),
        ([("a", "failed"), ("a", "passed")], set()),
        ([("a", "skipped"), ("a", "passed")], set()),
    ],
)
def test_a_file_counts_as_passed_only_as_a_whole(
    outcomes: list[tuple[str, Literal["passed", "failed", "skipped"]]], passed: set[str]
) -> None:
    """One test that fails or is skipped has all of the file run again."""
    recorder = Recorder()
    for file, outcome in outcomes:
        report = pytest.TestReport(f"{file}::test", (file, None, ""), {}, outcome, None, "call")
        recorder.pytest_runtest_logreport(report)
    assert recorder.passed == passed

"""What `make test-changed` runs."""

import subprocess
from pathlib import Path

import pytest

from changed import affected, differing, imports

FILES = {
    "operator/pkg/__init__.py": "",
    "operator/pkg/base.py": "",
    "operator/pkg/user.py": "def late() -> None:\n    from pkg import base\n",
    "operator/pkg/other.py": "",
    "tests/unit/conftest.py": "import pkg.user\n",
    "tests/unit/test_user.py": "",
    "tests/test_other.py": "from pkg.other import anything\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        ("operator/pkg/base.py", ["tests/unit/test_user.py"]),
        ("operator/pkg/other.py", ["tests/test_other.py"]),
        ("operator/pkg/__init__.py", ["tests/test_other.py", "tests/unit/test_user.py"]),
        ("tests/unit/test_user.py", ["tests/unit/test_user.py"]),
        ("pyproject.toml", ["tests/test_other.py", "tests/unit/test_user.py"]),
        ("docs/index.md", []),
    ],
)
def test_tests_follow_what_they_import(tree: Path, changed: str, tests: list[str]) -> None:
    """Through other modules, imports inside of functions, packages and the `conftest.py` above a test."""
    assert affected([changed], imports(tree)) == tests


def test_what_differs_is_known_from_git(tree: Path) -> None:
    """Committed on this branch, changed, deleted or new; not what changed on the other branch since."""

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", *identity, *arguments], cwd=tree, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    git("add", ".")
    git("commit", "-m", "a")
    git("checkout", "-b", "branch")
    (tree / "operator/pkg/base.py").write_text("a = 1\n")
    git("commit", "-a", "-m", "b")
    git("checkout", "main")
    (tree / "operator/pkg/other.py").write_text("b = 1\n")
    git("commit", "-a", "-m", "c")
    git("checkout", "branch")
    (tree / "operator/pkg/user.py").unlink()
    (tree / "tests/test_new.py").write_text("")
    assert differing("main", tree) == ["operator/pkg/base.py", "operator/pkg/user.py", "tests/test_new.py"]

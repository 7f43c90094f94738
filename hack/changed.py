"""Runs the unit and property tests that import, however indirectly, what differs from another commit.

    make test-changed                 from the branch main
    make test-changed SINCE=HEAD~3    from another commit; ARGS go to pytest

Imports are read from the source, those inside of functions included. What they do not show is not followed: modules
that are loaded by a name in a string, and files that are not Python. Tests on real servers are named and not run.
"""

import ast
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
SOURCES: Final = ("operator", "hack", "tests")
QUICK: Final = ("tests/unit/", "tests/property/")
# Every test runs under what these say.
FOR_ALL: Final = ("pyproject.toml", "requirements/dev.txt", "tests/conftest.py")

Graph = Mapping[str, Collection[str]]
"""Which files a file imports, by their paths from the root."""


def differing(since: str, root: Path = ROOT) -> list[str]:
    """Return the files that differ from where this branch left *since*, those that git does not know included."""
    commands = (
        ("diff", "--name-only", "--no-renames", "--merge-base", since),
        ("ls-files", "--others", "--exclude-standard"),
    )
    found = [
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True, text=True).stdout
        for command in commands
    ]
    return sorted("".join(found).splitlines())


def imports(root: Path = ROOT) -> Graph:
    """Read what every file of SOURCES imports; tests use every `conftest.py` above them, too."""
    files: dict[str, str] = {}
    for source in SOURCES:
        for path in (root / source).rglob("*.py"):
            module = path.relative_to(root / source).with_suffix("").parts
            files[".".join(module[:-1] if module[-1] == "__init__" else module)] = str(path.relative_to(root))
    graph: dict[str, set[str]] = {}
    for name, file in files.items():
        package = name if file.endswith("__init__.py") else name.rpartition(".")[0]
        parents = [".".join(package.split(".")[:depth]) for depth in range(1, package.count(".") + 2)]
        names = [*_imported(ast.parse((root / file).read_bytes())), *parents]
        names += [f"{parent}.conftest" for parent in parents] if file.startswith("tests/") else []
        graph[file] = {files[found] for found in names if found in files} - {file}
    return graph


def affected(changed: Collection[str], graph: Graph) -> list[str]:
    """Return the files of tests that import a *changed* one, and those that are changed themselves."""
    importers: dict[str, set[str]] = {}
    for file, imported in graph.items():
        for found in imported:
            importers.setdefault(found, set()).add(file)
    if any(file in FOR_ALL for file in changed):
        reached = set(graph)
    else:
        reached = reachable((file for file in changed if file in graph), importers)
    return sorted(file for file in reached if Path(file).name.startswith("test_"))


def reachable(files: Iterable[str], graph: Graph) -> set[str]:
    """Return *files*, and what is reached from them in *graph*, however indirectly."""
    reached, left = set(), list(files)
    while left:
        file = left.pop()
        if file not in reached:
            reached.add(file)
            left.extend(graph.get(file, ()))
    return reached


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def main(arguments: Sequence[str]) -> int:
    """Run what the first argument, a commit, and all that changed since then ask for; the others go to pytest."""
    since, *options = arguments
    changed = differing(since)
    tests = affected(changed, imports())
    quick = [file for file in tests if file.startswith(QUICK)]
    slow = [file for file in tests if not file.startswith(QUICK)]
    others = [file for file in changed if not file.endswith(".py")]
    if others:
        print(f"NOT FOLLOWED: {len(others)} changed files that are not Python, such as {others[0]}")
    if slow:
        print(f"LEFT OUT: {len(slow)} files of tests on real servers, such as {slow[0]}: make test-servers")
    if not quick:
        print(f"No unit or property test imports what differs from {since}.")
        return 0
    print(f"{len(quick)} files of tests", flush=True)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, *quick], cwd=ROOT, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

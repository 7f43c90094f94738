"""Runs the unit tests, except those that passed before and that nothing has changed for since.

    .venv/bin/python -m unchanged 4     on four workers, as `make check` does; `make unit` runs them all

A file of tests is left out when it and all that it imports, however indirectly, are byte for byte what they were when
all of its tests passed, and so is every file of the repository that is not Python. A test that starts programs, reads
sources or loads modules by a name in a string may depend on any file; it is left out only when no file has changed.
What is installed is known by its pins and the version of Python.
"""

import ast
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from changed import ROOT, SOURCES, Graph, imports, reachable

UNIT: Final = "tests/unit/"
KEPT: Final = ROOT / ".venv" / "unit-tests-passed.json"
# A module that uses one of these may need files that it does not import: programs, sources, modules by name.
_LOADS_BY_NAME: Final = frozenset({"__import__", "import_module", "importlib"})
_READS_FILES: Final = _LOADS_BY_NAME | {
    "SourceFileLoader",
    "create_subprocess_exec",
    "glob",
    "iterdir",
    "listdir",
    "open",
    "pty",
    "read_bytes",
    "read_text",
    "rglob",
    "runpy",
    "scandir",
    "subprocess",
    "walk",
}

Digests = Mapping[str, str]
"""Files by their paths from the root, or files of tests, and what tells one state of them from another."""


def read_files(root: Path = ROOT) -> dict[str, bytes]:
    """Return the content of every file that git knows or would add, by its path from *root*."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout
    paths = sorted({os.fsdecode(name) for name in listed.split(b"\0") if name})
    return {path: (root / path).read_bytes() for path in paths if (root / path).is_file()}


def digests(files: Mapping[str, bytes], graph: Graph) -> Digests:
    """Return what each file of unit tests depends on, as a digest."""
    of = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    code = {
        path for path in of if path.endswith(".py") and path.startswith(tuple(f"{one}/" for one in SOURCES))
    }
    ground = _digest(of, of.keys() - code)
    everything = _digest(of, code)
    opaque = {path for path in code if _is_opaque(path, files[path])}
    found = {}
    for test in sorted(path for path in code if _is_unit_test(path)):
        needed = reachable([test], graph)
        state = everything if needed & opaque else _digest(of, needed)
        found[test] = f"{ground} {state}"
    return found


class Recorder:
    """A plugin of pytest that notes which files of tests have passed as a whole."""

    def __init__(self) -> None:
        """Nothing has run yet."""
        self.seen: set[str] = set()
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one phase of a test."""
        file = report.nodeid.split("::", 1)[0]
        self.seen.add(file)
        if not report.passed:
            self.failed.add(file)

    @property
    def passed(self) -> set[str]:
        """The files none of whose tests failed or was skipped."""
        return self.seen - self.failed


def _is_unit_test(path: str) -> bool:
    return path.startswith(UNIT) and Path(path).name.startswith("test_")


def _digest(of: Digests, paths: Collection[str]) -> str:
    lines = "".join(f"{path} {of[path]}\n" for path in sorted(paths))
    return hashlib.sha256(lines.encode()).hexdigest()


def _is_opaque(path: str, content: bytes) -> bool:
    """Say whether the module may need what it does not import. The product reads no file of the repository."""
    words = _LOADS_BY_NAME if path.startswith("operator/") else _READS_FILES
    return not words.isdisjoint(_names(ast.parse(content)))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield from node.name.split(".")
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from node.module.split(".")


def _recall(kept: Path) -> dict[str, str]:
    try:
        found = json.loads(kept.read_text())
    except (OSError, ValueError):
        return {}
    return {str(test): str(state) for test, state in found.items()} if isinstance(found, dict) else {}


def main(workers: str) -> int:
    """Run what has to be run, and remember what passed."""
    now = digests(read_files(), imports())
    now = {test: f"{state} {sys.version}" for test, state in now.items()}
    before = _recall(KEPT)
    wanted = [test for test, state in now.items() if before.get(test) != state]
    if len(wanted) < len(now):
        print(
            f"{len(now) - len(wanted)} of {len(now)} files of unit tests passed before, and are left out",
            flush=True,
        )
    if not wanted:
        return 0
    # pytest knows where to import from; the workers must have the same path as those of `make unit`.
    os.environ.pop("PYTHONPATH", None)
    recorder = Recorder()
    status = pytest.main(["-q", "-n", workers, *wanted], plugins=[recorder])
    kept = {
        test: state for test, state in now.items() if before.get(test) == state or test in recorder.passed
    }
    KEPT.write_text(json.dumps(kept, indent=1))
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

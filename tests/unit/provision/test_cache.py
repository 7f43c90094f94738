"""What is downloaded or built once per user: where it is kept, when it is made again, and what is said about it."""

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from controlplane.progress import Progress
from controlplane.waiting import wait_until
from provision import artifacts, cache
from provision.artifacts import ARTIFACTS
from provision.cache import Artifact, CannotMake, announce


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Clone:
    """A clone with one pin, and how often its artifact was made."""

    def __init__(self, root: Path, *, pin: str = "tool v1\n") -> None:
        self.root = root
        self.made = 0
        root.mkdir()
        (root / "pins.txt").write_text(pin)

    def artifact(
        self, make: Callable[[Path, Progress], None] | None = None, *, variant: str = ""
    ) -> Artifact:
        """Return the artifact that the pin decides about."""
        return Artifact(
            name="tools",
            contents="a tool",
            size="about 1 MB",
            duration="seconds",
            pins=(self.root / "pins.txt",),
            make=make or self._make,
            root=self.root,
            variant=variant,
        )

    def _make(self, target: Path, _progress: Progress) -> None:
        self.made += 1
        (target / "tool").write_text("a tool")


def quiet() -> Progress:
    """Return one whose output is not read."""
    return Progress(io.StringIO())


def test_second_clone_with_the_same_pins_makes_nothing(tmp_path: Path, empty_cache: Path) -> None:
    """Both find the same folder, in the user's cache directory."""
    first, second = Clone(tmp_path / "first"), Clone(tmp_path / "second")
    directory = first.artifact().ensure(quiet())
    assert second.artifact().is_complete
    assert second.artifact().ensure(quiet()) == directory
    assert (first.made, second.made) == (1, 0)
    assert empty_cache in directory.parents


@pytest.mark.parametrize("other", [{"pin": "tool v2\n"}, {}])
def test_other_pins_are_another_folder(tmp_path: Path, other: dict[str, str]) -> None:
    """So is another variant, such as another Python; what exists stays for the clones that use it."""
    first, second = Clone(tmp_path / "first"), Clone(tmp_path / "second", **other)
    directory = first.artifact().ensure(quiet())
    changed = second.artifact() if other else second.artifact(variant="3.14")
    assert not changed.is_complete
    assert changed.ensure(quiet()) != directory
    assert first.artifact().is_complete


def test_folder_that_lost_something_is_made_again(tmp_path: Path) -> None:
    """What else is in there does not stay."""
    clone = Clone(tmp_path / "clone")
    directory = clone.artifact().ensure(quiet())
    (directory / "tool").unlink()
    (directory / "stray").touch()
    assert not clone.artifact().is_complete
    clone.artifact().ensure(quiet())
    assert (directory / "tool").exists()
    assert not (directory / "stray").exists()


def test_failure_leaves_nothing_that_counts_as_complete(tmp_path: Path) -> None:
    """The next attempt starts with an empty folder."""
    clone = Clone(tmp_path / "clone")

    def fail(target: Path, progress: Progress) -> None:
        (target / "half").touch()
        message = "no network"
        raise CannotMake(message)

    with pytest.raises(CannotMake, match="no network"):
        clone.artifact(fail).ensure(quiet())
    assert not clone.artifact().is_complete
    directory = clone.artifact().ensure(quiet())
    assert not (directory / "half").exists()


BUILDER = """
import sys, time
from pathlib import Path
from controlplane.progress import Progress
from provision.cache import Artifact

def make(target, progress):
    (target / "half").touch()
    started.touch()
    while not go_on.exists():
        time.sleep(0.01)
    (target / "tool").touch()

root, started, go_on = map(Path, sys.argv[1:])
text = {name: "" for name in ("contents", "size", "duration")}
Artifact(name="tools", pins=(root / "pins.txt",), make=make, root=root, **text).ensure(Progress(sys.stderr))
"""


def build(clone: Clone, started: Path, go_on: Path) -> subprocess.Popen[str]:
    """Start a process that makes the artifact once *go_on* exists."""
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, clone.root, started, go_on],
        env={**os.environ, "PYTHONPATH": str(cache.ROOT / "hack")},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_leftovers_of_a_killed_build_are_not_complete(tmp_path: Path) -> None:
    """The next one removes them and makes it whole."""
    clone = Clone(tmp_path / "clone")
    with build(clone, tmp_path / "started", tmp_path / "never") as killed:
        wait_until((tmp_path / "started").exists, what="the build to begin", timeout=60)
        killed.send_signal(signal.SIGKILL)
    assert (clone.artifact().directory / "half").exists()
    assert not clone.artifact().is_complete
    directory = clone.artifact().ensure(quiet())
    assert sorted(path.name for path in directory.iterdir()) == [".complete", "tool"]


def test_two_builds_at_a_time_make_it_once(tmp_path: Path) -> None:
    """The second one says that it waits, and makes nothing."""
    clone = Clone(tmp_path / "clone")
    with build(clone, tmp_path / "started", tmp_path / "go-on") as first:
        wait_until((tmp_path / "started").exists, what="the build to begin", timeout=60)
        with build(clone, tmp_path / "second", tmp_path / "go-on") as second:
            assert second.stderr is not None
            assert second.stderr.readline() == "Another process is making the tools; waiting for it.\n"
            (tmp_path / "go-on").touch()
    assert (first.returncode, second.returncode) == (0, 0)
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize("old", ["nothing", "folder", "link"])
def test_link_leads_to_the_folder(tmp_path: Path, old: str) -> None:
    """Whatever had its name before is replaced."""
    clone = Clone(tmp_path / "clone")
    directory = clone.artifact().ensure(quiet())
    environment = tmp_path / ".venv"
    environment.mkdir()
    if old == "folder":
        (environment / "tools" / "old").mkdir(parents=True)
    if old == "link":
        (environment / "tools").symlink_to(tmp_path)
    clone.artifact().link(environment)
    assert (environment / "tools").readlink() == directory
    clone.artifact().link(environment)
    assert [path.name for path in environment.iterdir()] == ["tools"]


def test_announcement_names_what_is_missing_with_size_and_duration(tmp_path: Path, empty_cache: Path) -> None:
    """It is empty when nothing is missing."""
    said = io.StringIO()
    announce([Clone(tmp_path / "clone").artifact()], Progress(said))
    assert said.getvalue() == (
        f"Needed once, for all clones with these versions; kept in {empty_cache / 'servicetokens'}:\n"
        "  tools: a tool\n"
        "    about 1 MB; seconds on two cores\n"
    )
    said = io.StringIO()
    announce([], Progress(said))
    assert said.getvalue() == ""


def test_every_artifact_says_what_people_want_to_know() -> None:
    """What it is, how big, how long; and it is decided by files that exist."""
    for artifact in ARTIFACTS.values():
        assert re.search(r"\d+ MB", artifact.size), artifact.name
        assert artifact.contents
        assert artifact.duration
        assert artifact.pins
        assert all(pin.is_file() for pin in artifact.pins)
    assert len({artifact.directory for artifact in ARTIFACTS.values()}) == len(ARTIFACTS)


def test_tools_are_pinned_by_every_module_that_builds_one() -> None:
    """A tool whose module were not among the pins would stay as it is when its version changes."""
    pins = set(ARTIFACTS["tools"].pins)
    modules = {artifacts.TOOLS_MODULE / folder / "go.mod" for _, folder, _, _ in artifacts.TOOLS}
    assert modules <= pins
    assert set(artifacts.TOOLS_MODULE.rglob("go.sum")) <= pins
    assert set(artifacts.TOOLS_MODULE.rglob("main.go")) <= pins
    assert set(artifacts.NODE.rglob("go.sum")) <= set(ARTIFACTS["node"].pins)


def test_command_says_what_it_makes_then_what_is_missing(tmp_path: Path) -> None:
    """Without Go the tools are announced, and the error says what to install; a second name is not reached."""
    (tmp_path / "bin").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "provision", "tools", "scanners"],
        env={"PYTHONPATH": str(cache.ROOT / "hack"), "PATH": str(tmp_path / "bin"), **_home(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    first, *lines = done.stderr.splitlines()
    assert first.startswith("Needed once, for all clones with these versions; kept in ")
    assert [line.split(":")[0].strip() for line in lines if line.startswith("  ") and ":" in line] == [
        "tools",
        "scanners",
    ]
    assert lines[-1] == (
        "building the tools of the tests needs Go, and there is no `go` on the path:"
        " install Go 1.26 or later (https://go.dev/dl)"
    )


def test_command_can_look_without_making_anything(tmp_path: Path, empty_cache: Path) -> None:
    """It exits with 1 when one is missing, with 0 when none is; CI asks before it begins what takes minutes."""

    def look() -> int:
        return subprocess.run(
            [sys.executable, "-m", "provision", "--check", "node", "node-root"],
            env={"PYTHONPATH": str(cache.ROOT / "hack"), "PATH": os.environ["PATH"], **_home(tmp_path)},
            capture_output=True,
            check=False,
        ).returncode

    assert look() == 1
    assert not empty_cache.exists()
    folders = [ARTIFACTS[name].directory for name in ("node", "node-root")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "part").touch()
        (folder / ".complete").write_text("part")
    assert look() == 0
    (folders[0] / "part").unlink()
    assert look() == 1


def _home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_command_says_what_this_machine_lacks_before_it_makes_anything(
    tmp_path: Path, empty_cache: Path
) -> None:
    """Tools and kubelet take minutes to build; without debootstrap they would be built for nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "provision", "tools", "node", "node-root", "python-root"],
        cwd=cache.ROOT,
        env={
            "PATH": str(tmp_path),
            "PYTHONPATH": "hack:tests",
            "HOME": str(tmp_path),
            "XDG_CACHE_HOME": str(empty_cache),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "a base image without a registry needs root and debootstrap: apt-get install"
    )
    assert len(done.stderr.splitlines()) == 1
    assert not empty_cache.exists()

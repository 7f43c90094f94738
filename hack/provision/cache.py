"""A folder per artifact in the user's cache directory, named by a hash of everything that decides its contents.

A second clone with the same pins finds the folder and makes nothing. A folder is complete once its marker is written:
what a killed run left is removed by the next one.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controlplane.build import cache_root, locked, platform_name
from controlplane.progress import Progress

ROOT: Final = Path(__file__).resolve().parents[2]
_MARKER: Final = ".complete"


class CannotMake(Exception):
    """An artifact cannot be made here. The message says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that is downloaded or built once, described for people.

    Attributes:
        name: what it is called on the command line, and in the cache.
        contents: what it is.
        size: on disk, and what is downloaded for it.
        duration: how long it takes on two cores.
    """

    name: str
    contents: str
    size: str
    duration: str


@dataclass(frozen=True, kw_only=True)
class Artifact(Need):
    """How it is made, and what decides its contents. `.venv/<name>` leads to its folder.

    Attributes:
        pins: the files that decide its contents.
        make: writes it into a folder. Raises CannotMake or BuildFailed.
        obstacle: says why this machine cannot make it and what to do, or nothing; asked before anything is made.
        variant: what else decides its contents, such as the version of Python.
        root: the clone, whose place does not matter.
    """

    pins: tuple[Path, ...]
    make: Callable[[Path, Progress], None]
    variant: str = ""
    obstacle: Callable[[], str] = str
    root: Path = ROOT

    @property
    def key(self) -> str:
        """A hash of the pins and the variant: equal contents have equal keys."""
        digest = hashlib.sha256(self.variant.encode())
        for pin in sorted(self.pins):
            digest.update(f"\0{pin.relative_to(self.root)}\0".encode())
            digest.update(pin.read_bytes())
        return digest.hexdigest()[:12]

    @property
    def directory(self) -> Path:
        """Where it is kept, whether it exists yet or not."""
        return cache_root() / self.name / f"{platform_name()}_{self.key}"

    @property
    def is_complete(self) -> bool:
        """Whether everything that was made is still there."""
        try:
            names = (self.directory / _MARKER).read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return all((self.directory / name).exists() for name in names)

    def ensure(self, progress: Progress) -> Path:
        """Make it unless it is complete; return its folder.

        Raises:
            CannotMake: it cannot be made here.
            BuildFailed: go could not build a binary of it.
        """
        if not self.is_complete:
            check([self])
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.directory.with_name(f"{self.directory.name}.lock"), f"making the {self.name}"):
                # Another process may have made it while this one waited for the lock.
                if not self.is_complete:
                    shutil.rmtree(self.directory, ignore_errors=True)
                    self.directory.mkdir()
                    self.make(self.directory, progress)
                    names = sorted(path.name for path in self.directory.iterdir())
                    (self.directory / _MARKER).write_text("\n".join(names), encoding="utf-8")
        return self.directory

    def link(self, environment: Path) -> None:
        """Let `<environment>/<name>` lead to the folder; a folder or a link of that name is replaced."""
        link = environment / self.name
        if link.is_symlink() and link.readlink() == self.directory:
            return
        if link.is_dir() and not link.is_symlink():
            shutil.rmtree(link)
        # Created next to it and renamed, so that a process that uses the old link never finds none.
        fresh = environment / f".{self.name}.{os.getpid()}"
        fresh.symlink_to(self.directory)
        fresh.replace(link)


def check(missing: Sequence[Artifact]) -> None:
    """Raise CannotMake, with every obstacle, if one of these cannot be made here: minutes of building come first."""
    obstacles = {artifact.obstacle() for artifact in missing} - {""}
    if obstacles:
        raise CannotMake("\n".join(sorted(obstacles)))


def announce(missing: Sequence[Need], progress: Progress) -> None:
    """Say what is about to be downloaded and built, how big it is and how long it takes; nothing when nothing is."""
    if missing:
        progress.say(f"Needed once, for all clones with these versions; kept in {cache_root()}:")
    for need in missing:
        progress.say(f"  {need.name}: {need.contents}")
        progress.say(f"    {need.size}; {need.duration} on two cores")


def python_variant() -> str:
    """Return what a virtual environment depends on: version and place of the interpreter that it is made from."""
    return f"{sys.version_info.major}.{sys.version_info.minor} {os.path.realpath(sys.executable)}"

"""A directory that is removed, even when its owner was killed and could not clean up.

The owner holds a lock on a file inside for as long as it lives. A directory whose lock is free has no owner: the next
owner to come removes it. (An etcd keeps 64 MB of log ahead of its data: a few killed runs would be noticed.)
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

PREFIX = "servicetokens-"
LOCK = "owner.lock"


class ScratchDirectory:
    """A fresh directory below the system's temporary one, readable by the current user only."""

    def __init__(self) -> None:
        _remove_abandoned()
        self.path, self._lock = _create()
        # Another process cleaned up at that moment and considered it abandoned, before we had the lock.
        while os.fstat(self._lock).st_nlink == 0:
            os.close(self._lock)
            self.path, self._lock = _create()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove it with all it holds; what uses it must have ended. Idempotent."""
        if self._lock < 0:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
        self._lock = -1


def _create() -> tuple[Path, int]:
    """A directory and the descriptor of the lock in it, which we hold."""
    path = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = os.open(path / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return path, lock


def _remove_abandoned() -> None:
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        # Another user's, or removed by another process just now.
        with contextlib.suppress(OSError):
            _remove_if_abandoned(lock)


def _remove_if_abandoned(lock: Path) -> None:
    descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(lock.parent, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)

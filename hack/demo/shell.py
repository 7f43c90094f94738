"""Runs what a user would type, exactly as it is shown, and shows the answer."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from demo.screen import Screen, StepFailed

# Every `kubectl wait` in the story has a shorter limit of its own; this one is for a server that hangs.
COMMAND_SECONDS = 60


class Shell:
    """A bash in the repository's root, with `kubectl` and `servicetokens` on its path."""

    def __init__(self, screen: Screen, *, root: Path, path: tuple[Path, ...]) -> None:
        self._screen = screen
        self._root = root
        self._environment = dict(os.environ) | {
            "PATH": os.pathsep.join([*map(str, path), os.environ.get("PATH", os.defpath)]),
        }

    def export(self, variables: Mapping[str, str]) -> None:
        """Set environment variables for all commands to come."""
        self._environment |= variables

    def run(self, command: str, *, fails: bool = False) -> str:
        """Show *command*, run it, show its output, return it.

        Raises:
            StepFailed: the exit status is not what is expected: zero, or with *fails* anything else.
        """
        self._screen.command(command)
        output, status = self._execute(command)
        self._screen.answer(output)
        if (status != 0) is not fails:
            message = f"exit status {status} of: {command}"
            raise StepFailed(message)
        return output

    def read(self, command: str) -> str:
        """Run *command* without showing anything and return its output; for the story's own needs.

        Raises:
            StepFailed: the exit status is not zero.
        """
        output, status = self._execute(command)
        if status != 0:
            message = f"exit status {status} of: {command}\n{output}"
            raise StepFailed(message)
        return output

    def succeeds(self, command: str) -> bool:
        """Run *command* without showing anything; say whether its exit status is zero."""
        return self._execute(command)[1] == 0

    def _execute(self, command: str) -> tuple[str, int]:
        try:
            finished = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                cwd=self._root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            message = f"no answer within {COMMAND_SECONDS} s from: {command}"
            raise StepFailed(message) from error
        return finished.stdout, finished.returncode

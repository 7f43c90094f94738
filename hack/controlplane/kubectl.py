"""Runs the pinned kubectl, apart from whatever configuration and cache the user of this machine has."""

import os
import subprocess
from pathlib import Path
from typing import Protocol

from controlplane.waiting import patient

KUBECTL_SECONDS = 60.0  # kubectl's own waits are given with --timeout; this one only ends a hang


class Kubectl(Protocol):
    """A kubectl that knows its cluster: `Cluster.kubectl`, which see."""

    def __call__(
        self,
        *arguments: str | Path,
        input: str | None = None,  # noqa: A002 - means what it means in subprocess.run
        check: bool = True,
        kubeconfig: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        ...


class KubectlFailed(Exception):
    """kubectl ended with a non-zero status. The message holds the command and what kubectl said."""


def run_kubectl(
    binary: Path,
    kubeconfig: Path,
    arguments: tuple[str | Path, ...],
    *,
    stdin: str | None = None,
    check: bool = True,
    home: Path,
) -> subprocess.CompletedProcess[str]:
    """Run kubectl to its end and return its exit status, standard output and standard error.

    It keeps what it caches below `home`.

    Raises:
        KubectlFailed: with `check`, on a non-zero status.
        subprocess.TimeoutExpired: it hung.
    """
    done = subprocess.run(
        [binary, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=patient(KUBECTL_SECONDS),
        check=False,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        env={
            "PATH": os.defpath,
            "HOME": str(home),
            "KUBECONFIG": str(kubeconfig),
        },
    )
    if check and done.returncode != 0:
        command = " ".join(str(argument) for argument in arguments)
        message = f"kubectl {command} ended with status {done.returncode}:\n{done.stderr}{done.stdout}"
        raise KubectlFailed(message)
    return done

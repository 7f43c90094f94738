"""What the scenarios ask of the container engine: images built from a Dockerfile, and their layers."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from controlplane.waiting import patient

# The first build of an image fetches its base and the Python packages, the first cluster the node's image (400 MB).
SECONDS: Final = 900.0


def run(*command: str | Path, directory: Path | None = None, seconds: float = SECONDS) -> str:
    """Run *command*; return its standard output. When it fails, both of its outputs are the message."""
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=patient(seconds), check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(
    name: str, tree: Path, *, arguments: Mapping[str, str], labels: Mapping[str, str], cached: bool = True
) -> None:
    """Build the image of operator and validator from *tree*, a folder with this repository in some version.

    It fetches packages by the machine's own network, since the containers of `engine` reach no other machine.
    """
    flags = [flag for key, value in arguments.items() for flag in ("--build-arg", f"{key}={value}")]
    flags += [flag for key, value in labels.items() for flag in ("--label", f"{key}={value}")]
    if not cached:
        flags.append("--no-cache")
    dockerfile = ("-f", "operator/Dockerfile", "-t", name)
    run("docker", "build", "--network", "host", *dockerfile, *flags, ".", directory=tree)


def layers(name: str) -> list[str]:
    """Return the digests of the unpacked layers of an image, from its base to its top."""
    return list(json.loads(run("docker", "image", "inspect", "-f", "{{json .RootFS.Layers}}", name)))


def remove(name: str) -> None:
    """Remove an image if it exists."""
    subprocess.run(["docker", "image", "rm", "-f", name], capture_output=True, check=False)

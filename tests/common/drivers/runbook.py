"""The commands of a page of `docs/`, run as they are printed there."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from common.drivers.walkthrough import blocks
from common.drivers.world import World
from common.repository import ROOT
from controlplane.waiting import patient

_SECTION: Final = re.compile(r"^## (.+)$", re.MULTILINE)
_SECONDS: Final = 90


class Runbook:
    """One page: what its sections tell people to type. *folder* is where in `docs/guides/` it is."""

    def __init__(self, name: str, folder: str = "runbooks") -> None:
        parts = _SECTION.split((ROOT / "docs" / "guides" / folder / f"{name}.md").read_text())
        self._blocks = {
            title: [block.typed for block in blocks(text)]
            for title, text in zip(parts[1::2], parts[2::2], strict=True)
        }

    @property
    def sections(self) -> list[str]:
        """The headings under which something is to be typed."""
        return [title for title, blocks in self._blocks.items() if blocks]

    def follow(
        self,
        world: World,
        directory: Path,
        section: str,
        *,
        variables: Mapping[str, str] | None = None,
    ) -> str:
        """Type what a *section* says, one shell for each block, and return what was printed."""
        binaries = [world.cluster.binaries, Path(sys.executable).parent]
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([*map(str, binaries), os.environ.get("PATH", os.defpath)]),
            "KUBECONFIG": str(world.cluster.kubeconfig),
            "HOME": str(directory),
            **(variables or {}),
        }
        printed = []
        for block in self._blocks[section]:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block],
                cwd=directory,
                env=environment,
                capture_output=True,
                text=True,
                timeout=patient(_SECONDS),
                check=False,
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
            printed.append(done.stdout)
        return "".join(printed)

"""`kubectl servicetoken`, as people run it: by the real kubectl, which finds the plugin on the path."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controlplane.cluster import Cluster
from controlplane.waiting import patient
from servicetokens.tokens.format import assemble

# Where `make install` puts the programs of the package.
PROGRAMS: Final = Path(sys.executable).parent
_SECONDS: Final = 100.0
# Of no installation that tests make.
STRANGER: Final = assemble("svt", "0123456789AB", bytes(range(32))).reveal()


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Plugin:
    """Runs the plugin in one namespace, as the user of *kubeconfig* (None: the administrator)."""

    cluster: Cluster
    binaries: Path
    namespace: str
    kubeconfig: Path | None = None

    def __call__(self, *arguments: str, stdin: str = "") -> Done:
        """Run a command in the namespace and return how it ended."""
        return self.run("servicetoken", *arguments, "-n", self.namespace, stdin=stdin)

    def run(self, *arguments: str, stdin: str = "", program: Path | None = None) -> Done:
        """Run kubectl, or another *program*, with just these *arguments*."""
        done = subprocess.run(
            [program or self.binaries / "kubectl", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=patient(_SECONDS),
            check=False,
            env=self.environment,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    @property
    def environment(self) -> dict[str, str]:
        """What the plugin is run with: nothing of the user of this machine but what measures coverage."""
        coverage = {key: value for key, value in os.environ.items() if key.startswith("COVERAGE_")}
        return {
            **coverage,
            "PATH": f"{PROGRAMS}:{self.binaries}:{os.defpath}",
            "HOME": str(self.cluster.directory),
            "KUBECONFIG": str(self.kubeconfig or self.cluster.kubeconfig),
        }

    def ok(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that must succeed, and return its standard output."""
        done = self(*arguments, stdin=stdin)
        assert done.code == 0, (arguments, done)
        return done.out

"""`python -m provision NAME...`: make what is missing of these artifacts, and let `.venv/NAME` lead to each.

`control-plane` is one of the names; others are in `artifacts`. All output goes to standard error.
"""

import argparse
import subprocess
import sys

from controlplane import build
from controlplane.build import ControlPlaneMissing
from controlplane.progress import Progress
from provision.artifacts import ARTIFACTS, ENVIRONMENT
from provision.cache import CannotMake, Need, announce, check

CONTROL_PLANE = "control-plane"
CONTROL_PLANE_NEED = Need(
    name=CONTROL_PLANE,
    contents="kube-apiserver, kube-controller-manager, etcd and kubectl, from Go modules",
    size="about 300 MB on disk, and 290 MB of Go modules",
    duration="about 5 minutes",
)


def main() -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m provision", description=__doc__)
    parser.add_argument("names", nargs="+", choices=[CONTROL_PLANE, *ARTIFACTS], metavar="NAME")
    parser.add_argument("--check", action="store_true", help="make nothing; fail when one is missing")
    arguments = parser.parse_args()
    names = arguments.names
    progress = Progress(sys.stderr)
    artifacts = [ARTIFACTS[name] for name in names if name != CONTROL_PLANE]
    try:
        to_make = [artifact for artifact in artifacts if not artifact.is_complete]
        missing: list[Need] = [*to_make]
        if CONTROL_PLANE in names and not build.is_built():
            missing.insert(0, CONTROL_PLANE_NEED)
        if arguments.check:
            return 1 if missing else 0
        check(to_make)
        announce(missing, progress)
        if CONTROL_PLANE in names:
            build.ensure()
        for artifact in artifacts:
            artifact.ensure(progress)
            artifact.link(ENVIRONMENT)
    except (CannotMake, ControlPlaneMissing) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"cannot make {', '.join(names)}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as a shell says
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line of the demo: `make demo`, or `make demo ARGS=--once`."""

import argparse
import signal
import sys
from typing import NoReturn

from controlplane import build
from controlplane.kubectl import KubectlFailed
from controlplane.processes import ProcessFailed
from demo.screen import Screen, StepFailed
from demo.stage import Stage
from demo.story import Story

# What a shell expects of a program that was ended by Ctrl-C.
EXIT_INTERRUPTED = 130
FAILURES = (build.ControlPlaneMissing, StepFailed, ProcessFailed, KubectlFailed, TimeoutError, OSError)


def main() -> int:
    """Tell the story; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="The life of a service token, on a real API server."
    )
    parser.add_argument(
        "--once", action="store_true", help="end after the last step instead of waiting for Ctrl-C"
    )
    arguments = parser.parse_args()
    # Ended by a service manager or by `timeout`, it must clean up as after Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    screen = Screen()
    try:
        screen.headline(
            "servicetokens: from YAML to an accepted, revoked, restored, rotated and expired token"
        )
        with Stage(screen, build.find()) as stage:
            Story(screen, stage.shell, stage).tell()
            if not arguments.once:
                stage.show_addresses()
                screen.headline("Ctrl-C ends it all.")
                _wait_for_ctrl_c()
    except FAILURES as error:
        screen.failure(str(error))
        return 1
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    screen.headline("Done: every line marked ✓ was checked.")
    return 0


def _wait_for_ctrl_c() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        return


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

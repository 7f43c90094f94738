"""The command line of the demo: `make demo`, or `make demo ARGS=--once`."""

import argparse
import signal
import sys
from typing import Final, NoReturn

from controlplane import build
from controlplane.kubectl import KubectlFailed
from controlplane.processes import ProcessFailed
from demo.binaries import find_or_build
from demo.foreground import foreground
from demo.screen import Screen, StepFailed
from demo.stage import Stage
from demo.story import Story

# What a shell expects of a program that was ended by SIGTERM. Ctrl-C is how a user ends the demo, and is no failure.
EXIT_TERMINATED: Final = 143
FAILURES: Final = (
    build.ControlPlaneMissing,
    StepFailed,
    ProcessFailed,
    KubectlFailed,
    TimeoutError,
    OSError,
)


class Terminated(BaseException):
    """SIGTERM has come: clean up as after Ctrl-C."""


def main() -> int:
    """Tell the story; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="The life of a service token, on a real API server."
    )
    parser.add_argument(
        "--once", action="store_true", help="end after the last step instead of waiting for Ctrl-C"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _terminate)
    screen = Screen()
    try:
        with foreground():
            _tell(screen, once=arguments.once)
    except FAILURES as error:
        screen.failure(str(error))
        return 1
    except KeyboardInterrupt:
        screen.headline("Stopped.")
        return 0
    except Terminated:
        return EXIT_TERMINATED
    return 0


def _tell(screen: Screen, *, once: bool) -> None:
    screen.headline("servicetokens: from YAML to an accepted, revoked, restored, rotated and expired token")
    screen.note("About one minute. Each line marked ✓ is checked, not only printed.")
    with Stage(screen, find_or_build(screen)) as stage:
        Story(screen, stage.shell, stage).tell()
        screen.headline("Done: every line marked ✓ was checked.")
        if not once:
            stage.show_addresses()
            signal.pause()


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main())

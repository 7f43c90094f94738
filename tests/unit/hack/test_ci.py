"""What .ci/run makes of the scenarios on a node, with stand-ins for everything that it calls."""

import shutil
import subprocess
from pathlib import Path

import pytest

from common.repository import ROOT
from node import engine

# Writes down what it was asked.
MAKE = 'echo "make $*" >> {log}'
# What a minute of an ordinary machine takes here; whether a node is built; how the engine and its command end.
PYTHON = """case "$*" in
  *measure_patience*) echo 60 ;;
  *--check*) [ -e {built} ] ;;
  *engine.py*) echo "$*" >> {log}; exit "$(cat {ending})" ;;
esac"""
# As when the time is up, or as the real one, without a limit.
TIMEOUT = """case "$*" in *engine.py*) [ ! -e {late} ] || exit 124 ;; esac
while [ "${{1#-}}" != "$1" ]; do shift; done
shift
exec "$@\""""
BUILD = "make e2e-binaries"
RUN = "hack/node/engine.py make e2e NODE_IMAGE=local ARGS=-x"


class Checkout:
    """A clone on a machine where all is there, and nothing takes time."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.python = directory / "tree" / ".venv" / "bin" / "python"
        self.script = directory / "tree" / ".ci" / "run"
        self._paths = {name: directory / name for name in ("log", "built", "ending", "late")}
        for folder in (self.bin, self.python.parent, self.script.parent):
            folder.mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "run", self.script)
        for name in ("bash", "cat", "dirname"):
            found = shutil.which(name)
            assert found is not None, f"{name} is not installed"
            (self.bin / name).symlink_to(found)
        self._install(self.python, PYTHON)
        for name in ("go", "chromium", "docker", "dockerd", "debootstrap", "git"):
            self.replace(name, "exit 0")
        self.replace("docker", '[ "$1" != info ]')
        self.replace("id", "echo 0")
        self.replace("uname", "echo Linux")
        self.replace("make", MAKE)
        self.replace("timeout", TIMEOUT)
        self._paths["built"].touch()
        self.end_with(0)

    def replace(self, name: str, body: str) -> None:
        """Let a program do something else."""
        self._install(self.bin / name, body)

    def remove(self, name: str) -> None:
        """Let a program not be installed, as no other can be."""
        (self.bin / name).unlink()

    def end_with(self, status: int) -> None:
        """Let the engine, or its command, end with *status*."""
        self._paths["ending"].write_text(str(status))

    def forget_the_node(self) -> None:
        """Let no node be built yet."""
        self._paths["built"].unlink()

    def let_it_be_late(self) -> None:
        """Let the time be up before the scenarios have ended."""
        self._paths["late"].touch()

    def run(self, **variables: str) -> tuple[int, list[str], list[str]]:
        """Run it; return the exit status, what was run on a node, and what was said to be left out, each twice."""
        done = subprocess.run(
            ["bash", self.script],
            env={"PATH": str(self.bin), **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        asked = self._paths["log"].read_text().splitlines()
        left_out = [line for line in done.stderr.splitlines() if line.startswith("LEFT OUT: ")]
        return done.returncode, [line for line in asked if "e2e" in line], left_out

    def _install(self, program: Path, body: str) -> None:
        program.write_text(f"#!{self.bin / 'bash'}\n{body.format(**self._paths)}\n")
        program.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A clone on a machine where all is there."""
    return Checkout(tmp_path)


def test_scenarios_are_run_where_all_is_there(checkout: Checkout) -> None:
    """They run by default, and nothing is left out."""
    assert checkout.run() == (0, [BUILD, RUN], [])


def test_scenario_that_fails_is_a_failure(checkout: Checkout) -> None:
    """So is a node that cannot be built."""
    checkout.end_with(2)
    status, _, left_out = checkout.run()
    assert (status, left_out) == (2, [])
    checkout.replace("make", f'{MAKE}\n[ "$1" != e2e-binaries ]')
    status, _, left_out = checkout.run()
    assert (status, left_out) == (1, [])


def test_an_engine_that_cannot_be_started_is_reported_immediately_and_at_the_end(checkout: Checkout) -> None:
    """It is no failure: the machine is the reason."""
    checkout.end_with(engine.NO_ENGINE)
    said = "LEFT OUT: make e2e, since no container engine can be started here"
    assert checkout.run() == (0, [BUILD, RUN], [said, said])


def test_time_that_is_up_is_said(checkout: Checkout) -> None:
    """Nothing has failed until then, since the first failure ends the scenarios."""
    checkout.let_it_be_late()
    said = "LEFT OUT: the rest of make e2e, since it had not ended after 60 minutes (BUDGET_MINUTES)"
    assert checkout.run() == (0, [BUILD], [said, said])


@pytest.mark.parametrize(("minutes", "begun"), [("6", []), ("9", [BUILD, RUN])])
def test_scenarios_are_begun_when_they_can_be_expected_to_end(
    checkout: Checkout, minutes: str, begun: list[str]
) -> None:
    """By what they take on an ordinary machine, and by how slow this one is."""
    status, asked, left_out = checkout.run(BUDGET_MINUTES=minutes)
    assert (status, asked) == (0, begun)
    reason = f"since too little is left of {minutes} minutes (BUDGET_MINUTES)"
    assert left_out == ([] if begun else [f"LEFT OUT: make e2e, {reason}"] * 2)


def test_node_is_built_only_when_there_is_time_for_that(checkout: Checkout) -> None:
    """A machine that has none would otherwise build for minutes, and have none left for the scenarios."""
    checkout.forget_the_node()
    status, asked, left_out = checkout.run(BUDGET_MINUTES="9")
    assert (status, asked) == (0, [])
    reason = "since too little is left of 9 minutes (BUDGET_MINUTES) to build a node, once on a machine"
    assert left_out == [f"LEFT OUT: make e2e, {reason}"] * 2
    assert checkout.run() == (0, [BUILD, RUN], [])


def test_machine_without_what_it_takes_is_said(checkout: Checkout) -> None:
    """Nothing is built where it could not be used: debootstrap, dockerd, a previous commit or root is missing."""
    reasons = []

    def look(**variables: str) -> None:
        status, asked, left_out = checkout.run(**variables)
        assert (status, asked) == (0, [])
        assert left_out == [left_out[0]] * 2
        reasons.append(left_out[0].removeprefix("LEFT OUT: make e2e, since "))

    checkout.remove("debootstrap")
    look()
    checkout.remove("dockerd")
    look()
    checkout.replace("git", "exit 1")
    look()
    checkout.replace("id", "echo 1000")
    look()
    look(SERVICETOKENS_CI_E2E="no")
    assert reasons == [
        "debootstrap cannot be installed, which makes the images",
        "no container engine answers, and Debian's docker.io cannot be installed",
        "this clone lacks the previous commit, which is upgraded (git fetch --deepen=1)",
        "it needs root on Linux",
        "it is not wanted (SERVICETOKENS_CI_E2E=no)",
    ]

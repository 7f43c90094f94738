"""An operator over a fake cluster, and what it logs."""

import logging
from collections.abc import Callable

import pytest

from common.drivers.reconciling import Operator


@pytest.fixture
def it() -> Operator:
    """A token that was just applied."""
    return Operator()


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What was logged: printed, or passed to `logging` once another test has configured logs as a process does."""
    caplog.set_level(logging.INFO)
    return lambda: capsys.readouterr().out + caplog.text

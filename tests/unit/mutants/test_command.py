"""The command line of `make mutants`."""

import pytest

from mutants.__main__ import main


def test_a_word_that_no_mutant_has_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It is an error, and not a run of every test without a mutant."""
    with pytest.raises(SystemExit) as raised:
        main(["there is no such word"])
    assert raised.value.code == 2
    assert "contains 'there is no such word'" in capsys.readouterr().err

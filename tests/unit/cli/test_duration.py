"""How long to wait, as people type it."""

import click
import pytest

from servicetokens.cli.duration import Timeout


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3s", 3),
        ("2m", 120),
        ("1m30s", 90),
        ("1h", 3600),
        ("30", 30),
        ("0.5", 0.5),
        ("1.5s", 1.5),
        ("0", 0),
        ("61.49999999999999", 61.49999999999999),
    ],
)
def test_a_time_is_taken_as_kubectl_takes_it(text: str, seconds: float) -> None:
    """With units, or as a number of seconds alone."""
    assert Timeout().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "3x", "-1", "nan", "inf", "1e9", "s", "1 s", "9" * 400, "1s2m"])
def test_an_invalid_time_is_rejected(text: str) -> None:
    """A time-out that never comes would be worse than none."""
    with pytest.raises(click.BadParameter, match="is no time, as in 30s"):
        Timeout().convert(text, None, None)

"""What the search costs: people wait for its answer."""

import base64
import hashlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from servicetokens.cli.leaks import encodings, finder, lines, text


@pytest.mark.parametrize(
    "digest",
    [
        lambda data: base64.b64encode(data.digest()),
        lambda data: data.hexdigest().encode(),
        lambda data: data.hexdigest().upper().encode(),
    ],
    ids=["base64", "hexadecimal", "capital letters"],
)
def test_digests_are_not_decoded_again_and_again(digest: Callable[[Any], bytes]) -> None:
    """A lock file and the log of a registry are full of them: their padding is no quoted-printable."""
    data = b"".join(
        b"pulled registry.example.com/a/b sha512-%b in 3 ms\n" % digest(hashlib.sha512(b"%d" % number))
        for number in range(200)
    )
    runs = [*text.runs(data), *lines.columns(data)]
    assert len(runs) >= 200
    assert [decoded for run in runs for decoded, _ in encodings.of_run(run) if len(decoded) > 70] == []


@pytest.mark.parametrize(
    "unit",
    [
        "a6-",
        "a6",
        "a6 ",
        "73,",
        "=\n",
        "==\n",
        "\\u00",
        "%4",
        "&#",
        "<~!",
        "<a>",
        "a_0123456789AB_",
        '"0":',
        "x9$(",
        "=?",
    ],
)
def test_a_pattern_that_is_repeated_costs_no_more_than_its_length(unit: str) -> None:
    """Whatever stands behind it: eight times the data takes eight times as long, and not sixty-four times."""
    few, many = (
        min(_seconds(unit.encode() * (size // len(unit)) + b"zz") for _ in range(2))
        for size in (4_000, 32_000)
    )
    assert many < 24 * few + 0.05, (few, many)


def _seconds(data: bytes) -> float:
    """Return how much of one processor the search of *data* takes."""
    began = time.process_time()
    finder.find(data)
    return time.process_time() - began

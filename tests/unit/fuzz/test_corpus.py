"""The seeds of the fuzzer hold, and what Hypothesis makes of them does, too."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.__main__ import CORPUS
from fuzz.targets import HANDLERS, TARGETS, exchange

SEEDS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())

# What requests are made of; Hypothesis combines them in unusual ways.
PIECES = st.sampled_from(
    [
        *(
            b"GET ",
            b"POST ",
            b"HEAD ",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"/validate",
            b"/introspect",
            b"/",
        ),
        *(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b" HTTP/9.9\r\n", b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t"),
        *(b"Host: x\r\n", b"Content-Length: 4\r\n", b"Content-Length: 99999999999999999999\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Connection: upgrade\r\n"),
        *(b"Upgrade: websocket\r\n", b"Expect: 100-continue\r\n", b"4\r\nwxyz\r\n", b"0\r\n\r\n", b"f" * 20),
        *(b"Authorization: Bearer x\r\n", b"Authorization: Basic eDp4\r\n", b"X-Forwarded-Uri: /\r\n"),
        *(b"Content-Type: application/x-www-form-urlencoded\r\n", b"token=x", b'{"spec":', b"}"),
    ]
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed.parent.name}/{seed.name}")
def test_every_seed_holds(seed: Path) -> None:
    """Each was found, or thought of, because it is near something."""
    TARGETS[seed.parent.name](seed.read_bytes())


def test_every_target_has_seeds() -> None:
    """A target without seeds would not be run."""
    assert {seed.parent.name for seed in SEEDS} == set(TARGETS)


@given(
    parts=st.lists(PIECES | st.binary(max_size=8), max_size=25),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_where_the_network_cuts_changes_no_answer(parts: list[bytes], cuts: list[int]) -> None:
    """Whatever is sent: the same bytes give the same answers, never a defect, never a yes."""
    data = b"".join(parts)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[begin:end] for begin, end in pairwise(edges)]
    for handler in HANDLERS.values():
        whole, foreign = exchange(handler, [data])
        cut, also = exchange(handler, pieces)
        assert cut == whole or foreign or also
        assert b"true" not in whole + cut


@given(data=st.binary(max_size=300))
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_any_bytes_hold(target: str, data: bytes) -> None:
    """For every target."""
    TARGETS[target](data)

"""How long `kubectl servicetoken leaked` searches a large log without a token: people wait for the all-clear."""

import json
import random
import time
import zlib
from typing import Final

from bench.report import Section
from servicetokens.cli.leaks import finder

# Of one processor: so that a person still waits for the answer.
_GOAL: Final = 30.0
_LINES: Final = 20_000

METHOD: Final = """\
An access log and a JSON log without a token, searched in memory with all decoding; seconds of one processor, and the
same in units of `zlib.compress(data, 1)` of the same data in the same run.
"""


def measure(megabytes: int) -> Section:
    """Search both kinds of log once, with *megabytes* each."""
    section = Section("Finding leaks", METHOD)
    draw = random.Random(1)
    for name, lines in (
        ("access log", [_access(draw) for _ in range(_LINES)]),
        ("JSON log", [_json(draw) for _ in range(_LINES)]),
    ):
        block = "".join(lines).encode()
        size = megabytes * 10**6
        data = (block * (size // len(block) + 1))[:size]
        began = time.process_time()
        report = finder.find(data)
        searched = time.process_time() - began
        if report.sightings or report.unread:
            message = f"something was found in a log without a token: {report}"
            raise AssertionError(message)
        began = time.process_time()
        zlib.compress(data, 1)
        compressed = time.process_time() - began
        section.add(
            f"{megabytes} MB of {name}", f"{searched:.1f} s", f"<= {_GOAL:.0f} s", met=searched <= _GOAL
        )
        section.add(f"{name}, in units of zlib", f"{searched / compressed:.1f} x")
    return section


def _access(draw: random.Random) -> str:
    return (
        f"10.0.{draw.randrange(256)}.{draw.randrange(256)} - - [30/Nov/2026:10:29:{draw.randrange(60):02d} +0000] "
        f'"GET /orders/{draw.randrange(10**6)}?q=a%20b&page={draw.randrange(99)} HTTP/1.1" '
        f'200 {draw.randrange(10**5)} "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"\n'
    )


def _json(draw: random.Random) -> str:
    event = {
        "ts": "2026-11-30T10:29:00.123456Z",
        "event": "request done",
        "trace": f"{draw.getrandbits(128):032x}",
        "digest": f"{draw.getrandbits(256):064x}",
        "error": 'Traceback:\n  File "x.py", line 1\n',
    }
    return json.dumps(event, separators=(",", ":")) + "\n"

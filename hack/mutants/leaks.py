"""Mistakes in the search for leaked tokens: an all-clear that is false."""

from typing import Final

from mutants.mutant import Mutant

_ENCODINGS: Final = "cli/leaks/encodings.py"
_FINDER: Final = "cli/leaks/finder.py"
_PACKING: Final = "cli/leaks/packing.py"
_TESTS: Final = ("tests/unit/cli/leaks",)

MUTANTS: Final = (
    Mutant(
        "searches base64 at one alignment",
        _ENCODINGS,
        "for shift in range(4):",
        "for shift in range(1):",
        _TESTS,
    ),
    Mutant(
        "does not search across line breaks",
        _ENCODINGS,
        "text.translate(None, _BREAK_SIGNS)",
        "text",
        _TESTS,
    ),
    Mutant("takes two layers off", _FINDER, "LAYERS: Final = 3", "LAYERS: Final = 2", _TESTS),
    Mutant(
        "passes over data that unpacks to too much",
        _PACKING,
        "out.getvalue(), TOO_MUCH)",
        'out.getvalue(), "")',
        _TESTS,
    ),
    Mutant(
        "passes over an encrypted file",
        _PACKING,
        'out.getvalue(), "encrypted")',
        "out.getvalue())",
        _TESTS,
    ),
)

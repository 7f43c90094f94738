"""Mistakes in the search for leaked tokens: an all-clear that is false."""

from typing import Final

from mutants.mutant import Mutant

_ENCODINGS: Final = "cli/leaks/encodings.py"
_TEXT: Final = "cli/leaks/text.py"
_LINES: Final = "cli/leaks/lines.py"
_NUMBERS: Final = "cli/leaks/numbers.py"
_UNREAD: Final = "cli/leaks/unread.py"
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
        _TEXT,
        "Run(text, text.translate(None, BREAK_SIGNS), ",
        "Run(text, text, ",
        _TESTS,
    ),
    Mutant(
        "passes over a token directly behind which another value begins",
        _TEXT,
        'pattern_of("").encode())',
        'pattern_of("").encode() + rb"(?![0-9A-Za-z])")',
        _TESTS,
    ),
    Mutant(
        "passes over a token in two strings on one line",
        _LINES,
        "if len(rest := _close_behind(data, match.end(), missing)) == missing:",
        "if False:",
        _TESTS,
    ),
    Mutant("takes three layers off", _FINDER, "LAYERS: Final = 8", "LAYERS: Final = 3", _TESTS),
    Mutant(
        "takes the longest words of lines only, and not those of the same number",
        _LINES,
        "            yield from _runs(data, spans)\n            done",
        "            done",
        _TESTS,
    ),
    Mutant("does not drop the mark of a diff", _LINES, '_MARKS: Final = b"+-', '_MARKS: Final = b"', _TESTS),
    Mutant(
        "does not look for a token that a line break broke in two",
        _LINES,
        "for match in _HEAD.finditer(data):",
        "for match in ():",
        _TESTS,
    ),
    Mutant("takes each dump for one of bytes", _NUMBERS, "_unhex(group)[::-1]", "_unhex(group)", _TESTS),
    Mutant("reads no decimal numbers", _NUMBERS, "    (_is_decimal, _decimal),\n", "", _TESTS),
    Mutant(
        "takes an archive for damaged when its digits can be read in another base, too",
        _FINDER,
        "self._whole.setdefault(head, set()).add(place)",
        "self._whole.setdefault(head, set())",
        _TESTS,
    ),
    Mutant(
        "never names an archive that was written down and is damaged",
        _FINDER,
        "self._damaged.append((place, head, self._unread))",
        "pass",
        _TESTS,
    ),
    Mutant(
        "does not put together what a terminal broke",
        _ENCODINGS,
        "        terminal.unfolded(data),\n",
        "",
        _TESTS,
    ),
    Mutant(
        "passes over what looks random",
        _UNREAD,
        "return len(zlib.compress(block, 6)) >",
        "return 0 >",
        _TESTS,
    ),
    Mutant(
        "takes checksums for encrypted data",
        _UNREAD,
        "_LEAST_BASE64: Final = 4096",
        "_LEAST_BASE64: Final = 8",
        _TESTS,
    ),
    Mutant(
        "passes over encrypted text below other text",
        _UNREAD,
        "if sign in data and pattern.search(data):",
        "if data.startswith(sign) and pattern.search(data):",
        _TESTS,
    ),
    Mutant(
        "takes all data with the same beginning for the same",
        _FINDER,
        "key = len(document.data), hash(document.data)",
        "key = 0, hash(document.data[:100])",
        _TESTS,
    ),
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
    Mutant(
        "knows base32 in capital letters only",
        _ENCODINGS,
        "|[a-z2-7]{%d,}+",
        "|[a-z2-7]{99999%d,}+",
        _TESTS,
    ),
    Mutant(
        "does not know base85",
        _ENCODINGS,
        "        base85.decoded(data),\n",
        "",
        _TESTS,
    ),
    Mutant(
        "looks for the signs of base85 at the beginning of a word only",
        "cli/leaks/base85.py",
        "for at in range(0, len(word), _LOOKED_AT)",
        "for at in (0,)",
        _TESTS,
    ),
    Mutant(
        "does not try whether data without a header is compressed",
        _PACKING,
        "        or list(_headerless(data, budget))\n",
        "",
        _TESTS,
    ),
    Mutant(
        "passes over compressed data without a header that unpacks to too much",
        _PACKING,
        "part if part.problem == TOO_MUCH else replace",
        "replace",
        _TESTS,
    ),
    Mutant(
        "decodes the padding of each digest as quoted-printable",
        "cli/leaks/escapes.py",
        "_quoted, _unquoted, _QUOTED_PROOF)",
        "_quoted, _unquoted)",
        _TESTS,
    ),
    Mutant(
        "reads a list of pairs that ends with a hyphen again from each of its bytes",
        _NUMBERS,
        "[-_.;]){%d,}+(?:[0-9A-Fa-f]{2})?+",
        "[-_.;]){%d,}+[0-9A-Fa-f]{2}",
        _TESTS,
    ),
    Mutant(
        "does not know base32hex",
        _ENCODINGS,
        "for match in _BASE32HEX.finditer(run.joined)",
        "for match in ()",
        _TESTS,
    ),
)

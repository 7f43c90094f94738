"""Find every token in some data, also where it was encoded or packed up to three times.

    data ─┬─ plain text                                    → tokens (the checksum decides)
          ├─ normalized: no NUL bytes, no colour codes     → tokens; no layer of its own
          ├─ gzip, bzip2, xz, zip           (packing.py) ─┐
          ├─ hexadecimal and hex dumps     (encodings.py) ├→ decoded data, one layer deeper: begin again
          └─ runs without spaces that could hold a token ─┘
               ├─ joined over line breaks                  → tokens; no layer of its own
               └─ percent, backslash, HTML and quoted-printable escapes; base64 at each alignment

Only what has the right checksum is a token; the rest of what looks like one is not worth a report.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from servicetokens.cli.leaks import encodings, packing
from servicetokens.cli.leaks.encodings import Decoded, Origin, Run
from servicetokens.cli.leaks.packing import Budget
from servicetokens.tokens.format import MalformedToken, Token, parse_any

LAYERS: Final = 3
"""How many encodings may lie on top of each other: a compressed log in the data of a Secret in a JSON dump."""

INPUT_BYTES: Final = 128 * 1024 * 1024
"""How much is read: it is held in memory up to three times, and a few hundred megabytes fit everywhere."""

DECODED_BYTES: Final = 3 * INPUT_BYTES
"""How much all decoding together may read from archives and produce.

What a small file can be blown up to (a "zip bomb") has no bound, nor how often something in it looks like an archive.
"""

# From PREFIX_PATTERN. Where a prefix begins cannot be seen: in a URL it follows `%20`, in an escaped text `\\n`.
_PREFIX_LENGTHS: Final = range(2, 11)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a token was seen: the line (from 1), and the file when it was in an archive."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else str(self.line)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A token, and the places where it was seen, in their order."""

    token: Token
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The tokens in the data, and what of the data could not be read, a phrase for each part."""

    sightings: tuple[Sighting, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Document:
    """Some data, how many layers may still be taken off, and where its bytes come from."""

    data: bytes
    layers: int
    place: Callable[[int], Place]


def find(data: bytes, most: int = INPUT_BYTES) -> Report:
    """Return each token in the first *most* bytes of *data* once, in their order, and what could not be read."""
    search = _Search(Budget(DECODED_BYTES))
    whole = data[:most]
    if len(data) > most:
        search.note(f"everything after the first {most // 2**20} MiB")
    search.examine(_Document(whole, LAYERS, _places_in(whole)))
    return search.report()


class _Search:
    """One search: what was found, what could not be read, and what may still be decoded."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._seen: dict[Token, set[Place]] = {}
        self._unread: dict[str, None] = {}
        # The same data may be reached by way of a decoding that only seemed to fit, one layer deeper.
        self._unpacked: set[bytes] = set()
        self._too_deep: set[bytes] = set()

    def report(self) -> Report:
        """Return what was found."""
        if self._too_deep - self._unpacked:
            self.note(packing.TOO_DEEP)
        found = [Sighting(token, tuple(sorted(places))) for token, places in self._seen.items()]
        found.sort(key=lambda sighting: sighting.places[0])
        return Report(tuple(found), tuple(self._unread))

    def note(self, part: str) -> None:
        """Remember that *part* could not be read."""
        self._unread[part] = None

    def examine(self, document: _Document) -> None:
        """Find the tokens in *document* and in all that is encoded or packed in it."""
        for normal in encodings.normalized(document.data):
            # Behind what was decoded there may be anything: text that only looked encoded.
            self._look(normal, document.place, whole=document.layers == LAYERS)
            if document.layers:
                self._decode(_Document(normal, document.layers, document.place))
            else:
                for run in encodings.runs(normal):
                    self._look_across_lines(run, document)
        self._unpack(document)

    def _decode(self, document: _Document) -> None:
        data = document.data
        for decoded in chain(
            encodings.hexadecimal(data), encodings.unquoted(data), encodings.spaced_strings(data)
        ):
            self._deeper(decoded, document)
        for run in encodings.runs(data):
            self._look_across_lines(run, document)
            for decoded in chain(encodings.unescaped(run), encodings.base64_decoded(run)):
                self._deeper(decoded, document)

    def _unpack(self, document: _Document) -> None:
        """Unpack *document* when it is an archive, and the archives that begin anywhere in it."""
        file = document.place(0).file
        if kind := packing.unreadable(document.data):
            self.note(f"{file}: {kind}" if file else kind)
        if packing.is_packed(document.data):
            (self._unpacked if document.layers else self._too_deep).add(document.data)
        if not document.layers:
            return
        for part in packing.unpack(document.data, self._budget):
            if part.problem:
                self.note(f"{part.name}: {part.problem}" if part.name else part.problem)
            if part.data:
                origin = (
                    _places_in(part.data, part.name or file) if part.start == 0 else _at(document, part.start)
                )
                self.examine(_Document(part.data, document.layers - 1, origin))

    def _deeper(self, decoded: Decoded, document: _Document) -> None:
        data, origin = decoded
        if not self._budget.spend(len(data)):
            self.note(packing.TOO_MUCH)
            return
        self.examine(_Document(data, document.layers - 1, _via(document, origin)))

    def _look_across_lines(self, run: Run, document: _Document) -> None:
        if run.joined != run.text:
            self._look(run.joined, _via(document, run.origin), whole=False)

    def _look(self, text: bytes, place: Callable[[int], Place], *, whole: bool) -> None:
        for position, token in _tokens(text, whole=whole):
            self._seen.setdefault(token, set()).add(place(position))


def _tokens(text: bytes, *, whole: bool) -> Iterator[tuple[int, Token]]:
    """Yield each token in *text*; with *whole* none that goes on behind its checksum.

    Where lines were joined, the text of the next line follows a token.
    """
    for match in (encodings.WHOLE_TOKEN if whole else encodings.TOKEN).finditer(text):
        for length in _PREFIX_LENGTHS:
            start = max(0, match.start() - length)
            try:
                yield start, parse_any(text[start : match.end()].decode("latin-1"))
            except MalformedToken:
                continue


def _places_in(data: bytes, file: str = "") -> Callable[[int], Place]:
    """Return what tells the line of a position in *data*. Lines are counted when the first is asked for."""
    breaks: list[int] | None = None

    def place(position: int) -> Place:
        nonlocal breaks
        if breaks is None:
            breaks = encodings.line_breaks(data)
        return Place(file, bisect_right(breaks, position - 1) + 1)

    return place


def _via(document: _Document, origin: Origin) -> Callable[[int], Place]:
    """Return the place in *document* of a position in what was decoded from it."""
    return lambda position: document.place(origin(position))


def _at(document: _Document, start: int) -> Callable[[int], Place]:
    """Return one place in *document* for all positions: what was packed has no lines of it."""
    return lambda _position: document.place(start)

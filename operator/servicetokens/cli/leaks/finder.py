"""Find every token in some data, also where it was encoded or packed up to eight times.

    data ─┬─ plain text                                        → tokens (the checksum decides)
          ├─ normalized: no NUL bytes, colour codes, tags      → tokens; no layer of its own
          ├─ broken in two by a line break and a prefix        → tokens; no layer of its own
          ├─ gzip, bzip2, xz, zip, tar (packing, containers) ─┐
          ├─ numbers, mail encodings  (numbers, escapes)      ├→ decoded data, one layer deeper: begin again
          ├─ lines that a terminal broke  (terminal)          │
          └─ runs without spaces that could hold a token     ─┘
               ├─ joined over line breaks and prefixes (lines) → tokens; no layer of its own
               └─ percent, backslash, HTML and quoted-printable escapes; base64 at each alignment; hexadecimal

Only what has the right checksum is a token; the rest of what looks like one is not worth a report. What none of these
can decode is named (unread).
"""

import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from servicetokens.cli.leaks import containers, encodings, lines, packing, text, unread
from servicetokens.cli.leaks.packing import Budget, Part
from servicetokens.cli.leaks.positions import Decoded, Origin
from servicetokens.cli.leaks.text import Run
from servicetokens.tokens.format import MalformedToken, Token, parse_any

LAYERS: Final = 8
"""How many encodings may lie on top of each other.

A token in a Secret in a Helm release in a backup has six: base64, JSON, gzip, base64, base64, gzip.
"""

INPUT_BYTES: Final = 128 * 1024 * 1024
"""How much is read: it is held in memory up to three times, and a few hundred megabytes fit everywhere."""

DECODED_BYTES: Final = 3 * INPUT_BYTES
"""How much all decoding together may read from archives and produce.

What a small file can be blown up to (a "zip bomb") has no bound, nor how often something in it looks like an archive.
"""

# By so many bytes two readings of the same digits are known to begin alike: the header and the checksum of bzip2.
_HEAD_BYTES: Final = 12
# So many lines apart they may begin: with the numbers in a line before, or without.
_NEAR: Final = 5

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
    """The tokens in the data, and what of the data could not be read, a phrase for each part.

    *media* is how many pictures, films, sounds and fonts were inside: they were searched for text, not looked at.
    """

    sightings: tuple[Sighting, ...]
    unread: tuple[str, ...]
    media: int = 0


@dataclass(frozen=True, slots=True)
class _Document:
    """Some data, how many layers may still be taken off, where its bytes come from, and from which file of an archive.

    *is_file* says that it is one file, from its first to its last byte, and no part of a text that looked encoded.
    """

    data: bytes
    layers: int
    place: Callable[[int], Place]
    file: str = ""
    is_file: bool = False


def find(data: bytes, most: int = INPUT_BYTES) -> Report:
    """Return each token in the first *most* bytes of *data* once, in their order, and what could not be read."""
    search = _Search(Budget(DECODED_BYTES))
    whole = data[:most]
    if len(data) > most:
        search.note(f"everything after the first {most // 2**20} MiB")
    search.examine(_Document(whole, LAYERS, _places_in(whole), is_file=True))
    return search.report()


class _Search:
    """One search: what was found, what could not be read, and what may still be decoded."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._seen: dict[Token, set[Place]] = {}
        self._sightings = 0
        self._unread: dict[str, None] = {}
        self._media: set[int] = set()
        # Different decodings lead to the same data: text on one line and on several. Without a token in it, one look is
        # enough. What is remembered is the hash, which differs between processes of Python, the layers left, and what
        # could not be read.
        self._fruitless: dict[tuple[int, int], tuple[int, dict[str, None]]] = {}
        # The same digits can be read as octal and as decimal numbers, or with an offset taken for one of them: then the
        # beginning of an archive is right and the rest is not. Such damage is named unless the same was unpacked whole.
        self._damaged: list[tuple[Place, bytes, dict[str, None]]] = []
        self._whole: dict[bytes, set[Place]] = {}
        # The same data may be reached by way of a decoding that only seemed to fit, one layer deeper.
        self._unpacked: set[bytes] = set()
        self._too_deep: set[bytes] = set()

    def report(self) -> Report:
        """Return what was found."""
        for place, head, notes in self._damaged:
            if not any(
                place.file == whole.file and abs(place.line - whole.line) <= _NEAR
                for whole in self._whole.get(head, ())
            ):
                self._unread |= notes
        if self._too_deep - self._unpacked:
            self.note(packing.TOO_DEEP)
        found = [Sighting(token, tuple(sorted(places))) for token, places in self._seen.items()]
        found.sort(key=lambda sighting: sighting.places[0])
        return Report(tuple(found), tuple(self._unread), len(self._media))

    def note(self, part: str) -> None:
        """Remember that *part* could not be read."""
        self._unread[part] = None

    def examine(self, document: _Document) -> None:
        """Find the tokens in *document* and in all that is encoded or packed in it."""
        key = len(document.data), hash(document.data)
        layers, notes = self._fruitless.get(key, (-1, {}))
        if layers >= document.layers:
            self._unread |= notes
            return
        before, unread_before = self._sightings, self._unread
        self._unread = {}
        parts = list(self._parts(document))
        # What is in the files of an archive is found there, with their names.
        is_archive = containers.is_tar(document.data) and not any(part.problem for part in parts)
        for normal in text.normalized(document.data):
            self._look(normal, document.place)
            for start, broken, first in lines.broken_tokens(normal):
                self._look(broken, _from(document, start), before=first)
            if not is_archive:
                self._decode(replace(document, data=normal))
        self._open(document, parts)
        self._name_unread(document, parts)
        if self._sightings == before:
            self._fruitless[key] = document.layers, self._unread
        self._unread = unread_before | self._unread

    def _decode(self, document: _Document) -> None:
        data = document.data
        if document.layers:
            for decoded in encodings.of_texts(data):
                self._deeper(decoded, document)
        for run in text.runs(data):
            self._decode_run(run, document)
            if document.is_file and encodings.opaque(run):
                self.note(_named(document, f"base64 of {unread.OPAQUE}"))
        for run in lines.columns(data):
            self._decode_run(run, document)

    def _decode_run(self, run: Run, document: _Document) -> None:
        if run.joined != run.text:
            self._look(run.joined, _via(document, run.origin))
        if document.layers:
            for decoded in encodings.of_run(run):
                self._deeper(decoded, document)

    def _parts(self, document: _Document) -> Iterator[Part]:
        """Yield the parts of *document* when it is an archive, and the archives that begin anywhere in it."""
        if packing.is_packed(document.data):
            (self._unpacked if document.layers else self._too_deep).add(document.data)
        if not document.layers:
            return
        if containers.is_tar(document.data):
            yield from containers.files(document.data, self._budget)
        else:
            yield from packing.unpack(document.data, self._budget)

    def _open(self, document: _Document, parts: list[Part]) -> None:
        for part in parts:
            if document.is_file:
                self._open_part(document, part)
                continue
            head = document.data[part.start : part.start + _HEAD_BYTES]
            place = document.place(part.start)
            if not part.problem:
                self._whole.setdefault(head, set()).add(place)
                self._open_part(document, part)
            else:
                before, self._unread = self._unread, {}
                self._open_part(document, part)
                self._damaged.append((place, head, self._unread))
                self._unread = before

    def _open_part(self, document: _Document, part: Part) -> None:
        if part.problem:
            self.note(f"{part.name}: {part.problem}" if part.name else part.problem)
        if part.data:
            is_file = bool(part.name) or part.start == 0
            file = part.name or document.file
            origin = _places_in(part.data, file) if is_file else _at(document, part.start)
            self.examine(_Document(part.data, document.layers - 1, origin, file, is_file=True))

    def _name_unread(self, document: _Document, parts: list[Part]) -> None:
        """Remember what of *document* no decoder understands."""
        data = document.data
        if packing.is_packed(data) or containers.is_tar(data):
            # Its parts are named.
            return
        kind = unread.kind_of(data, is_file=document.is_file)
        if unread.is_media(kind) and document.layers < LAYERS:
            self._media.add(hash(data))
            return
        kinds = {kind} if kind else set(unread.kinds_inside(data))
        if not kinds and document.is_file:
            least = unread.LEAST_ALONE if document.layers == LAYERS else unread.LEAST
            known = [(part.start, part.start + part.size if part.size else len(data)) for part in parts]
            if unread.is_opaque(data, known, least):
                kinds.add(unread.OPAQUE)
        for name in kinds:
            self.note(_named(document, name))

    def _deeper(self, decoded: Decoded, document: _Document) -> None:
        data, origin = decoded
        if not self._budget.spend(len(data)):
            self.note(packing.TOO_MUCH)
            return
        self.examine(_Document(data, document.layers - 1, _via(document, origin), document.file))

    def _look(self, data: bytes, place: Callable[[int], Place], *, before: int = sys.maxsize) -> None:
        """Remember the tokens in *data* that begin before the position *before*."""
        for position, token in _tokens(data):
            if position < before:
                self._sightings += 1
                self._seen.setdefault(token, set()).add(place(position))


def _tokens(data: bytes) -> Iterator[tuple[int, Token]]:
    """Yield each token in *data*, whatever follows its checksum.

    In databases and programs, the next value begins directly behind it, and so does the next line where lines were
    joined.
    """
    for match in text.TOKEN.finditer(data):
        for length in _PREFIX_LENGTHS:
            start = max(0, match.start() - length)
            try:
                yield start, parse_any(data[start : match.end()].decode("latin-1"))
            except MalformedToken:
                continue


def _named(document: _Document, kind: str) -> str:
    return f"{document.file}: {kind}" if document.file else kind


def _places_in(data: bytes, file: str = "") -> Callable[[int], Place]:
    """Return what tells the line of a position in *data*. Lines are counted at the first call."""
    breaks: list[int] | None = None

    def place(position: int) -> Place:
        nonlocal breaks
        if breaks is None:
            breaks = text.line_breaks(data)
        return Place(file, bisect_right(breaks, position - 1) + 1)

    return place


def _via(document: _Document, origin: Origin) -> Callable[[int], Place]:
    """Return the place in *document* of a position in what was decoded from it."""
    return lambda position: document.place(origin(position))


def _from(document: _Document, start: int) -> Callable[[int], Place]:
    """Return the place in *document* of a position in what begins at *start*."""
    return lambda position: document.place(start + position)


def _at(document: _Document, start: int) -> Callable[[int], Place]:
    """Return one place in *document* for all positions: what was packed has no lines of it."""
    return lambda _position: document.place(start)
